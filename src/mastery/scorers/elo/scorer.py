"""Elo: one ability per student and one offset per student-topic, moved by each answer's residual.

Elo (1978), The rating of chessplayers; Pelánek (2016), Applications of the Elo rating system in adaptive educational
systems, Computers & Education 98, eqs. 1-4; uncertainty in the manner of Glickman (1999), Parameter estimation in large
dynamic paired comparison experiments, Applied Statistics 48(3), but from counts and time alone.

    p      = lower + (upper − lower) · σ(ability + chapter + offset − difficulty of the item)
    step   = gain · w · (y − p)
    ability += share · step,   chapter += chapter_share · step,   offset += (1 − share − chapter_share) · step
    gain   = min(v_ability + v_offset, 4 / w),   v = v₀ / (1 + v₀ · INFORMATION · evidence)

`evidence` is the sum of weights, `memory` of it kept at each further answer and half of it after each half-life of idle
time, so uncertainty shrinks with answers and grows without. It must not hold p (1 − p): a wrong answer made right then
moved a final ability from −0.80 to −1.73. With gain · w ≤ 4 and fixed shares no random history was found in which a
right answer lowers a score; one was built, see docs/scorers/README.md.

The chapter is what makes it multivariate: an answer on one topic moves its neighbours in the chapter. Topics of no
chapter have only ability and offset.
"""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.features.batch import BatchArrays
from mastery.kernels import inlined_kernel, kernel
from mastery.log_odds import bounded, log_odds, sigmoid
from mastery.scorers.base import (
    Model,
    Parameter,
    Scorer,
    Scores,
    check_items,
    check_topics,
    folding_by,
    predicting_by,
    reading_by,
    walk_of,
)
from mastery.scorers.elo.interval_numbers import FITTED, UNFITTED
from mastery.scorers.elo.starter_numbers import STARTER
from mastery.scorers.interval import LN2_PER_DAY_US, forgotten, interval, interval_parameters, kept_at, retention
from mastery.scorers.spec import Intervals, ScorerSpec, Stage

STATE = ("offset", "evidence", "last_at_us", "from_right", "from_wrong", "from_practice", "from_assignments", "chapter")
OFFSET, EVIDENCE, LAST, RIGHT, WRONG, PRACTISED, ASSIGNED, CHAPTER_VALUE = range(len(STATE))

STUDENT_STATE = ("ability", "evidence", "last_at_us")
ABILITY, STUDENT_EVIDENCE, STUDENT_LAST = range(len(STUDENT_STATE))

PARAMETERS = (
    Parameter("difficulty", 0.0, -10.0, 10.0, "difficulty of the topic's mean item, in logits"),
    Parameter("guess", 0.20, 0.0, 0.999, "probability of a right answer without any mastery: 0 of the score"),
    Parameter("slip", 0.10, 0.0, 0.999, "probability of a wrong answer with full mastery: 1 of the score"),
    Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the gain over the prior is forgotten"),
    Parameter("variance_ability", 1.0, 0.0, 25.0, "variance of students' abilities before any answer, logits²"),
    Parameter("variance_offset", 1.0, 0.0, 25.0, "variance of a student's topics around the ability, logits²"),
    Parameter("uncertain_days", 180.0, 1.0, 36_500.0, "days of idleness after which evidence counts half"),
    Parameter("memory_ability", 1.0, 0.5, 1.0, "share of the ability's evidence that an answer keeps"),
    Parameter("memory_offset", 1.0, 0.5, 1.0, "share of the offset's evidence that an answer keeps"),
    Parameter("share", 0.40, 0.0, 0.6, "how much of each step goes to the ability; the same for all topics"),
    Parameter("chapter", -1.0, -1.0, 9_999.0, "number of the topic's chapter, -1 for none"),
    Parameter("chapter_share", 0.0, 0.0, 0.4, "how much of each step goes to the chapter; the same for all topics"),
    Parameter("lower", 0.20, 0.0, 0.45, "probability of a right answer that no ability is too low for"),
    Parameter("upper", 0.90, 0.55, 1.0, "probability of a right answer that no ability exceeds"),
    *interval_parameters(UNFITTED),
)
ITEM_PARAMETERS = (Parameter("difficulty", 0.0, -10.0, 10.0, "difficulty of the item, in logits"),)

DIFFICULTY, GUESS, SLIP, HALF_LIFE, VARIANCE_ABILITY, VARIANCE_OFFSET, UNCERTAIN = range(7)
MEMORY_ABILITY, MEMORY_OFFSET, SHARE, CHAPTER, CHAPTER_SHARE, LOWER, UPPER, INTERVAL = range(7, 15)

CONTRIBUTIONS = (
    "start",
    "answers_right",
    "answers_wrong",
    "practice",
    "assignments",
    "other_topics",
    "limit",
    "forgetting",
)

INFORMATION = 0.18
"""What one answer tells, on average, in 1 / logits²: p (1 − p) between 0.25 and what is left far from the middle."""

BOOK_UP = np.array([RIGHT, PRACTISED, ASSIGNED, RIGHT, RIGHT, RIGHT])
BOOK_DOWN = np.array([WRONG, PRACTISED, ASSIGNED, WRONG, WRONG, WRONG])
"""By kind of event: the column that is credited with a step up, and the one that is charged with a step down."""

LEAST_SCORE = 1e-6
"""Scores are read within this of 0 and 1 where the asymptotes are not guess and 1 − slip."""

LARGEST_STEP = 4.0
"""gain · weight at most: beyond, a step jumps over the answer's own expectation."""


@inlined_kernel
def variance(before: float, evidence: float) -> float:
    """Return what is left of a variance after evidence."""
    return before / (1.0 + before * INFORMATION * evidence)


@inlined_kernel
def step(logit: float, variances: float, y: float, weight: float, lower: float, upper: float) -> float:
    """Return how far an observation moves ability, chapter and offset together."""
    expected = lower + (upper - lower) * sigmoid(logit)
    return min(variances * weight, LARGEST_STEP) * (y - expected)


@kernel
def mastery(logit: float, t: int, params: Floats) -> float:
    """Return the score of a logit on the topic's mean item: the scale's guessing and slipping taken out."""
    guess, slip, lower, upper = params[t, GUESS], params[t, SLIP], params[t, LOWER], params[t, UPPER]
    if lower == guess and upper == 1.0 - slip:
        return sigmoid(bounded(logit))
    share = (lower + (upper - lower) * sigmoid(logit) - guess) / (1.0 - guess - slip)
    return min(1.0 - LEAST_SCORE, max(LEAST_SCORE, share))


@kernel
def score(logit: float, evidence: float, t: int, params: Floats, elapsed_us: float) -> tuple[float, float, float]:
    """Return (score, lower, upper) a time after the last answer on the topic; evidence: as of that answer."""
    prior, kept = mastery(-params[t, DIFFICULTY], t, params), retention(elapsed_us, params[t, HALF_LIFE])
    value = forgotten(mastery(logit, t, params), prior, kept)
    left = evidence * retention(elapsed_us, params[t, UNCERTAIN])
    lower, upper = interval(value, left, params, t, INTERVAL)
    return value, lower, upper


@kernel
def chapters_of(params: Floats) -> Int64s:
    """Return int64[T]: 0 for a topic without a chapter, otherwise 1 + its number."""
    found = np.empty(params.shape[0], np.int64)
    for t in range(params.shape[0]):
        found[t] = 1 + math.floor(params[t, CHAPTER])
    return found


@kernel
def fading_rates(params: Floats) -> Floats:
    """Return float64[T]: how fast evidence fades on each topic, per microsecond; divided once, not at each answer."""
    return LN2_PER_DAY_US / params[:, UNCERTAIN]


@kernel
def difficulty_of(item: int, t: int, params: Floats, items: Floats) -> float:
    """Return the difficulty of an item; its topic's where nothing is known of it."""
    if item >= 0 and not math.isnan(items[item, 0]):
        return float(items[item, 0])
    return float(params[t, DIFFICULTY])


@kernel
def probability_of(level: float, last_at: float, item: int, at_us: int, t: int, params: Floats, items: Floats) -> float:
    """Return the probability of a right answer on an item at a time, forgetting included."""
    prior = sigmoid(-params[t, DIFFICULTY])
    last = sigmoid(bounded(level - params[t, DIFFICULTY]))
    now = forgotten(last, prior, retention(at_us - last_at, params[t, HALF_LIFE]))
    logit = log_odds(now) + params[t, DIFFICULTY] - difficulty_of(item, t, params, items)
    return float(params[t, LOWER] + (params[t, UPPER] - params[t, LOWER]) * sigmoid(logit))


@kernel
def _fold(
    batch: BatchArrays, params: Floats, items: Floats, state: Floats, students: Floats, history: Floats,
    probability: Floats, as_of_us: int,
) -> None:  # fmt: skip
    student_ptr, slot_ptr, slot_topic, slot = batch.student_ptr, batch.slot_ptr, batch.slot_topic, batch.slot
    item, at_us, kind, y, weight, row = batch.use, batch.at_us, batch.kind, batch.y, batch.weight, batch.row
    day_end_us, day_ptr, cell_ptr, cell_slot = batch.day_end_us, batch.day_ptr, batch.cell_ptr, batch.cell_slot
    chapter_of, rates, d = chapters_of(params), fading_rates(params), 0
    together = np.zeros(1 + chapter_of.max() if chapter_of.size else 1)  # by chapter; that of no chapter stays 0
    chapters = together.size > 1
    for s in range(student_ptr.size - 1):
        ability, known, known_at = students[s, ABILITY], students[s, STUDENT_EVIDENCE], students[s, STUDENT_LAST]
        if chapters:
            # Every slot holds its chapter; a new one does not yet, and comes after those that do.
            for p in range(slot_ptr[s + 1] - 1, slot_ptr[s] - 1, -1):
                together[chapter_of[slot_topic[p]]] = state[p, CHAPTER_VALUE]
        for i in range(student_ptr[s], student_ptr[s + 1]):
            p, n, what = slot[i], weight[i], kind[i]
            t = slot_topic[p]
            if probability.size and (i == student_ptr[s] or row[i] != row[i - 1]):
                j = i
                while j < student_ptr[s + 1] and row[j] == row[i]:
                    if weight[j] > 0.0:
                        u = slot_topic[slot[j]]
                        level = ability + together[chapter_of[u]] + state[slot[j], OFFSET]
                        probability[j] = probability_of(
                            level, state[slot[j], LAST], item[j], at_us[j], u, params, items
                        )
                    j += 1
            if n > 0.0:
                c, at, rate = chapter_of[t], at_us[i], rates[t]
                evidence = state[p, EVIDENCE] * kept_at(at - state[p, LAST], rate)
                known *= kept_at(at - known_at, rate)
                of_ability = variance(params[t, VARIANCE_ABILITY], known)
                variances = of_ability + variance(params[t, VARIANCE_OFFSET], evidence)
                logit = ability + together[c] + state[p, OFFSET] - difficulty_of(item[i], t, params, items)
                moved = step(logit, variances, y[i], n, params[t, LOWER], params[t, UPPER])
                to_chapter = params[t, CHAPTER_SHARE] if c > 0 else 0.0
                ability += params[t, SHARE] * moved
                together[c] += to_chapter * moved
                known = known * params[t, MEMORY_ABILITY] + n
                known_at = at
                state[p, OFFSET] += (1.0 - params[t, SHARE] - to_chapter) * moved
                state[p, EVIDENCE] = evidence * params[t, MEMORY_OFFSET] + n
                state[p, LAST] = at
                # Booked without a branch on the sign: every other one would be missed.
                state[p, BOOK_UP[what]] += max(moved, 0.0)
                state[p, BOOK_DOWN[what]] += min(moved, 0.0)
            if i + 1 == day_ptr[d + 1]:
                if history.shape[1]:
                    at = min(day_end_us[d], as_of_us)
                    for cell in range(cell_ptr[d], cell_ptr[d + 1]):
                        p = cell_slot[cell]
                        t = slot_topic[p]
                        logit = ability + together[chapter_of[t]] + state[p, OFFSET] - params[t, DIFFICULTY]
                        found = score(logit, state[p, EVIDENCE], t, params, at - state[p, LAST])
                        history[0, cell], history[1, cell], history[2, cell] = found
                d += 1
        students[s, ABILITY], students[s, STUDENT_EVIDENCE], students[s, STUDENT_LAST] = ability, known, known_at
        if chapters:
            for p in range(slot_ptr[s], slot_ptr[s + 1]):
                state[p, CHAPTER_VALUE] = together[chapter_of[slot_topic[p]]]


@kernel
def _read(
    state: Floats, students: Floats, slot_student: Int32s, slot_topic: Int32s, params: Floats, as_of_us: int,
    scores: Scores,
) -> None:  # fmt: skip
    """Write every slot's score: σ(ability + offset − mean difficulty), then forgetting."""
    made, lower, upper, contributions = scores
    for p in range(state.shape[0]):
        s, t = slot_student[p], slot_topic[p]
        logit = students[s, ABILITY] + state[p, CHAPTER_VALUE] + state[p, OFFSET] - params[t, DIFFICULTY]
        elapsed = as_of_us - state[p, LAST]
        made[p], lower[p], upper[p] = score(logit, state[p, EVIDENCE], t, params, elapsed)
        last = mastery(logit, t, params)
        own = state[p, RIGHT] + state[p, WRONG] + state[p, PRACTISED] + state[p, ASSIGNED]
        contributions[p, 0] = -params[t, DIFFICULTY]
        contributions[p, 1], contributions[p, 2] = state[p, RIGHT], state[p, WRONG]
        contributions[p, 3], contributions[p, 4] = state[p, PRACTISED], state[p, ASSIGNED]
        # Ability and chapter less what this topic's own steps put there; all of a topic never answered on.
        contributions[p, 5] = students[s, ABILITY] + state[p, CHAPTER_VALUE] + state[p, OFFSET] - own
        contributions[p, 6] = log_odds(last) - logit
        contributions[p, 7] = log_odds(made[p]) - log_odds(last)


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


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds, or guess + slip ≥ 1."""
    check_topics("elo", PARAMETERS, model.params)
    check_items("elo", ITEM_PARAMETERS, model.items)


WALK = walk_of(_fold)

SCORER = Scorer(
    name="elo",
    version=2,
    scale="log_odds",
    slot_state=STATE,
    student_state=STUDENT_STATE,
    parameters=PARAMETERS,
    item_parameters=ITEM_PARAMETERS,
    contributions=CONTRIBUTIONS,
    start_slots=start_slots,
    start_students=start_students,
    fold_rows=folding_by(WALK),
    predict_rows=predicting_by(WALK),
    read_slots=reading_by(_read, len(CONTRIBUTIONS)),
    check=check,
)

SPEC = ScorerSpec(
    name=SCORER.name,
    label="Elo",
    stage=Stage.ANSWERS,
    fit="mastery.scorers.elo.fit:fit",
    needs=("bkt",),
    fit_arguments=("chapters",),
    scorer=SCORER,
    one_answer="mastery.scorers.elo.one_answer:steps",
    works_unfitted=True,
    starter=STARTER,
    intervals=Intervals(UNFITTED, FITTED),
    tells=("half_life_days",),
    on_shared_scale=True,
    steady=True,
    item_rank=1,
)
