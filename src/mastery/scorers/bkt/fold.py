"""The loops of bkt. See mastery.scorers.bkt.scorer.

Two loops fold alike, bit for bit. `fold_slots` walks slot by slot with one state in registers, where each row needs
nothing but its topic's probabilities. `fold_in_order` walks each student's rows in time order, takes item parameters,
forgetting by answers and pull too, and says before each answer how likely it is to be right.
"""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.features.batch import DAY_US
from mastery.features.columns import FEEDBACK
from mastery.kernels import kernel
from mastery.scorers.bkt.odds import (
    ANSWERS,
    ASSIGNED,
    BOOK_RIGHT,
    BOOK_WRONG,
    EIGHTHS,
    EMPTY,
    EXCESS,
    EXPECTED,
    FORGET,
    FORGOT,
    GROUP,
    GUESS,
    GUESS_PRACTICE,
    HALF_LIFE,
    HIGHEST,
    INIT,
    ITEM_GUESS,
    ITEM_SLIP,
    LAST,
    LEARN,
    LOG_FORGOT,
    LOG_LIMITED,
    LOG_RIGHT,
    LOG_WRONG,
    LOWEST,
    ODDS,
    OTHERS,
    PRACTISED,
    PULL,
    PULL_LEARNING,
    RATE,
    RATIOS,
    RIGHT,
    SLIP,
    SLIP_PRACTICE,
    WEIGHT,
    WRONG,
    constants,
    forget,
    lesson,
    probabilities,
    pulled,
    reckon,
    score,
    step,
    step_forgetting,
    tell,
    weigh,
)
from mastery.scorers.interval import LN2_PER_DAY_US, kept_at, retention


@kernel
def fold_slots(
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
    """Fold slot by slot; see mastery.scorers.bkt.scorer.fold_rows."""
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
                history[0, c], history[1, c], history[2, c] = score(odds, fading, kept, params, t)
        state[p, ODDS], state[p, WEIGHT], state[p, LAST], state[p, FORGOT] = odds, fading, last, forgot


@kernel
def advance(
    state: Floats,
    p: int,
    params: Floats,
    t: int,
    what: int,
    at_us: int,
    n: float,
    opportunity: float,
    excess: float,
    answers: float,
    for_right: float,
    for_wrong: float,
    answer: float,
) -> None:
    """Fold one event into the state of slot p. excess, answers: of the student, before; answer: its factor."""
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
    student_ptr: Int64s,
    row: Int64s,
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
    opportunity: Floats,
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
                for_right, for_wrong, answer = tell(params, given, logs, t, item[i], GROUP[what], y[i], n)
                advance(state, slot[i], params, t, what, at_us[i], n, opportunity[i], before, answers_before,
                        for_right, for_wrong, answer)  # fmt: skip
                if params[t, PULL] + params[t, PULL_LEARNING] > 0.0:
                    excess += n * (y[i] - params[t, EXPECTED])
                    answers += n
            if i + 1 == day_ptr[d + 1]:
                for c in range(cell_ptr[d], cell_ptr[d + 1] if history.shape[1] else cell_ptr[d]):
                    p = cell_slot[c]
                    t = slot_topic[p]
                    rate = LN2_PER_DAY_US / params[t, HALF_LIFE]
                    kept = kept_at(min((day[d] + 1) * DAY_US, as_of_us) - state[p, LAST], rate)
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
    """Fold one quiz answer into the states of slot p and student s; return P(known)."""
    excess, answers = students[s, EXCESS], students[s, ANSWERS]
    guess, slip = probabilities(params, items, t, item, 0)
    log_right, log_wrong = weigh(guess, slip)
    for_right, for_wrong = weight * y * log_right, weight * (1.0 - y) * log_wrong
    advance(state, p, params, t, 0, at_us, weight, 1.0, excess, answers, for_right, for_wrong,
            math.exp(for_right + for_wrong))  # fmt: skip
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
    scores: Floats,
    lower: Floats,
    upper: Floats,
    contributions: Floats,
) -> None:
    """Write every slot's score, interval and contributions; see mastery.scorers.bkt.scorer.read_slots."""
    for p in range(state.shape[0]):
        t = slot_topic[p]
        kept = retention(as_of_us - state[p, LAST], params[t, HALF_LIFE])
        scores[p], lower[p], upper[p] = score(state[p, ODDS], state[p, WEIGHT], kept, params, t)
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
