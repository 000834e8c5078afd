"""Bayesian Knowledge Tracing, with forgetting by elapsed time inside its chain.

Corbett & Anderson (1995), Knowledge tracing: modeling the acquisition of procedural knowledge, UMUAI 4(4), eqs. 1-3;
forgetting as in Khajah, Lindsey & Mozer (2016), How deep is knowledge tracing?, EDM, but per elapsed day. Between two
events a known topic becomes unknown with chance 1 − λ(Δt), λ(Δt) = 2^(−Δt / half-life): a proper hidden Markov model.

Everything runs on the odds o = P(known) / P(unknown), where the three steps are cheap and their logs are the parts:

    forget   o ← λ o / (1 + (1 − λ) o)
    answer   o ← o · ((1 − slip) / guess)^(w y) · (slip / (1 − guess))^(w (1 − y))
    learn    o ← (o + l) / (1 − l)

The kernel keeps the product of the factors of forgetting and takes its log when it is read; what learning added is the
rest of the log-odds: a log per step and event halved its speed. What each parameter does: docs/scorers/bkt.md.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import DAY_US, Batch
from mastery.features.columns import FEEDBACK, KINDS
from mastery.scorers.base import Model, Parameter, Reading, Scorer, check_bounds
from mastery.scorers.interval import LN2_PER_DAY_US, kept_at, retention, wilson

STATE = (
    "odds_known",
    "weight",  # evidence, fading with the same half-life as knowledge
    "last_at_us",  # NaN before the first event
    "from_right",
    "from_wrong",
    "from_practice",
    "from_assignments",
    "forgot",  # product of the factors of forgetting since it was last moved into …
    "log_forgot",
    "log_limited",
)
(
    ODDS,
    WEIGHT,
    LAST,
    RIGHT,
    WRONG,
    PRACTISED,
    ASSIGNED,
    FORGOT,
    LOG_FORGOT,
    LOG_LIMITED,
) = range(len(STATE))

PARAMETERS = (
    Parameter("p_init", 0.30, 0.001, 0.999, "chance that a topic is known before any event"),
    Parameter("guess", 0.20, 0.001, 0.999, "chance of a right answer without knowing"),
    Parameter("slip", 0.10, 0.001, 0.999, "chance of a wrong answer in spite of knowing"),
    Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the known is forgotten"),
    Parameter("p_learn", 0.10, 0.0, 0.99, "chance to learn from answering one question"),
    Parameter("p_learn_practice", 0.14, 0.0, 0.99, "chance to learn from one practice session"),
    Parameter("p_learn_assignment", 0.10, 0.0, 0.99, "chance to learn from one assignment"),
    Parameter("p_learn_video", 0.06, 0.0, 0.99, "chance to learn from a video watched in full"),
    Parameter("p_learn_tutor", 0.08, 0.0, 0.99, "chance to learn from a tutor chat that resolved everything"),
)
INIT, GUESS, SLIP, HALF_LIFE, LEARN = range(5)  # LEARN + kind: the chance to learn from that kind of event

PARTS = ("start", "answers_right", "answers_wrong", "practice", "assignments", "learning", "limit", "forgetting")

LOWEST, HIGHEST = 1e-6, 1e6
"""Odds stay within these: a state that reaches 0 or infinity could never be moved by evidence again."""

PRIOR_WEIGHT = 2.0
"""The prior counts as this many answers in the interval."""

EMPTY = 1e-100
"""A running product below this is moved into its log, before it can underflow."""

BOOK_RIGHT = np.array([RIGHT, PRACTISED, ASSIGNED, RIGHT, RIGHT, RIGHT])
BOOK_WRONG = np.array([WRONG, PRACTISED, ASSIGNED, WRONG, WRONG, WRONG])
"""By kind: the column that is credited with success, and the one that is charged with failure."""

# By topic: what one right, and one wrong answer adds to the log-odds, forgetting per microsecond, and from RATIOS on
# the factors of answers that weigh 0/8, 1/8 … 8/8, wrong and right in turn.
LOG_RIGHT, LOG_WRONG, RATE, RATIOS = range(4)
EIGHTHS = 8


@njit(cache=True, nogil=True, error_model="numpy")
def constants(params: Floats) -> Floats:
    """Return float64[T, RATIOS + 18], see above."""
    made = np.empty((params.shape[0], RATIOS + 2 * (EIGHTHS + 1)))
    for t in range(params.shape[0]):
        made[t, LOG_RIGHT] = math.log((1.0 - params[t, SLIP]) / params[t, GUESS])
        made[t, LOG_WRONG] = math.log(params[t, SLIP] / (1.0 - params[t, GUESS]))
        made[t, RATE] = LN2_PER_DAY_US / params[t, HALF_LIFE]
        for eighths in range(EIGHTHS + 1):
            weight = eighths / EIGHTHS
            made[t, RATIOS + 2 * eighths] = math.exp(weight * made[t, LOG_WRONG])
            made[t, RATIOS + 2 * eighths + 1] = math.exp(weight * made[t, LOG_RIGHT])
    return made


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def forget(odds: float, kept: float) -> float:
    """Return the factor by which the odds shrink in a time of which `kept` = λ(Δt) of the known is retained."""
    return kept / (1.0 + (1.0 - kept) * odds)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def step(odds: float, kept: float, answer: float, chance: float) -> float:
    """Return the odds after one event: a time to forget, an answer's factor, a chance to learn.

    The three steps are one fraction of the odds before: an event waits for one division of the event before it, not
    for two. And all of them are taken for every event, with nothing to forget, weigh or learn where there is nothing:
    branches that would spare them were missed too often.
    """
    unlearned = 1.0 / (1.0 - chance)
    answered, learned = kept * answer * unlearned, chance * unlearned
    return (learned + odds * (answered + learned * (1.0 - kept))) / (1.0 + (1.0 - kept) * odds)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def score(odds: float, weight: float, kept: float) -> tuple[float, float, float]:
    """Return (score, lower, upper) of a state after a time of which `kept` is retained."""
    odds = odds * forget(odds, kept)
    known = odds / (1.0 + odds)
    lower, upper = wilson(known, weight * kept + PRIOR_WEIGHT)
    return known, lower, upper


@njit(cache=True, nogil=True, error_model="numpy")
def _fold(
    slot_row_ptr: Int64s,
    slot_topic: Int32s,
    at_us: Int64s,
    kind: Int8s,
    y: Floats,
    weight: Floats,
    opportunity: Floats,
    cell: Int32s,
    cell_day: Int32s,
    params: Floats,
    state: Floats,
    history: Floats,
    as_of_us: int,
) -> None:
    given = constants(params)
    emit = history.shape[1] > 0
    for p in range(slot_row_ptr.size - 1):
        start, stop, t = slot_row_ptr[p], slot_row_ptr[p + 1], slot_topic[p]
        log_right, log_wrong, rate = given[t, LOG_RIGHT], given[t, LOG_WRONG], given[t, RATE]
        odds, fading, last, forgot = state[p, ODDS], state[p, WEIGHT], state[p, LAST], state[p, FORGOT]
        for i in range(start, stop):
            what, n, success = kind[i], weight[i], y[i]
            if what == FEEDBACK:
                continue
            # A video watched to 0 % starts the clock too, or watching 1 % of it could lower a score.
            kept = kept_at(at_us[i] - last, rate)
            for_right, for_wrong = n * success * log_right, n * (1.0 - success) * log_wrong
            eighths = int(n * EIGHTHS)
            if n <= 1.0 and eighths == n * EIGHTHS and n * success * (1.0 - success) == 0.0:
                answer = given[t, RATIOS + 2 * eighths + int(success)]
            else:
                answer = math.exp(for_right + for_wrong)
            last, fading = at_us[i], fading * kept + n
            forgot *= forget(odds, kept)
            odds = step(odds, kept, answer, params[t, LEARN + what] * opportunity[i])
            state[p, BOOK_RIGHT[what]] += for_right
            state[p, BOOK_WRONG[what]] += for_wrong
            if forgot < EMPTY:
                state[p, LOG_FORGOT] += math.log(forgot)
                forgot = 1.0
            if not LOWEST <= odds <= HIGHEST:
                bound = min(HIGHEST, max(LOWEST, odds))
                state[p, LOG_LIMITED] += math.log(bound / odds)
                odds = bound
            if emit and (i + 1 == stop or cell[i + 1] != cell[i]):
                c = cell[i]
                kept = kept_at(min((cell_day[c] + 1) * DAY_US, as_of_us) - last, rate)
                history[0, c], history[1, c], history[2, c] = score(odds, fading, kept)
        state[p, ODDS], state[p, WEIGHT], state[p, LAST], state[p, FORGOT] = odds, fading, last, forgot


@njit(cache=True, nogil=True, error_model="numpy")
def _foretell(
    slot: Int32s,
    slot_topic: Int32s,
    at_us: Int64s,
    kind: Int8s,
    y: Floats,
    weight: Floats,
    opportunity: Floats,
    params: Floats,
    odds_of: Floats,
    last_of: Floats,
    chance: Floats,
) -> None:
    given = constants(params)
    for i in range(slot.size):
        what, n, success = kind[i], weight[i], y[i]
        if what == FEEDBACK:
            continue
        p = slot[i]
        t = slot_topic[p]
        odds, kept = odds_of[p], kept_at(at_us[i] - last_of[p], given[t, RATE])
        if n > 0.0:
            known = odds * forget(odds, kept)
            chance[i] = params[t, GUESS] + (1.0 - params[t, GUESS] - params[t, SLIP]) * known / (1.0 + known)
        answer = math.exp(n * success * given[t, LOG_RIGHT] + n * (1.0 - success) * given[t, LOG_WRONG])
        odds = step(odds, kept, answer, params[t, LEARN + what] * opportunity[i])
        odds_of[p], last_of[p] = min(HIGHEST, max(LOWEST, odds)), at_us[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _read(
    state: Floats,
    slot_topic: Int32s,
    params: Floats,
    as_of_us: int,
    scores: Floats,
    lower: Floats,
    upper: Floats,
    parts: Floats,
) -> None:
    for p in range(state.shape[0]):
        t = slot_topic[p]
        kept = retention(as_of_us - state[p, LAST], params[t, HALF_LIFE])
        scores[p], lower[p], upper[p] = score(state[p, ODDS], state[p, WEIGHT], kept)
        parts[p, 0] = math.log(params[t, INIT] / (1.0 - params[t, INIT]))
        parts[p, 1], parts[p, 2] = state[p, RIGHT], state[p, WRONG]
        parts[p, 3], parts[p, 4] = state[p, PRACTISED], state[p, ASSIGNED]
        parts[p, 6] = state[p, LOG_LIMITED]
        forgot = state[p, LOG_FORGOT] + math.log(state[p, FORGOT])
        parts[p, 7] = forgot + math.log(forget(state[p, ODDS], kept))
        # What is in the odds and was put there by nothing else. Kept apart it would cost the fold a fifth more.
        booked = parts[p, 0] + parts[p, 1] + parts[p, 2] + parts[p, 3] + parts[p, 4] + parts[p, 6] + forgot
        parts[p, 5] = math.log(state[p, ODDS]) - booked


def start_slots(params: Floats, slot_topic: Int32s) -> Floats:
    """Return the state of each slot before any event: odds of p_init, nothing booked."""
    state = np.zeros((slot_topic.size, len(STATE)))
    initial = params[slot_topic, INIT]
    state[:, ODDS] = initial / (1.0 - initial)
    state[:, LAST] = np.nan
    state[:, FORGOT] = 1.0
    return state


def start_students(params: Floats, students: int) -> Floats:
    """Return float64[S, 0]: nothing is kept per student."""
    return np.zeros((students, 0))


def fold_rows(
    batch: Batch, model: Model, slot_state: Floats, student_state: Floats, history: Floats, as_of_us: int
) -> None:
    """See Scorer.fold_rows."""
    rows = batch.by_slot
    _fold(
        rows.ptr,
        batch.slot_topic,
        rows.at_us,
        rows.kind,
        rows.y,
        rows.weight,
        rows.opportunity,
        rows.cell,
        batch.cell_day,
        model.params,
        slot_state,
        history,
        as_of_us,
    )


def foretell_rows(batch: Batch, model: Model, slot_state: Floats, student_state: Floats) -> Floats:
    """See Scorer.foretell_rows. P(right) = P(known) (1 − slip) + (1 − P(known)) guess."""
    chance = np.full(batch.slot.size, np.nan)
    _foretell(batch.slot, batch.slot_topic, batch.at_us, batch.kind, batch.y, batch.weight, batch.opportunity,
              model.params, slot_state[:, ODDS].copy(), slot_state[:, LAST].copy(), chance)  # fmt: skip
    fold_rows(batch, model, slot_state, student_state, np.empty((3, 0)), 0)
    return chance


def read_slots(
    slot_state: Floats, student_state: Floats, slot_student: Int32s, slot_topic: Int32s, params: Floats, as_of_us: int
) -> Reading:
    """See Scorer.read_slots. The score is P(known) itself."""
    n = slot_topic.size
    reading = Reading(np.empty(n), np.empty(n), np.empty(n), np.empty((n, len(PARTS)), order="F"))
    _read(slot_state, slot_topic, params, as_of_us, reading.score, reading.lower, reading.upper, reading.parts)
    return reading


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds, or guess + slip ≥ 1: right answers would count against."""
    check_bounds("bkt", PARAMETERS, model.params)
    params = model.params
    bad = np.flatnonzero(params[:, GUESS] + params[:, SLIP] >= 1.0)
    if bad.size:
        t = int(bad[0])
        raise BadInput(
            f"bkt: guess {params[t, GUESS]:g} + slip {params[t, SLIP]:g} of topic row {t} is not below 1; "
            "a right answer would lower the score. Lower one of them"
        )


assert len(PARAMETERS) == LEARN + KINDS.index("feedback")

SCORER = Scorer(
    "bkt", 1, "log_odds", STATE, (), PARAMETERS, (), PARTS,
    start_slots, start_students, fold_rows, foretell_rows, read_slots, check,
)  # fmt: skip
