"""The recompute on a real lake: what is published agrees with itself, with one student's fold, and with any cut."""

from __future__ import annotations

import math
import os
import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mastery.errors import Conflict
from mastery.features.columns import READ
from mastery.instants import DAY_US
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.publish import gold_rows, history_rows
from mastery.pipelines.scoring.recompute import parts, recompute
from mastery.scorers import DERIVED, SCORERS, unfitted
from mastery.tables import EVENTS, FEATURES, GOLD, HISTORY, LEDGER, LEDGER_COUNTS, MODEL_PARAMS, UNASSIGNED
from school import NOW_US, SAMPLE, Deployment


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    deployment = Deployment.at(tmp_path_factory.mktemp("school"))
    deployment.ingest(SAMPLE)
    deployment.recompute()
    return deployment


def rows(deployment, table, **where):
    found = deployment.lake.scan(table)
    for name, value in where.items():
        found = found.filter(pc.equal(found[name], value))
    return found


def plain(table: pa.Table) -> list[dict]:
    return sorted(
        table.drop_columns(["last_updated"] if "last_updated" in table.column_names else []).to_pylist(), key=str
    )


def test_every_student_topic_has_one_gold_row_per_scorer(school):
    gold = rows(school, GOLD)
    keys = Counter(zip(*(gold[name].to_pylist() for name in GOLD.key), strict=True))
    assert set(keys.values()) == {1}
    pairs = {key[:2] for key in keys}
    assert len(keys) == len(pairs) * len(unfitted())
    features = rows(school, FEATURES)
    assert pairs == set(zip(features["student_id"].to_pylist(), features["topic_id"].to_pylist(), strict=True))


def test_scores_lie_within_their_intervals_and_intervals_within_0_and_1(school):
    for table in (GOLD, HISTORY):
        found = rows(school, table)
        lower, score, upper = (found[name].to_numpy() for name in ("lower", "mastery_score", "upper"))
        assert ((lower >= 0) & (lower <= score) & (score <= upper) & (upper <= 1)).all()


def test_the_parts_in_gold_add_up_to_the_score_on_the_scorers_scale(school):
    for row in rows(school, GOLD).to_pylist():
        if row["score_source"] in DERIVED:  # explained, exactly, when somebody reads the score
            assert row["explanation"] is None
            continue
        total = math.fsum(part for part in row["explanation"].values() if part is not None)
        score = row["mastery_score"]
        scorer = SCORERS[row["score_source"]]
        expected = math.log(score / (1 - score)) if scorer.scale == "log_odds" else score
        assert total == pytest.approx(expected, abs=1e-9)
        given = {name for name, part in row["explanation"].items() if part is not None}
        assert given == set(scorer.contributions)


def test_the_ledger_counts_every_event_once(school):
    events, ledger = rows(school, EVENTS), rows(school, LEDGER)
    quiz = events.filter(pc.equal(events["kind"], "quiz"))
    assert pc.sum(ledger["q_attempts"]).as_py() == quiz.num_rows
    assert pc.sum(ledger["q_success_ppm"]).as_py() == pc.sum(quiz["success_ppm"]).as_py()
    practice = events.filter(pc.equal(events["kind"], "practice"))
    assert pc.sum(ledger["practice_attempts"]).as_py() == pc.sum(practice["attempts"]).as_py()
    videos = events.filter(pc.equal(events["kind"], "video"))
    assert pc.sum(ledger["videos"]).as_py() == videos.num_rows
    assert set(LEDGER_COUNTS) <= set(ledger.column_names)


def test_history_has_a_point_for_each_day_with_activity_and_ends_at_the_gold_score(school):
    history, ledger, gold = rows(school, HISTORY), rows(school, LEDGER), rows(school, GOLD)
    days = Counter(zip(*(ledger[name].to_pylist() for name in ("student_id", "topic_id", "day")), strict=True))
    for source in unfitted():
        mine = history.filter(pc.equal(history["score_source"], source))
        assert days == Counter(zip(*(mine[n].to_pylist() for n in ("student_id", "topic_id", "day")), strict=True))
    as_of = gold["as_of"][0].as_py()
    today = history.filter(pc.equal(history["day"], as_of.date()))
    assert today.num_rows
    scores = {tuple(row[name] for name in GOLD.key): row for row in gold.to_pylist()}
    for row in today.to_pylist():
        key = tuple(row[name] for name in GOLD.key)
        assert row["mastery_score"] == scores[key]["mastery_score"], "the last day is read at as_of"
        assert row["evidence_count"] == scores[key]["evidence_count"]


def test_one_student_folded_alone_gets_the_very_bits_of_the_recompute(school):
    model_set = school.reader.metadata().model_set
    as_of_us = school.newest_us()
    for student in sorted(set(rows(school, GOLD)["student_id"].to_pylist()))[:5]:
        events = school.lake.read_student(EVENTS, student, READ)
        folded = fold_events(events, model_set, as_of_us, derived_history=True)
        for table, made in ((GOLD, gold_rows(folded, 3, NOW_US)), (HISTORY, history_rows(folded))):
            published = rows(school, table, student_id=student).drop_columns(["bucket"])
            assert plain(made.cast(published.schema)) == plain(published)


@pytest.mark.slow
def test_workers_buckets_and_arrival_order_change_nothing(school, tmp_path):
    other = Deployment.at(tmp_path, buckets=3)
    files = sorted(SAMPLE.glob("*.csv"), reverse=True)
    for file in files:
        other.ingest(file)
    other.recompute(workers=3)
    for table in (GOLD, HISTORY, LEDGER, FEATURES):
        assert plain(rows(school, table).drop_columns(["bucket"])) == plain(rows(other, table).drop_columns(["bucket"]))


def test_a_bucket_folded_in_parts_of_whole_students_publishes_the_same(school):
    events = school.lake.read_bucket(EVENTS, 0, READ)
    cut = list(parts(events, 100))
    assert len(cut) > 5
    assert sum(part.num_rows for part in cut) == events.num_rows
    seen = Counter(who for part in cut for who in set(part["student_id"].to_pylist()))
    assert set(seen.values()) == {1}
    model_set, as_of_us = school.reader.metadata().model_set, school.newest_us()
    made = [gold_rows(fold_events(part, model_set, as_of_us), 3, NOW_US) for part in cut if part.num_rows]
    published = rows(school, GOLD, bucket=0).drop_columns(["bucket"])
    assert plain(pa.concat_tables([table.cast(published.schema) for table in made])) == plain(published)


def test_recomputing_twice_publishes_the_same_and_keeps_one_set_of_parameters(school):
    before = {table.name: plain(rows(school, table)) for table in (GOLD, HISTORY)}
    parameters = school.lake.count(MODEL_PARAMS)
    school.recompute(workers=2)
    assert {table.name: plain(rows(school, table)) for table in (GOLD, HISTORY)} == before
    assert school.lake.count(MODEL_PARAMS) == parameters > 0


@pytest.mark.slow
def test_what_a_broken_off_recompute_left_behind_is_cleared_away_after_a_day(tmp_path):
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE)
    deployment.recompute()
    folder = tmp_path / "lake" / GOLD.name / "bucket=00"
    kept = {path.name for path in folder.glob("*.parquet")}
    old, young = folder / "part-old.parquet", folder / "part-young.parquet"
    for orphan in (old, young):
        orphan.write_bytes(b"cut off")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    deployment.recompute()
    assert not old.exists()
    assert young.exists(), "another recompute may be writing it"
    assert kept <= {path.name for path in folder.glob("*.parquet")}, "whoever reads the one before still can"


def test_as_of_in_the_past_is_as_if_later_events_had_never_come(school, tmp_path):
    cut_us = school.newest_us() - 30 * DAY_US
    events = rows(school, EVENTS)
    early = events.filter(pc.less_equal(events["occurred_at"].cast(pa.int64()), cut_us))
    assert 0 < early.num_rows < events.num_rows
    past = Deployment.at(tmp_path)
    past.lake.append(EVENTS, early)
    for table in ("topics", "items"):
        past.ingest(SAMPLE / f"{table}.csv")
    past.recompute(cut_us)
    full = Deployment.at(tmp_path / "full")
    full.ingest(SAMPLE)
    report = full.recompute(cut_us)
    assert report.events == early.num_rows and report.events_later == events.num_rows - early.num_rows
    assert full.state.count() == 0, "records hold all of a student's events, so none is seeded for the past"
    key = [name for name in rows(full, GOLD).column_names if name not in ("bucket", "student_id", "last_updated")]
    assert sorted(map(str, rows(full, GOLD).select(key).to_pylist())) == sorted(
        map(str, rows(past, GOLD).select(key).to_pylist())
    )


def test_a_topicless_event_is_kept_and_counted_and_gets_no_score(tmp_path):
    deployment = Deployment.at(tmp_path)
    file = tmp_path / "quiz.csv"
    file.write_text(
        "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"
        "S1,Q1,,1,10,1,2026-05-01T10:00:00Z\nS1,Q2,algebra,1,10,1,2026-05-01T10:01:00Z\n"
    )
    deployment.ingest(file)
    deployment.recompute()
    assert set(rows(deployment, EVENTS)["topic_id"].to_pylist()) == {UNASSIGNED, "algebra"}
    assert pc.sum(rows(deployment, LEDGER)["q_attempts"]).as_py() == 2
    for table in (GOLD, HISTORY, FEATURES):
        assert set(rows(deployment, table)["topic_id"].to_pylist()) == {"algebra"}


def test_a_kind_of_a_newer_version_is_refused_and_nothing_is_published(school, tmp_path):
    deployment = Deployment.at(tmp_path)
    events = rows(school, EVENTS).slice(0, 5)
    kinds = pa.array(["hologram"] * 5, pa.string())
    deployment.lake.append(EVENTS, events.set_column(events.column_names.index("kind"), "kind", kinds))
    with pytest.raises(Conflict, match="hologram"):
        deployment.recompute()
    assert deployment.lake.count(GOLD) == 0


def test_an_empty_lake_publishes_nothing_and_does_not_fail(tmp_path):
    deployment = Deployment.at(tmp_path)
    report = deployment.recompute(NOW_US)
    assert (report.events, report.students, report.newest_event_us) == (0, 0, None)
    assert deployment.lake.count(GOLD) == 0


def test_progress_counts_every_event(school):
    seen = []
    recompute(
        school.lake,
        school.reader.metadata().model_set,
        as_of_us=school.newest_us(),
        now_us=NOW_US,
        min_evidence=3,
        workers=2,
        progress=seen.append,
    )
    assert int(np.sum(seen)) == school.lake.count(EVENTS)
