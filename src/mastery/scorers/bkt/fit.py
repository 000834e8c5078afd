"""bkt fitted to the answers of some students: variants chosen on students held out, then all of them fitted.

Order of the choices: how strongly topics are pooled; forgetting by answers, by days, by both or not at all; whether
the start, and learning, depend on how a student did so far; guess and slip by item. Each is kept where it makes the
answers of held-out students likelier, predicted from those before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Bools, Floats, Int64s
from mastery.errors import BadInput, did_you_mean
from mastery.features.batch import Batch
from mastery.features.subset import take_students
from mastery.instants import DAY_US
from mastery.scorers.base import defaults, place_of, predict, start
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.bkt.em import bent, bounded, straight
from mastery.scorers.bkt.fit_items import bound_items, fit_items
from mastery.scorers.bkt.fit_topics import USUAL, Fitted, Limits, fit_topics, make_rules
from mastery.scorers.bkt.histories import SHORTEST_DAYS, Histories, excess_before, make_histories
from mastery.scorers.bkt.passes import FORGET, GUESS, MARGIN, PROBABILITIES, PULL, PULL_LEARNING, RATE, SLIP
from mastery.scorers.bounds import NO_TOPIC, Bounds, parse_bounds
from mastery.scorers.fits import Fit, held_out, some_students
from mastery.scorers.item_codes import answers_of_codes, rows_of_items, shrunk_to_items
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows

POOLING = (1.0, 5.0, 20.0)
"""How strongly a topic leans on what is expected of any: × 2 events."""

STRENGTHS = (2.0, 4.0, 10.0, 30.0)
"""How many answers a topic's guess and slip count as on each of its items."""

PULL_ANSWERS = 5.0
"""Answers that halve the excess of having none: 3 to 20 differed by 0.0003 in held-out log loss."""

FORGETTING = {"none": (False, False), "answers": (True, False), "days": (False, True), "both": (True, True)}
"""What lets a student forget → (with each answer, with each day)."""

FEW_ANSWERS = 20
"""A topic with fewer is named: it says little of itself."""

FEWEST_HELD_OUT = 200
"""Answers of held-out students below which nothing can be chosen."""

DEGENERATE = 1_000.0
"""How strongly a topic is pooled that knowing would hardly help to answer: × 2 events."""

CAN_BE_BOUNDED = {
    "p_init": (0.002, 0.998), "guess": (0.002, 0.95), "slip": (0.002, 0.95), "guess_practice": (0.002, 0.499),
    "slip_practice": (0.002, 0.499),
} | {name: (0.002, 0.98) for name in PROBABILITIES if name.startswith("p_learn")}  # fmt: skip
"""What people may bound, and how far; fits keep these numbers off 0 and 1 anyway."""

LEAST_SHOWN = 0.25
"""Where knowing raises the probability of a right answer by no more than this, answers hardly tell of it."""

LEAST_LEARNT = 0.005
"""A probability of learning from an answer that is next to none; fits end at 0.002."""

TO_CHOOSE = 400_000
"""Variants are compared on this many answers; the one chosen is fitted to all of them."""

GAIN = 1e-4
"""Log loss an answer that a variant must gain to be worth its parameters."""


@dataclass(frozen=True)
class Variant:
    """What bkt may have beside the four probabilities of Corbett & Anderson.

    Attributes:
        per_step, per_day: Whether answers, and idle days, let a student forget.
        bends, tilts: Whether the start, and every probability of learning, depend on how the student did so far.
        pooling: See `POOLING`.
        strength: See `STRENGTHS`; 0 where items are not told apart.
    """

    per_step: bool = False
    per_day: bool = False
    bends: bool = False
    tilts: bool = False
    pooling: float = 1.0
    strength: float = 0.0


def fit(
    batch: Batch,
    *,
    given: Mapping[str, Parameters],  # bkt is the first: nothing is given
    seed: int = 0,  # nothing is drawn: starts are fixed
    threads: int = 1,
    items: bool = True,
    forgetting: str = "auto",
    bounds: object = None,
    chosen: Variant | None = None,
) -> Fit:
    """Return bkt's parameters for the topics and items of the batch; columns guess and slip serve every scorer.

    Args:
        items: Whether guess and slip by item may be chosen.
        forgetting: One of `FORGETTING`, or auto: chosen.
        bounds: What people allow of the parameters in `CAN_BE_BOUNDED`, see `mastery.scorers.bounds`; None: everything.
        chosen: The variant; searched for where None.

    Raises:
        BadInput: `forgetting` is unknown, or goes by days where no time passes.
    """
    if forgetting != "auto" and forgetting not in FORGETTING:
        raise BadInput(
            f"forgetting is {forgetting!r}; expected auto, {', '.join(FORGETTING)}"
            f"{did_you_mean(forgetting, ['auto', *FORGETTING])}"
        )
    if forgetting in ("days", "both") and not has_clock(batch):
        raise BadInput(f"forgetting is {forgetting!r}, and the answers have no time stamps; choose answers or none")
    allowed = parse_bounds(bounds, CAN_BE_BOUNDED)
    if not np.any(batch.weight > 0.0):
        parameters = Parameters(defaults(bkt.SCORER, 1)[0], no_rows(len(bkt.PARAMETERS)), no_rows(2))
        return Fit(parameters, ("bkt: no answers to learn from; the defaults stand for every topic",))
    measures: dict[str, float | str] = {}
    notes: tuple[str, ...] = ()
    if chosen is None:
        chosen, measures, notes = _choose(some_students(batch, TO_CHOOSE), items, forgetting, threads, allowed)
    parameters, log_likelihood, more = fit_variant(batch, chosen, threads, allowed)
    measures |= {
        "variant": describe(chosen),
        "log_likelihood": log_likelihood,
        "degenerate_topics": float(np.count_nonzero(degenerate(parameters.topics.values))),
    }
    return Fit(parameters, (*notes, *more), measures, chosen)


def degenerate(params: Floats) -> Bools:
    """Return bool[T]: topics whose probabilities cannot describe learning, although they may predict well.

    Guessing and slipping so often that knowing hardly shows, or slipping more often than not (after Baker, Corbett &
    Aleven (2008), More accurate student modeling through contextual estimation of slip and guess probabilities in BKT,
    ITS; a guess above a half alone is usual on easy questions); answers from which nobody learns; or, in the long run,
    knowing less than at the start and than even odds: of those who know, more forget with each answer than of the
    others learn.
    """
    guess, slip, starts, learns, forgets = (
        params[:, place_of(bkt.PARAMETERS, name).start] for name in ("guess", "slip", "p_init", "p_learn", "p_forget")
    )
    lost = forgets * (1.0 - learns)
    ends = np.where(lost > 0.0, learns / np.maximum(learns + lost, 1e-300), 1.0)
    blurred = (slip >= 0.5) | (1.0 - guess - slip <= LEAST_SHOWN)
    return blurred | (learns <= LEAST_LEARNT) | ((ends < starts) & (ends < 0.5))


def describe(variant: Variant) -> str:
    """Return a variant in words."""
    forgets = [name for name, has in (("answers", variant.per_step), ("days", variant.per_day)) if has]
    follows = [name for name, has in (("start", variant.bends), ("learning", variant.tilts)) if has]
    return "; ".join(
        (
            f"forgets by {' and '.join(forgets)}" if forgets else "forgets nothing",
            f"own {' and '.join(follows)}" if follows else "students alike",
            f"guess and slip by item, topic worth {variant.strength:g}" if variant.strength else "items alike",
            f"pooled by {variant.pooling:g}",
        )
    )


def has_clock(batch: Batch) -> bool:
    """Tell whether time ever passes between two events of a student."""
    at_us = batch.by_slot.at_us
    return bool(at_us.size and np.ptp(at_us) >= SHORTEST_DAYS * DAY_US)


def _choose(
    batch: Batch, items: bool, forgetting: str, threads: int, bounds: Bounds | None
) -> tuple[Variant, dict[str, float | str], tuple[str, ...]]:
    out = held_out(batch.students, 10)
    learn, judge = take_students(batch, ~out), take_students(batch, out)
    answers = int(np.sum(judge.weight > 0.0))
    per_step, per_day = FORGETTING.get(forgetting, (False, False))
    if answers < FEWEST_HELD_OUT or not np.any(learn.weight > 0.0):
        return (
            Variant(per_step=per_step, per_day=per_day, pooling=POOLING[1]),
            {},
            (f"bkt: too few answers of held-out students to choose by ({answers}); the plain variant is fitted",),
        )
    clock = has_clock(batch)
    measures: dict[str, float | str] = {}

    def loss(variant: Variant) -> float:
        name = f"held-out log loss: {describe(variant)}"
        if name not in measures:
            measures[name] = held_out_loss(fit_variant(learn, variant, threads, bounds)[0], judge)
        return float(measures[name])

    def best(now: Variant, others: list[Variant]) -> Variant:
        for other in others:
            if loss(other) < loss(now) - GAIN:
                now = other
        return now

    now = Variant(per_step=per_step, per_day=per_day)
    now = best(now, [replace(now, pooling=pooling) for pooling in POOLING[1:]])
    ways = [(True, False), (False, True), (True, True)] if clock else [(True, False)]
    if forgetting == "auto":
        now = best(now, [replace(now, per_step=step, per_day=day) for step, day in ways])
    now = best(now, [replace(now, bends=True), replace(now, bends=True, tilts=True)])
    if items and np.any(batch.item >= 0):
        now = best(now, [replace(now, strength=strength) for strength in STRENGTHS])
    return now, measures, ()


def held_out_loss(parameters: Parameters, judge: Batch) -> float:
    """Return the mean of −log P(answer) over a batch's answers, each predicted from those before."""
    model = parameters.model(judge.topics, judge.uses)
    probability = predict(bkt.SCORER, model, judge, start(bkt.SCORER, model, judge))
    asked = judge.weight > 0.0
    p, y = probability[asked], judge.y[asked]
    return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log(1.0 - p)))


def fit_variant(
    batch: Batch, variant: Variant, threads: int = 1, bounds: Bounds | None = None
) -> tuple[Parameters, float, tuple[str, ...]]:
    """Return the parameters of one variant, their log-likelihood, and notes."""
    limits = None if bounds is None else Limits(*bounds.spans(PROBABILITIES, batch.topics))
    topics = len(batch.topics)
    topic = batch.slot_topic[batch.slot]
    weight = np.bincount(topic, batch.weight, topics)
    overall = float(np.sum(batch.weight * batch.y) / np.sum(batch.weight))
    right = np.bincount(topic, batch.weight * batch.y, topics)
    share = (right + 10.0 * overall) / (weight + 10.0)
    rows = batch.by_slot
    excess = (
        excess_before(
            batch.student_ptr, batch.row, batch.slot, batch.slot_topic, batch.y, batch.weight, share, PULL_ANSWERS,
            rows.ptr,
        )
        if variant.bends
        else None
    )  # fmt: skip
    flags = (variant.per_step, variant.per_day, variant.bends, variant.tilts)
    histories = make_histories(batch, variant.per_day, False, excess, variant.tilts)
    rough = _fit_topics(histories, flags, USUAL, 1.0, None, threads, limits)
    expected = _middle(rough.theta, histories.rows, flags)
    if bounds is not None:
        low, high = (one[0] for one in bounds.spans(PROBABILITIES, [NO_TOPIC]))
        bounded(expected, low, high)
    fitted = _fit_topics(histories, flags, expected, variant.pooling, rough.theta[None], threads, limits)
    theta, likely, asked = fitted.theta.copy(), float(fitted.log_likelihood.sum()), weight > 0.0
    useless = asked & (theta[:, GUESS] + theta[:, SLIP] >= 1.0 - MARGIN - 0.005)
    if useless.any():
        again = _fit_topics(histories, flags, expected, DEGENERATE, np.tile(expected, (1, topics, 1)), threads, limits)
        theta[useless] = again.theta[useless]
    by_item = no_rows(2)
    if variant.strength > 0.0:
        seen = make_histories(batch, variant.per_day, True, excess, variant.tilts)
        rules = make_rules(expected, variant.pooling, *flags)
        uses = batch.use_item.size
        found, theta, likely = fit_items(seen, uses, theta, variant.strength, rules, threads, limits)
        count = np.where(np.isnan(found[:, 0]), 0.0, answers_of_codes(batch)[:uses])
        found = shrunk_to_items(batch.use_item, count, found)
        if limits is not None:  # what an item is on other topics may be beyond what this one allows
            there = np.flatnonzero(count)
            bounded_rows = found[there]
            bound_items(bounded_rows, limits, np.arange(there.size), batch.use_topic[there].astype(np.int64))
            found[there] = bounded_rows
        by_item = rows_of_items(batch, count, found)
    timed = has_clock(batch)
    params = _columns(theta, share, variant, timed)
    default = _columns(expected[None], np.array([overall]), variant, timed)[0]
    keys = [key for key, has in zip(batch.topics, asked, strict=True) if has]
    shared = {} if bounds is None else bounds.shared
    parameters = Parameters(default, KeyedRows(keys, params[asked]), by_item, shared)
    notes = _notes(batch, weight, right, useless)
    return parameters, likely, notes if bounds is None else (*notes, *_unmet(bounds, batch, weight))


def _fit_topics(
    histories: Histories,
    flags: tuple[bool, bool, bool, bool],
    expected: Floats,
    pooling: float,
    starts: Floats | None,
    threads: int,
    limits: Limits | None,
) -> Fitted:
    per_step, per_day, bends, tilts = flags
    return fit_topics(
        histories, per_step=per_step, per_day=per_day, bends=bends, tilts=tilts, expected=expected,
        prior_weight=pooling, starts=starts, threads=threads, limits=limits,
    )  # fmt: skip


def _middle(theta: Floats, rows: Int64s, flags: tuple[bool, bool, bool, bool]) -> Floats:
    """Return what is expected of a topic: the mean on scales without ends, a topic counting by up to 1,000 answers."""
    weight = np.minimum(rows, 1_000.0)
    mean = np.average(np.array([bent(row) for row in theta]), axis=0, weights=weight)
    moves = np.ones(len(PROBABILITIES), bool)
    moves[[FORGET, RATE, PULL, PULL_LEARNING]] = flags
    middle = straight(mean, np.where(moves, USUAL, 0.0))
    return np.where(moves, middle, USUAL)


def _columns(theta: Floats, share: Floats, variant: Variant, timed: bool) -> Floats:
    params = defaults(bkt.SCORER, theta.shape[0])

    def put(name: str, values: Floats) -> None:
        parameter = next(one for one in bkt.PARAMETERS if one.name == name)
        params[:, place_of(bkt.PARAMETERS, name)] = np.clip(values, parameter.low, parameter.high)[:, None]

    has = dict(
        zip(("p_forget", "pull", "pull_learning"), (variant.per_step, variant.bends, variant.tilts), strict=True)
    )
    for k, name in enumerate(PROBABILITIES):
        if name != "forgetting_per_day" and has.get(name, True):
            put(name, theta[:, k])
    if variant.per_day:
        put("half_life_days", np.log(2.0) / np.maximum(theta[:, RATE], 1e-12))
    elif timed:
        put("half_life_days", np.full(theta.shape[0], np.inf))
    if variant.bends:
        put("expected_share", share)
        put("pull_answers", np.full(theta.shape[0], PULL_ANSWERS))
    return params


def _notes(batch: Batch, weight: npt.NDArray[Any], right: npt.NDArray[Any], useless: Bools) -> tuple[str, ...]:
    notes = []
    few = (weight > 0.0) & (weight < FEW_ANSWERS)
    if few.any():
        notes.append(
            f"bkt: on {int(few.sum())} of {len(batch.topics)} topics there are fewer than {FEW_ANSWERS} answers; "
            f"they take mostly what is expected of any: {_names(batch, few)}"
        )
    same = (weight > 0.0) & ((right == 0.0) | (right == weight))
    if same.any():
        notes.append(
            f"bkt: on {int(same.sum())} of {len(batch.topics)} topics all answers are right or all are wrong, so "
            f"what is expected of any decides between knowing and guessing: {_names(batch, same)}"
        )
    if useless.any():
        notes.append(
            f"bkt: of {int(useless.sum())} topics guess + slip reached 1, so that knowing would not show; they are "
            f"pooled with the others: {_names(batch, useless)}"
        )
    return tuple(notes)


def _unmet(bounds: Bounds, batch: Batch, weight: npt.NDArray[Any]) -> list[str]:
    """Return a note for each topic that is bounded and has no answer: most likely its id is another one."""
    answered = sorted({name for (_, name), answers in zip(batch.topics, weight, strict=True) if answers > 0.0})
    return [
        f"bkt: bounds.topics.{topic} changes nothing: no answer of this fit is on it{did_you_mean(topic, answered)}"
        for topic in sorted(set(bounds.topics).difference(answered))
    ]


def _names(batch: Batch, which: Bools) -> str:
    names = [batch.topics[t][1] for t in np.flatnonzero(which).tolist()]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
