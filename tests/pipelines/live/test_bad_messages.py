"""The bad input that files get, through streams: each is a dead letter with the reason that a file gets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from any_stream import STREAMS, AllRead, Stream, make_topic, take
from mastery.pipelines.live.follow import Follower
from mastery.pipelines.live.intake import Intake
from mastery.streams import Message, StreamUnusable, connect, connect_sink, key_of
from mastery.streams.memory import topic
from mastery.tables import EVENTS, REJECTED
from odd_values import GOOD, REFUSED
from school import KEY, Deployment

NOW = datetime(2025, 1, 1, tzinfo=UTC)

ODD = [(table, {"table": table, **GOOD[table], **odd}) for table, odd, _, _ in REFUSED]


def followed(of: Deployment, through: Stream, messages: list[bytes], key: bytes, dead: str) -> None:
    """Send messages and read them all; those that cannot be used go to the dead letters."""
    through.send(*messages, key=key)
    intake = Intake(
        of.lake,
        of.state,
        lambda: of.reader.metadata().model_set,
        KEY,
        tenant="default",
        door=through.url,
        now=lambda: NOW,
    )
    source, sink = connect(through.url, "workers"), connect_sink(dead)
    follower = Follower(source, intake, of.lake, of.state, tenant="default", dead_letters=sink, batch_s=0.02)
    follower.follow(AllRead(of, len(messages)))
    intake.close()
    source.close()


def buried(dead: str, n: int) -> list[Message]:
    source = connect(dead, "readers")
    source.start(lambda _: {})
    found = take(source, n)
    source.close()
    return found


def reasons_of_files(folder: Path) -> set[str]:
    """Column and reason of each odd row, as files say them."""
    of = Deployment.at(folder / "of-files")
    for table in GOOD:
        rows = [{name: value for name, value in row.items() if name != "table"} for which, row in ODD if which == table]
        if rows:
            file = folder / f"{table}.ndjson"
            good = {**GOOD[table], "student_id": "beside"}
            file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, good]))
            of.ingest(file, now=NOW)
    return {f"{row['column']} {row['reason']}" for row in of.lake.scan(REJECTED).to_pylist()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kafka", "memory"])
def test_each_odd_value_is_a_dead_letter_with_the_reason_that_a_file_gives(request, tmp_path, kind):
    through, of = STREAMS[kind](request, tmp_path), Deployment.at(tmp_path / "home")
    messages = [json.dumps(row).encode() for _, row in ODD]
    dead = f"memory:dead-{tmp_path.name}-{kind}"
    followed(of, through, messages, key_of("default", "S1"), dead)
    assert sorted(one.value for one in buried(dead, len(messages))) == sorted(messages)
    assert of.lake.count(EVENTS) == 0
    said = {headers["reason"] for headers in topic(dead.removeprefix("memory:")).headers.values()}
    assert said == reasons_of_files(tmp_path)
    places = [headers["place"] for headers in topic(dead.removeprefix("memory:")).headers.values()]
    assert len(set(places)) == len(messages)
    assert all(place.startswith(f"{kind}:") for place in places)


def test_of_a_key_that_does_not_match_its_row_the_row_counts(request, tmp_path):
    through, of = STREAMS["memory"](request, tmp_path), Deployment.at(tmp_path / "home")
    row = json.dumps({"table": "quiz_attempts", **GOOD["quiz_attempts"]}).encode()
    followed(of, through, [row], key_of("default", "S2"), "memory:nothing")
    assert of.lake.scan(EVENTS)["student_id"].to_pylist() == [KEY.student("default", "S1")]


@pytest.mark.slow
def test_a_message_of_50_megabytes_is_refused_by_the_topic_and_rejected_where_one_takes_it(request, tmp_path):
    large = json.dumps({"table": "quiz_attempts", **GOOD["quiz_attempts"], "text": "x" * 50_000_000}).encode()
    with pytest.raises(StreamUnusable, match=r"larger than topic .* takes; raise its max.message.bytes"):
        STREAMS["kafka"](request, tmp_path).send(large)
    through, of = STREAMS["kafka"](request, tmp_path), Deployment.at(tmp_path / "home")
    through.url += "-large"
    make_topic(through.url, most_bytes=2 * len(large))
    good = json.dumps({"table": "quiz_attempts", **GOOD["quiz_attempts"]}).encode()
    dead = f"memory:large-{tmp_path.name}"
    followed(of, through, [large, good], key_of("default", "S1"), dead)
    (listed,) = of.lake.scan(REJECTED).to_pylist()
    assert listed["reason"].startswith("is longer than 16 MiB")
    assert [one.value for one in buried(dead, 1)] == [large]
    assert of.lake.count(EVENTS) == 1
