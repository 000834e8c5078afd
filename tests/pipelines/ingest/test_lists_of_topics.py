"""Several topics in one value, and the source's own version of an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from mastery.events.lists import read_ids
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, ITEMS
from school import KEY

NOW = datetime(2026, 6, 1, tzinfo=UTC)
QUIZ = "student_id,question_id,topic_id,is_correct,timestamp\n"


class School:
    def __init__(self, folder) -> None:
        self.folder, self.files = folder, 0
        self.lake = Lake.open(str(folder / "lake"), buckets=2)

    def read(self, given, *, days: int | None = None, **said):
        self.files += 1
        source = given
        if isinstance(given, str):
            source = self.folder / f"{self.files}.{'ndjson' if given.startswith('{') else 'csv'}"
            source.write_text(given)
        now = NOW + timedelta(days=self.files if days is None else days)
        report = ingest(
            [source], lake=self.lake, pseudonyms=KEY, tenant="default", now=now, options=ReadOptions(**said)
        )
        assert report.read == report.accepted + report.revised + report.duplicates + report.rejected
        self.notes = report.notes
        return report.accepted, report.revised, report.duplicates, report.rejected

    def topics(self) -> list[list[str]]:
        rows = self.lake.scan(EVENTS, ["item_id", "topic_id", "other_topic_ids"]).to_pylist()
        rows.sort(key=lambda row: row["item_id"])
        return [[row["topic_id"], *(row["other_topic_ids"] or [])] for row in rows]


@pytest.fixture
def school(tmp_path):
    return School(tmp_path)


def quiz(*topics: str) -> str:
    quoted = ['"{}"'.format(topic.replace('"', '""')) for topic in topics]
    rows = [f"S1,q{n},{topic},1,2026-03-02T09:00:0{n}Z" for n, topic in enumerate(quoted)]
    return QUIZ + "\n".join(rows) + "\n"


@pytest.mark.parametrize("separator", ["~~", ";", "|", ",", "/"])
def test_topics_of_one_value_are_split_where_that_is_declared(school, separator):
    text = quiz(separator.join(["1", "2", "77"]), "2", f"1{separator}1{separator}")
    assert school.read(text, splits={"topic_id": separator}) == (3, 0, 0, 0)
    assert school.topics() == [["1", "2", "77"], ["2"], ["1"]]
    assert school.read(text, splits={"topic_id": separator}) == (0, 0, 3, 0)


def test_a_json_list_is_always_one_and_brackets_around_a_word_are_not(school):
    assert school.read(quiz('["1","2"]', "[1, 2]", "[a] word", "[broken")) == (4, 0, 0, 0)
    assert school.topics() == [["1", "2"], ["1", "2"], ["[a] word"], ["[broken"]]


def test_a_list_of_the_format_is_one(school, tmp_path):
    row = (
        '{"student_id": "S1", "question_id": "q0", "topic_id": ["1", "2"], "is_correct": 1, "timestamp": 1772442007}\n'
    )
    assert school.read(row) == (1, 0, 0, 0)
    assert school.topics() == [["1", "2"]]
    other = School(tmp_path / "other")
    table = pa.table(
        {"student_id": ["S1"], "question_id": ["q0"], "topic_id": [["1", "2"]], "is_correct": [1],
         "timestamp": [1772442007]}
    )  # fmt: skip
    assert other.read(table) == (1, 0, 0, 0)
    assert other.topics() == [["1", "2"]]


def test_else_it_is_one_topic_of_that_name_and_a_note(school):
    assert school.read(quiz("1;2;77", "a~~b", "1|2", "Ratios, rates")) == (4, 0, 0, 0)
    assert school.topics() == [["1;2;77"], ["a~~b"], ["1|2"], ["Ratios, rates"]]
    (note,) = [note for note in school.notes if "--split" in note]
    assert "3 values" in note
    school.read(quiz("1;2;77", '["1","2"]'))
    assert any("--split" in note and "1 value " in note for note in school.notes)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("x;y", ["x", "y"]),
        ("x~~y", ["x", "y"]), ("x,y", ["x", "y"]), ('["x","y"]', ["x", "y"]), ("x|y", ["x", "y"]), ("x", ["x"]),
        ("a, b|c", ["a, b", "c"]), ("a, b; c", ["a, b", "c"]), ('["a, b"]', ["a, b"]),
    ],
)  # fmt: skip
def test_a_list_of_ids_is_split_by_the_first_separator_that_is_in_it(text, ids):
    assert read_ids(pa.array([text])).values.to_pylist() == [ids]


def test_a_list_with_a_declared_separator_is_split_by_that_alone(school):
    text = 'student_id,assignment_id,topic_ids,score_pct,timestamp\nS1,a1,"x, y~~z",80,2026-03-02T09:00:07Z\n'
    assert school.read(text, splits={"topic_ids": "~~"}) == (1, 0, 0, 0)
    assert school.topics() == [["x, y", "z"]]


def test_an_item_may_have_a_list_of_topics(school):
    school.read("question_id,topic_id\nq1,t1~~t2\n", splits={"topic_id": "~~"})
    assert school.lake.scan(ITEMS, ["topic_id", "other_topic_ids"]).to_pylist() == [
        {"topic_id": "t1", "other_topic_ids": ["t2"]}
    ]


def test_answers_in_a_file_are_split_as_well(tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text(quiz("1~~2", "2"))
    batch = read_answers(file, now=NOW, options=ReadOptions(splits={"topic_id": "~~"})).batch()
    assert sorted(batch.row.tolist()) == [0, 0, 1]


OWN = "student_id,question_id,topic_id,is_correct,timestamp,attempt_id,{}\n"


@pytest.mark.parametrize(
    ("column", "first", "second", "third"),
    [("version", "1", "2", "10"), ("updated_at", "2026-03-02", "2026-03-03T08:00:00+01:00", "2026-04-01")],
)
def test_the_sources_own_version_decides_whenever_it_was_received(school, column, first, second, third):
    def row(right: int, version: str) -> str:
        return f"{OWN.format(column)}S1,q1,t1,{right},2026-03-02T09:00:07Z,a1,{version}\n"

    def right() -> list[int]:
        return [value // 1_000_000 for value in school.lake.scan(EVENTS, ["success_ppm"])["success_ppm"].to_pylist()]

    assert school.read(row(1, second)) == (1, 0, 0, 0)
    assert school.read(row(0, first)) == (0, 1, 0, 0)
    assert right() == [1]  # an older export read later
    assert school.read(row(0, third)) == (0, 1, 0, 0)
    assert right() == [0]  # taken back: the same as the first again, and newer
    for again in (row(1, second), row(0, first), row(0, third)):
        assert school.read(again) == (0, 0, 1, 0)
    school.lake.compact()
    assert right() == [0]


def test_a_version_that_is_none_costs_itself(school):
    text = f"{OWN.format('version')}S1,q1,t1,1,2026-03-02T09:00:07Z,a1,3.1.4-beta\n"
    assert school.read(text) == (1, 0, 0, 0)
    text = f"{OWN.format('updated_at')}S1,q2,t1,1,2026-03-02T09:00:07Z,a2,yesterday\n"
    assert school.read(text) == (1, 0, 0, 0)
    assert school.lake.scan(EVENTS, ["source_version"])["source_version"].null_count == 2


def test_the_same_under_another_version_is_a_revision_that_changes_nothing(school):
    text = f"{OWN.format('version')}S1,q1,t1,1,2026-03-02T09:00:07Z,a1,"
    assert school.read(text + "1\n") == (1, 0, 0, 0)
    for how in ("reject", "keep", "replace"):
        assert school.read(text + f"{school.files + 1}\n", on_revision=how) == (0, 1, 0, 0)
