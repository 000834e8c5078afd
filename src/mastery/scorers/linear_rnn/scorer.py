"""A linear recurrence with vectors for items and topics: one state per student, read at any topic.

Diagonal linear recurrences as in Gu, Gupta, Goel & Ré (2022), On the parameterization and initialization of diagonal
state space models, NeurIPS 35; answers as inputs as in Piech et al. (2015), Deep knowledge tracing, NeurIPS 28. Without
a nonlinearity between answers the logit is a plain sum over the past, so its explanation is exact.

    logit(right on item i) = b_i + b_q + (u_i + u_q) · r h        q = topic and place in the run of tries on one item
    after an answer (y, n)   h ← λ h + n (w + y g),               w = w_i + w_e,   g = g_i + g_e
                                                                  e = q and coarse time the answer took

Each channel of h has one λ of `FADING`; r is 1, but 1 / √(1 + answers) for those with λ = 1. Law 6 holds by
construction: u ≥ 0 and g ≥ 0. The mean item of a topic stands for items nobody knows, and is what scores are read at;
answers that name no item have no item's part. `UNCONSTRAINED` is the same without the bounds: for the probability of
a right answer alone, exempt from law 6 by name. Fitted by mastery.scorers.linear_rnn.fit; parameters:
docs/scorers/linear_rnn.md.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Floats32, Int32s, Int64s
from mastery.features.batch import Batch, BatchArrays
from mastery.kernels import inlined_kernel, kernel
from mastery.log_odds import bounded, log_odds, sigmoid
from mastery.scorers.base import (
    Model,
    Parameter,
    Scorer,
    Scores,
    check_items,
    check_topics,
    empty_scores,
    folding_by,
    place_of,
    predicting_by,
)
from mastery.scorers.interval import forgotten, interval, interval_parameters, retention
from mastery.scorers.linear_rnn.interval_numbers import FITTED
from mastery.scorers.spec import Intervals, ScorerSpec, Stage

FADING = (0.0, 0.6, 0.85, 0.96, 1.0)
"""λ: what is left of an answer after the next one. The last group forgets nothing and is read as h / √(1 + answers)."""
SEEDS = 2
"""Fits from other starts whose logits are averaged: their channels stand side by side, u divided by their number."""
GROUP = 12
"""Channels of each λ and seed. Two fits with 12 were as good as three with 8 or better on five logs."""
CHANNELS = SEEDS * GROUP * len(FADING)
EVEN = CHANNELS - SEEDS * GROUP
"""Channels before this one fade; the rest weigh all answers alike."""

PLACES = 6
"""Place in the run of tries on one item: the first to the fifth, later ones."""
BUCKETS_MS = (4_000, 12_000, 40_000, 150_000, 1_800_000)
"""Upper bounds of the times an answer took. One bucket more: longer, or not known."""
BUCKETS = len(BUCKETS_MS) + 1
EVENTS = PLACES * BUCKETS

STATE = ("evidence", "last_at_us")
EVIDENCE, LAST = range(len(STATE))

STUDENT_STATE = ("answers", "last_item", "place", *(f"h{k}" for k in range(CHANNELS)))
ANSWERS, ITEM, PLACE, H = range(4)

WIDEST = 4.0
"""No number of a vector is larger: fitted ones stay below 2, and sums of thousands of answers stay exact to 1e-10."""


def _parameters(least_weight: float, least_gain: float) -> tuple[tuple[Parameter, ...], tuple[Parameter, ...]]:
    weights = ("what the score reads of each channel (u)", least_weight, WIDEST)
    wrong = ("what a wrong answer adds to each channel (w)", -WIDEST, WIDEST)
    gain = ("what a right answer adds over a wrong one (g)", least_gain, 2.0 * WIDEST)

    def vector(name: str, what: tuple[str, float, float], of: str, rows: int = 1) -> Parameter:
        return Parameter(name, 0.0, what[1], what[2], f"{what[0]}, {of}", rows * CHANNELS)

    topics = (
        Parameter("guess", 0.20, 0.0, 0.999, "probability of a right answer without any mastery"),
        Parameter("slip", 0.10, 0.0, 0.999, "probability of a wrong answer with full mastery"),
        Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the gain over the prior is lost"),
        Parameter("bias", 0.0, -20.0, 20.0, "log-odds of a right answer before any other, by place", PLACES),
        Parameter("item_bias", 0.0, -20.0, 20.0, "what the mean item adds to them"),
        vector("weights", weights, "by place", PLACES),
        vector("item_weights", weights, "mean item"),
        vector("wrong", wrong, "by place and time", EVENTS),
        vector("gain", gain, "by place and time", EVENTS),
        vector("item_wrong", wrong, "mean item"),
        vector("item_gain", gain, "mean item"),
        # Last: cached kernels hold the columns of the others, and are not made again when another file changes.
        *interval_parameters(FITTED),
    )
    items = (
        Parameter("bias", 0.0, -20.0, 20.0, "what the item adds to the log-odds of a right answer"),
        vector("weights", weights, "this item"),
        vector("wrong", wrong, "this item"),
        vector("gain", gain, "this item"),
    )
    return topics, items


PARAMETERS, ITEM_PARAMETERS = _parameters(0.0, 0.0)
UNCONSTRAINED_PARAMETERS, UNCONSTRAINED_ITEM_PARAMETERS = _parameters(-WIDEST, -2.0 * WIDEST)

GUESS, SLIP, HALF_LIFE, BIAS = range(4)
ITEM_BIAS, U, ITEM_U, WRONG, GAIN, ITEM_WRONG, ITEM_GAIN = (
    place_of(PARAMETERS, name).start
    for name in ("item_bias", "weights", "item_weights", "wrong", "gain", "item_wrong", "item_gain")
)
INTERVAL = ITEM_GAIN + CHANNELS
OWN_BIAS, OWN_U, OWN_WRONG, OWN_GAIN = (
    place_of(ITEM_PARAMETERS, name).start for name in ("bias", "weights", "wrong", "gain")
)

CONTRIBUTIONS = ("start", "past_answers", "limit", "forgetting")

LEAST = 1e-6
"""Scores stay within this of 0 and 1, where guessing and slipping are taken out: log-odds must be finite."""

KEPT = np.repeat(FADING, SEEDS * GROUP)
"""float64[CHANNELS]. λ of each channel."""
FADES = np.stack([np.ones(CHANNELS), KEPT])
"""By whether a row begins an event: rows of one event are one moment, and fade what was before them once."""


@inlined_kernel
def mastery(logit: float, guess: float, slip: float) -> float:
    """Return the share of right answers to expect, guessing and slipping taken out."""
    p = sigmoid(bounded(logit))
    return min(1.0 - LEAST, max(LEAST, (p - guess) / (1.0 - slip - guess)))


@kernel
def bucket_of(duration_ms: int) -> int:
    """Return the bucket of the time an answer took; the last one for longer, or not known (negative)."""
    if duration_ms < 0:
        return BUCKETS - 1
    bucket = 0
    for bound in BUCKETS_MS:
        bucket += duration_ms >= bound
    return bucket


@kernel
def _places(student_ptr: Int64s, slot: Int32s, slot_ptr: Int64s, item: Int32s, row: Int64s, weight: Floats) -> Int64s:
    place = np.zeros(row.size, np.int64)
    for s in range(student_ptr.size - 1):
        event, last, run = np.int64(-1), np.int64(-(2**62)), 0
        for i in range(student_ptr[s], student_ptr[s + 1]):
            if weight[i] > 0.0:
                if row[i] != event:
                    event = row[i]
                    key = np.int64(item[i]) if item[i] >= 0 else -1 - (slot[i] - slot_ptr[s])
                    run = min(run + 1, PLACES - 1) if key == last else 0
                    last = key
                place[i] = run
    return place


@kernel
def _buckets(duration_ms: Int64s) -> Int64s:
    found = np.empty(duration_ms.size, np.int64)
    for i in range(duration_ms.size):
        found[i] = bucket_of(duration_ms[i])
    return found


def places_and_buckets(batch: Batch) -> tuple[Int64s, Int64s]:
    """Return int64[n] twice: place in the run of tries on one item (0 on rows without weight), and bucket of time.

    For whole histories: the first row of each student in the batch is the first there is.
    """
    place = _places(batch.student_ptr, batch.slot, batch.slot_ptr, batch.item, batch.row, batch.weight)
    return place, _buckets(batch.duration_ms)


@kernel
def reach(students: Floats, s: int, vectors: Floats, row: int, column: int) -> float:
    """Return vectors[row, column:] · r h, summed four channels apart: one after the other took twice as long."""
    a = b = c = d = 0.0
    for k in range(0, EVEN, 4):
        a += vectors[row, column + k] * students[s, H + k]
        b += vectors[row, column + k + 1] * students[s, H + k + 1]
        c += vectors[row, column + k + 2] * students[s, H + k + 2]
        d += vectors[row, column + k + 3] * students[s, H + k + 3]
    fading = (a + b) + (c + d)
    a = b = c = d = 0.0
    for k in range(EVEN, CHANNELS, 4):
        a += vectors[row, column + k] * students[s, H + k]
        b += vectors[row, column + k + 1] * students[s, H + k + 1]
        c += vectors[row, column + k + 2] * students[s, H + k + 2]
        d += vectors[row, column + k + 3] * students[s, H + k + 3]
    return fading + ((a + b) + (c + d)) / math.sqrt(1.0 + students[s, ANSWERS])


@kernel
def probability_of(
    students: Floats, s: int, last_at_us: float, at_us: int, t: int, item: int, params: Floats, items: Floats
) -> float:
    """Return the probability of a right answer on an item at a time, forgetting included."""
    place = int(students[s, PLACE])
    start, past = params[t, BIAS + place], reach(students, s, params, t, U + place * CHANNELS)
    if item >= 0:
        if math.isnan(items[item, OWN_BIAS]):
            start += params[t, ITEM_BIAS]
            past += reach(students, s, params, t, ITEM_U)
        else:
            start += items[item, OWN_BIAS]
            past += reach(students, s, items, item, OWN_U)
    last = sigmoid(bounded(start + past))
    kept = retention(at_us - last_at_us, params[t, HALF_LIFE])
    return float(forgotten(last, sigmoid(bounded(start)), kept))


@kernel
def score_of(
    students: Floats, s: int, evidence: float, kept: float, params: Floats, means: Floats, t: int
) -> tuple[float, float, float, float, float]:
    """Return (score, lower, upper, and of the topic's mean item the log-odds before any answer and from the past).

    means float64[T, CHANNELS]: u of the first try at each topic's mean item.
    """
    guess, slip = params[t, GUESS], params[t, SLIP]
    start = params[t, BIAS] + params[t, ITEM_BIAS]
    past = reach(students, s, means, t, 0)
    score = forgotten(mastery(start + past, guess, slip), mastery(start, guess, slip), kept)
    lower, upper = interval(score, evidence * kept, params, t, INTERVAL)
    return score, lower, upper, start, past


@kernel
def _lay_out(rows: Floats, row: int, wrong: int, gain: int, into: Floats32, at: int) -> None:
    for c in range(CHANNELS):
        into[at, 0, c] = rows[row, wrong + c]
    for c in range(CHANNELS):
        into[at, 1, c] = rows[row, wrong + c] + rows[row, gain + c]


@kernel
def written(params: Floats, items: Floats) -> tuple[Floats32, Floats32]:
    """Return what answers write: float32[T · EVENTS, 2, CHANNELS] by event, float32[I + T + 1, 2, CHANNELS] by item.

    Wrong answers, then right ones. Behind the items come the mean items of the topics, and one of zeros for no item.
    In float32 and laid out by outcome, a fold reads a quarter of what it would otherwise, and is four times as fast.
    """
    topics, count = params.shape[0], items.shape[0]
    events = np.empty((topics * EVENTS, 2, CHANNELS), np.float32)
    own = np.zeros((count + topics + 1, 2, CHANNELS), np.float32)
    for t in range(topics):
        for e in range(EVENTS):
            _lay_out(params, t, WRONG + e * CHANNELS, GAIN + e * CHANNELS, events, t * EVENTS + e)
        _lay_out(params, t, ITEM_WRONG, ITEM_GAIN, own, count + t)
    for i in range(count):
        _lay_out(items, i, OWN_WRONG, OWN_GAIN, own, i)
    return events, own


@kernel
def own_row(item: int, topic: int, items: Floats, topics: int) -> int:
    """Return the row of an answer's item in what `written` returns by item."""
    if item < 0:
        return items.shape[0] + topics
    return items.shape[0] + topic if math.isnan(items[item, OWN_BIAS]) else item


@inlined_kernel
def receive(
    students: Floats, s: int, fades: Floats, fade: int, events: Floats32, e: int, own: Floats32, o: int, y: float,
    n: float,
) -> None:  # fmt: skip
    """Fold one answer into h. Inlined: a call for each answer halved the speed."""
    if y == 0.0 or y == 1.0:
        r = int(y)
        for c in range(CHANNELS):
            students[s, H + c] = fades[fade, c] * students[s, H + c] + n * (events[e, r, c] + own[o, r, c])
    else:
        for c in range(CHANNELS):
            wrong, right = np.float64(events[e, 0, c] + own[o, 0, c]), np.float64(events[e, 1, c] + own[o, 1, c])
            students[s, H + c] = fades[fade, c] * students[s, H + c] + n * (wrong + y * (right - wrong))
    students[s, ANSWERS] += n


@kernel
def enter(students: Floats, s: int, key: float) -> None:
    """Note the item of an event that begins."""
    again = key == students[s, ITEM]
    students[s, PLACE] = min(students[s, PLACE] + 1.0, PLACES - 1.0) if again else 0.0
    students[s, ITEM] = key


class Weights(NamedTuple):
    """The parameters of a model as a fold reads them.

    Attributes:
        params, items: As in `Model`.
        means: float64[T, CHANNELS]. See `mean_weights`.
        events, own: See `written`.
    """

    params: Floats
    items: Floats
    means: Floats
    events: Floats32
    own: Floats32


@kernel
def _fold(
    batch: BatchArrays,
    item_key: Floats,
    weights: Weights,
    fades: Floats,
    state: Floats,
    students: Floats,
    history: Floats,
    probability: Floats,
    as_of_us: int,
) -> None:
    student_ptr, slot_ptr, slot_topic, slot = batch.student_ptr, batch.slot_ptr, batch.slot_topic, batch.slot
    item, use, at_us, duration_ms, y, weight = (
        batch.item, batch.use, batch.at_us, batch.duration_ms, batch.y, batch.weight
    )  # fmt: skip
    row, cell_slot = batch.row, batch.cell_slot
    day_end_us, day_ptr, cell_ptr = batch.day_end_us, batch.day_ptr, batch.cell_ptr
    params, items, means = weights.params, weights.items, weights.means
    events, own = weights.events, weights.own
    d = 0
    for s in range(student_ptr.size - 1):
        event = np.int64(-1)
        for i in range(student_ptr[s], student_ptr[s + 1]):
            p, n = slot[i], weight[i]
            if n > 0.0:
                t, k = slot_topic[p], item[i]
                fresh = row[i] != event
                if fresh:
                    event = row[i]
                    # Answers without an item are runs on their topic, told by the slot's place among the student's.
                    enter(students, s, item_key[k] if k >= 0 else -1.0 - (p - slot_ptr[s]))
                    for j in range(i, student_ptr[s + 1] if probability.size else i):
                        if row[j] != event:
                            break
                        if weight[j] > 0.0:
                            q = slot[j]
                            probability[j] = probability_of(students, s, state[q, LAST], at_us[j], slot_topic[q],
                                                  use[j], params, items)  # fmt: skip
                e = t * EVENTS + int(students[s, PLACE]) * BUCKETS + bucket_of(duration_ms[i])
                o = own_row(use[i], t, items, params.shape[0])
                receive(students, s, fades, np.int64(fresh), events, e, own, o, y[i], n)
                state[p, EVIDENCE] += n
                state[p, LAST] = at_us[i]
            if i + 1 == day_ptr[d + 1]:
                if history.shape[1]:
                    at = min(day_end_us[d], as_of_us)
                    for c in range(cell_ptr[d], cell_ptr[d + 1]):
                        q = cell_slot[c]
                        kept = retention(at - state[q, LAST], params[slot_topic[q], HALF_LIFE])
                        history[0, c], history[1, c], history[2, c], _, _ = score_of(
                            students, s, state[q, EVIDENCE], kept, params, means, slot_topic[q]
                        )
                d += 1


@kernel
def _read(
    state: Floats,
    students: Floats,
    slot_student: Int32s,
    slot_topic: Int32s,
    params: Floats,
    means: Floats,
    as_of_us: int,
    scores: Scores,
) -> None:
    made, lower, upper, contributions = scores
    for p in range(state.shape[0]):
        t = slot_topic[p]
        kept = retention(as_of_us - state[p, LAST], params[t, HALF_LIFE])
        made[p], lower[p], upper[p], start, past = score_of(
            students, slot_student[p], state[p, EVIDENCE], kept, params, means, t
        )
        last = mastery(start + past, params[t, GUESS], params[t, SLIP])
        prior = mastery(start, params[t, GUESS], params[t, SLIP])
        last_logit = log_odds(last)
        contributions[p, 0] = log_odds(prior)
        contributions[p, 1] = past
        contributions[p, 2] = last_logit - contributions[p, 0] - past
        contributions[p, 3] = log_odds(made[p]) - last_logit


def start_slots(params: Floats, slot_topic: Int32s) -> Floats:
    """Return the state of each slot before any event."""
    state = np.zeros((slot_topic.size, len(STATE)))
    state[:, LAST] = np.nan
    return state


def start_students(params: Floats, students: int) -> Floats:
    """Return the state of each student before any event: all channels 0, no last item."""
    state = np.zeros((students, len(STUDENT_STATE)))
    state[:, ITEM] = np.nan
    return state


def mean_weights(params: Floats) -> Floats:
    """Return float64[T, CHANNELS]: u of the first try at each topic's mean item, at which scores are read."""
    return params[:, U : U + CHANNELS] + params[:, ITEM_U : ITEM_U + CHANNELS]


def _walk(
    batch: Batch,
    model: Model,
    slot_state: Floats,
    student_state: Floats,
    history: Floats,
    probability: Floats,
    as_of_us: int,
) -> None:
    weights = Weights(model.params, model.items, mean_weights(model.params), *written(model.params, model.items))
    _fold(batch.arrays, batch.item_key, weights, FADES, slot_state, student_state, history, probability, as_of_us)


def read_slots(
    slot_state: Floats, student_state: Floats, slot_student: Int32s, slot_topic: Int32s, params: Floats, as_of_us: int
) -> Scores:
    """See Scorer.read_slots. The score is the probability on the first try at the topic's mean item, on the mastery
    scale.

    h is read as it stood after the student's last event.
    """
    scores = empty_scores(slot_topic.size, len(CONTRIBUTIONS))
    _read(slot_state, student_state, slot_student, slot_topic, params, mean_weights(params), as_of_us, scores)
    return scores


def _check(name: str, parameters: tuple[Parameter, ...], item_parameters: tuple[Parameter, ...], model: Model) -> None:
    check_topics(name, parameters, model.params)
    check_items(name, item_parameters, model.items)


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds (u or g below 0 break law 6), or guess + slip ≥ 1."""
    _check("linear_rnn", PARAMETERS, ITEM_PARAMETERS, model)


def check_unconstrained(model: Model) -> None:
    """Raise BadInput where a parameter is out of the unconstrained form's bounds, or guess + slip ≥ 1."""
    _check("linear_rnn_unconstrained", UNCONSTRAINED_PARAMETERS, UNCONSTRAINED_ITEM_PARAMETERS, model)


SCORER = Scorer(
    name="linear_rnn",
    version=2,
    scale="log_odds",
    slot_state=STATE,
    student_state=STUDENT_STATE,
    parameters=PARAMETERS,
    item_parameters=ITEM_PARAMETERS,
    contributions=CONTRIBUTIONS,
    start_slots=start_slots,
    start_students=start_students,
    fold_rows=folding_by(_walk),
    predict_rows=predicting_by(_walk),
    read_slots=read_slots,
    check=check,
)

UNCONSTRAINED = replace(
    SCORER,
    name="linear_rnn_unconstrained",
    parameters=UNCONSTRAINED_PARAMETERS,
    item_parameters=UNCONSTRAINED_ITEM_PARAMETERS,
    check=check_unconstrained,
)
"""For the probability of a right answer alone; exempt from law 6, and so never a score that people see."""

SPEC = ScorerSpec(
    name=SCORER.name,
    label="Recurrent model",
    stage=Stage.ANSWERS,
    fit="mastery.scorers.linear_rnn.fit:fit",
    needs=("bkt",),
    scorer=SCORER,
    one_answer="mastery.scorers.linear_rnn.one_answer:steps",
    intervals=Intervals(None, FITTED),
    past_answers="mastery.scorers.linear_rnn.past:contributions_of_past_answers",
    on_shared_scale=True,
)

UNCONSTRAINED_SPEC = ScorerSpec(
    name=UNCONSTRAINED.name,
    label="Recurrent model, unconstrained",
    stage=Stage.ANSWERS,
    fit="mastery.scorers.linear_rnn.fit:fit_unconstrained",
    needs=("bkt",),
    scorer=UNCONSTRAINED,
    one_answer="mastery.scorers.linear_rnn.one_answer:steps",
    monotone=False,
    forgets_nothing=True,
)
