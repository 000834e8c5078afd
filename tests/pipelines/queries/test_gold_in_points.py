"""One number everywhere: points of a score are the same shown live, in a class and in an export."""

from __future__ import annotations

import pytest

from mastery.lake import Lake
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.queries.gold_in_points import GoldInPoints
from mastery.pipelines.queries.topic_means import topic_means
from mastery.pipelines.scoring.activate import activate
from mastery.pipelines.scoring.recompute import recompute
from mastery.scorers import with_scores
from mastery.tables import GOLD
from ml_school import model_set
from school import NOW_US, SAMPLE, Deployment, student

pytestmark = pytest.mark.slow


@pytest.fixture
def school(tmp_path) -> Deployment:
    """The sample under a set with ml and blend."""
    deployment, rules = Deployment.at(tmp_path, buckets=4), model_set().scorers["rule_based"].default
    deployment.ingest(SAMPLE)
    store_model_set(deployment.lake, model_set(), NOW_US)

    def publish(of, *, shadow, switch):
        return recompute(
            deployment.lake, of, as_of_us=deployment.newest_us(), now_us=NOW_US, min_evidence=3, workers=1,
            shadow=shadow, switch=switch,
        )  # fmt: skip

    activate(deployment.lake, rules, model_set().version, NOW_US, publish)
    return deployment


def exported(lake: Lake) -> list[dict]:
    in_points, snapshot = GoldInPoints(lake, lake.publication()), lake.shown(GOLD)
    names = [name for name in GOLD.schema.names if name != "bucket"]
    found = []
    for bucket in snapshot.buckets:
        found += in_points.explained(lake.read_bucket(GOLD, bucket, names, at=snapshot), bucket).to_pylist()
    return found


def test_every_exported_row_has_its_explanation_and_points_are_those_that_are_shown(school):
    rows, as_of_us = exported(school.lake), school.newest_us()
    shown = {source for source in with_scores() if source in model_set().scorers}
    assert {row["score_source"] for row in rows} == shown
    assert not [row for row in rows if row["explanation"] is None or row["points"] is None]
    reader = school.reader
    by_key = {(row["student_id"], row["topic_id"], row["score_source"]): row for row in rows}
    for who in sorted({row["student_id"] for row in rows})[:6]:
        for source in shown:
            for topic in reader.student(who, tenant="default", as_of_us=as_of_us, source=source).topics:
                row, why = by_key[who, topic.topic_id, source], topic.explanation
                assert row["reference"] == why.reference.mastery_score
                assert row["reference_students"] == why.reference.students
                assert {name: one for name, one in row["points"].items() if one is not None} == why.points
                given = {name: one for name, one in row["explanation"].items() if one is not None}
                assert given.keys() == why.contributions.keys()
                assert all(one == pytest.approx(why.contributions[name], abs=1e-11) for name, one in given.items())


def test_the_reference_is_the_mean_of_the_class_and_of_few_students_where_everybody_starts(school):
    means = topic_means(school.lake, school.lake.publication())
    reader = school.reader
    for source in ("bkt", "blend"):
        summary = reader.class_scores(tenant="default", source=source, limit=0).topics
        for topic in summary:
            mean = means["default", source].by_topic[topic.topic_id]
            assert mean.students == topic.students
            assert mean.mean == (None if topic.mean is None else pytest.approx(topic.mean, abs=1e-12))
    few = [row for row in exported(school.lake) if row["topic_id"] == "not-in-the-course"]
    assert few and all(row["reference_students"] == 0 for row in few)
    assert {row["reference_students"] for row in exported(school.lake)} - {0}


def test_rows_that_the_events_do_not_make_any_more_have_no_explanation_until_the_next_recompute(school, tmp_path):
    file = tmp_path / "more.csv"
    header = "student_id,question_id,topic_id,is_correct,timestamp"
    file.write_text(f"{header}\nS000017,new-question,frac-add,0,2026-03-01T10:00:00Z\n")
    school.ingest(file)
    without = [row for row in exported(school.lake) if row["explanation"] is None]
    assert {row["student_id"] for row in without} == {student(17)}
    assert {row["score_source"] for row in without} <= {"ml", "blend"}
    assert ("frac-add", "blend") in {(row["topic_id"], row["score_source"]) for row in without}
    assert all(row["points"] is None and row["reference"] is None for row in without)
