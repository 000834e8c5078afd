"""Elo: one ability per student and one offset per student-topic, moved by each answer's surprise.

Elo (1978), The rating of chessplayers; Pelánek (2016), Applications of the Elo rating system in adaptive educational
systems, Computers & Education 98, eqs. 1-4; uncertainty in the manner of Glickman (1999), Parameter estimation in large
dynamic paired comparison experiments, Applied Statistics 48(3), but from counts and time alone.

    p      = guess + (1 − guess − slip) · σ(ability + offset − difficulty of the item)
    step   = gain · w · (y − p),   ability += SHARE · step,   offset += (1 − SHARE) · step
    gain   = min(v_ability + v_offset, 4 / w),   v = v₀ / (1 + v₀ · INFORMATION · evidence)

`evidence` is the sum of weights, halved every half-life of idle time, so uncertainty shrinks with answers and grows
without. It must not hold p (1 − p): a wrong answer made right then moved a final ability from −0.80 to −1.73. With
gain · w ≤ 4 and one fixed SHARE a right answer never lowers a score (tests/scorers/test_laws.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import DAY_US, Batch
from mastery.features.columns import ASSIGNMENT, PRACTICE
from mastery.scorers.base import Model, Parameter, Reading, Scorer, check_bounds
from mastery.scorers.interval import Z90, forgotten, retention

STATE = ("offset", "evidence", "last_at_us", "from_right", "from_wrong", "from_practice", "from_assignments")
OFFSET, EVIDENCE, LAST, RIGHT, WRONG, PRACTISED, ASSIGNED = range(len(STATE))

STUDENT_STATE = ("ability", "evidence", "last_at_us")
ABILITY, STUDENT_EVIDENCE, STUDENT_LAST = range(len(STUDENT_STATE))

PARAMETERS = (
    Parameter("difficulty", 0.0, -10.0, 10.0, "difficulty of the topic's mean item, in logits"),
    Parameter("guess", 0.20, 0.0, 0.999, "chance of a right answer without any mastery"),
    Parameter("slip", 0.10, 0.0, 0.999, "chance of a wrong answer with full mastery"),
    Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the gain over the prior is forgotten"),
    Parameter("variance_ability", 1.0, 0.0, 25.0, "variance of students' abilities before any answer, logits²"),
    Parameter("variance_offset", 1.0, 0.0, 25.0, "variance of a student's topics around the ability, logits²"),
    Parameter("uncertain_days", 180.0, 1.0, 36_500.0, "days of idleness after which evidence counts half"),
)
DIFFICULTY, GUESS, SLIP, HALF_LIFE, VARIANCE_ABILITY, VARIANCE_OFFSET, UNCERTAIN = range(len(PARAMETERS))

PARTS = ("start", "answers_right", "answers_wrong", "practice", "assignments", "other_topics", "limit", "forgetting")

SHARE = 0.4
"""How much of each step goes to the ability, the rest to the topic. Fixed, or law 6 breaks."""

INFORMATION = 0.18
"""What one answer tells, on average, in 1 / logits²: p (1 − p) between 0.25 and what is left far from the middle."""

FARTHEST = 13.8
"""Logits are read within ± this: with guessing, wrong answers never stop pulling, and σ must stay off 0 and 1. At 30
the log-odds of a score, 1 − 9e-14, were off by 1e-3 from the sum of its parts; here by 1e-10."""

LARGEST_STEP = 4.0
"""gain · weight at most: beyond, a step jumps over the answer's own expectation."""


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^−x)."""
    return 1.0 / (1.0 + math.exp(-x))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def variance(before: float, evidence: float) -> float:
    """Return what is left of a variance after evidence."""
    return before / (1.0 + before * INFORMATION * evidence)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _step(
    state: Floats,
    p: int,
    students: Floats,
    s: int,
    kind: int,
    at: int,
    y: float,
    weight: float,
    difficulty: float,
    params: Floats,
    t: int,
) -> None:
    """Move one student's ability and one topic's offset over one observation."""
    state[p, EVIDENCE] *= retention(at - state[p, LAST], params[t, UNCERTAIN])
    students[s, STUDENT_EVIDENCE] *= retention(at - students[s, STUDENT_LAST], params[t, UNCERTAIN])
    state[p, LAST], students[s, STUDENT_LAST] = at, at
    gain = variance(params[t, VARIANCE_ABILITY], students[s, STUDENT_EVIDENCE])
    gain += variance(params[t, VARIANCE_OFFSET], state[p, EVIDENCE])
    gain = min(gain, LARGEST_STEP / weight)
    expected = params[t, GUESS] + (1.0 - params[t, GUESS] - params[t, SLIP]) * sigmoid(
        students[s, ABILITY] + state[p, OFFSET] - difficulty
    )
    step = gain * weight * (y - expected)
    students[s, ABILITY] += SHARE * step
    state[p, OFFSET] += (1.0 - SHARE) * step
    students[s, STUDENT_EVIDENCE] += weight
    state[p, EVIDENCE] += weight
    if kind == PRACTICE:
        state[p, PRACTISED] += step
    elif kind == ASSIGNMENT:
        state[p, ASSIGNED] += step
    else:  # without a branch on the sign: every other one would be missed
        state[p, RIGHT] += max(step, 0.0)
        state[p, WRONG] += min(step, 0.0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _score(
    state: Floats, p: int, students: Floats, s: int, params: Floats, t: int, at: int
) -> tuple[float, float, float, float, float]:
    """Return (score, lower, upper, score before forgetting, its logit) of one topic of one student at a time."""
    logit = min(FARTHEST, max(-FARTHEST, students[s, ABILITY] + state[p, OFFSET] - params[t, DIFFICULTY]))
    topic_evidence = state[p, EVIDENCE] * retention(at - state[p, LAST], params[t, UNCERTAIN])
    student_evidence = students[s, STUDENT_EVIDENCE] * retention(at - students[s, STUDENT_LAST], params[t, UNCERTAIN])
    spread = Z90 * math.sqrt(
        variance(params[t, VARIANCE_ABILITY], student_evidence) + variance(params[t, VARIANCE_OFFSET], topic_evidence)
    )
    kept = retention(at - state[p, LAST], params[t, HALF_LIFE])
    prior, last = sigmoid(-params[t, DIFFICULTY]), sigmoid(logit)
    score = forgotten(last, prior, kept)
    lower = min(score, forgotten(sigmoid(logit - spread), prior, kept))
    upper = max(score, forgotten(sigmoid(logit + spread), prior, kept))
    return score, lower, upper, last, logit


@njit(cache=True, nogil=True, error_model="numpy")
def _fold(
    student_day_ptr: Int64s,
    day: Int32s,
    day_ptr: Int64s,
    cell_ptr: Int64s,
    cell_slot: Int32s,
    slot: Int32s,
    slot_topic: Int32s,
    item: Int32s,
    at_us: Int64s,
    kind: Int8s,
    y: Floats,
    weight: Floats,
    params: Floats,
    item_difficulty: Floats,
    state: Floats,
    students: Floats,
    history: Floats,
    as_of_us: int,
) -> None:
    for s in range(student_day_ptr.size - 1):
        for d in range(student_day_ptr[s], student_day_ptr[s + 1]):
            for i in range(day_ptr[d], day_ptr[d + 1]):
                if weight[i] > 0.0:
                    p = slot[i]
                    t = slot_topic[p]
                    difficulty = params[t, DIFFICULTY]
                    if item[i] >= 0 and not math.isnan(item_difficulty[item[i]]):
                        difficulty = item_difficulty[item[i]]
                    _step(state, p, students, s, kind[i], at_us[i], y[i], weight[i], difficulty, params, t)
            if history.shape[1]:
                at = min((day[d] + 1) * DAY_US, as_of_us)
                for c in range(cell_ptr[d], cell_ptr[d + 1]):
                    p = cell_slot[c]
                    score, lower, upper, _, _ = _score(state, p, students, s, params, slot_topic[p], at)
                    history[0, c], history[1, c], history[2, c] = score, lower, upper


@njit(cache=True, nogil=True, error_model="numpy")
def _read(
    state: Floats,
    students: Floats,
    slot_student: Int32s,
    slot_topic: Int32s,
    params: Floats,
    as_of_us: int,
    score: Floats,
    lower: Floats,
    upper: Floats,
    parts: Floats,
) -> None:
    for p in range(state.shape[0]):
        s, t = slot_student[p], slot_topic[p]
        score[p], lower[p], upper[p], last, logit = _score(state, p, students, s, params, t, as_of_us)
        own = state[p, RIGHT] + state[p, WRONG] + state[p, PRACTISED] + state[p, ASSIGNED]
        parts[p, 0] = -params[t, DIFFICULTY]
        parts[p, 1], parts[p, 2] = state[p, RIGHT], state[p, WRONG]
        parts[p, 3], parts[p, 4] = state[p, PRACTISED], state[p, ASSIGNED]
        parts[p, 5] = students[s, ABILITY] - SHARE * own
        parts[p, 6] = logit - (students[s, ABILITY] + state[p, OFFSET] - params[t, DIFFICULTY])
        parts[p, 7] = math.log(score[p] / (1.0 - score[p])) - math.log(last / (1.0 - last))


def start_slots(params: Floats, slot_topic: Int32s) -> Floats:
    """Return the state of each slot before any event."""
    state = np.zeros((slot_topic.size, len(STATE)))
    state[:, LAST] = np.nan
    return state


def start_students(params: Floats, students: int) -> Floats:
    """Return the state of each student before any event: ability 0, nothing known."""
    state = np.zeros((students, len(STUDENT_STATE)))
    state[:, STUDENT_LAST] = np.nan
    return state


def fold_rows(
    batch: Batch, model: Model, slot_state: Floats, student_state: Floats, history: Floats, as_of_us: int
) -> None:
    """See Scorer.fold_rows."""
    _fold(batch.student_day_ptr, batch.day, batch.day_ptr, batch.cell_ptr, batch.cell_slot, batch.slot,
          batch.slot_topic, batch.item, batch.at_us, batch.kind, batch.y, batch.weight, model.params,
          model.item_difficulty, slot_state, student_state, history, as_of_us)  # fmt: skip


def read_slots(
    slot_state: Floats, student_state: Floats, slot_student: Int32s, slot_topic: Int32s, params: Floats, as_of_us: int
) -> Reading:
    """See Scorer.read_slots. The score is σ(ability + offset − mean difficulty), then forgetting."""
    n = slot_topic.size
    reading = Reading(np.empty(n), np.empty(n), np.empty(n), np.empty((n, len(PARTS)), order="F"))
    _read(slot_state, student_state, slot_student, slot_topic, params, as_of_us,
          reading.score, reading.lower, reading.upper, reading.parts)  # fmt: skip
    return reading


def check(params: Floats) -> None:
    """Raise BadInput where a parameter is out of bounds, or guess + slip ≥ 1."""
    check_bounds("elo", PARAMETERS, params)
    bad = np.flatnonzero(params[:, GUESS] + params[:, SLIP] >= 1.0)
    if bad.size:
        raise BadInput(
            f"elo: guess + slip of topic row {int(bad[0])} is not below 1; a right answer would lower the score. "
            "Lower one of them"
        )


SCORER = Scorer(
    "elo", 1, "log_odds", STATE, STUDENT_STATE, PARAMETERS, PARTS,
    start_slots, start_students, fold_rows, read_slots, check,
)  # fmt: skip
