"""The API keeps what its OpenAPI document promises, for requests that nobody thought of."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

EXAMPLES = 20


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
@pytest.mark.parametrize(
    "path", ["/mastery", "/mastery/{student_id}", "/mastery/{student_id}/{topic_id}/history", "/healthz", "/readyz"]
)
def test_every_answer_is_as_the_document_says(url, path, mode):
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path]["GET"]
    if mode is GenerationMode.NEGATIVE and not path.startswith("/mastery"):
        pytest.skip("takes nothing, so nothing can be wrong with it")

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def answers(case):
        case.call_and_validate()

    answers()
