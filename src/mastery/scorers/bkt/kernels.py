"""The kernels of bkt: what it keeps of a student-topic, its steps on odds, its loops. See mastery.scorers.bkt.scorer.

Two loops fold alike, bit for bit. `fold_slots` walks slot by slot with one state in registers, where each row needs
nothing but its topic's probabilities. `fold_in_order` walks each student's rows in time order, takes item parameters,
forgetting by answers and pull too, and predicts each answer before it folds it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.features.batch import BatchArrays, BySlot
from mastery.features.columns import FEEDBACK, QUIZ
from mastery.kernels import inlined_kernel, kernel
from mastery.scorers.base import Scores
from mastery.scorers.interval import LN2_PER_DAY_US, interval, kept_at, retention

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
    "from_other_topics",
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
    OTHERS,
) = range(len(STATE))

STUDENT_STATE = ("excess", "answers")  # on topics with pull: the sum of weight · (y − expected share), and of weights
EXCESS, ANSWERS = range(len(STUDENT_STATE))

# Columns of the parameters, as in `PARAMETERS` of scorer.py. LEARN + kind: the probability of learning from that kind.
INIT, GUESS, SLIP, HALF_LIFE, LEARN = range(5)
FORGET, GUESS_PRACTICE, SLIP_PRACTICE, EXPECTED, PULL, PULL_LEARNING, PULL_ANSWERS, INTERVAL = range(9, 17)
ITEM_GUESS, ITEM_SLIP = range(2)

LOWEST, HIGHEST = 1e-6, 1e6
"""Odds stay within these: a state that reaches 0 or infinity could never be moved by evidence again."""

MOST_LEARNT = 0.99
"""No probability of learning is higher, whatever the pull."""

EMPTY = 1e-100
"""A running product below this is moved into its log, before it can underflow."""

BOOK_RIGHT = np.array([RIGHT, PRACTISED, ASSIGNED, RIGHT, RIGHT, RIGHT])
BOOK_WRONG = np.array([WRONG, PRACTISED, ASSIGNED, WRONG, WRONG, WRONG])
"""By kind: the column that is credited with success, and the one that is charged with failure."""

GROUP = np.array([0, 1, 1, 0, 0, 0])
"""By kind: 1 where guess and slip are those of practice."""

# By topic: what one right, and one wrong answer adds to the log-odds, forgetting per microsecond, and from RATIOS on
# the factors of answers that weigh 0/8, 1/8 … 8/8, wrong and right in turn.
LOG_RIGHT, LOG_WRONG, RATE, RATIOS = range(4)
EIGHTHS = 8


@kernel
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


@inlined_kernel
def forget(odds: float, kept: float) -> float:
    """Return the factor by which the odds shrink in a time of which `kept` = λ(Δt) of the known is retained."""
    return kept / (1.0 + (1.0 - kept) * odds)


@inlined_kernel
def step(odds: float, kept: float, answer: float, probability: float) -> float:
    """Return the odds after one event: a time to forget, an answer's factor, an opportunity to learn.

    The three steps are one fraction of the odds before: an event waits for one division of the event before it, not
    for two. And all of them are taken for every event, with nothing to forget, weigh or learn where there is nothing:
    branches that would spare them were missed too often.
    """
    unlearned = 1.0 / (1.0 - probability)
    answered, learned = kept * answer * unlearned, probability * unlearned
    return (learned + odds * (answered + learned * (1.0 - kept))) / (1.0 + (1.0 - kept) * odds)


@inlined_kernel
def step_forgetting(odds: float, kept: float, answer: float, slipped: float, probability: float) -> float:
    """Return the same with a probability `slipped` to forget between answer and learning; with 0, `step`'s very
    bits."""
    unlearned = 1.0 / (1.0 - probability)
    answered, learned = kept * answer * unlearned, probability * unlearned
    gone = (1.0 - kept) + slipped * (kept * answer)
    return (learned + odds * ((1.0 - slipped) * answered + learned * gone)) / (1.0 + gone * odds)


@inlined_kernel
def score(odds: float, weight: float, kept: float, params: Floats, t: int) -> tuple[float, float, float]:
    """Return (score, lower, upper) of a state after a time of which `kept` is retained."""
    odds = odds * forget(odds, kept)
    known = odds / (1.0 + odds)
    lower, upper = interval(known, weight * kept, params, t, INTERVAL)
    return known, lower, upper


@inlined_kernel
def reckon(guess: float, slip: float, odds: float, kept: float) -> float:
    """Return the probability of a right answer after a time of which `kept` is retained."""
    known = odds * forget(odds, kept)
    return guess + (1.0 - guess - slip) * known / (1.0 + known)


@kernel
def pulled(params: Floats, t: int, excess: float, answers: float) -> float:
    """Return what doing better than expected so far adds to the log-odds at a topic's first event."""
    if params[t, PULL] <= 0.0:
        return 0.0
    return float(params[t, PULL] * excess / (answers + params[t, PULL_ANSWERS]))


@kernel
def lesson(params: Floats, t: int, what: int, opportunity: float, excess: float, answers: float) -> float:
    """Return the probability of learning from an event: for those who do better than expected the odds are higher."""
    probability = params[t, LEARN + what]
    if params[t, PULL_LEARNING] > 0.0:
        factor = math.exp(params[t, PULL_LEARNING] * excess / (answers + params[t, PULL_ANSWERS]))
        probability = min(MOST_LEARNT, probability * factor / (1.0 - probability + probability * factor))
    return float(probability * opportunity)


@kernel
def probabilities(params: Floats, items: Floats, t: int, item: int, group: int) -> tuple[float, float]:
    """Return (guess, slip) of an answer: the item's own, where they are known and it is no practice."""
    if group:
        return params[t, GUESS_PRACTICE], params[t, SLIP_PRACTICE]
    if item >= 0 and not math.isnan(items[item, ITEM_GUESS]):
        return items[item, ITEM_GUESS], items[item, ITEM_SLIP]
    return params[t, GUESS], params[t, SLIP]


@inlined_kernel
def weigh(guess: float, slip: float) -> tuple[float, float]:
    """Return what one right, and one wrong answer adds to the log-odds."""
    return math.log((1.0 - slip) / guess), math.log(slip / (1.0 - guess))


class Told(NamedTuple):
    """What the rights and the wrongs of an event add to the log-odds, and their factor: what the odds are multiplied
    by."""

    for_right: float
    for_wrong: float
    factor: float


class Happened(NamedTuple):
    """An event without its outcome: kind, microseconds since 1970 UTC, weight, opportunity to learn."""

    kind: int
    at_us: int
    weight: float
    opportunity: float


@kernel
def tell(params: Floats, given: Floats, logs: Floats, t: int, item: int, group: int, y: float, n: float) -> Told:
    """Return what an event says of mastery.

    given: `constants(params)`. logs: float64[I, 2], what one right, and one wrong answer on each item adds; NaN where
    nothing is known of it.
    """
    own = item >= 0 and not math.isnan(logs[item, 0])
    if group:
        log_right, log_wrong = weigh(params[t, GUESS_PRACTICE], params[t, SLIP_PRACTICE])
    elif own:
        log_right, log_wrong = logs[item, 0], logs[item, 1]
    else:
        log_right, log_wrong = given[t, LOG_RIGHT], given[t, LOG_WRONG]
    for_right, for_wrong = n * y * log_right, n * (1.0 - y) * log_wrong
    eighths = int(n * EIGHTHS)
    plain = n <= 1.0 and eighths == n * EIGHTHS and n * y * (1.0 - y) == 0.0
    if plain and not own and not group:
        return Told(for_right, for_wrong, given[t, RATIOS + 2 * eighths + int(y)])
    return Told(for_right, for_wrong, math.exp(for_right + for_wrong))


@kernel
def fold_slots(
    rows: BySlot,
    slot_topic: Int32s,
    cell_end_us: Int64s,
    params: Floats,
    state: Floats,
    history: Floats,
    as_of_us: int,
) -> None:
    """Fold slot by slot; see mastery.scorers.bkt.scorer.fold_rows."""
    slot_row_ptr, at_us, kind, y = rows.ptr, rows.at_us, rows.kind, rows.y
    weight, opportunity, cell = rows.weight, rows.opportunity, rows.cell
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
            # Here and in `advance` by hand: an inlined kernel for both took a tenth longer.
            if forgot < EMPTY:
                state[p, LOG_FORGOT] += math.log(forgot)
                forgot = 1.0
            if not LOWEST <= odds <= HIGHEST:
                bound = min(HIGHEST, max(LOWEST, odds))
                state[p, LOG_LIMITED] += math.log(bound / odds)
                odds = bound
            if emit and (i + 1 == stop or cell[i + 1] != cell[i]):
                c = cell[i]
                kept = kept_at(min(cell_end_us[c], as_of_us) - last, rate)
                history[0, c], history[1, c], history[2, c] = score(odds, fading, kept, params, t)
        state[p, ODDS], state[p, WEIGHT], state[p, LAST], state[p, FORGOT] = odds, fading, last, forgot


@kernel
def advance(
    state: Floats, p: int, params: Floats, t: int, event: Happened, excess: float, answers: float, told: Told
) -> None:
    """Fold one event on topic t into the state of slot p. excess, answers: of the student, before."""
    what, at_us, n, opportunity = event
    for_right, for_wrong, answer = told
    odds, last = state[p, ODDS], state[p, LAST]
    if math.isnan(last):
        more = pulled(params, t, excess, answers)
        odds *= math.exp(more)
        state[p, OTHERS] += more
    kept = kept_at(at_us - last, LN2_PER_DAY_US / params[t, HALF_LIFE])
    slipped = params[t, FORGET] if n > 0.0 else 0.0
    factor = forget(odds, kept)
    forgot = state[p, FORGOT] * factor * ((1.0 - slipped) / (1.0 + slipped * (odds * factor * answer)))
    odds = step_forgetting(odds, kept, answer, slipped, lesson(params, t, what, opportunity, excess, answers))
    state[p, BOOK_RIGHT[what]] += for_right
    state[p, BOOK_WRONG[what]] += for_wrong
    if forgot < EMPTY:
        state[p, LOG_FORGOT] += math.log(forgot)
        forgot = 1.0
    if not LOWEST <= odds <= HIGHEST:
        bound = min(HIGHEST, max(LOWEST, odds))
        state[p, LOG_LIMITED] += math.log(bound / odds)
        odds = bound
    state[p, ODDS], state[p, LAST], state[p, FORGOT] = odds, at_us, forgot
    state[p, WEIGHT] = state[p, WEIGHT] * kept + n


@kernel
def fold_in_order(
    batch: BatchArrays,
    params: Floats,
    items: Floats,
    state: Floats,
    students: Floats,
    history: Floats,
    probability: Floats,
    as_of_us: int,
) -> None:
    """Fold in time order; see mastery.scorers.bkt.scorer.fold_rows and predict_rows (where `probability` is not
    empty)."""
    student_ptr, row, slot, slot_topic, item = batch.student_ptr, batch.row, batch.slot, batch.slot_topic, batch.use
    at_us, kind, y, weight, opportunity = batch.at_us, batch.kind, batch.y, batch.weight, batch.opportunity
    day_end_us, day_ptr, cell_ptr, cell_slot = batch.day_end_us, batch.day_ptr, batch.cell_ptr, batch.cell_slot
    given, logs = constants(params), np.full(items.shape, np.nan)
    for k in range(items.shape[0]):
        logs[k, 0], logs[k, 1] = weigh(items[k, ITEM_GUESS], items[k, ITEM_SLIP])
    d = 0
    for s in range(student_ptr.size - 1):
        excess, answers = students[s, EXCESS], students[s, ANSWERS]
        before, answers_before = excess, answers
        for i in range(student_ptr[s], student_ptr[s + 1]):
            if i == student_ptr[s] or row[i] != row[i - 1]:
                before, answers_before = excess, answers
                j = i
                while probability.size and j < student_ptr[s + 1] and row[j] == row[i]:
                    if weight[j] > 0.0:
                        p, t = slot[j], slot_topic[slot[j]]
                        odds = state[p, ODDS]
                        if math.isnan(state[p, LAST]):
                            odds *= math.exp(pulled(params, t, before, answers_before))
                        guess, slip = probabilities(params, items, t, item[j], GROUP[kind[j]])
                        kept = kept_at(at_us[j] - state[p, LAST], LN2_PER_DAY_US / params[t, HALF_LIFE])
                        probability[j] = reckon(guess, slip, odds, kept)
                    j += 1
            if kind[i] != FEEDBACK:
                t, n, what = slot_topic[slot[i]], weight[i], kind[i]
                told = tell(params, given, logs, t, item[i], GROUP[what], y[i], n)
                event = Happened(what, at_us[i], n, opportunity[i])
                advance(state, slot[i], params, t, event, before, answers_before, told)
                if params[t, PULL] + params[t, PULL_LEARNING] > 0.0:
                    excess += n * (y[i] - params[t, EXPECTED])
                    answers += n
            if i + 1 == day_ptr[d + 1]:
                for c in range(cell_ptr[d], cell_ptr[d + 1] if history.shape[1] else cell_ptr[d]):
                    p = cell_slot[c]
                    t = slot_topic[p]
                    rate = LN2_PER_DAY_US / params[t, HALF_LIFE]
                    kept = kept_at(min(day_end_us[d], as_of_us) - state[p, LAST], rate)
                    found = score(state[p, ODDS], state[p, WEIGHT], kept, params, t)
                    history[0, c], history[1, c], history[2, c] = found
                d += 1
        students[s, EXCESS], students[s, ANSWERS] = excess, answers


@kernel
def fold_answer(
    state: Floats,
    p: int,
    students: Floats,
    s: int,
    params: Floats,
    items: Floats,
    t: int,
    item: int,
    at_us: int,
    y: float,
    weight: float,
) -> float:
    """Fold one quiz answer into the states of slot p and student s; return P(known).

    Its numbers come one by one: Python calls it for single answers, and to hand over a NamedTuple takes four times as
    long as the call.
    """
    excess, answers = students[s, EXCESS], students[s, ANSWERS]
    guess, slip = probabilities(params, items, t, item, 0)
    log_right, log_wrong = weigh(guess, slip)
    for_right, for_wrong = weight * y * log_right, weight * (1.0 - y) * log_wrong
    told = Told(for_right, for_wrong, math.exp(for_right + for_wrong))
    advance(state, p, params, t, Happened(QUIZ, at_us, weight, 1.0), excess, answers, told)
    if params[t, PULL] + params[t, PULL_LEARNING] > 0.0:
        students[s, EXCESS] += weight * (y - params[t, EXPECTED])
        students[s, ANSWERS] += weight
    return float(state[p, ODDS] / (1.0 + state[p, ODDS]))


@kernel
def needs_no_order(params: Floats, items: Floats) -> bool:
    """Tell whether `fold_slots` will do."""
    for t in range(params.shape[0]):
        if params[t, FORGET] + params[t, PULL] + params[t, PULL_LEARNING] > 0.0:
            return False
        if params[t, GUESS] != params[t, GUESS_PRACTICE] or params[t, SLIP] != params[t, SLIP_PRACTICE]:
            return False
    return bool(items.shape[1] == 0 or np.all(np.isnan(items[:, ITEM_GUESS])))


@kernel
def read_states(
    state: Floats,
    slot_topic: Int32s,
    params: Floats,
    as_of_us: int,
    scores: Scores,
) -> None:
    """Write every slot's score, interval and contributions; see mastery.scorers.bkt.scorer.read_slots."""
    known, lower, upper, contributions = scores
    for p in range(state.shape[0]):
        t = slot_topic[p]
        kept = retention(as_of_us - state[p, LAST], params[t, HALF_LIFE])
        known[p], lower[p], upper[p] = score(state[p, ODDS], state[p, WEIGHT], kept, params, t)
        contributions[p, 0] = math.log(params[t, INIT] / (1.0 - params[t, INIT]))
        contributions[p, 1], contributions[p, 2] = state[p, RIGHT], state[p, WRONG]
        contributions[p, 3], contributions[p, 4] = state[p, PRACTISED], state[p, ASSIGNED]
        contributions[p, 6] = state[p, OTHERS]
        contributions[p, 7] = state[p, LOG_LIMITED]
        forgot = state[p, LOG_FORGOT] + math.log(state[p, FORGOT])
        contributions[p, 8] = forgot + math.log(forget(state[p, ODDS], kept))
        # What is in the odds and was put there by nothing else. Kept apart it would cost the fold a fifth more.
        booked = (
            contributions[p, 0]
            + contributions[p, 1]
            + contributions[p, 2]
            + contributions[p, 3]
            + contributions[p, 4]
            + contributions[p, 6]
            + contributions[p, 7]
            + forgot
        )
        contributions[p, 5] = math.log(state[p, ODDS]) - booked
