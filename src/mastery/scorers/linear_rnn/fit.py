"""Fit of linear_rnn: penalty and epochs chosen on students held out, then several starts trained on everybody.

What is learnt is held as plain vectors by topic and item; the starts stand side by side (see scorers.linear_rnn).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from mastery.arrays import Bools, Floats, Floats32, Int64s
from mastery.features.batch import Batch
from mastery.features.columns import QUIZ
from mastery.features.subset import take_students
from mastery.log_odds import log_odds_of, sigmoid_of
from mastery.scorers import source_of
from mastery.scorers.base import defaults
from mastery.scorers.fits import Fit, held_out
from mastery.scorers.interval import LN2_PER_DAY_US
from mastery.scorers.linear_rnn import scorer as model
from mastery.scorers.linear_rnn.parameters import Trained, parameters_of
from mastery.scorers.linear_rnn.train import Answers, Rates, Table, Tables, epoch
from mastery.scorers.parameters import Parameters

RATE, BIAS_RATE, SLOWING = 0.03, 0.2, 0.3
"""Adagrad's learning rates of vectors and of biases, divided by 1 + SLOWING · epoch. With .02 for both the held-out AUC
was .003 to .006 lower on four logs."""
FIRST_SQUARE = 0.1
SPREAD = 0.05
"""Vectors start as N(0, SPREAD²), folded onto u ≥ 0 and g ≥ 0 in the monotone form."""
EPOCHS = 12
PATIENCE = 2
"""Training stops after this many epochs without a better held-out loss."""
L2_ITEM = (0.01, 0.03, 0.1, 0.3, 1.0)
L2_ITEM_FIRST = 2
L2_TOPIC, L2_BIAS = 0.01, 0.1
PLACES = (3, 6)
"""The number of places told apart in a run of tries on one item, the last for all later ones. More are taken if they
help: six are worth .008 of held-out AUC where students try a dozen times (assist2017), and cost .002 where few do;
twelve are no better than six."""
WORTH = 5e-4
"""Held-out log loss that more places must gain."""
UNCHOSEN = (0.3, 3, PLACES[0])
"""(penalty of items, epochs, places) where there are too few students to choose with."""
HELD_OUT_ONE_IN = 11
"""Shares no factor with 5 or 10: of students who were themselves left over by `held_out` in 5 parts, part 0 of 10 holds
nobody."""
FEWEST_HELD_OUT = 200
"""Answers. With fewer to choose with, nothing is chosen."""
HALF_LIVES_DAYS = (15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 1_000.0, 36_500.0)
LEAST_PROBABILITY = 1e-6

KEPT = np.repeat(np.array(model.FADING, np.float32), model.GROUP)
EVEN = KEPT.size - model.GROUP


def fit(
    batch: Batch,
    *,
    given: Mapping[str, Parameters],
    seed: int = 0,
    threads: int = 1,
    monotone: bool = True,
    chosen: tuple[float, int, float, int] | None = None,
) -> Fit:
    """Return the recurrence fitted to the quiz answers of these students.

    Args:
        given: Guess and slip by topic are taken from `bkt` where it is there.
        monotone: With u ≥ 0 and g ≥ 0, for scores; without, for mastery.scorers.linear_rnn.scorer.UNCONSTRAINED.
        chosen: (penalty of items, epochs, half-life in days, places in a run); searched for where None.
    """
    notes: list[str] = []
    measures: dict[str, float | str] = {}
    scorer = model.SCORER if monotone else model.UNCONSTRAINED
    name = "linear_rnn" if monotone else "linear_rnn_unconstrained"
    defaults_row = defaults(scorer, 1)[0]
    half_life = float(defaults_row[model.HALF_LIFE]) if monotone else HALF_LIVES_DAYS[-1]
    if chosen is None:
        l2, epochs, places, found_half_life, measures = _choose(batch, seed, monotone, threads)
        if "held_out_log_loss" not in measures:
            notes.append(
                f"{name}: too few answers of students held out to choose by; usual penalty and epochs are taken"
            )
        elif monotone and found_half_life is not None:
            half_life = found_half_life
    else:
        l2, epochs, half_life, places = chosen
    answers = training_answers(batch, places)
    measures = {**measures, "l2_item": l2, "epochs": float(epochs), "places": float(places),
                "half_life_days": half_life, "answers": float(answers.asked.sum())}  # fmt: skip
    train = partial(_train, batch, answers, places, l2, epochs, monotone)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        starts = list(pool.map(train, _starts(seed)))
    parameters = parameters_of(batch, answers, places, starts, half_life, monotone, given.get(source_of("guess").name))
    unseen = len(batch.topics) - len(parameters.topics.keys)
    if unseen:
        notes.append(
            f"{name}: on {unseen} of {len(batch.topics)} topics there are no answers; the mean of all others stands"
        )
    return Fit(parameters, tuple(notes), measures, (l2, epochs, half_life, places))


def fit_unconstrained(
    batch: Batch,
    *,
    given: Mapping[str, Parameters],
    seed: int = 0,
    threads: int = 1,
    chosen: tuple[float, int, float, int] | None = None,
) -> Fit:
    """Return the form without bounds, for the probability of a right answer alone; see `fit`."""
    return fit(batch, given=given, seed=seed, threads=threads, monotone=False, chosen=chosen)


def training_answers(batch: Batch, places: int = PLACES[0], known: Bools | None = None) -> Answers:
    """Return the rows that weigh anything, with that many places told apart; uses not `known` (bool[U]) as none."""
    keep = batch.weight > 0.0
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))[keep]
    row, item = batch.row[keep], batch.use[keep]
    fresh = np.ones(row.size, bool)
    fresh[1:] = (row[1:] != row[:-1]) | (owner[1:] != owner[:-1])
    place, bucket = model.places_and_buckets(batch)
    read = batch.slot_topic[batch.slot[keep]] * places + np.minimum(place[keep], places - 1)
    if known is not None:
        item = np.where((item >= 0) & known[np.maximum(item, 0)], item, -1) if known.size else np.full_like(item, -1)
    y = batch.y[keep]
    return Answers(
        ptr=np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(batch.students)))]).astype(np.int64),
        item=item.astype(np.int32),
        read=read.astype(np.int32),
        write=(read * model.BUCKETS + bucket[keep]).astype(np.int32),
        y=y.astype(np.float32),
        weight=batch.weight[keep].astype(np.float32),
        asked=((batch.kind[keep] == QUIZ) & ((y == 0.0) | (y == 1.0))).astype(np.float32),
        fresh=fresh,
    )


def _tables(batch: Batch, places: int, rng: np.random.Generator, monotone: bool) -> tuple[Table, Table, Table]:
    items, read = batch.use_item.size, len(batch.topics) * places
    readers = rng.normal(0.0, SPREAD, (items + read, KEPT.size))
    writers = rng.normal(0.0, SPREAD, (items + read * model.BUCKETS, 2, KEPT.size))
    if monotone:
        readers = np.abs(readers)
        writers = np.sort(writers, axis=1)

    def table(values: Floats) -> Table:
        value = np.ascontiguousarray(values.reshape(-1, values.shape[-1]), np.float32)
        return Table(value, np.zeros_like(value), np.full_like(value, FIRST_SQUARE))

    return table(np.zeros((items + read, 1))), table(readers), table(writers)


class Training:
    """Tables while they are trained, an epoch at a time."""

    def __init__(self, batch: Batch, answers: Answers, places: int, l2: float, monotone: bool, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 20])
        self.items, self.answers, self.l2, self.monotone = batch.use_item.size, answers, l2, monotone
        self.bias, self.readers, self.writers = _tables(batch, places, self.rng, monotone)
        self.epochs = 0

    def learn(self) -> None:
        """Go through all students once, in an order of its own."""
        slower = 1.0 + SLOWING * self.epochs
        order = self.rng.permutation(self.answers.ptr.size - 1)
        self._run(self.answers, order, True, RATE / slower, BIAS_RATE / slower)
        self.epochs += 1

    def predict(self, answers: Answers) -> Floats:
        """Return float64[n]: the probability of a right answer before each row."""
        return self._run(answers, np.arange(answers.ptr.size - 1), False, 0.0, 0.0)

    def _run(self, answers: Answers, order: Int64s, learn: bool, rate: float, bias_rate: float) -> Floats:
        probability = np.full(answers.y.size, 0.5)
        tables = Tables(self.items, KEPT, EVEN, self.bias, self.readers, self.writers)
        rates = Rates(rate, bias_rate, self.l2, L2_TOPIC, L2_BIAS)
        epoch(answers, order, tables, rates, learn, self.monotone, probability)
        return probability


def _train(batch: Batch, answers: Answers, places: int, l2: float, epochs: int, monotone: bool, seed: int) -> Trained:
    training = Training(batch, answers, places, l2, monotone, seed)
    for _ in range(epochs):
        training.learn()
    return Trained(training.bias.value, training.readers.value, training.writers.value)


def _starts(seed: int) -> list[int]:
    return [seed * model.SEEDS + k for k in range(model.SEEDS)]


def _averaged(probabilities: list[Floats]) -> Floats:
    """Return the probabilities whose log-odds are the mean of theirs."""
    p = np.clip(np.stack(probabilities), LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    averaged: Floats = sigmoid_of(log_odds_of(p).mean(axis=0))
    return averaged


@dataclass(frozen=True)
class _Tried:
    """How far a penalty gets: its best held-out loss, the epoch of it, the probabilities said and those before any
    answer."""

    loss: float
    epochs: int
    probability: Floats
    prior: Floats


def _choose(
    batch: Batch, seed: int, monotone: bool, threads: int
) -> tuple[float, int, int, float | None, dict[str, float | str]]:
    """Return (penalty of items, epochs, places, half-life or None without a clock, measures), by loss on students held
    out."""
    out = held_out(batch.students, HELD_OUT_ONE_IN)
    learning, kept = take_students(batch, ~out), take_students(batch, out)
    known = np.zeros(batch.use_item.size, bool)
    known[learning.use[(learning.weight > 0.0) & (learning.use >= 0)]] = True
    sides = {places: (training_answers(learning, places), training_answers(kept, places, known)) for places in PLACES}
    answers, test = sides[PLACES[0]]
    asked = test.asked > 0
    if asked.sum() < FEWEST_HELD_OUT or answers.asked.sum() < FEWEST_HELD_OUT:
        return *UNCHOSEN, None, {}

    def attempt(penalty: int, places: int = PLACES[0], starts: int = 1) -> _Tried:
        answers, test = sides[places]
        runs = [Training(learning, answers, places, L2_ITEM[penalty], monotone, one) for one in _starts(seed)[:starts]]
        best = _Tried(np.inf, 0, np.empty(0), np.empty(0))
        for done in range(1, EPOCHS + 1):
            for run in runs:
                run.learn()
            probability = _averaged([run.predict(test) for run in runs])
            loss = _log_loss(probability[asked], test.y[asked])
            if loss < best.loss or done == 1:
                bias = np.stack([run.bias.value[:, 0] for run in runs]).astype(np.float64).mean(axis=0)
                prior = bias[batch.use_item.size + test.read] + np.where(test.item >= 0, bias[test.item], 0.0)
                best = _Tried(loss, done, probability, sigmoid_of(prior))
            elif done - best.epochs >= PATIENCE:
                break
        return best

    tried: dict[int, _Tried] = {}
    best = L2_ITEM_FIRST
    around = [best, best - 1, best + 1] if known.any() else [best]  # without items there is nothing to penalise
    while around:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            tried.update(zip(around, pool.map(attempt, around), strict=True))
        best = min(tried, key=lambda place: (tried[place].loss, place))
        around = [p for p in (best - 1, best + 1) if 0 <= p < len(L2_ITEM) and p not in tried and known.any()]
    places, told_apart = PLACES[0], tried[best].loss
    for more in PLACES[1:]:
        # Where nobody tries an item so often, there is nothing to tell apart.
        if np.any(sides[more][0].read % more >= places) and attempt(best, more).loss < told_apart - WORTH:
            places = more
    won = attempt(best, places, model.SEEDS)  # several starts averaged can be trained for longer than one
    measures: dict[str, float | str] = {
        "held_out_log_loss": won.loss, "held_out_answers": float(asked.sum())
    }  # fmt: skip
    return L2_ITEM[best], won.epochs, places, _half_life(kept, won, test) if monotone else None, measures


def _half_life(kept: Batch, won: _Tried, test: Answers) -> float | None:
    """Return the half-life under which the held-out answers are likeliest; None where no time ever passes."""
    counted = kept.weight > 0.0
    slot, at = kept.slot[counted], kept.at_us[counted].astype(np.float64)
    order = np.argsort(slot, kind="stable")
    elapsed = np.zeros(slot.size)
    same = slot[order[1:]] == slot[order[:-1]]
    elapsed[order[1:]] = np.where(same, at[order[1:]] - at[order[:-1]], 0.0)
    if not elapsed.any():
        return None
    asked = test.asked > 0
    rest = np.minimum(won.prior, won.probability)

    def loss(days: float) -> float:
        left = rest + np.exp(-elapsed * LN2_PER_DAY_US / days) * (won.probability - rest)
        return _log_loss(left[asked], test.y[asked])

    return min(HALF_LIVES_DAYS, key=loss)


def _log_loss(probability: Floats, y: Floats32) -> float:
    p = np.clip(probability, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return float(-np.mean(np.log(np.where(y > 0.5, p, 1.0 - p))))
