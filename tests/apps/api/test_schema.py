"""The API keeps what its OpenAPI document promises, for requests that nobody thought of."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

pytestmark = pytest.mark.slow  # every answer of the API, many times over

EXAMPLES = 20


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
@pytest.mark.parametrize(
    "path",
    [
        "/in-need",
        "/mastery",
        "/mastery/{student_id}",
        "/mastery/{student_id}/{topic_id}/answers",
        "/mastery/{student_id}/{topic_id}/history",
        "/mastery/{student_id}/{topic_id}/items",
        "/healthz",
        "/readyz",
        "/v1/events",
    ],
)
def test_every_answer_is_as_the_document_says(url, path, mode):
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path]["POST" if path == "/v1/events" else "GET"]
    if mode is GenerationMode.NEGATIVE and not path.startswith(("/mastery", "/in-need", "/v1")):
        pytest.skip("takes nothing, so nothing can be wrong with it")

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def answers(case):
        # In a query everything is text: `topic_id=false` is meant as a wrong type, and is a topic like any other.
        # What must be refused is listed in test_problems.py.
        case.call_and_validate(excluded_checks=[negative_data_rejection])

    answers()
