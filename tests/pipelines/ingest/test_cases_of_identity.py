"""Files as schools export them, whose rows mean something beside each other: what each comes to.

They lie in ../shared/cases/ingest beside the repository; without them these tests are skipped.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, ITEMS, TOPICS
from school import KEY

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "ingest"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the repository")


@pytest.fixture
def read(tmp_path):
    """Ingest a case, a day after the one before; return rows accepted, revised, duplicates and rejected."""
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    days = iter(range(1_000))

    def one(case: str | Path, **said):
        now = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(days=next(days))
        options = ReadOptions(**said)
        report = ingest([CASES / case], lake=lake, pseudonyms=KEY, tenant="default", now=now, options=options)
        one.notes = report.notes
        assert report.read == report.accepted + report.revised + report.duplicates + report.rejected
        return report.accepted, report.revised, report.duplicates, report.rejected

    one.lake, one.notes = lake, ()
    return one


def events(lake: Lake, *columns: str) -> list[tuple]:
    """Return columns of all events, in the order in which they are folded."""
    order = ["student_id", "occurred_at", "sequence", "event_id_hi", "event_id_lo"]
    rows = lake.scan(EVENTS, list(dict.fromkeys([*order, *columns])))
    rows = rows.sort_by([(name, "ascending") for name in order])
    return list(zip(*(rows[name].to_pylist() for name in columns), strict=True))


@pytest.mark.parametrize(
    ("case", "outcomes"), [("dateonly_retry.csv", None), ("ties_down.csv", "1111100000"), ("rounded_noitem.csv", None)]
)
def test_each_row_of_one_moment_is_an_answer_in_the_order_of_the_file(read, case, outcomes):
    lines = (CASES / case).read_text().split()[1:]
    said = "".join(line.split(",")[3] for line in lines)
    assert outcomes in (None, said)
    assert read(case) == (len(lines), 0, 0, 0)
    assert any("share their moment" in note for note in read.notes)
    assert "".join(str(ppm // 1_000_000) for (ppm,) in events(read.lake, "success_ppm")) == said
    assert read(case) == (0, 0, len(lines), 0)


def test_a_row_for_each_skill_is_one_answer_on_them(read):
    assert read("multi_skill_ownid.csv") == (12, 0, 0, 0)
    assert events(read.lake, "topic_id", "other_topic_ids") == [("addition", ["fractions"])] * 6


def test_a_question_with_another_topic_in_a_later_export_is_still_one_answer(read):
    assert read("tagn_v1.csv") == (20, 0, 0, 0)
    assert read("tagn_v2.csv") == (0, 20, 0, 0)
    assert events(read.lake, "topic_id") == [("new",)] * 20


def test_a_regrade_counts_and_a_further_column_adds(read, tmp_path):
    assert read("grade_v1.csv") == (20, 0, 0, 0)
    assert read("grade_v2.csv") == (0, 20, 0, 0)
    assert {ppm // 10_000 for (ppm,) in events(read.lake, "success_ppm")} == set(range(80, 100))
    lines = (CASES / "more_cols.csv").read_text().split()
    before = tmp_path / "before.csv"
    before.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in lines))
    assert read(before) == (20, 0, 0, 0)
    assert read("more_cols.csv") == (0, 20, 0, 0)
    assert any("nothing else" in note for note in read.notes)
    assert read(before) == (0, 0, 20, 0)


def test_topics_in_one_value_are_split_as_said_or_noted(read):
    assert read("multi_tags.csv")[3] == 0
    assert any("--split" in note for note in read.notes)
    assert read("multi_tags.csv", splits={"topic_id": ";"})[0] == 0  # the same answers, on other topics
    topics = {(topic, *(others or ())) for topic, others in events(read.lake, "topic_id", "other_topic_ids")}
    assert ("1", "2", "77") in topics and "1;2;77" not in {one for several in topics for one in several}


def test_lists_of_topics_are_lists_in_every_form(read):
    assert read("asg_lists.csv") == (5, 0, 0, 0)
    assert set(map(str, events(read.lake, "topic_id", "other_topic_ids"))) == {"('x', ['y'])"}


def test_metadata_change_what_they_say_and_nothing_else(read):
    read("tm_full.csv")
    read("tm_part.csv")
    rows = {row.pop("topic_id"): row for row in read.lake.scan(TOPICS).to_pylist()}
    assert [rows["a"][name] for name in ("title", "chapter", "subject", "course")] == ["Alpha new", "C1", "Maths", "M6"]
    assert rows["b"]["prerequisites"] == ["a"]
    assert read("it_many.csv") == (4, 0, 0, 0)
    items = {row["item_id"]: row for row in read.lake.scan(ITEMS).to_pylist()}
    assert (items["q1"]["topic_id"], items["q1"]["other_topic_ids"]) == ("t1", ["t2", "t3"])


@pytest.mark.parametrize("items_first", [True, False])
def test_answers_take_the_topics_of_their_questions(read, items_first):
    metadata, answers = ["q_topics.csv", "q_items.csv"], ["q_without_topic.csv"]
    for case in metadata + answers if items_first else answers + metadata:
        read(case)
    assert {topic for (topic,) in events(read.lake, "topic_id")} == {"fractions", "decimals"}
    assert read(answers[0]) == (0, 0, 8, 0)


def test_the_same_rows_under_another_zone_are_refused(read):
    assert read("local_times.csv") == (10, 0, 0, 0)
    with pytest.raises(BadInput, match="another --timezone"):
        read("local_times.csv", timezone="Europe/Berlin")
    assert read.lake.count(EVENTS) == 10
