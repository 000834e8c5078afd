"""What the API asks its reader for, and hands on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mastery.apps.api.events import PostedEvents
from mastery.apps.api.examples import ANSWERS, CLASS, HISTORY, IN_NEED, ITEMS, POSTED, STUDENT
from mastery.pipelines.queries.schemas import (
    AnswersDocument,
    ClassDocument,
    HistoryDocument,
    InNeedDocument,
    ItemProbabilitiesDocument,
    StudentDocument,
)


def test_a_student_is_read_under_their_own_id_and_under_their_pseudonym_alike(client, reader):
    answers = [client.get(f"/mastery/{name}").json() for name in ("S000001", reader.known)]
    assert answers[0] == answers[1]
    assert answers[0]["student_id"] == reader.known
    assert "S000001" not in str(answers[0])


def test_everything_left_out_is_the_deployments_own_and_now(client, reader):
    assert client.get("/mastery/S000001").status_code == 200
    assert reader.requests == [{"tenant": "default", "as_of_us": 1_780_000_000_000_000, "source": None, "topics": None}]


def test_topics_moment_scorer_and_tenant_reach_the_reader(client, reader):
    reader.known = "s_" + "0" * 32
    client.get(
        f"/mastery/{reader.known}?topic_id=a&topic_id=b/c&as_of=2026-04-11&scorer=bkt&tenant=hill",
    )
    end_of_day = datetime(2026, 4, 11, 23, 59, 59, 999_999, UTC)
    expected_us = int(end_of_day.timestamp()) * 1_000_000 + 999_999
    assert reader.requests == [{"tenant": "hill", "as_of_us": expected_us, "source": "bkt", "topics": ["a", "b/c"]}]


def test_latest_is_the_newest_event(client, reader):
    client.get("/mastery/S000001?as_of=latest")
    assert reader.requests[0]["as_of_us"] == 1_775_000_000_000_000


@pytest.mark.parametrize("topic", ["frac-equiv", "a/b", "a b", "ü%"])
def test_a_history_is_read_for_any_topic_name(client, reader, topic):
    from urllib.parse import quote

    answer = client.get(f"/mastery/S000001/{quote(topic, safe='')}/history?scorer=elo")
    assert answer.status_code == 200
    assert answer.json()["topic_id"] == topic
    assert reader.requests == [{"topic_id": topic, "tenant": "default", "source": "elo"}]


def test_past_answers_are_read_as_of_a_moment(client, reader):
    answer = client.get("/mastery/S000001/a%2Fb/answers?as_of=latest")
    assert answer.status_code == 200
    assert reader.requests == [{"topic_id": "a/b", "tenant": "default", "as_of_us": 1_775_000_000_000_000}]
    assert client.get("/mastery/S000001/a/answers?scorer=bkt").status_code == 422


def test_probabilities_by_item_are_requested_for_all_items_or_for_some(client, reader):
    answer = client.get("/mastery/S000001/a%2Fb/items?item_id=q1&item_id=q2&as_of=latest")
    assert answer.status_code == 200
    assert answer.json()["items"][0]["p_correct"] == 0.81
    client.get("/mastery/S000001/a/items?as_of=latest")
    request = {"topic_id": "a/b", "tenant": "default", "as_of_us": 1_775_000_000_000_000, "items": ["q1", "q2"]}
    assert reader.requests == [request, request | {"topic_id": "a", "items": None}]


def test_a_page_of_a_class_is_read_and_not_cut_here(client, reader):
    assert client.get("/mastery?offset=10&limit=5&order=bucket&topic_id=a&scorer=bkt").json() == CLASS
    assert client.get("/mastery?student_id=S000001").status_code == 200
    left_out = {"topics": None, "offset": 0, "limit": 100, "student_id": None, "order": "lowest_mean", "source": None}
    assert reader.requests == [
        left_out | {"tenant": "default", "source": "bkt", "topics": ["a"], "offset": 10, "limit": 5, "order": "bucket"},
        left_out | {"tenant": "default", "student_id": reader.known},
    ]
    assert client.get("/mastery?order=alphabet").status_code == 422


def test_who_needs_help_first_is_read_of_as_many_students_as_are_wanted(client, reader):
    assert client.get("/in-need?limit=3&scorer=bkt").json() == IN_NEED
    assert client.get("/in-need").status_code == 200
    assert reader.requests == [
        {"tenant": "default", "source": "bkt", "limit": 3},
        {"tenant": "default", "source": None, "limit": 10},
    ]
    assert client.get("/in-need?limit=0").status_code == client.get("/in-need?topic_id=a").status_code == 422


def test_alive_asks_nobody_and_ready_asks_every_store(client, checks):
    assert client.get("/readyz").json() == {"status": "ready", "checks": {"lake": "ok", "state": "ok"}}

    def broken():
        raise OSError("disk /secret/path is gone")

    checks["lake"] = broken
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "lake" in answer.json()["detail"]
    assert "secret" not in answer.text


def test_no_answer_may_be_kept_by_a_cache(client):
    for path in ("/mastery", "/mastery/S000001", "/mastery/nobody"):
        assert client.get(path).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("example", "document"),
    [
        (STUDENT, StudentDocument),
        (HISTORY, HistoryDocument),
        (ANSWERS, AnswersDocument),
        (ITEMS, ItemProbabilitiesDocument),
        (CLASS, ClassDocument),
        (IN_NEED, InNeedDocument),
        (POSTED, PostedEvents),
    ],
)
def test_an_example_is_the_document_it_stands_for(example, document):
    assert document.model_validate(example).model_dump(mode="json") == example


def test_openapi_has_an_example_for_every_answer_about_scores(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/in-need",
        "/mastery",
        "/mastery/{student_id}",
        "/mastery/{student_id}/{topic_id}/answers",
        "/mastery/{student_id}/{topic_id}/history",
        "/mastery/{student_id}/{topic_id}/items",
        "/healthz",
        "/readyz",
        "/v1/events",
        "/v1/events/receipts/{receipt}",
    }
    for path, operations in paths.items():
        if path.startswith(("/mastery", "/in-need", "/v1")):
            (operation,) = operations.values()
            answers = operation["responses"]
            assert "example" in answers["200"]["content"]["application/json"]
            assert "example" in answers["422"]["content"]["application/problem+json"]
