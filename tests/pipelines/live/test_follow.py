"""What becomes of the messages of a stream, one batch after another."""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from deltalake import DeltaTable

from any_stream import AllRead
from mastery.apps.json_log import OneLine
from mastery.errors import Conflict
from mastery.pipelines.live import follow as following
from mastery.pipelines.live.follow import Follower
from mastery.streams import StreamUnusable, connect, connect_sink, key_of
from mastery.streams.memory import topic as of_memory
from mastery.tables import EVENTS, REJECTED
from runtimes_agree.following import intake_of
from school import Deployment

ROW = {"table": "quiz_attempts", "student_id": "S1", "question_id": "q1", "topic_id": "t1", "is_correct": True}


def row(n: int, **fields: object) -> bytes:
    return json.dumps(ROW | {"attempt_id": f"a{n}", "timestamp": f"2026-03-02T08:00:{n:02}Z"} | fields).encode()


class Stream:
    """A topic in memory, and who follows it."""

    def __init__(self, folder):
        self.of, self.url = Deployment.at(folder), f"memory:{uuid4().hex}"
        self.sent = 0

    def send(self, *values: bytes, key: bytes | None = None) -> None:
        sink = connect_sink(self.url)
        for value in values:
            sink.send(key, value)
        self.sent += len(values)

    def follow(self, dead_letters=None, tenants=None) -> None:
        """Read all that was sent."""
        source, intake = connect(self.url, "workers"), intake_of(self.of)
        Follower(
            source,
            intake,
            self.of.lake,
            self.of.state,
            tenant="default",
            tenants=tenants,
            dead_letters=dead_letters,
            batch_s=0.01,
        ).follow(AllRead(self.of, self.sent))
        intake.close()
        source.close()


@pytest.fixture
def topic(tmp_path):
    return Stream(tmp_path)


def batches(caplog) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage() == "batch"]


def test_each_message_becomes_one_of_four_or_is_another_tenants(topic, caplog):
    caplog.set_level(logging.INFO)
    topic.send(row(1), row(1), row(2), row(2, is_correct=False, version=2), b"\xff", key=key_of("default", "S1"))
    topic.send(row(3), key=b"a key of another form")
    topic.send(row(4))
    topic.send(row(5), key=key_of("another school", "S1"))
    topic.follow()
    counts = ("messages", "accepted", "revised", "duplicates", "rejected", "other_tenants")
    found = {name: sum(getattr(record, name) for record in batches(caplog)) for name in counts}
    assert found == {
        "messages": 8, "accepted": 4, "revised": 1, "duplicates": 1, "rejected": 1, "other_tenants": 1
    }  # fmt: skip
    assert topic.of.lake.scan(EVENTS).num_rows == 4


def test_a_started_again_worker_reads_on_where_the_last_one_has_stopped(topic, caplog):
    topic.send(row(1), row(2))
    topic.follow()
    topic.send(row(3))
    caplog.set_level(logging.INFO)
    topic.follow()
    assert [(record.messages, record.accepted) for record in batches(caplog)] == [(1, 1)]


def test_a_store_without_places_reads_all_again_and_finds_duplicates(topic, caplog, tmp_path):
    topic.send(row(1), row(2))
    topic.follow()
    topic.of.state.close()
    for file in tmp_path.glob("state.db*"):
        file.unlink()
    topic.of = Deployment.at(tmp_path)
    caplog.set_level(logging.INFO)
    topic.follow()
    assert [(record.messages, record.duplicates) for record in batches(caplog)] == [(2, 2)]


def test_what_cannot_be_used_is_listed_by_its_place_and_sent_to_the_dead_letters_as_it_was(topic):
    dead = f"memory:{uuid4().hex}"
    broken = [b'{"student_id": ', b"", b"[1]", row(1, is_correct="perhaps"), row(2, timestamp="2036-03-02T08:00:00Z")]
    topic.send(row(0), *broken, key=key_of("default", "S1"))
    topic.follow(connect_sink(dead))
    listed = topic.of.lake.scan(REJECTED).to_pylist()
    assert sorted(one["line"] for one in listed) == [1, 2, 3, 4, 5]
    assert all(one["source"].startswith(topic.url) for one in listed)
    source = connect(dead, "readers")
    source.start(lambda _: {})
    buried = source.poll(100, 0.0).messages
    assert sorted(one.value for one in buried) == sorted(broken)
    assert {one.key for one in buried} == {key_of("default", "S1")}


class School:
    """A tenant whose worker reads a stream that others read too."""

    def __init__(self, folder, stream, dead, tenant, schools):
        self.of, self.stream, self.dead, self.tenant, self.schools = (
            Deployment.at(folder),
            stream,
            dead,
            tenant,
            schools,
        )
        schools[tenant] = self

    def follow(self, sent, dead=True) -> None:
        """Read until all that was sent has been read."""
        source, intake = connect(self.stream, self.tenant), intake_of(self.of)
        Follower(
            source,
            intake,
            self.of.lake,
            self.of.state,
            tenant=self.tenant,
            tenants=lambda: list(self.schools),
            others=lambda: {
                name: one.of.state.stream_offsets() for name, one in self.schools.items() if one is not self
            },
            dead_letters=connect_sink(self.dead) if dead else None,
            batch_s=0.01,
        ).follow(AllRead(self.of, sent))
        intake.close()
        source.close()


def test_a_message_of_no_tenant_is_one_dead_letter_however_many_tenants_read_the_stream(tmp_path):
    stream, dead = f"memory:{uuid4().hex}", f"memory:{uuid4().hex}"
    schools: dict[str, School] = {}
    middle, last, none = (School(tmp_path / name, stream, dead, name, schools) for name in ("m", "z", "a"))
    sink, sent = connect_sink(stream), 0

    def send(*values: bytes) -> int:
        nonlocal sent
        for value in values:
            sink.send(key_of("nobody", "S1"), value)
        sent += len(values)
        return sent

    def letters() -> list[bytes]:
        source = connect(dead, "readers")
        source.start(lambda _: {})
        found = [one.value for one in source.poll(100, 0.0).messages]
        source.close()
        return sorted(found)

    last.follow(send(b"1", b"2"))
    assert letters() == [b"1", b"2"]
    none.follow(sent, dead=False)
    middle.follow(sent)
    assert letters() == [b"1", b"2"], "what one had passed before the other began is not sent again"
    send(b"3")
    last.follow(sent)
    assert letters() == [b"1", b"2"], "the first by name sends it"
    middle.follow(sent)
    assert letters() == [b"1", b"2", b"3"]
    late = School(tmp_path / "b", stream, dead, "b", schools)
    for one in (late, middle, last, none):
        one.follow(send(b"4") if one is late else sent, dead=one is not none)
    assert letters() == [b"1", b"2", b"3", b"4"]
    last.of.state.close()


def test_a_message_of_no_tenant_goes_to_the_dead_letters_with_its_reason(topic, caplog):
    caplog.set_level(logging.INFO)
    dead = uuid4().hex
    topic.send(row(1), key=key_of("default", "S1"))
    topic.send(row(2), key=key_of("north", "S1"))
    topic.send(row(3), key=key_of("nrth", "S1"))
    asked = []
    topic.follow(connect_sink(f"memory:{dead}"), lambda: asked.append(1) or ["default", "north"])
    counts = {
        name: sum(getattr(record, name) for record in batches(caplog))
        for name in ("messages", "accepted", "other_tenants", "unknown_tenants")
    }
    assert counts == {"messages": 3, "accepted": 1, "other_tenants": 1, "unknown_tenants": 1}
    source = connect(f"memory:{dead}", "readers")
    source.start(lambda _: {})
    (buried,) = source.poll(10, 0.0).messages
    assert (buried.key, buried.value) == (key_of("nrth", "S1"), row(3))
    (headers,) = of_memory(dead).headers.values()
    assert headers["reason"].startswith("its key names tenant 'nrth', and there is none of that name")
    assert topic.of.lake.count(REJECTED) == 0


def test_a_message_of_many_megabytes_is_rejected_and_the_next_one_taken(topic):
    topic.send(row(1, text="x" * (17 << 20)), row(2))
    topic.follow()
    (listed,) = topic.of.lake.scan(REJECTED).to_pylist()
    assert listed["reason"].startswith("is longer than 16 MiB")
    assert topic.of.lake.scan(EVENTS).num_rows == 1


def test_a_stopped_worker_whose_store_is_away_writes_nothing(topic, tmp_path, caplog):
    topic.send(row(1))
    (tmp_path / "state.db").write_bytes(b"no database of ours" * 1_000)
    source, intake = connect(topic.url, "workers"), intake_of(topic.of)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as worker:
        following = worker.submit(
            Follower(source, intake, topic.of.lake, topic.of.state, tenant="default", batch_s=0.01).follow, stop
        )
        while "the places of the stream: tried again in 1 s" not in caplog.text:
            time.sleep(0.01)
        stop.set()
        following.result()
    source.close()
    assert topic.of.lake.scan(EVENTS).num_rows == 0


def test_an_object_on_several_lines_is_one_row(topic):
    topic.send(json.dumps(json.loads(row(1)), indent=2).replace("\n", "\r\n").encode())
    topic.follow()
    assert topic.of.lake.scan(EVENTS).num_rows == 1


class AwayOnce:
    """Dead letters that are refused once."""

    def __init__(self):
        self.kept, self.refused = [], 0

    def send(self, key, value, headers=None):
        self.kept.append((value, headers["place"]))

    def flush(self):
        self.refused += 1
        if self.refused == 1:
            raise StreamUnusable("the dead letters are away")

    def close(self):
        pass


def test_a_batch_that_could_not_be_written_is_written_again(topic, caplog, monkeypatch):
    monkeypatch.setattr(following, "AGAIN_S", 0.01)
    topic.send(row(1), b"broken")
    dead = AwayOnce()
    topic.follow(dead)
    assert "a batch of 2 messages: tried again in 0.01 s. the dead letters are away" in caplog.text
    assert [value for value, _ in dead.kept] == [b"broken", b"broken"]
    assert topic.of.lake.scan(EVENTS).num_rows == 1


def test_a_lake_of_another_version_ends_the_worker_instead_of_being_tried_for_ever(topic):
    topic.send(row(1))
    topic.follow()
    events = DeltaTable(Path(topic.of.lake.root) / "events")
    events.alter.set_table_properties({"mastery.identity": "1"}, raise_if_not_exists=False)
    topic.send(row(2))
    with pytest.raises(Conflict, match="identified by another version"):
        topic.follow()


def test_who_is_stopped_while_a_batch_cannot_be_written_stores_no_place_for_it(topic):
    class Away(AwayOnce):
        def flush(self):
            stop.set()
            raise StreamUnusable("the dead letters are away")

    stop = threading.Event()
    topic.send(b"broken")
    source, intake = connect(topic.url, "workers"), intake_of(topic.of)
    Follower(source, intake, topic.of.lake, topic.of.state, tenant="default", dead_letters=Away(), batch_s=0.01).follow(
        stop
    )
    intake.close()
    source.close()
    assert topic.of.state.stream_offsets() == {}


def test_the_log_is_one_object_a_line():
    record = logging.makeLogRecord({"msg": "batch of %s", "args": ("two\nlines",), "levelname": "INFO", "accepted": 3})
    line = OneLine().format(record)
    assert "\n" not in line
    assert {"message": "batch of two\nlines", "level": "info", "accepted": 3}.items() <= json.loads(line).items()
