"""Elo: one ability per student and one offset per student-topic, moved by each answer's surprise.

Elo (1978), The rating of chessplayers; Pelánek (2016), Applications of the Elo rating system in adaptive educational
systems, Computers & Education 98, eqs. 1-4; uncertainty in the manner of Glickman (1999), Parameter estimation in large
dynamic paired comparison experiments, Applied Statistics 48(3), but from counts and time alone.

    p      = guess + (1 − guess − slip) · σ(ability + offset − difficulty of the item)
    step   = gain · w · (y − p),   ability += SHARE · step,   offset += (1 − SHARE) · step
    gain   = min(v_ability + v_offset, 4 / w),   v = v₀ / (1 + v₀ · INFORMATION · evidence)

`evidence` is the sum of weights, halved every half-life of idle time, so uncertainty shrinks with answers and grows
without. It must not hold p (1 − p): a wrong answer made right then moved a final ability from −0.80 to −1.73. With
gain · w ≤ 4 and one fixed SHARE no random history was found in which a right answer lowers a score; one was built, see
docs/scorers/README.md.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import DAY_US, Batch
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
ITEM_PARAMETERS = (Parameter("difficulty", 0.0, -10.0, 10.0, "difficulty of the item, in logits"),)

DIFFICULTY, GUESS, SLIP, HALF_LIFE, VARIANCE_ABILITY, VARIANCE_OFFSET, UNCERTAIN = range(len(PARAMETERS))

PARTS = ("start", "answers_right", "answers_wrong", "practice", "assignments", "other_topics", "limit", "forgetting")

SHARE = 0.4
"""How much of each step goes to the ability, the rest to the topic. Fixed, or law 6 breaks."""

INFORMATION = 0.18
"""What one answer tells, on average, in 1 / logits²: p (1 − p) between 0.25 and what is left far from the middle."""

FARTHEST = 13.8
"""Logits are read within ± this: with guessing, wrong answers never stop pulling, and σ must stay off 0 and 1. At 30
the log-odds of a score, 1 − 9e-14, were off by 1e-3 from the sum of its parts; here by 1e-10."""

BOOK_UP = np.array([RIGHT, PRACTISED, ASSIGNED, RIGHT, RIGHT, RIGHT])
BOOK_DOWN = np.array([WRONG, PRACTISED, ASSIGNED, WRONG, WRONG, WRONG])
"""By kind of event: the column that is credited with a step up, and the one that is charged with a step down."""

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
def step(logit: float, variances: float, y: float, weight: float, guess: float, slip: float) -> float:
    """Return how far an observation moves ability and offset together."""
    expected = guess + (1.0 - guess - slip) * sigmoid(logit)
    return min(variances, LARGEST_STEP / weight) * weight * (y - expected)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def score(logit: float, spread: float, difficulty: float, kept: float) -> tuple[float, float, float]:
    """Return (score, lower, upper) after a time of which `kept` is retained; the spread is one standard deviation."""
    prior = sigmoid(-difficulty)
    value = forgotten(sigmoid(logit), prior, kept)
    lower = min(value, forgotten(sigmoid(logit - Z90 * spread), prior, kept))
    return value, lower, max(value, forgotten(sigmoid(logit + Z90 * spread), prior, kept))


@njit(cache=True, nogil=True, error_model="numpy")
def difficulty_of(item: int, t: int, params: Floats, items: Floats) -> float:
    """Return the difficulty of an item; its topic's where nothing is known of it."""
    if item >= 0 and not math.isnan(items[item, 0]):
        return float(items[item, 0])
    return float(params[t, DIFFICULTY])


@njit(cache=True, nogil=True, error_model="numpy")
def chance_of(
    ability: float, state: Floats, p: int, item: int, at_us: int, slot_topic: Int32s, params: Floats, items: Floats
) -> float:
    """Return the chance of a right answer on an item at a time, forgetting included."""
    t = slot_topic[p]
    prior = sigmoid(-params[t, DIFFICULTY])
    last = sigmoid(min(FARTHEST, max(-FARTHEST, ability + state[p, OFFSET] - params[t, DIFFICULTY])))
    now = forgotten(last, prior, retention(at_us - state[p, LAST], params[t, HALF_LIFE]))
    logit = math.log(now / (1.0 - now)) + params[t, DIFFICULTY] - difficulty_of(item, t, params, items)
    return float(params[t, GUESS] + (1.0 - params[t, GUESS] - params[t, SLIP]) * sigmoid(logit))


@njit(cache=True, nogil=True, error_model="numpy")
def _fold(
    student_ptr: Int64s,
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
    items: Floats,
    row: Int64s,
    state: Floats,
    students: Floats,
    history: Floats,
    chance: Floats,
    as_of_us: int,
) -> None:
    d = 0
    for s in range(student_ptr.size - 1):
        ability, known, known_at = students[s, ABILITY], students[s, STUDENT_EVIDENCE], students[s, STUDENT_LAST]
        for i in range(student_ptr[s], student_ptr[s + 1]):
            p, n, what = slot[i], weight[i], kind[i]
            t = slot_topic[p]
            if chance.size and (i == student_ptr[s] or row[i] != row[i - 1]):
                j = i
                while j < student_ptr[s + 1] and row[j] == row[i]:
                    if weight[j] > 0.0:
                        chance[j] = chance_of(ability, state, slot[j], item[j], at_us[j], slot_topic, params, items)
                    j += 1
            if n > 0.0:
                difficulty = difficulty_of(item[i], t, params, items)
                at, uncertain = at_us[i], params[t, UNCERTAIN]
                evidence = state[p, EVIDENCE] * retention(at - state[p, LAST], uncertain)
                known *= retention(at - known_at, uncertain)
                variances = variance(params[t, VARIANCE_ABILITY], known) + variance(
                    params[t, VARIANCE_OFFSET], evidence
                )
                logit = ability + state[p, OFFSET] - difficulty
                moved = step(logit, variances, y[i], n, params[t, GUESS], params[t, SLIP])
                ability += SHARE * moved
                known += n
                known_at = at
                state[p, OFFSET] += (1.0 - SHARE) * moved
                state[p, EVIDENCE] = evidence + n
                state[p, LAST] = at
                # Booked without a branch on the sign: every other one would be missed.
                state[p, BOOK_UP[what]] += max(moved, 0.0)
                state[p, BOOK_DOWN[what]] += min(moved, 0.0)
            if i + 1 == day_ptr[d + 1]:
                if history.shape[1]:
                    at = min((day[d] + 1) * DAY_US, as_of_us)
                    for c in range(cell_ptr[d], cell_ptr[d + 1]):
                        p = cell_slot[c]
                        t = slot_topic[p]
                        logit = ability + state[p, OFFSET] - params[t, DIFFICULTY]
                        logit = min(FARTHEST, max(-FARTHEST, logit))
                        uncertain = params[t, UNCERTAIN]
                        left = variance(params[t, VARIANCE_ABILITY], known * retention(at - known_at, uncertain))
                        evidence = state[p, EVIDENCE] * retention(at - state[p, LAST], uncertain)
                        spread = math.sqrt(left + variance(params[t, VARIANCE_OFFSET], evidence))
                        kept = retention(at - state[p, LAST], params[t, HALF_LIFE])
                        history[0, c], history[1, c], history[2, c] = score(logit, spread, params[t, DIFFICULTY], kept)
                d += 1
        students[s, ABILITY], students[s, STUDENT_EVIDENCE], students[s, STUDENT_LAST] = ability, known, known_at


@njit(cache=True, nogil=True, error_model="numpy")
def _read(
    state: Floats,
    students: Floats,
    slot_student: Int32s,
    slot_topic: Int32s,
    params: Floats,
    as_of_us: int,
    scores: Floats,
    lower: Floats,
    upper: Floats,
    parts: Floats,
) -> None:
    for p in range(state.shape[0]):
        s, t = slot_student[p], slot_topic[p]
        free = students[s, ABILITY] + state[p, OFFSET] - params[t, DIFFICULTY]
        logit = min(FARTHEST, max(-FARTHEST, free))
        uncertain = params[t, UNCERTAIN]
        known = students[s, STUDENT_EVIDENCE] * retention(as_of_us - students[s, STUDENT_LAST], uncertain)
        evidence = state[p, EVIDENCE] * retention(as_of_us - state[p, LAST], uncertain)
        left = variance(params[t, VARIANCE_ABILITY], known)
        spread = math.sqrt(left + variance(params[t, VARIANCE_OFFSET], evidence))
        kept = retention(as_of_us - state[p, LAST], params[t, HALF_LIFE])
        scores[p], lower[p], upper[p] = score(logit, spread, params[t, DIFFICULTY], kept)
        own = state[p, RIGHT] + state[p, WRONG] + state[p, PRACTISED] + state[p, ASSIGNED]
        parts[p, 0] = -params[t, DIFFICULTY]
        parts[p, 1], parts[p, 2] = state[p, RIGHT], state[p, WRONG]
        parts[p, 3], parts[p, 4] = state[p, PRACTISED], state[p, ASSIGNED]
        parts[p, 5] = students[s, ABILITY] - SHARE * own
        parts[p, 6] = logit - free
        last = sigmoid(logit)
        parts[p, 7] = math.log(scores[p] / (1.0 - scores[p])) - math.log(last / (1.0 - last))


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
    _fold(batch.student_ptr, batch.day, batch.day_ptr, batch.cell_ptr, batch.cell_slot, batch.slot,
          batch.slot_topic, batch.item, batch.at_us, batch.kind, batch.y, batch.weight, model.params,
          model.items, batch.row, slot_state, student_state, history, np.empty(0), as_of_us)  # fmt: skip


def foretell_rows(batch: Batch, model: Model, slot_state: Floats, student_state: Floats) -> Floats:
    """See Scorer.foretell_rows."""
    chance = np.full(batch.slot.size, np.nan)
    _fold(batch.student_ptr, batch.day, batch.day_ptr, batch.cell_ptr, batch.cell_slot, batch.slot,
          batch.slot_topic, batch.item, batch.at_us, batch.kind, batch.y, batch.weight, model.params,
          model.items, batch.row, slot_state, student_state, np.empty((3, 0)), chance, 0)  # fmt: skip
    return chance


def read_slots(
    slot_state: Floats, student_state: Floats, slot_student: Int32s, slot_topic: Int32s, params: Floats, as_of_us: int
) -> Reading:
    """See Scorer.read_slots. The score is σ(ability + offset − mean difficulty), then forgetting."""
    n = slot_topic.size
    reading = Reading(np.empty(n), np.empty(n), np.empty(n), np.empty((n, len(PARTS)), order="F"))
    _read(slot_state, student_state, slot_student, slot_topic, params, as_of_us,
          reading.score, reading.lower, reading.upper, reading.parts)  # fmt: skip
    return reading


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds, or guess + slip ≥ 1."""
    check_bounds("elo", PARAMETERS, model.params)
    params = model.params
    bad = np.flatnonzero(params[:, GUESS] + params[:, SLIP] >= 1.0)
    if bad.size:
        raise BadInput(
            f"elo: guess + slip of topic row {int(bad[0])} is not below 1; a right answer would lower the score. "
            "Lower one of them"
        )


SCORER = Scorer(
    "elo", 1, "log_odds", STATE, STUDENT_STATE, PARAMETERS, ITEM_PARAMETERS, PARTS,
    start_slots, start_students, fold_rows, foretell_rows, read_slots, check,
)  # fmt: skip
