"""POST /v1/events where there is a stream: 202 once it is kept there, and a receipt that says how far it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from any_stream import LARGE, STREAMS, AllRead, take
from mastery.apps.api.app import create_app
from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import NotFound
from mastery.instants import instant
from mastery.pipelines.live import forward
from mastery.pipelines.live.follow import Follower
from mastery.pipelines.live.forward import Forwarder
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.live.receipts import read_receipt, receipt_of
from mastery.streams import StreamUnusable, connect, connect_sink, key_of
from mastery.tables import EVENTS
from runtimes_agree.following import intake_of
from school import KEY, Deployment

AT = datetime(2026, 5, 4, 9, tzinfo=UTC)
NOW_US = int((AT + timedelta(days=1)).timestamp()) * 1_000_000

BROKEN = [b'{"student_id": "S1"', b"[1]", b'{"student_id": null, "question_id": "q1", "is_correct": true}', b'{"x": 1}']


def answer(number: int, student: str = "S1", **other: object) -> dict[str, object]:
    return {
        "student_id": student,
        "question_id": f"q{number}",
        "topic_id": "algebra",
        "is_correct": True,
        "timestamp": (AT + timedelta(minutes=number)).isoformat(),
        "attempt_id": f"{student}-{number}",
    } | other


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.slow)])
def stream(request, tmp_path):
    found = STREAMS[request.param](request, tmp_path)
    yield found
    for source in found.opened:
        source.close()


@pytest.fixture
def school(tmp_path):
    return Deployment.at(tmp_path / "home")


@pytest.fixture
def intake(school):
    model_set = lambda: school.reader.metadata().model_set  # noqa: E731
    now = lambda: instant(NOW_US)  # noqa: E731
    made = Intake(school.lake, school.state, model_set, KEY, tenant="default", door="http", now=now)
    yield made
    made.close()


@pytest.fixture
def forwarders(school, intake, stream):
    sink = connect_sink(stream.url)

    def of(tenant):
        if tenant not in ("default", "other"):
            raise NotFound(f"there are no events of tenant {tenant!r}; check its name, or ingest its files")
        return Forwarder(intake, sink, school.lake, school.state, KEY, tenant)

    yield of
    sink.close()


@pytest.fixture
def app(school, forwarders):
    return create_app(lambda _tenant: school.reader, KEY, lambda: NOW_US, forwarders=forwarders)


def post(client, rows, query="", kind="application/json"):
    body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return client.post(f"/v1/events{query}", content=body, headers={"content-type": kind})


def far(client, receipt, query=""):
    return client.get(f"/v1/events/receipts/{receipt}{query}")


def counts(answer):
    found = answer.json()
    return [found[name] for name in ("received", "waiting", "scored")]


def work(school, stream, messages):
    """Let a worker take as many messages."""
    source, intake = connect(stream.url, "workers"), intake_of(school)
    follower = Follower(source, intake, school.lake, school.state, tenant="default", batch_s=0.05)
    follower.follow(AllRead(school, messages))
    intake.close()
    source.close()


def test_what_is_posted_waits_in_the_stream_and_is_scored_once_a_worker_has_taken_it(client, school, stream):
    first = post(client, [answer(n, f"S{n % 3}") for n in range(6)])
    second = post(client, [answer(9)])
    assert (first.status_code, first.json()["received"], first.json()["rejected"]) == (202, 6, [])
    assert school.lake.count(EVENTS) == 0
    assert counts(far(client, first.json()["receipt"])) == [6, 6, 0]
    work(school, stream, 7)
    assert school.lake.count(EVENTS) == 7
    for answered, events in ((first, 6), (second, 1)):
        found = far(client, answered.json()["receipt"])
        assert found.status_code == 200 and counts(found) == [events, 0, events]
        assert sum(one["scored"] for one in found.json()["partitions"]) == events
    third = post(client, [answer(10)])
    assert counts(far(client, third.json()["receipt"])) == [1, 1, 0]
    assert client.get("/mastery/S1").json()["topics"][0]["evidence_count"] == 3


def test_a_receipt_says_where_its_events_lie_and_each_lies_under_the_key_of_its_student(client, stream):
    receipt = post(client, [answer(n, f"S{n}") for n in range(5)]).json()["receipt"]
    offsets = read_receipt(KEY, "default", receipt)
    read = {(one.partition, one.offset): one for one in take(stream.read(), 5)}
    assert set(read) == {(partition, offset) for partition, found in offsets.items() for offset in found}
    for one in read.values():
        assert one.key == key_of("default", json.loads(one.value)["student_id"])


def test_rows_that_cannot_be_understood_are_refused_at_the_door_in_the_words_of_an_intake_without_a_stream(
    client, school, intake, stream
):
    body = b"\n".join([json.dumps(answer(1)).encode(), *BROKEN, json.dumps(answer(2)).encode()])
    found = post(client, body, kind="application/x-ndjson")
    assert (found.status_code, found.json()["received"]) == (202, 2)
    plain = create_app(lambda _tenant: school.reader, KEY, lambda: NOW_US, intakes=lambda _tenant: intake)
    straight = post(type(client)(plain), body, kind="application/x-ndjson")
    assert found.json()["rejected"] == straight.json()["rejected"]
    assert [one["index"] for one in found.json()["rejected"]] == [1, 2, 3, 4]
    assert len(take(stream.read(), 2)) == 2


def test_rows_none_of_which_can_be_understood_leave_nothing_to_wait_for(client):
    found = post(client, b"nonsense", kind="application/x-ndjson")
    assert (found.status_code, found.json()["received"]) == (202, 0)
    assert counts(far(client, found.json()["receipt"])) == [0, 0, 0]


@pytest.mark.parametrize("said", [{}, {"table": "video_events"}])
def test_the_table_of_the_request_goes_with_each_row(client, school, stream, said):
    found = post(client, [answer(1, **said)], "?table=quiz_attempts")
    assert found.json()["received"] == 1
    (message,) = take(stream.read(), 1)
    assert json.loads(message.value) == answer(1) | {"table": "quiz_attempts"}


def test_a_receipt_is_valid_after_a_restart_and_of_no_other_tenant_or_deployment(client, school, forwarders):
    receipt = post(client, [answer(1)]).json()["receipt"]
    restarted = create_app(lambda _tenant: school.reader, KEY, lambda: NOW_US, forwarders=forwarders)
    assert counts(far(type(client)(restarted), receipt)) == [1, 1, 0]
    assert far(client, receipt, "?tenant=other").status_code == 404
    assert far(client, receipt, "?tenant=nobody").status_code == 404
    foreign = receipt_of(Pseudonyms(bytes(range(1, 33))), "default", {"memory:a/0": [0]})
    changed = [receipt[:at] + ("A" if receipt[at] != "A" else "B") + receipt[at + 1 :] for at in range(len(receipt))]
    for forged in (foreign, *changed[: len(receipt) - 1], "x", "a" * 5_000, "%C3%A9", "!", receipt[:-2]):
        found = far(client, forged)
        assert found.status_code == 404, forged
        assert "no such receipt" in found.json()["detail"]


def test_scores_are_not_answered_where_there_is_a_stream(client):
    found = post(client, [answer(1)], "?return=scores")
    assert found.status_code == 422
    assert "written to a stream" in found.json()["detail"]


def test_a_row_that_the_stream_does_not_take_is_rejected_and_the_others_are_kept(client, stream):
    if not stream.url.startswith("kafka"):
        pytest.skip("memory takes any message")
    found = post(client, [answer(1), answer(2, note="x" * (2 * LARGE + 1_000)), answer(3)])
    assert (found.status_code, found.json()["received"]) == (202, 2)
    (rejected,) = found.json()["rejected"]
    assert rejected == {"index": 1, "id": "S1-2", "problem": forward.TOO_LARGE}


def test_a_stream_that_is_away_is_answered_with_503_and_the_rows_may_be_sent_again(client, monkeypatch, forwarders):
    sink = forwarders("default").sink

    def away(_messages):
        raise StreamUnusable("no Kafka broker answers at 127.0.0.1:9092")

    with monkeypatch.context() as patched:
        patched.setattr(type(sink), "post", lambda _self, messages: away(messages))
        found = post(client, [answer(1)])
    assert (found.status_code, found.headers["retry-after"]) == (503, "1")
    told = found.json()
    assert (told["type"], told["title"]) == ("urn:mastery:problem:stream-unusable", "The stream cannot be used")
    assert "does not answer" in told["detail"] and "Send the request again" in told["detail"]
    assert "127.0.0.1" not in found.text
    assert post(client, [answer(1)]).status_code == 202


def test_without_a_stream_there_are_no_receipts(client, school, intake):
    plain = create_app(lambda _tenant: school.reader, KEY, lambda: NOW_US, intakes=lambda _tenant: intake)
    found = far(type(client)(plain), "anything")
    assert found.status_code == 404
    assert "api.stream" in found.json()["detail"]


def test_ten_thousand_events_one_by_one_among_others_fit_a_receipt():
    offsets = {f"kafka:answers/{number}@id": list(range(number, 4_000_000, 1_009))[:1_000] for number in range(10)}
    receipt = receipt_of(KEY, "default", offsets)
    assert read_receipt(KEY, "default", receipt) == offsets
    assert len(receipt) < 50_000
