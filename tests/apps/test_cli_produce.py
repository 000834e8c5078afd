"""`mastery produce`, to a topic in memory."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mastery.errors import BadInput
from mastery.streams import Message, connect, read_key

QUIZ = "student_id,question_id,topic_id,is_correct,timestamp,pupil_name\n"


@pytest.fixture
def topic():
    return f"memory:{uuid4().hex}"


def sent(topic: str) -> list[Message]:
    source = connect(topic, "readers")
    source.start(lambda _: {})
    found = source.poll(100_000, 0.0).messages
    source.close()
    return list(found)


def test_each_row_is_a_message_under_the_key_of_its_student(mastery, tmp_path, topic):
    file = tmp_path / "quiz.csv"
    file.write_text(QUIZ + "S1,q1,t1,1,2026-03-02T08:00:00Z,Ann\nS2,q1,,0,2026-03-02T08:01:00Z,Bob\n")
    done = mastery("produce", file, "--to", topic, "--tenant", "north")
    assert done.exit_code == 0, done.output
    assert "2  events sent to memory:" in done.output
    rows = {read_key(one.key): json.loads(one.value) for one in sent(topic)}
    assert rows == {
        ("north", "S1"): {
            "table": "quiz_attempts", "student_id": "S1", "question_id": "q1", "topic_id": "t1", "is_correct": "1",
            "timestamp": "2026-03-02T08:00:00Z",
        },
        ("north", "S2"): {
            "table": "quiz_attempts", "student_id": "S2", "question_id": "q1", "is_correct": "0",
            "timestamp": "2026-03-02T08:01:00Z",
        },
    }  # fmt: skip


def test_rows_of_typed_files_keep_their_values(mastery, tmp_path, topic):
    at = pa.array([1_772_438_400_000_000], pa.timestamp("us", "UTC"))
    columns = {"student_id": ["S1"], "assignment_id": ["a1"], "topic_ids": [["t1", "t2"]], "score_pct": [72.5]}
    pq.write_table(pa.table({**columns, "timestamp": at}), tmp_path / "a.parquet")
    assert mastery("produce", tmp_path / "a.parquet", "--to", topic).exit_code == 0
    (message,) = sent(topic)
    assert json.loads(message.value) == {
        "table": "assignments", **{name: values[0] for name, values in columns.items()},
        "timestamp": "2026-03-02T08:00:00+00:00",
    }  # fmt: skip


def test_lines_that_are_no_rows_are_left_out_and_counted(mastery, tmp_path, topic):
    row = '{"student_id":"S1","question_id":"q1","topic_id":"t1","is_correct":true,"timestamp":"2026-03-02T08:00:00Z"}'
    (tmp_path / "quiz.ndjson").write_text(f'{row}\n{{"student_id": \n')
    done = mastery("produce", tmp_path / "quiz.ndjson", "--to", topic, "--json")
    assert json.loads(done.stdout) == {"sent": 1, "left_out": 1, "notes": []}
    assert len(sent(topic)) == 1


def test_what_describes_a_course_is_refused_and_nothing_is_sent(mastery, tmp_path, topic):
    (tmp_path / "topics.csv").write_text("topic_id,title\nt1,Fractions\n")
    (tmp_path / "quiz.csv").write_text(QUIZ + "S1,q1,t1,1,2026-03-02T08:00:00Z,\n")
    done = mastery("produce", tmp_path / "topics.csv", tmp_path / "quiz.csv", "--to", topic)
    assert isinstance(done.exception, BadInput)
    assert "`topics` describes a course; streams bring what students do" in str(done.exception)
    assert sent(topic) == []


@pytest.mark.parametrize("rate", ["0", "-1", "nan"])
def test_a_rate_that_is_none_is_refused(mastery, tmp_path, topic, rate):
    done = mastery("produce", tmp_path, "--to", topic, "--rate", rate)
    assert isinstance(done.exception, BadInput)
    assert f"--rate {rate}: expected events a second, more than 0" in str(done.exception)


def test_events_are_sent_no_faster_than_asked_for(mastery, tmp_path, topic):
    (tmp_path / "quiz.csv").write_text(QUIZ + "".join(f"S1,q{n},t1,1,2026-03-02T08:00:0{n}Z,\n" for n in range(5)))
    before_us = time.time_ns() // 1000
    assert mastery("produce", tmp_path / "quiz.csv", "--to", topic, "--rate", "20").exit_code == 0
    assert sent(topic)[-1].received_us - before_us >= 4 / 20 * 1e6
