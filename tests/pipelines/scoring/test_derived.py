"""Scorers without a fold, end to end: from a record as from a fold, in gold, in history, in what people read."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histories import DAY, GAPS, Event, examples, histories, table
from mastery.insight.tags import habits
from mastery.pipelines.queries.known import known_of
from mastery.pipelines.queries.student_document import retention_documents, topic_document
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.pipelines.scoring.publish import derived_history_rows, gold_rows, history_rows
from mastery.pipelines.scoring.records import is_current, record_of, snapshot_from
from mastery.pipelines.scoring.snapshot import snapshot_of
from mastery.scorers import DERIVED
from mastery.tables import EVENTS, GOLD, HISTORY
from ml_school import model_set, shipped

NO_HISTORY = HISTORY.schema.empty_table()
START = 19_000


def with_hashes(events: list[Event]) -> pa.Table:
    rows = table(events)
    return rows.append_column(EVENTS.schema.field("body_hash"), pa.array(range(rows.num_rows), pa.int64()))


def folded_at(events: list[Event], as_of_us: int) -> Folded:
    return fold_events(table(events), model_set(), as_of_us)


@examples(50)
@given(events=histories(), wait=st.sampled_from(GAPS))
def test_a_record_a_student_and_a_batch_give_the_same_bits(events, wait):
    as_of_us = max(event.at_us for event in events) + wait
    rows = with_hashes(events)
    batch = fold_events(rows, model_set(), as_of_us, history=False)
    together = batch.scores(explain=True)
    for s, student in enumerate(batch.batch.students):
        mine = slice(int(batch.batch.slot_ptr[s]), int(batch.batch.slot_ptr[s + 1]))
        own = rows.filter(pc.equal(rows["student_id"], student))
        alone = fold_events(own, model_set(), as_of_us, history=False)
        record = record_of(own, alone)
        assert is_current(record, model_set())
        ways = {
            "of the batch": snapshot_of(batch, s).scores(as_of_us),
            "alone": snapshot_of(alone).scores(as_of_us),
            "record": snapshot_from(record, model_set()).scores(as_of_us),
        }
        for way, readings in ways.items():
            assert list(readings) == list(together), way
            for name in DERIVED:
                one, other = readings[name], together[name]
                for what in ("score", "lower", "upper"):
                    np.testing.assert_array_equal(getattr(one, what), getattr(other, what)[mine], err_msg=way)
                np.testing.assert_array_equal(one.contributions, other.contributions[mine], err_msg=way)


def test_a_set_without_them_gives_none():
    folded = fold_events(table([Event()]), shipped(), Event().at_us)
    assert not set(folded.scores()) & set(DERIVED)
    assert not set(snapshot_of(folded).scores(Event().at_us)) & set(DERIVED)
    assert derived_history_rows(folded, NO_HISTORY).num_rows == 0


def test_students_whose_events_were_all_withdrawn_cost_nothing():
    folded = folded_at([Event(share_ppm=None)], Event().at_us)
    assert all(reading.score.size == 0 for reading in folded.scores().values())
    assert gold_rows(folded, 3, 0).num_rows == 0


def test_gold_holds_their_scores_and_leaves_the_explanation_to_who_reads():
    events = [Event(number=k, at_us=Event().at_us + k, share_ppm=1_000_000 * (k % 2)) for k in range(5)]
    folded = folded_at(events, Event().at_us + DAY)
    gold = gold_rows(folded, 3, 0).to_pylist()
    assert [row["score_source"] for row in gold] == ["rule_based", "bkt", "elo", "ml", "blend"]
    readings = folded.scores()
    for row in gold:
        assert row["mastery_score"] == readings[row["score_source"]].score[0]
        assert (row["explanation"] is None) == (row["score_source"] in DERIVED)
    assert gold_rows(folded, 3, 0).select(["explanation"]).schema.field(0).type == GOLD.schema.field("explanation").type


@pytest.mark.parametrize("source", DERIVED)
def test_a_topic_document_explains_a_derived_score(source):
    events = [Event(number=k, at_us=Event().at_us + k, share_ppm=1_000_000) for k in range(6)]
    snapshot = snapshot_of(folded_at(events, events[-1].at_us))
    for wait in (0, 400 * DAY):
        as_of_us = events[-1].at_us + wait
        readings = snapshot.scores(as_of_us)
        fading = retention_documents(snapshot, readings, source, as_of_us, 0.6, [0])[0]
        known = known_of(snapshot, source, readings[source], as_of_us)(0)
        one = topic_document(
            snapshot, 0, readings, source, None, float("nan"), habits(snapshot.counters), known, 3, fading
        )
        score = one.mastery_score
        assert sum(one.explanation.contributions.values()) == pytest.approx(np.log(score / (1.0 - score)), abs=1e-8)
        assert one.explanation.scale == "log_odds"
        assert one.explanation.factors and one.explanation.summary
        assert set(one.scores) == {"rule_based", "bkt", "elo", "ml", "blend"}
        assert (one.explanation.contributions["forgetting"] < -0.01) == (wait > 0)


def on_day(day: int, topic: str = "t0", student: str = "s_a0", right: int = 1) -> Event:
    number = 1 + day * 100 + int(topic[1:]) * 10 + int(student[-1])
    return Event(
        at_us=(START + day) * DAY + 5, student=student, topics=(topic,), share_ppm=right * 1_000_000, number=number
    )


def points(history: pa.Table) -> set[tuple[str, str, int]]:
    """Return (student, topic, day) of ml's rows; blend has the same."""
    rows = history.to_pylist()
    assert len({(r["student_id"], r["topic_id"], r["score_source"], r["day"]) for r in rows}) == len(rows)
    found = {
        name: {
            (r["student_id"], r["topic_id"], (r["day"] - datetime.date(1970, 1, 1)).days - START)
            for r in rows
            if r["score_source"] == name
        }
        for name in DERIVED
    }
    assert found["ml"] == found["blend"]
    return found["ml"]


def recomputed(events: list[Event], day: int, earlier: pa.Table = NO_HISTORY) -> pa.Table:
    """Return all of history as the recompute at the end of that day publishes it."""
    folded = folded_at(events, (START + day + 1) * DAY - 1)
    found = pa.concat_tables(
        [history_rows(folded), derived_history_rows(folded, earlier)], promote_options="permissive"
    )
    return found.cast(pa.schema([field for field in HISTORY.schema if field.name != "bucket"]))


def test_their_history_starts_when_it_is_first_published_and_grows_with_activity():
    events = [on_day(0), on_day(1, "t1"), on_day(3)]
    first = recomputed(events, 1)
    assert points(first) == {("s_a0", "t0", 1), ("s_a0", "t1", 1)}
    again = recomputed(events, 2, first)
    assert points(again) == points(first) | {("s_a0", "t1", 2)}  # its last activity may have come after the first
    then = recomputed(events, 3, again)
    assert points(then) == points(again) | {("s_a0", "t0", 3)}
    assert points(recomputed(events, 9, recomputed(events, 8, then))) == points(then) | {("s_a0", "t0", 8)}


def test_what_was_published_stays_as_it_was_even_when_the_fold_would_say_otherwise_today():
    first = recomputed([on_day(0, right=0), on_day(1)], 1)
    later = recomputed([on_day(0, right=1), on_day(1), on_day(4)], 4, first)
    old = {r["score_source"]: r for r in first.to_pylist() if r["score_source"] in DERIVED}
    for row in later.to_pylist():
        if row["score_source"] in DERIVED and row["day"] == old["ml"]["day"]:
            assert row == old[row["score_source"]]


def test_the_same_day_again_replaces_what_the_day_said():
    first = recomputed([on_day(2, right=0)], 2)
    second = recomputed([on_day(2, right=0), replace(on_day(2), number=999)], 2, first)
    assert points(second) == points(first)
    scores = [[r["mastery_score"] for r in some.to_pylist() if r["score_source"] == "ml"] for some in (first, second)]
    assert scores[0] != scores[1]


def test_nothing_is_carried_over_of_students_who_are_gone():
    first = recomputed([on_day(0), on_day(0, student="s_a1")], 0)
    assert points(recomputed([on_day(0)], 1, first)) == {("s_a0", "t0", 0), ("s_a0", "t0", 1)}
