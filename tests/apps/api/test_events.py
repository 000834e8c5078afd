"""POST /v1/events: what comes in is on the disk and in the scores when the answer comes."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from mastery.apps.api import events
from mastery.apps.api.app import create_app
from mastery.apps.api.body import MOST_BYTES
from mastery.errors import NotFound
from mastery.instants import instant
from mastery.pipelines.live.intake import Intake
from mastery.tables import EVENTS, INGESTS, REJECTED
from school import KEY, Deployment

AT = datetime(2026, 5, 4, 9, tzinfo=UTC)
NOW_US = int((AT + timedelta(days=1)).timestamp()) * 1_000_000


def answer(number: int = 0, student: str = "S1", **other: object) -> dict[str, object]:
    return {
        "student_id": student,
        "question_id": f"q{number % 7}",
        "topic_id": "algebra",
        "is_correct": True,
        "timestamp": (AT + timedelta(minutes=number)).isoformat(),
        "attempt_id": f"{student}-{number}",
    } | other


@pytest.fixture
def school(tmp_path):
    return Deployment.at(tmp_path / "home")


@pytest.fixture
def intake(school):
    made = Intake(
        school.lake,
        school.state,
        lambda: school.reader.metadata().model_set,
        KEY,
        tenant="default",
        door="http",
        now=lambda: instant(NOW_US),
    )
    yield made
    made.close()


@pytest.fixture
def app(school, intake):
    def of(tenant):
        if tenant != "default":
            raise NotFound(f"there are no events of tenant {tenant!r}; check its name, or ingest its files")
        return intake

    return create_app(lambda _tenant: school.reader, KEY, lambda: NOW_US, intakes=of)


def post(client, rows, query="", **headers):
    body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return client.post(f"/v1/events{query}", content=body, headers={"content-type": "application/json"} | headers)


def evidence(client, student="S1"):
    return client.get(f"/mastery/{student}").json()["topics"][0]["evidence_count"]


def counts(answer):
    found = answer.json()
    return [found[name] for name in ("read", "accepted", "revised", "duplicates")] + [len(found["rejected"])]


def test_the_next_question_about_the_student_has_what_was_posted(client):
    for number in range(5):
        assert counts(post(client, [answer(number)])) == [1, 1, 0, 0, 0]
        assert evidence(client) == number + 1


def test_what_is_sent_again_is_a_duplicate_and_another_body_a_revision(client):
    post(client, [answer(0), answer(1)])
    assert counts(post(client, [answer(0), answer(2), answer(1, is_correct=False)])) == [3, 1, 1, 1, 0]
    assert evidence(client) == 3


def test_a_withdrawn_answer_counts_no_more(client):
    post(client, [answer(0), answer(1)])
    post(client, [answer(2, is_correct=None, replaces="S1-1")])
    assert evidence(client) == 1


def test_a_row_that_cannot_be_used_costs_only_itself_and_is_named(client, school):
    rows = [answer(0), answer(1, is_correct="perhaps"), "no object", answer(2, student=None), {"colour": "red"}]
    found = post(client, rows).json()
    assert (found["accepted"], found["scores"]) == (1, None)
    assert [(one["index"], one["id"]) for one in found["rejected"]] == [
        (1, "S1-1"),
        (2, None),
        (3, "None-2"),
        (4, None),
    ]
    problems = [one["problem"] for one in found["rejected"]]
    assert problems[0].startswith("is_correct ") and problems[1] == "the row is not a JSON object"
    assert problems[2].startswith("student_id ") and "names no source table" in problems[3]
    assert school.lake.count(REJECTED) == 4


def test_one_object_a_line_packed_by_gzip_is_taken_too(client):
    lines = b"\n".join(json.dumps(answer(number)).encode() for number in range(3)) + b'\n{"student_id": \n'
    kind = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    found = post(client, gzip.compress(lines), "?table=quiz_attempts", **kind)
    assert counts(found) == [4, 3, 0, 0, 1]
    assert found.json()["rejected"] == [{"index": 3, "id": None, "problem": "the row is not a JSON object"}]


def test_rows_of_several_tables_name_theirs_or_are_told_apart(client, school):
    practice = {"student_id": "S1", "topic_id": "algebra", "attempts": 5, "correct_count": 4, "session_id": "p"}
    video = {"student_id": "S1", "topic_id": "algebra", "video_id": "v", "watch_pct": 90, "table": "video_events"}
    at = {"timestamp": AT.isoformat()}
    assert counts(post(client, [answer(0), practice | at, video | at])) == [3, 3, 0, 0, 0]
    assert sorted(school.lake.scan(EVENTS, ["kind"])["kind"].to_pylist()) == ["practice", "quiz", "video"]


def test_the_new_scores_come_in_the_same_answer_and_are_those_of_the_next_question(client):
    rows = [answer(0), answer(0, student="S2"), answer(1, topic_id="geometry", is_correct=False)]
    scores = post(client, rows, "?return=scores").json()["scores"]
    assert {one["student_id"] for one in scores} == {KEY.student("default", name) for name in ("S1", "S2")}
    for one in scores:
        assert one == client.get(f"/mastery/{one['student_id']}").json()
    again = post(client, [answer(2, topic_id="geometry")], "?return=scores&scorer=elo").json()["scores"]
    assert [(topic["topic_id"], topic["score_source"]) for topic in again[0]["topics"]] == [("geometry", "elo")]
    assert post(client, rows, "?return=scores").json()["scores"] == []


def test_requests_at_once_share_commits_and_lose_nothing(client, school, intake):
    version = school.lake.version(EVENTS)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: post(client, [answer(number)]).json(), range(64)))
    assert all(one["accepted"] == 1 for one in found)
    assert school.lake.count(EVENTS) == 64
    assert school.lake.version(EVENTS) - version < 64
    assert evidence(client) == 64


@pytest.mark.parametrize(
    ("body", "query", "headers", "status", "kind", "detail"),
    [
        (b'[{"student_id": "S1"}, {"stu', "", {}, 422, "bad-input", "line 1, column"),
        (b"[1, 2,]", "", {}, 422, "bad-input", "a row is missing after the comma"),
        (b"[" * 100_000, "", {}, 422, "bad-input", "nested too deeply"),
        (b'["\xff"]', "", {}, 422, "bad-input", "not in UTF-8 (byte 2)"),
        (b"[] []", "", {}, 422, "bad-input", "something follows the array"),
        (b"[]", "?table=quiz_attempt", {}, 422, "bad-input", "did you mean 'quiz_attempts'"),
        (b"[{}]", "?table=topics", {}, 422, "bad-input", "mastery ingest"),
        (b"[]", "?tabel=quiz_attempts", {}, 422, "bad-input", "tabel"),
        (b"[]", "?tenant=nobody", {}, 404, "not-found", "check its name"),
        (b"[]", "", {"content-type": "text/plain"}, 415, "unsupported-media-type", "application/x-ndjson"),
        (b"[]", "", {"content-encoding": "br"}, 415, "unsupported-media-type", "gzip"),
        (b"no gzip", "", {"content-encoding": "gzip"}, 422, "bad-input", "cannot be unpacked"),
        (gzip.compress(b"[]"), "", {}, 422, "bad-input", "send it with Content-Encoding: gzip"),
        (
            gzip.compress(b"[]")[:-4],
            "",
            {"content-encoding": "gzip"},
            422,
            "bad-input",
            "the gzipped body is cut short",
        ),
        (b" " * (MOST_BYTES + 1), "", {}, 413, "content-too-large", "in several requests"),
        (gzip.compress(b" " * 2 * MOST_BYTES), "", {"content-encoding": "gzip"}, 413, "content-too-large", "16 MiB"),
        (b"[" + b"{}," * events.MOST_ROWS + b"{}]", "", {}, 413, "content-too-large", "10,001 rows"),
    ],
)
def test_what_cannot_be_taken_is_a_problem_that_says_why(client, school, body, query, headers, status, kind, detail):
    found = post(client, body, query, **headers)
    assert (found.status_code, found.json()["type"]) == (status, f"urn:mastery:problem:{kind}")
    assert detail in found.json()["detail"]
    assert school.lake.count(EVENTS) == school.lake.count(REJECTED) == 0


def test_scores_of_too_many_students_are_refused_before_anything_is_written(client, school):
    rows = [answer(0, student=f"S{number}") for number in range(events.MOST_SCORED + 1)]
    assert post(client, rows, "?return=scores").status_code == 422
    assert school.lake.count(EVENTS) == 0


def test_a_clock_ten_years_ahead_is_a_rejected_row(client):
    found = post(client, [answer(0, timestamp="2036-05-04T09:00:00Z")]).json()
    assert found["rejected"][0]["problem"].startswith("timestamp is in the future")


def test_no_rows_are_no_ingest(client, school):
    for body in (b"[]", b"", b"\n"):
        assert counts(post(client, body)) == [0, 0, 0, 0, 0]
    assert school.lake.count(INGESTS) == 0
