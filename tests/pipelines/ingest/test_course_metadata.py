"""Topics and items: what a file does not have stays, a question may have several topics, and answers take them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, ITEMS, SUPERSEDED, TOPICS
from school import KEY

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FULL = "topic_id,title,chapter,subject,prerequisites\na,Alpha,C1,Maths,\nb,Beta,C1,Maths,a\n"
ANSWERS = "student_id,question_id,topic_id,is_correct,timestamp\n"


class School:
    def __init__(self, folder) -> None:
        self.folder, self.files = folder, 0
        self.lake = Lake.open(str(folder / "lake"), buckets=2)

    def read(self, *texts: str, ending: str = "csv"):
        paths = []
        for text in texts:
            self.files += 1
            paths.append(self.folder / f"{self.files}.{ending}")
            paths[-1].write_text(text)
        now = NOW + timedelta(days=self.files)
        report = ingest(paths, lake=self.lake, pseudonyms=KEY, tenant="default", now=now)
        assert report.read == report.accepted + report.revised + report.duplicates + report.rejected
        self.notes = report.notes
        return report.accepted, report.revised, report.duplicates, report.rejected

    def rows(self, table, *columns: str) -> list[tuple]:
        return sorted(tuple(row.values()) for row in self.lake.scan(table, columns).to_pylist())

    def topics_of_answers(self) -> list[tuple]:
        return self.rows(EVENTS, "item_id", "topic_id", "other_topic_ids")


@pytest.fixture
def school(tmp_path):
    return School(tmp_path)


def test_a_column_that_a_file_does_not_have_stays_and_an_empty_one_is_emptied(school):
    assert school.read(FULL) == (2, 0, 0, 0)
    assert school.read("topic_id,title\na,Alpha new\nb,Beta\nc,Gamma\n") == (2, 0, 1, 0)
    expected = [("a", "Alpha new", "C1", None), ("b", "Beta", "C1", ["a"]), ("c", "Gamma", None, None)]
    assert school.read("topic_id,title\na,Alpha new\nb,Beta\nc,Gamma\n") == (0, 0, 3, 0)
    assert sorted(school.rows(TOPICS, "topic_id", "title", "chapter", "prerequisites"), key=str) == expected
    assert school.read("topic_id,title,chapter\nb,Beta,\n") == (1, 0, 0, 0)
    assert school.rows(TOPICS, "topic_id", "chapter", "subject")[1] == ("b", None, "Maths")


def test_what_a_topic_becomes_counts_and_not_what_rows_before_the_last_one_said(school):
    twice = "topic_id,title\na,Alpha\nb,Beta\na,Alpha new\n"
    assert school.read(twice) == (3, 0, 0, 0)
    assert school.read(twice) == (0, 0, 3, 0)
    assert school.rows(TOPICS, "topic_id", "title") == [("a", "Alpha new"), ("b", "Beta")]
    other = ["topic_id,title\na,One\n", "topic_id,title\na,Two\n"]
    assert school.read(*other) == (2, 0, 0, 0)
    assert school.read(*other) == (0, 0, 2, 0)
    assert school.read(other[0]) == (1, 0, 0, 0)


def test_a_key_that_no_row_of_json_has_stays(school):
    school.read(FULL)
    rows = '{"topic_id": "a", "title": "A"}\n{"topic_id": "b", "title": "B", "chapter": "C2"}\n'
    assert school.read(rows, ending="ndjson") == (2, 0, 0, 0)
    assert school.rows(TOPICS, "topic_id", "subject") == [("a", "Maths"), ("b", "Maths")]


def test_files_read_together_come_to_what_they_come_to_one_after_another(tmp_path):
    texts = [FULL, "topic_id,title\na,Alpha new\n", "topic_id,title,chapter\na,Last,\nb,Beta,C9\n"]
    one, other = School(tmp_path / "1"), School(tmp_path / "2")
    one.read(*texts)
    for text in texts:
        other.read(text)
    names = TOPICS.schema.names
    assert one.rows(TOPICS, *names[:6]) == other.rows(TOPICS, *names[:6])


def test_a_question_on_three_topics_is_one_item_and_a_later_file_replaces_them(school):
    text = "question_id,topic_id,difficulty\nq1,t1,\nq1,t2,0.5\nq1,t3,\nq2,t1,\n"
    assert school.read(text) == (4, 0, 0, 0)
    assert school.read(text) == (0, 0, 4, 0)
    columns = ("item_id", "topic_id", "other_topic_ids", "difficulty")
    assert school.rows(ITEMS, *columns)[0] == ("q1", "t1", ["t2", "t3"], 0.5)
    assert school.read("question_id,topic_id\nq1,t9\n") == (1, 0, 0, 0)
    assert school.rows(ITEMS, *columns)[0] == ("q1", "t9", None, 0.5)


ROWS = [f"S{n % 3},q{n % 2},,{n % 2},2026-03-02T09:00:{n:02d}Z\n" for n in range(1, 7)]
ITEM_ROWS = "question_id,topic_id\nq0,decimals\nq1,fractions\nq1,sums\n"
ASSIGNED = [("q0", "decimals", None)] * 3 + [("q1", "fractions", ["sums"])] * 3


@pytest.mark.parametrize("together", [True, False])
def test_answers_without_a_topic_take_those_of_their_items(school, together):
    texts = (ANSWERS + "".join(ROWS), ITEM_ROWS)
    if together:
        assert school.read(*texts) == (9, 0, 0, 0)
    else:
        assert school.read(texts[1]) == (3, 0, 0, 0)
        assert school.read(texts[0]) == (6, 0, 0, 0)
    assert school.topics_of_answers() == ASSIGNED
    assert school.read(texts[0]) == (0, 0, 6, 0)
    assert not any("without a topic" in note for note in school.notes)


def test_and_again_when_items_come_later(school):
    named = "S1,q1,given,1,2026-03-02T10:00:01Z\nS1,q7,,1,2026-03-02T10:00:02Z\n"
    school.read(ANSWERS + "".join(ROWS) + named)
    assert {topic for _, topic, _ in school.topics_of_answers()} == {"unassigned", "given"}
    assert school.read(ITEM_ROWS) == (3, 0, 0, 0)
    assert any("6 known events" in note for note in school.notes)
    expected = sorted([*ASSIGNED, ("q1", "given", None), ("q7", "unassigned", None)], key=str)
    assert sorted(school.topics_of_answers(), key=str) == expected
    assert school.read(ITEM_ROWS) == (0, 0, 3, 0)
    assert not any("known event" in note for note in school.notes)
    assert school.read(ANSWERS + "".join(ROWS) + named) == (0, 0, 8, 0)
    school.lake.compact()
    assert school.lake.count(SUPERSEDED) == 6
    assert school.read("question_id,topic_id\nq0,other\n") == (1, 0, 0, 0)
    assert sorted(school.topics_of_answers(), key=str) == expected
