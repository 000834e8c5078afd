"""The monotone ml: what it reads, what it says, and the laws from an event to a score."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from histories import DAY, GAPS, Event, examples, histories, table
from mastery.errors import BadInput
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import fold_counters, initial_counters
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.scorers import DERIVED
from mastery.scorers.base import Model
from mastery.scorers.boosting import scorer as ml
from mastery.scorers.boosting.features import (
    ANSWERED,
    FALLS,
    FEATURES,
    FREE,
    MEMBERS,
    RISES,
    pre_answer_features,
    slot_features,
)
from mastery.scorers.interval import forgotten, retention, steadied
from mastery.tables import CONTRIBUTIONS
from ml_school import fitted, model_set, school

every_derived = pytest.mark.parametrize("name", DERIVED)
ROUNDING = 1e-12
COLUMN = {feature.name: k for k, feature in enumerate(FEATURES)}


def end_of(events: list[Event]) -> int:
    return max(event.at_us for event in events)


def read_at(events: list[Event], as_of_us: int) -> Folded:
    return fold_events(table(events), model_set(), as_of_us, history=False)


def log_odds(score: np.ndarray) -> np.ndarray:
    return np.log(score / (1.0 - score))


def test_what_the_trees_were_fitted_with_says_something():
    assert fitted().measures["trees"] > 10
    assert fitted().measures["held_out_log_loss"] < 0.66  # a coin's is 0.69


@every_derived
@given(events=histories(), wait=st.sampled_from(GAPS))
def test_laws_4_and_5_scores_lie_in_their_interval_and_parts_add_up(name, events, wait):
    reading = read_at(events, end_of(events) + wait).scores(explain=True)[name]
    assert np.all((reading.lower >= 0.0) & (reading.lower <= reading.score))
    assert np.all((reading.score <= reading.upper) & (reading.upper <= 1.0))
    np.testing.assert_allclose(reading.contributions.sum(axis=1), log_odds(reading.score), rtol=0, atol=1e-8)


@every_derived
@examples(120)
@given(events=histories(regrades=False), data=st.data())
def test_law_6_a_better_answer_never_lowers_the_score_of_its_topic(name, events, data):
    at = data.draw(st.sampled_from([i for i, e in enumerate(events) if e.share_ppm < 1_000_000] or [None]))
    assume(at is not None)
    better = replace(events[at], share_ppm=data.draw(st.sampled_from((1_000_000, events[at].share_ppm + 1))))
    raised = [*events[:at], better, *events[at + 1 :]]
    for wait in (0, 400 * DAY):
        before, after = (read_at(some, end_of(events) + wait) for some in (events, raised))
        mine = [
            before.batch.students[s] == better.student and before.batch.topics[t][1] in better.topics
            for s, t in zip(before.batch.slot_student, before.batch.slot_topic, strict=True)
        ]
        scores, scores_raised = before.scores()[name].score[mine], after.scores()[name].score[mine]
        assert np.all(scores_raised >= scores - ROUNDING)


@every_derived
@given(events=histories(), wait=st.sampled_from(GAPS), longer=st.sampled_from(GAPS))
def test_law_7_idle_time_never_raises_a_score(name, events, wait, longer):
    sooner, later = (read_at(events, end_of(events) + wait + more).scores()[name].score for more in (0, longer))
    assert np.all(later <= sooner + 1e-15)


@every_derived
@given(events=histories(), data=st.data())
def test_a_student_has_the_scores_that_they_have_alone(name, events, data):
    student = data.draw(st.sampled_from(sorted({event.student for event in events})))
    as_of = end_of(events) + DAY
    both = [read_at(some, as_of) for some in (events, [e for e in events if e.student == student])]
    found = []
    for folded in both:
        reading = folded.scores(explain=True)[name]
        found.append(
            {
                folded.batch.topics[t]: (
                    reading.score[p],
                    reading.lower[p],
                    reading.upper[p],
                    *reading.contributions[p],
                )
                for p, (s, t) in enumerate(zip(folded.batch.slot_student, folded.batch.slot_topic, strict=True))
                if folded.batch.students[s] == student
            }
        )
    assert found[0] == found[1]


def test_a_thousand_answers_turned_right_never_lower_a_score():
    batch, parameters = school(students=60, seed=9), fitted().parameters
    rng = np.random.default_rng(3)
    rows = np.flatnonzero((batch.kind == 0) & (batch.success_ppm == 0))
    probabilities = {name: np.full(batch.slot.size, 0.6) for name in ("bkt", "elo")}
    before = ml.predict(batch, parameters, probabilities)
    worst = 0.0
    for row in rng.choice(rows, 200, replace=False):
        success = batch.success_ppm.copy()
        success[row] = 1_000_000
        after = ml.predict(replace(batch, success_ppm=success), parameters, probabilities)
        worst = min(worst, float(np.nanmin(after - before)))
    assert worst >= 0.0


def test_signs_of_features_are_what_a_better_answer_does_to_them():
    batch = school(students=40, seed=2)
    base, probabilities = np.zeros(len(batch.topics)), np.full((len(MEMBERS), batch.slot_topic.size), np.nan)

    def of(some: Batch) -> np.ndarray:
        counters = initial_counters(some.slot_topic.size)
        fold_counters(some, counters)
        return slot_features(some.slot_student, some.slot_topic, counters, base, probabilities)

    before, moved = of(batch), np.zeros(len(FEATURES), bool)
    for row in np.flatnonzero((batch.kind <= 3) & (batch.success_ppm < 1_000_000 * batch.attempts))[::3]:
        success = batch.success_ppm.copy()
        success[row] = 1_000_000 * batch.attempts[row]
        change = of(replace(batch, success_ppm=success)) - before
        moved |= (change != 0.0).any(axis=0)
        for feature, by in zip(FEATURES, change.T, strict=True):
            allowed = {RISES: (by >= 0.0), FALLS: (by <= 0.0), FREE: (by == 0.0)}[feature.sign]
            assert allowed.all(), feature.name
    outcomes = {f.name for f in FEATURES if f.sign != FREE and not f.name.endswith("_logit")}
    assert {FEATURES[k].name for k in np.flatnonzero(moved)} == outcomes


def test_pre_answer_features_end_where_the_counters_end():
    batch = school(students=50)
    counters = initial_counters(batch.slot_topic.size)
    fold_counters(batch, counters)
    zeros, base = np.zeros(batch.slot.size), np.zeros(len(batch.topics))
    _, followed = pre_answer_features(batch, np.zeros(0, np.int64), zeros, zeros, {})
    probabilities = np.full((len(MEMBERS), batch.slot_topic.size), np.nan)
    mine, theirs = (
        slot_features(batch.slot_student, batch.slot_topic, one, base, probabilities) for one in (followed, counters)
    )
    np.testing.assert_array_equal(mine, theirs)


def test_features_before_each_answer_by_hand():
    answers = [("t0", 0, 1), ("t0", 1, 0), ("t1", 2, 1), ("t0", 26, 1), ("t0", 27, 1)]
    hour = DAY // 24
    events = [
        Event(at_us=19_000 * DAY + hours * hour, topics=(topic,), share_ppm=right * 1_000_000, number=k, hints=k)
        for k, (topic, hours, right) in enumerate(answers)
    ]
    batch = make_batch(event_columns(table(events)))
    n = batch.slot.size
    probability = np.full(n, 0.75)
    found, _ = pre_answer_features(batch, np.arange(n), np.full(n, 0.3), np.full(n, 0.4), {"elo": probability})
    last = {name: float(found[4, k]) for name, k in COLUMN.items()}
    assert last == pytest.approx(
        {
            "topic_base": 0.3, "item_base": 0.4, "learnt_from": 3, "right": 2, "wrong": 1, "share_right": 3 / 5,
            "recent": 1 - 0.8 + 0.64, "last": 1, "run_right": 1, "run_wrong": 0, "practice_attempts": 0,
            "practice_share": 0.5, "assignments": 0, "assignment_share": 0.5, "videos": 0, "video_share": 0.5,
            "hints": 4 / 3, "help_requests": 0, "days": 2, "idle_days": 1 / 24, "other_learnt_from": 1,
            "other_share": 2 / 3, "elo_logit": np.log(3.0),
        },
        abs=1e-6,
    )  # fmt: skip
    first = {name: float(found[0, k]) for name, k in COLUMN.items()}
    assert (first["learnt_from"], first["recent"], first["last"], first["idle_days"]) == (0, 0, 0, 0)


def test_predicting_sees_nothing_of_the_event_it_predicts_nor_of_later_ones():
    batch, parameters = school(students=30, seed=4), fitted().parameters
    probabilities = {name: np.full(batch.slot.size, 0.6) for name in ("bkt", "elo")}
    before = ml.predict(batch, parameters, probabilities)
    assert np.array_equal(np.isnan(before), batch.weight <= 0.0)
    turn = batch.slot.size // 2
    after = np.arange(batch.slot.size) >= turn
    success = np.where(after, 1_000_000 * batch.attempts - batch.success_ppm, batch.success_ppm)
    turned = replace(batch, success_ppm=success, hints=np.where(after, 9, batch.hints))
    again = ml.predict(turned, parameters, probabilities)
    np.testing.assert_array_equal(again[: turn + 1], before[: turn + 1])


def test_a_member_that_is_not_there_is_named():
    batch = school(students=3)
    with pytest.raises(BadInput, match="fitted with what elo predicts"):
        ml.predict(batch, fitted().parameters, {"bkt": np.full(batch.slot.size, 0.5)})


def test_answers_are_booked_by_what_they_were():
    reading = read_at([Event(share_ppm=1_000_000, number=1)], Event().at_us).scores(explain=True)["ml"]
    parts = dict(zip(ml.CONTRIBUTIONS, reading.contributions[0], strict=True))
    assert parts["answers_right"] > 0.0 and parts["answers_wrong"] == 0.0


def test_parts_are_known_names_and_features_belong_to_them():
    assert set(ml.CONTRIBUTIONS) <= set(CONTRIBUTIONS)
    assert all(0 <= part < len(ml.CONTRIBUTIONS) or part == -1 for part in ml.CONTRIBUTION_OF)


def test_guess_and_slip_of_1_together_are_refused():
    params = np.concatenate([np.full(one.size, one.default) for one in ml.PARAMETERS])[None, :]
    params[0, [ml.GUESS, ml.SLIP]] = 0.6, 0.4
    with pytest.raises(BadInput, match=r"guess .* \+ slip .* of topic row 0"):
        ml.check(Model(params, np.zeros((0, 1))))


@pytest.mark.slow
def test_reading_scores_needs_no_boosting_library():
    code = (
        "import sys; import mastery.pipelines.queries.reader, mastery.scorers.boosting.scorer; "
        "sys.exit('xgboost' in sys.modules or 'sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_worked_example_of_the_page_is_what_is_computed():
    page = (Path(__file__).parents[3] / "docs" / "scorers" / "ml.md").read_text("utf-8")
    probability = 1.0 / (1.0 + math.exp(-1.0))
    last = (probability - 0.2) / (1.0 - 0.1 - 0.2)
    half_life = steadied(120.0, 1.35, 2.0)
    kept = retention(30 * DAY, half_life)
    assert f"σ(1.0) = {probability:.4f} |" in page
    assert f"= {last:.4f} |" in page
    assert f"= {half_life:.0f} days |" in page
    assert f"= {kept:.4f} |" in page
    assert f"**{forgotten(last, 0.5, kept):.4f}**" in page


def test_the_page_says_the_parameters_the_features_and_the_parts_of_the_code():
    page = (Path(__file__).parents[3] / "docs" / "scorers" / "ml.md").read_text("utf-8")
    for p in ml.PARAMETERS:
        assert f"| `{p.name}` | {p.default:g} | {p.low:g} | {p.high:g} | {p.doc} |" in page
    for feature in FEATURES:
        way = {RISES: "↑", FALLS: "↓", FREE: "·"}[feature.sign]
        part = "by its sign" if feature.booked_as == ANSWERED else feature.booked_as
        assert f"| `{feature.name}` | {way} | {part} | {feature.doc} |" in page
    assert [part for part in ml.CONTRIBUTIONS if f"`{part}`" not in page] == []
