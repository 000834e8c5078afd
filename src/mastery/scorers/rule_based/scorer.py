"""The rule-based score: a weighted sum of factors that anyone can read off, from a YAML file.

    index = clamp(Σ weight · min(1, value / full_at))
    score = what that index stands for,   then forgetting (mastery.scorers.interval.forgotten)

Each value is a ratio of sums that fade with the evidence's half-life, read as of the last evidence: the ratio stands
still while nothing happens, so that a fading mistake cannot raise a score. A factor without data takes its prior;
weights are never renormalised. The shipped forms are in mastery/rules; see docs/scorers/rule_based.md.

The rules that are shipped say what score an index stands for, found on simulated schools (scripts/starter.py); in rules
that say nothing it stands for itself. Once fitted it stands for the share of right answers that students with such an
index gave, on the scale of the other scorers (mastery.scorers.rule_based.fit). Weights stay what people wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import Batch, BatchArrays
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE, QUIZ, TUTOR, VIDEO
from mastery.kernels import inlined_kernel, kernel
from mastery.scorers.base import Model, Parameter, Scorer, Scores, check_bounds, empty_scores
from mastery.scorers.interval import forgotten, interval, interval_parameters, retention
from mastery.scorers.rule_based.interval_numbers import FITTED, UNFITTED
from mastery.scorers.spec import Intervals, ScorerSpec, Stage, Writing

RATIOS = ("accuracy", "practice_success", "spaced_practice", "revisit", "video", "hints")
"""Factors that are a ratio of two sums; `recency` is the seventh factor, and is made of time alone."""
ACCURACY, SUCCESS, SPACED, REVISIT, WATCHED, HINTED = range(len(RATIOS))

FACTORS = (*RATIOS, "recency")
RECENCY = len(RATIOS)

STATE = (*(f"{name}_{side}" for name in RATIOS for side in ("sum", "of")), "weight", "last_at_us", "after_gap")
SUMS = 2 * len(RATIOS)
WEIGHT, LAST, AFTER_GAP = range(SUMS, SUMS + 3)

INDEXES = tuple(k / 10 for k in range(11))
"""Indexes of which a parameter says what score they stand for; straight lines between them."""
PIECES = len(INDEXES) - 1

_FACTOR_DEFAULTS = {
    "accuracy": (0.5, 0.0, 1.0),
    "practice_success": (0.2, 0.0, 1.0),
    "spaced_practice": (0.0, 0.0, 1.0),
    "revisit": (0.15, 0.0, 1.0),
    "video": (0.10, 0.0, 1.0),
    "hints": (-0.05, -1.0, 0.0),
    "recency": (0.0, 0.0, 1.0),
}
"""Weight and the range it may have: a right answer must not count against, nor a hint for."""

PARAMETERS = (
    Parameter("half_life_days", 30.0, 0.1, 36_500.0, "days after which evidence counts half against newer evidence"),
    Parameter("forget_half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the gain is forgotten"),
    Parameter("recency_half_life_days", 14.0, 0.1, 36_500.0, "days after which recency has halved"),
    Parameter("spaced_gap_days", 3.0, 1.0, 365.0, "days of pause that make a day's practice spaced"),
    *(
        parameter
        for name, (weight, low, high) in _FACTOR_DEFAULTS.items()
        for parameter in (
            Parameter(f"{name}_weight", weight, low, high, f"what {name} adds to the score at its fullest"),
            Parameter(f"{name}_prior", 0.0, 0.0, 1.0, f"value of {name} without any data"),
            Parameter(f"{name}_full_at", 1.0, 0.01, 1000.0, f"value of {name} from which it counts in full"),
            Parameter(f"{name}_prior_weight", 0.0, 0.0, 1000.0, f"how many observations the prior of {name} is worth"),
        )
    ),
    *(
        Parameter(f"score_at_{100 * index:.0f}", index, 0.0, 1.0, f"score that an index of {index:g} stands for")
        for index in INDEXES
    ),
    Parameter("guess", 0.0, 0.0, 0.5, "share of right answers to expect at a score of 0"),
    Parameter("slip", 0.0, 0.0, 0.49, "share of wrong answers to expect at a score of 1"),
    *interval_parameters(UNFITTED),
)
HALF_LIFE, FORGET, RECENCY_HALF_LIFE, SPACED_GAP, FIRST_FACTOR = range(5)
_WEIGHT, _PRIOR, _FULL_AT, _PRIOR_WEIGHT = range(4)  # of factor f: FIRST_FACTOR + 4 f + these
SCORE_AT = FIRST_FACTOR + 4 * len(FACTORS)
GUESS, SLIP, INTERVAL = range(SCORE_AT + len(INDEXES), SCORE_AT + len(INDEXES) + 3)

CONTRIBUTIONS = (*FACTORS, "limit", "calibration", "forgetting")
LIMIT, CALIBRATION, FORGETTING = range(len(FACTORS), len(FACTORS) + 3)


@inlined_kernel
def take_event(
    state: Floats,
    p: int,
    kind: int,
    at: int,
    days_away: int,
    y: float,
    weight: float,
    attempts: int,
    hints: int,
    params: Floats,
    t: int,
) -> None:
    """Move one student-topic's sums over one event."""
    if state[p, LAST] <= at:  # false for NaN: the first event
        kept = retention(at - state[p, LAST], params[t, HALF_LIFE])
        if kept < 1.0:
            for k in range(SUMS + 1):  # the weight fades too
                state[p, k] *= kept
    if days_away > 0:
        state[p, 2 * REVISIT] += 1.0
        state[p, AFTER_GAP] = 1.0 if days_away >= params[t, SPACED_GAP] else 0.0
    if days_away != 0:
        state[p, 2 * REVISIT + 1] += 1.0
    state[p, LAST] = at
    state[p, WEIGHT] += weight
    if kind == QUIZ or kind == ASSIGNMENT:
        state[p, 2 * ACCURACY] += weight * y
        state[p, 2 * ACCURACY + 1] += weight
    elif kind == PRACTICE:
        state[p, 2 * SUCCESS] += weight * y
        state[p, 2 * SUCCESS + 1] += weight
    elif kind == VIDEO:
        state[p, 2 * WATCHED] += y
        state[p, 2 * WATCHED + 1] += 1.0
    if state[p, AFTER_GAP] > 0.0:
        state[p, 2 * SPACED] += weight * y
        state[p, 2 * SPACED + 1] += weight
    if kind == QUIZ or kind == PRACTICE:
        state[p, 2 * HINTED] += max(0, hints)
        state[p, 2 * HINTED + 1] += attempts
    elif kind == TUTOR:
        state[p, 2 * HINTED] += attempts


@inlined_kernel
def _value(params: Floats, t: int, factor: int, amount: float, of: float) -> float:
    """Return the value of a factor that saw `amount` out of `of`, normalised to [0, 1]."""
    k = FIRST_FACTOR + 4 * factor
    of += params[t, k + _PRIOR_WEIGHT]
    value = params[t, k + _PRIOR]
    if of > 0.0:
        value = (amount + params[t, k + _PRIOR_WEIGHT] * params[t, k + _PRIOR]) / of
    return min(1.0, value / params[t, k + _FULL_AT])


@inlined_kernel
def _part(params: Floats, t: int, factor: int, amount: float, of: float) -> float:
    """Return weight · normalised value of a factor that saw `amount` out of `of`."""
    return params[t, FIRST_FACTOR + 4 * factor + _WEIGHT] * _value(params, t, factor, amount, of)


@inlined_kernel
def _stands_for(params: Floats, t: int, index: float) -> float:
    """Return the score that an index from 0 to 1 stands for; an index that stands for itself keeps its bits.

    The ends bound each piece: rounding must not make a higher index a lower score.
    """
    k = min(PIECES - 1, int(index * PIECES))
    low, high = params[t, SCORE_AT + k], params[t, SCORE_AT + k + 1]
    if low == INDEXES[k] and high == INDEXES[k + 1]:
        return index
    share = (index - INDEXES[k]) / (INDEXES[k + 1] - INDEXES[k])
    return max(low, min(high, low + share * (high - low)))


@inlined_kernel
def score_of(
    state: Floats, p: int, params: Floats, t: int, at: int, contributions: Floats, place: int
) -> tuple[float, float, float]:
    """Return (score, lower, upper) of one state at a time, and write its contributions into row `place`."""
    total, prior = 0.0, 0.0
    for f in range(len(RATIOS)):
        contributions[place, f] = _part(params, t, f, state[p, 2 * f], state[p, 2 * f + 1])
        total += contributions[place, f]
        prior += _part(params, t, f, 0.0, 0.0)
    elapsed = at - state[p, LAST]
    fresh = 0.0 if np.isnan(elapsed) else retention(elapsed, params[t, RECENCY_HALF_LIFE])
    contributions[place, RECENCY] = _part(params, t, RECENCY, fresh, 1.0 if fresh > 0.0 else 0.0)
    total += contributions[place, RECENCY]
    prior += _part(params, t, RECENCY, 0.0, 0.0)
    index = min(1.0, max(0.0, total))
    last, rest = _stands_for(params, t, index), _stands_for(params, t, min(1.0, max(0.0, prior)))
    kept = retention(elapsed, params[t, FORGET])
    score = forgotten(last, rest, kept)
    contributions[place, LIMIT] = index - total
    contributions[place, CALIBRATION] = last - index
    contributions[place, FORGETTING] = score - last
    lower, upper = interval(score, state[p, WEIGHT] * kept, params, t, INTERVAL)
    return score, lower, upper


@kernel
def _fold(batch: BatchArrays, params: Floats, state: Floats, history: Floats, as_of_us: int) -> None:
    slot, slot_topic, at_us, kind = batch.slot, batch.slot_topic, batch.at_us, batch.kind
    y, weight, attempts, hints, away = batch.y, batch.weight, batch.attempts, batch.hints, batch.days_away
    day_end_us, day_ptr, cell_ptr, cell_slot = batch.day_end_us, batch.day_ptr, batch.cell_ptr, batch.cell_slot
    contributions = np.empty((1, len(CONTRIBUTIONS)))
    for d in range(day_end_us.size):
        for i in range(day_ptr[d], day_ptr[d + 1]):
            if kind[i] != FEEDBACK:
                p = slot[i]
                take_event(
                    state, p, kind[i], at_us[i], away[i], y[i], weight[i], attempts[i], hints[i], params, slot_topic[p]
                )
        if history.shape[1]:
            at = min(day_end_us[d], as_of_us)
            for c in range(cell_ptr[d], cell_ptr[d + 1]):
                p = cell_slot[c]
                score, lower, upper = score_of(state, p, params, slot_topic[p], at, contributions, 0)
                history[0, c], history[1, c], history[2, c] = score, lower, upper


@kernel
def _predict(batch: BatchArrays, params: Floats, state: Floats, probability: Floats) -> None:
    slot, slot_topic, at_us, kind = batch.slot, batch.slot_topic, batch.at_us, batch.kind
    y, weight, attempts, hints, away = batch.y, batch.weight, batch.attempts, batch.hints, batch.days_away
    contributions = np.empty((1, len(CONTRIBUTIONS)))
    for i in range(slot.size):
        if kind[i] == FEEDBACK:
            continue
        p = slot[i]
        t = slot_topic[p]
        if weight[i] > 0.0:
            score = score_of(state, p, params, t, at_us[i], contributions, 0)[0]
            probability[i] = params[t, GUESS] + (1.0 - params[t, SLIP] - params[t, GUESS]) * score
        take_event(state, p, kind[i], at_us[i], away[i], y[i], weight[i], attempts[i], hints[i], params, t)


@kernel
def _read(
    state: Floats,
    slot_topic: Int32s,
    params: Floats,
    as_of_us: int,
    scores: Scores,
) -> None:
    score, lower, upper, contributions = scores
    for p in range(state.shape[0]):
        score[p], lower[p], upper[p] = score_of(state, p, params, slot_topic[p], as_of_us, contributions, p)


@kernel
def _follow(batch: BatchArrays, params: Floats, state: Floats, values: Floats, kept: Floats, row: Int64s) -> None:
    slot, slot_topic, at_us, kind = batch.slot, batch.slot_topic, batch.at_us, batch.kind
    y, weight, attempts, hints, away = batch.y, batch.weight, batch.attempts, batch.hints, batch.days_away
    found = 0
    for i in range(slot.size):
        if kind[i] == FEEDBACK:
            continue
        p = slot[i]
        t = slot_topic[p]
        if kind[i] == QUIZ and weight[i] == 1.0:
            elapsed = at_us[i] - state[p, LAST]
            fresh = 0.0 if np.isnan(elapsed) else retention(elapsed, params[t, RECENCY_HALF_LIFE])
            for f in range(len(RATIOS)):
                values[found, f] = _value(params, t, f, state[p, 2 * f], state[p, 2 * f + 1])
            values[found, RECENCY] = _value(params, t, RECENCY, fresh, 1.0 if fresh > 0.0 else 0.0)
            kept[found], row[found] = retention(elapsed, params[t, FORGET]), i
            found += 1
        take_event(state, p, kind[i], at_us[i], away[i], y[i], weight[i], attempts[i], hints[i], params, t)


def pre_answer_features(batch: Batch, params: Floats) -> tuple[Floats, Floats, Int64s]:
    """Return what was known strictly before each unaided first answer: what weights are tuned on.

    Returns:
        values: float64[m, len(FACTORS)]. Normalised values of the factors; they do not depend on the weights.
        kept: float64[m]. λ of the time since the topic was last touched.
        row: int64[m]. The answer's row in the batch.
    """
    n = int(np.count_nonzero((batch.kind == QUIZ) & (batch.weight == 1.0)))
    values, kept, row = np.empty((n, len(FACTORS))), np.empty(n), np.empty(n, np.int64)
    state = start_slots(params, batch.slot_topic)
    _follow(batch.arrays, params, state, values, kept, row)
    return values, kept, row


def without_data(params: Floats) -> Floats:
    """Return float64[len(FACTORS)]: the values of the factors before any event, for one row of parameters."""
    return np.array([_value(params[None, :], 0, factor, 0.0, 0.0) for factor in range(len(FACTORS))])


def with_scale(params: Floats, scores: Sequence[float] = INDEXES, guess: float = 0.0, slip: float = 0.0) -> Floats:
    """Return one row of parameters with the score that each of `INDEXES` stands for; itself where nothing is given."""
    params = params.copy()
    params[SCORE_AT : SCORE_AT + len(INDEXES)], params[GUESS], params[SLIP] = scores, guess, slip
    return params


def start_slots(params: Floats, slot_topic: Int32s) -> Floats:
    """Return the state of each slot before any event: empty sums."""
    state = np.zeros((slot_topic.size, len(STATE)))
    state[:, LAST] = np.nan
    return state


def start_students(params: Floats, students: int) -> Floats:
    """Return float64[S, 0]: nothing is kept per student."""
    return np.zeros((students, 0))


def fold_rows(
    batch: Batch, model: Model, slot_state: Floats, student_state: Floats, history: Floats, as_of_us: int
) -> None:
    """See Scorer.fold_rows."""
    _fold(batch.arrays, model.params, slot_state, history, as_of_us)


def predict_rows(batch: Batch, model: Model, slot_state: Floats, student_state: Floats) -> Floats:
    """See Scorer.predict_rows. Where rules name no scale it is the index itself, read as a probability."""
    probability = np.full(batch.slot.size, np.nan)
    _predict(batch.arrays, model.params, slot_state, probability)
    return probability


def read_slots(
    slot_state: Floats, student_state: Floats, slot_student: Int32s, slot_topic: Int32s, params: Floats, as_of_us: int
) -> Scores:
    """See Scorer.read_slots. Where rules name no scale it is an index, not on the scale of the other scorers."""
    scores = empty_scores(slot_topic.size, len(CONTRIBUTIONS))
    _read(slot_state, slot_topic, params, as_of_us, scores)
    return scores


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds, or a higher index stands for less.

    Signs of the weights are among the bounds.
    """
    check_bounds("rule_based", PARAMETERS, model.params)
    falling = np.diff(model.params[:, SCORE_AT : SCORE_AT + len(INDEXES)]) < 0.0
    if falling.any():
        topic, k = (int(i) for i in np.argwhere(falling)[0])
        raise BadInput(
            f"rule_based: topic row {topic}: an index of {INDEXES[k + 1]:g} stands for a lower score than one of "
            f"{INDEXES[k]:g}; expected score_at_0 to score_at_100 never to fall: more evidence must not cost"
        )


SCORER = Scorer(
    name="rule_based",
    version=2,
    scale="index",
    slot_state=STATE,
    student_state=(),
    parameters=PARAMETERS,
    item_parameters=(),
    contributions=CONTRIBUTIONS,
    start_slots=start_slots,
    start_students=start_students,
    fold_rows=fold_rows,
    predict_rows=predict_rows,
    read_slots=read_slots,
    check=check,
)

SPEC = ScorerSpec(
    name=SCORER.name,
    label="Rules",
    stage=Stage.RULES,
    fit="mastery.scorers.rule_based.fit:fit_rules",
    needs=("bkt",),
    scorer=SCORER,
    one_answer="mastery.scorers.rule_based.one_answer:steps",
    works_unfitted=True,
    intervals=Intervals(UNFITTED, FITTED),
    writing=Writing(
        parse="mastery.scorers.rule_based.rules:parse_rules",
        text="mastery.scorers.rule_based.rules:to_yaml",
        tune="mastery.scorers.rule_based.search:search",
    ),
    shown_rank=1,
)
