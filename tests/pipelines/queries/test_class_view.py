"""A class by pages: the same class as one plain scan of gold says, and no more read than a page needs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mastery.errors import NotFound
from mastery.events.identity import buckets
from mastery.insight.bands import BANDS
from mastery.lake import Lake
from mastery.lake.layout import FINER_ROW_GROUP_ROWS
from mastery.pipelines.queries.class_view import SHOWN, added_up_index, published_index, weakest_rows
from mastery.pipelines.scoring.class_weakest import KEPT
from mastery.tables import GOLD
from school import NOW_US, SAMPLE, Deployment, student

pytestmark = pytest.mark.slow  # homes are recomputed several times

QUIZ = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"
ORDERS = ("lowest_mean", "bucket")


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    deployment = Deployment.at(tmp_path_factory.mktemp("school"))
    deployment.ingest(SAMPLE)
    deployment.recompute()
    return deployment


@pytest.fixture(scope="module")
def gold(school):
    return [row for row in school.lake.scan(GOLD).to_pylist() if row["score_source"] == "bkt"]


def means(rows, key):
    """Mean score of each student or topic over the rows with enough evidence; those without any have none."""
    scores = defaultdict(list)
    for row in rows:
        scores[row[key]] += [] if row["band"] == "not_enough_evidence" else [row["mastery_score"]]
    return {name: sum(found) / len(found) if found else None for name, found in scores.items()}


def test_the_numbers_of_a_class_are_those_of_one_scan_of_gold(school, gold):
    document = school.reader.class_scores(tenant="default", source="bkt", limit=1)
    bands = Counter(row["band"] for row in gold)
    assert document.totals.model_dump() == {
        "students": 30,
        "topics": len({row["topic_id"] for row in gold}),
        "student_topics": len(gold),
        "bands": {band: bands[band] for band in BANDS},
        "students_in_need": len({row["student_id"] for row in gold if row["band"] == "needs_help"}),
    }
    expected = means(gold, "topic_id")
    for topic in document.topics:
        of_topic = [row for row in gold if row["topic_id"] == topic.topic_id]
        in_band = Counter(row["band"] for row in of_topic)
        assert topic.mean == pytest.approx(expected[topic.topic_id], abs=1e-9)
        assert topic.bands == {band: in_band[band] for band in BANDS}
        assert topic.students == len(of_topic) - in_band["not_enough_evidence"]
        assert topic.needs_help == in_band["needs_help"]
        assert topic.evidence_count == sum(row["evidence_count"] for row in of_topic)
    assert [one.name for one in document.scorers] == ["rule_based", "bkt", "elo", "blend"]


def test_the_lowest_mean_comes_first_and_who_cannot_be_judged_comes_last(tmp_path):
    deployment = Deployment.at(tmp_path)
    rows = [("A", 1), ("A", 1), ("A", 1), ("B", 0), ("B", 0), ("B", 0), ("C", 0)]
    file = tmp_path / "quiz.csv"
    file.write_text(
        QUIZ + "".join(f"{who},q{n},t,{y},10,1,2026-05-01T10:0{n}:00Z\n" for n, (who, y) in enumerate(rows))
    )
    deployment.ingest(file)
    deployment.recompute(NOW_US)
    from school import KEY

    expected = [KEY.student("default", who) for who in "BAC"]
    assert deployment.reader.class_scores(tenant="default").students == expected


@pytest.mark.parametrize("order", ORDERS)
def test_pages_put_together_are_the_whole_class(school, order):
    whole = school.reader.class_scores(tenant="default", order=order)
    students, scores, offset = [], [], 0
    while offset is not None:
        page = school.reader.class_scores(tenant="default", order=order, offset=offset, limit=7)
        assert page.offset == offset == len(students)
        assert {row.student_id for row in page.scores} == set(page.students)
        assert page.topics == whole.topics
        assert page.totals == whole.totals
        students += page.students
        scores += page.scores
        offset = page.next_offset
    assert students == whole.students
    assert len(set(students)) == 30
    assert sorted(scores, key=str) == sorted(whole.scores, key=str)
    assert len(whole.scores) == whole.totals.student_topics


def test_students_of_a_page_in_the_order_of_buckets_lie_side_by_side(school):

    listed = school.reader.class_scores(tenant="default", order="bucket").students
    places = buckets(pa.array(listed), school.lake.buckets).tolist()
    assert list(zip(places, listed, strict=True)) == sorted(zip(places, listed, strict=True))


def test_a_page_after_the_last_student_is_empty_and_the_last(school):
    page = school.reader.class_scores(tenant="default", offset=30, limit=5)
    assert (page.students, page.scores, page.next_offset, page.totals.students) == ([], [], None, 30)


def test_the_page_of_one_student_holds_them(school):
    everybody = school.reader.class_scores(tenant="default").students
    page = school.reader.class_scores(tenant="default", limit=7, student_id=everybody[16])
    assert page.offset == 14
    assert page.students == everybody[14:21]
    with pytest.raises(NotFound, match="not in the class"):
        school.reader.class_scores(tenant="default", limit=7, student_id=student(31))


def test_a_class_on_some_topics_is_ordered_and_counted_by_these_alone(school, gold):
    wanted = ["frac-add", "ratio-scale"]
    rows = [row for row in gold if row["topic_id"] in wanted]
    document = school.reader.class_scores(tenant="default", source="bkt", topics=wanted)
    assert {topic.topic_id for topic in document.topics} == set(wanted)
    assert len(document.scores) == len(rows) == document.totals.student_topics
    mean = means(rows, "student_id")
    assert document.students == sorted(mean, key=lambda who: (mean[who] is None, mean[who] or 0.0, who))
    with pytest.raises(NotFound, match="did you mean 'frac-add'"):
        school.reader.class_scores(tenant="default", topics=["frac-ad"])


@pytest.mark.parametrize("order", ORDERS)
def test_the_index_that_is_published_is_the_one_that_gold_adds_up_to(school, order):
    published = school.lake.publication()
    gold = school.lake.shown(GOLD, published)
    for source in ("rule_based", "bkt", "elo"):
        mine = published_index(school.lake, gold, published, source, "default", order)
        theirs = added_up_index(school.lake, gold, source, "default", None, order)
        assert mine.students.to_pylist() == theirs.students.to_pylist()
        assert replace(mine, students=None) == replace(theirs, students=None)
    with pytest.raises(NotFound, match="nothing is published for tenant 'elsewhere'"):
        published_index(school.lake, gold, published, "bkt", "elsewhere", order)


def test_where_an_earlier_version_has_published_the_class_is_added_up_from_gold(school):
    published = school.lake.publication()
    earlier = replace(published, versions={GOLD.name: published.versions[GOLD.name]})
    assert published_index(school.lake, school.lake.shown(GOLD), earlier, "bkt", "default", "bucket") is None


def test_the_weakest_that_are_published_are_those_of_one_pass_over_gold_and_gold_is_not_read_for_them(tmp_path):
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE)
    deployment.recompute(workers=2)
    by, lake = deployment.lake.publication(), deployment.lake
    index = published_index(lake, lake.shown(GOLD, by), by, "bkt", "default", "lowest_mean")
    of_gold = {count: weakest_rows(lake, index, count, 3) for count in (0, 1, 10, KEPT, KEPT + 1)}
    of_more_evidence = weakest_rows(lake, index, 5, 9)
    assert [len(rows) for rows in of_gold.values()] == [0, 1, 10, KEPT, KEPT + 1]
    assert weakest_rows(lake, index, KEPT + 1, 3, by) == of_gold.pop(KEPT + 1), "more than are published"
    assert weakest_rows(lake, index, 5, 9, by) == of_more_evidence != weakest_rows(lake, index, 5, 3, by)
    for file in index.snapshot.files:
        (tmp_path / "lake" / GOLD.name / file.path).unlink()
    assert {count: weakest_rows(lake, index, count, 3, by) for count in of_gold} == of_gold


def test_where_an_earlier_version_has_published_no_weakest_gold_is_read(school):
    by = school.lake.publication()
    earlier = replace(by, versions={name: number for name, number in by.versions.items() if name != "class_weakest"})
    index = published_index(school.lake, school.lake.shown(GOLD, by), by, "bkt", "default", "lowest_mean")
    assert weakest_rows(school.lake, index, 7, 3, earlier) == weakest_rows(school.lake, index, 7, 3, by) != []


def test_a_class_says_when_events_have_come_in_since(tmp_path):
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE / "quiz_attempts.csv")
    deployment.recompute()

    def told():
        notes = deployment.reader.class_scores(tenant="default", limit=1).notes
        return [note for note in notes if "events have come in since" in note]

    assert told() == []
    deployment.lake.compact()
    assert told() == []
    deployment.ingest(SAMPLE / "practice_sessions.csv")
    assert len(told()) == 1
    assert told() == [note for note in deployment.reader.class_report(tenant="default")[0].notes if note in told()]
    deployment.recompute()
    assert told() == []


def test_few_students_are_read_as_many_are(school):
    gold = school.lake.shown(GOLD)
    everybody = added_up_index(school.lake, gold, "elo", "default", None, "bucket").students
    columns = [*SHOWN, "score_source"]
    few, many = (
        pa.concat_tables(school.lake.read_students(GOLD, everybody, columns, gold, "elo", most)) for most in (30, 29)
    )
    assert few.num_rows == many.num_rows > 0
    assert sorted(few.to_pylist(), key=str) == sorted(many.to_pylist(), key=str)


def test_scores_lie_in_parts_that_are_read_by_themselves(tmp_path, monkeypatch):
    monkeypatch.setitem(FINER_ROW_GROUP_ROWS, GOLD.name, 8)
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE)
    deployment.recompute()
    whole = deployment.reader.class_scores(tenant="default")
    page = deployment.reader.class_scores(tenant="default", offset=11, limit=3)
    assert [row for row in whole.scores if row.student_id in page.students] == page.scores
    read = 0

    def counted(file, group, columns, **options):
        nonlocal read
        read += 1
        return read_row_group(file, group, columns, **options)

    read_row_group = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    scores = deployment.reader.class_scores(tenant="default", offset=11, limit=1).scores
    assert read <= -(-len(scores) // 8) + 2


def test_a_second_page_reads_only_the_buckets_of_its_students(tmp_path):
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE)
    deployment.recompute()
    first = deployment.reader.class_scores(tenant="default", order="bucket", limit=1)

    second = deployment.reader.class_scores(tenant="default", order="bucket", offset=1, limit=1)
    needed = {int(buckets(pa.array(page.students), deployment.lake.buckets)[0]) for page in (first, second)}
    lake = Lake.open(deployment.lake.root)
    for file in lake.snapshot(GOLD).files:
        if file.bucket not in needed:  # what is not there cannot have been read
            (tmp_path / "lake" / "gold" / file.path).unlink()
    assert deployment.reader.class_scores(tenant="default", order="bucket", limit=1) == first
    assert deployment.reader.class_scores(tenant="default", order="bucket", offset=1, limit=1) == second
    with pytest.raises(FileNotFoundError):
        deployment.reader.class_scores(tenant="default", order="bucket")


def test_what_a_recompute_publishes_is_seen_at_once(tmp_path):
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE)
    deployment.recompute()
    before = deployment.reader.class_scores(tenant="default", limit=3)
    deployment.recompute(NOW_US)
    after = deployment.reader.class_scores(tenant="default", limit=3)
    assert after.as_of > before.as_of
    assert after.totals != before.totals
