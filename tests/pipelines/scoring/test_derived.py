"""Scorers without a fold, end to end: from a record as from a fold, in gold, in history, in what people read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histories import DAY, GAPS, Event, examples, histories, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.insight.tags import habits
from mastery.pipelines.queries.known import known_of
from mastery.pipelines.queries.student_document import retention_documents, topic_document
from mastery.pipelines.scoring.derived_history import derived_history
from mastery.pipelines.scoring.fold import Folded, begin, fold_batch, fold_events
from mastery.pipelines.scoring.publish import gold_rows, history_rows
from mastery.pipelines.scoring.records import is_current, record_of, snapshot_from
from mastery.pipelines.scoring.snapshot import snapshot_of
from mastery.scorers import DERIVED
from mastery.tables import EVENTS, GOLD
from ml_school import model_set, shipped


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
    without = shipped()
    without = replace(without, scorers={name: mine for name, mine in without.scorers.items() if name not in DERIVED})
    folded = fold_events(table([Event()]), without, Event().at_us, derived_history=True)
    assert not set(folded.scores()) & set(DERIVED)
    assert not set(snapshot_of(folded).scores(Event().at_us)) & set(DERIVED)
    assert not set(folded.history) & set(DERIVED)


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


@examples(40)
@given(events=histories(), wait=st.sampled_from(GAPS))
def test_a_point_of_history_is_the_score_at_the_end_of_its_day_bit_for_bit(events, wait):
    as_of_us = max(event.at_us for event in events) + wait
    folded = fold_events(table(events), model_set(), as_of_us, derived_history=True)
    batch, asked = folded.batch, 0
    assert set(folded.history) == {*folded.models, *DERIVED}
    for day in np.unique(batch.cell_day).tolist():
        end_us = min((day + 1) * DAY, as_of_us)
        then = fold_events(table(events), model_set(), end_us, history=False)
        scores = then.scores()
        slots = {slot_name(then, p): p for p in range(then.batch.slot_topic.size)}
        for cell in np.flatnonzero(batch.cell_day == day).tolist():
            p = slots[slot_name(folded, int(batch.cell_slot[cell]))]
            for name in folded.history:
                point = tuple(folded.history[name][:, cell].tolist())
                assert point == tuple(float(values[p]) for values in scores[name][:3]), (name, day)
            asked += 1
    assert asked == batch.cell_slot.size


def slot_name(folded: Folded, p: int) -> tuple[str, str]:
    batch = folded.batch
    return batch.students[batch.slot_student[p]], batch.topics[batch.slot_topic[p]][1]


@examples(20)
@given(events=histories())
def test_days_one_by_one_end_in_the_states_of_one_fold(events):
    batch = make_batch(event_columns(table(events), max(event.at_us for event in events)))
    whole = fold_batch(batch, model_set(), max(event.at_us for event in events))
    begun = begin(batch, whole.models)
    derived_history(batch, whole.models, whole.derived, begun.states, begun.counters, whole.as_of_us)
    np.testing.assert_array_equal(begun.counters, whole.counters)
    for name, states in whole.states.items():
        np.testing.assert_array_equal(begun.states[name].slot, states.slot)
        np.testing.assert_array_equal(begun.states[name].student, states.student)


def test_history_of_all_scorers_has_the_same_days():
    events = [Event(number=1 + k, at_us=Event().at_us + k * DAY, share_ppm=1_000_000 * (k % 2)) for k in range(5)]
    folded = fold_events(table(events), model_set(), events[-1].at_us, derived_history=True)
    rows = history_rows(folded).to_pylist()
    days = {name: [row["day"] for row in rows if row["score_source"] == name] for name in folded.history}
    assert all(len(one) == 5 and one == days["bkt"] for one in days.values())
    assert len({row["mastery_score"] for row in rows if row["score_source"] == "blend"}) == 5
