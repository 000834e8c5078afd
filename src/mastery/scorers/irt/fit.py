"""irt fitted: curves of items from all answers, then how topics spread and drift from answers predicted.

Curves come from marginal maximum likelihood with one ability per student (irt_mml). The scorer knows more: a student's
topics differ, and drift. So the curves are moved on to what the scorer itself makes of each answer's proficiency
(`REFINEMENTS` M steps; they gain 0.001 to 0.002 of AUC on two public logs). 1PL or 2PL, asymptotes, spread, drift and
half-life are whatever then predicts the answers of held-out students best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.features.batch import Batch, BatchArrays
from mastery.features.subset import take_students
from mastery.kernels import kernel
from mastery.scorers.base import Model, defaults, mean_row, predict, start
from mastery.scorers.fits import Fit, held_out, some_students
from mastery.scorers.irt import scorer as irt
from mastery.scorers.irt.em import LEAST_SLOPE, MOST_SLOPE, Answers, Asymptotes, CurvePrior, maximise
from mastery.scorers.irt.grid import NODES, SEEN, CurveAnswer, learn, make_scratch, node_values, tables_of, weigh
from mastery.scorers.irt.mml import TOLERANCE, Curves, fit_curves
from mastery.scorers.item_codes import (
    answers_of_codes,
    has_items,
    item_codes,
    rows_of_items,
    shrunk_to_items,
    topic_of_codes,
)
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.scorers.scale import shared_scale

FEWEST_HELD_OUT = 200
"""Answers of held-out students below which nothing is chosen: 1PL and the defaults stand."""

THIN_TOPIC = 20
"""Topics with fewer answers are named in the notes: their numbers are mostly those of all topics."""

REFINEMENTS = 2

SPREADS = (0.3, 0.45, 0.6, 0.8, 1.0, 1.3)
DRIFTS = (0.02, 0.04, 0.08, 0.12, 0.17, 0.23)
HALF_LIVES = (15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 1_000.0, 36_500.0)

ENOUGH_TO_CHOOSE = 400_000
"""Settings are compared on this many answers; the one chosen is fitted to all of them."""

TO_CHOOSE = 0.005
"""Tolerance of the curves that settings are compared with."""

LEAST_GAIN = 1e-5
"""Nats per answer by which a choice must be better than the simpler or default one."""


@dataclass(frozen=True)
class Setting:
    """What is chosen on held-out students."""

    two_parameters: bool = False
    asymptotes: bool = False
    spread: float = 0.8
    drift: float = 0.08
    half_life_days: float = 120.0


@dataclass(frozen=True)
class _Scale:
    """float64[T] each: the shared guess and slip of every topic."""

    guess: Floats
    slip: Floats


def fit(
    batch: Batch,
    *,
    given: Mapping[str, Parameters],
    seed: int = 0,
    threads: int = 1,
    two_parameters: bool | None = None,
    chosen: Setting | None = None,
) -> Fit:
    """Return irt's parameters; guess and slip of the scale come from given["bkt"].

    `two_parameters` says whether items differ in discrimination, and is chosen where None. `chosen` is the setting to
    fit with; it is searched for where None.

    `Parameters.shared` holds the standard errors of each item's discrimination and difficulty, in the order of
    `Parameters.items`.
    """
    scale, notes = _Scale(*shared_scale(batch, given)), []
    answered = batch.weight > 0.0
    if not answered.any():
        row = defaults(irt.SCORER, 1)[0]
        return Fit(Parameters(row, no_rows(row.size), no_rows(2)), ("irt: no answers; the defaults stand.",))
    some = some_students(batch, ENOUGH_TO_CHOOSE)
    held = held_out(some.students, 10)
    setting, measures = Setting(two_parameters=bool(two_parameters)), {}
    judged = (some.weight > 0.0) & np.repeat(held, np.diff(some.student_ptr))
    if chosen is not None:
        setting = chosen
    elif judged.sum() >= FEWEST_HELD_OUT and (some.weight > 0.0).sum() - judged.sum() >= FEWEST_HELD_OUT:
        setting, loss = _choose(take_students(some, ~held), take_students(some, held), scale, two_parameters, threads)
        measures["held_out_log_loss"] = loss
    else:
        notes.append(
            f"irt: fewer than {FEWEST_HELD_OUT} answers of students held out to choose by; one discrimination for all "
            "items, and default spread, drift and half-life"
        )
    curves = _curves(batch, setting, scale, threads, TOLERANCE)
    model = _refined(batch, _model(batch, curves, setting, scale), curves, setting)
    notes += _notes(batch, curves)
    return Fit(
        _parameters(batch, model, curves),
        tuple(notes),
        {
            **measures,
            "log_likelihood": curves.log_likelihood,
            "em_steps": float(curves.steps),
            "form": "2PL" if setting.two_parameters else "1PL",
            "asymptotes": "those of the scale" if setting.asymptotes else "0 and 1",
            "spread": setting.spread,
            "drift": setting.drift,
            "half_life_days": setting.half_life_days,
        },
        setting,
    )


def _choose(
    taught: Batch, judge: Batch, scale: _Scale, two_parameters: bool | None, threads: int
) -> tuple[Setting, float]:
    """Return the setting that predicts the answers of `judge` best, and its log loss."""
    known: dict[tuple[bool, bool], Curves] = {}

    def loss_of(setting: Setting) -> float:
        form = setting.two_parameters, setting.asymptotes
        if form not in known:
            known[form] = _curves(taught, setting, scale, threads, TO_CHOOSE)
        # Refined as they will be: as they are, they prefer topics that differ less.
        return log_loss(judge, _refined(taught, _model(taught, known[form], setting, scale), known[form], setting))

    best = Setting(two_parameters=bool(two_parameters))
    loss = loss_of(best)

    def choose(candidates: Iterable[Setting]) -> None:
        nonlocal best, loss
        for candidate in candidates:
            found = loss_of(candidate)
            if found < loss - LEAST_GAIN:
                best, loss = candidate, found

    if two_parameters is None:
        choose([replace(best, two_parameters=True)])
    choose([replace(best, asymptotes=True)])
    choose([replace(best, spread=spread) for spread in SPREADS if spread != best.spread])
    choose([replace(best, drift=drift) for drift in DRIFTS if drift != best.drift])
    if (np.diff(judge.at_us) > 0).any():
        choose([replace(best, half_life_days=days) for days in HALF_LIVES])
    return best, loss


def log_loss(batch: Batch, model: Model) -> float:
    """Return the mean −ln of the probability given to each answer, by weight."""
    probability = predict(irt.SCORER, model, batch, start(irt.SCORER, model, batch))
    rows = batch.weight > 0.0
    p = np.clip(probability[rows], 1e-9, 1.0 - 1e-9)
    y, weight = batch.y[rows], batch.weight[rows]
    return float(-(weight * (y * np.log(p) + (1.0 - y) * np.log(1.0 - p))).sum() / weight.sum())


def _asymptotes(setting: Setting, scale: _Scale) -> tuple[Floats, Floats]:
    """Return float64[T] each: the lower asymptote, and what the upper one leaves to 1."""
    if not setting.asymptotes:
        return np.zeros(scale.guess.size), np.zeros(scale.guess.size)
    return scale.guess, scale.slip


def _curves(batch: Batch, setting: Setting, scale: _Scale, threads: int, tolerance: float) -> Curves:
    rows, group = batch.weight > 0.0, topic_of_codes(batch)
    lower, gap = _asymptotes(setting, scale)
    ptr = np.concatenate([[0], np.cumsum(rows)])[batch.student_ptr].astype(np.int64)
    answers = Answers(ptr, item_codes(batch)[rows].astype(np.int32), batch.y[rows], batch.weight[rows],
                      group, lower[group], gap[group])  # fmt: skip
    return fit_curves(answers, groups=len(batch.topics), free_slopes=setting.two_parameters, threads=threads,
                      tolerance=tolerance)  # fmt: skip


def _model(batch: Batch, curves: Curves, setting: Setting, scale: _Scale) -> Model:
    """Return the model with the curves as they are."""
    items, topics = batch.use_item.size, len(batch.topics)
    params = defaults(irt.SCORER, topics)
    params[:, irt.GUESS], params[:, irt.SLIP] = scale.guess, scale.slip
    lower, gap = _asymptotes(setting, scale)
    params[:, irt.LOWER], params[:, irt.UPPER] = lower, 1.0 - gap
    params[:, irt.SPREAD], params[:, irt.DRIFT] = setting.spread, setting.drift
    params[:, irt.HALF_LIFE] = setting.half_life_days
    params[:, irt.SLOPE] = math.exp(curves.mean_log_slope)
    _place(params, curves.slope[items:], curves.intercept[items:])
    of_items = np.empty((items, 2))
    _place(of_items, curves.slope[:items], curves.intercept[:items])
    return Model(params, of_items)


def _place(rows: Floats, slope: Floats, intercept: Floats) -> None:
    rows[:, irt.SLOPE] = np.clip(slope, LEAST_SLOPE, MOST_SLOPE)  # exp of its log may be beyond by a bit
    rows[:, irt.DIFFICULTY] = np.clip(-intercept / slope, -10.0, 10.0)


def _refined(batch: Batch, model: Model, curves: Curves, setting: Setting) -> Model:
    """Return the model with curves moved to what the scorer makes of each answer's proficiency."""
    group, items, topics = topic_of_codes(batch), batch.use_item.size, len(batch.topics)
    codes = item_codes(batch)
    for _ in range(REFINEMENTS):
        counts = np.zeros((2 * (items + topics), NODES))
        states = start(irt.SCORER, model, batch)
        _count(batch.arrays, codes, model.params, model.items, states.slot, states.student, counts)
        slope = np.concatenate([model.items[:, irt.SLOPE], model.params[:, irt.SLOPE]])
        intercept = -slope * np.concatenate([model.items[:, irt.DIFFICULTY], model.params[:, irt.DIFFICULTY]])
        log_slope, lower = np.log(slope), model.params[group, irt.LOWER]
        prior = CurvePrior(
            group, curves.group_intercept, curves.mean_log_slope, curves.sd_log_slope**-2, curves.sd_intercept**-2
        )
        maximise(
            Asymptotes(lower, 1.0 - model.params[group, irt.UPPER]), prior, setting.two_parameters, counts,
            node_values(), log_slope, intercept, np.empty((2, items + topics)),
        )  # fmt: skip
        params, of_items = model.params.copy(), model.items.copy()
        _place(params, np.exp(log_slope[items:]), intercept[items:])
        _place(of_items, np.exp(log_slope[:items]), intercept[:items])
        model = Model(params, of_items)
    return model


@kernel
def _count(
    batch: BatchArrays,
    code: Int64s,
    params: Floats,
    items: Floats,
    state: Floats,
    students: Floats,
    counts: Floats,
) -> None:
    """Fold the answers, and add to `counts` float64[2 (U + T), NODES] where each finds the student, itself counted."""
    student_ptr, slot, slot_topic, y, weight = batch.student_ptr, batch.slot, batch.slot_topic, batch.y, batch.weight
    tables, which = tables_of(params, items, irt.SPREAD)
    scratch, nodes, topics = make_scratch(), NODES, params.shape[0]
    (curves, kernels), others = tables, scratch.others
    weights, post = np.empty(nodes), np.empty(nodes)
    for s in range(student_ptr.size - 1):
        for i in range(student_ptr[s], student_ptr[s + 1]):
            if weight[i] <= 0.0:
                continue
            p, t = slot[i], slot_topic[slot[i]]
            curve = topics + code[i] if code[i] < items.shape[0] else t
            weigh(students, s, state, p, kernels, which[t], others, weights)
            for right in range(2):
                mass = 0.0
                for g in range(nodes):
                    probability = (1.0 - params[t, irt.UPPER] if right == 0 else params[t, irt.LOWER]) + (
                        params[t, irt.UPPER] - params[t, irt.LOWER]
                    ) * curves[curve, right * nodes + g]
                    post[g] = weights[g] * state[p, SEEN + g] * probability
                    mass += post[g]
                n = weight[i] * (y[i] if right else 1.0 - y[i])
                for g in range(nodes):
                    counts[2 * code[i] + right, g] += n * post[g] / mass
            answer = CurveAnswer(
                curve, y[i], weight[i], params[t, irt.LOWER], params[t, irt.UPPER], params[t, irt.DRIFT]
            )
            learn(students, s, state, p, tables, which[t], scratch, answer)


def _parameters(batch: Batch, model: Model, curves: Curves) -> Parameters:
    """Return the parameters by name; a topic whose answers name items has the mean of their curves."""
    items, topics, count = batch.use_item.size, len(batch.topics), answers_of_codes(batch)
    params, own, there = model.params.copy(), topic_of_codes(batch)[:items], count[:items] > 0
    seen = there.astype(np.float64)
    number = np.bincount(own, seen, topics)
    log_slope = np.log(model.items[:, irt.SLOPE])
    intercept = -model.items[:, irt.SLOPE] * model.items[:, irt.DIFFICULTY]
    typical = float((seen * intercept).sum() / max(float(seen.sum()), 1.0))
    between = curves.sd_intercept**2
    level = (np.bincount(own, seen * intercept, topics) + between * typical) / (number + between)
    steep = (np.bincount(own, seen * log_slope, topics) + curves.mean_log_slope) / (number + 1.0)
    mean = has_items(batch)
    slope = np.where(mean, np.exp(steep), params[:, irt.SLOPE])
    _place(params, slope, np.where(mean, level, -params[:, irt.SLOPE] * params[:, irt.DIFFICULTY]))
    default = mean_row(params)
    errors = np.column_stack([curves.se_slope[:items], curves.se_difficulty[:items]])
    answered, found = count[:items].astype(np.float64), np.column_stack([model.items, errors])
    of_items = rows_of_items(batch, answered, shrunk_to_items(batch.use_item, answered, found))
    width = model.items.shape[1]
    return Parameters(
        default,
        KeyedRows(tuple(batch.topics), params),
        KeyedRows(of_items.keys, np.ascontiguousarray(of_items.values[:, :width])),
        {
            "se_discrimination": of_items.values[:, width].copy(),
            "se_difficulty": of_items.values[:, width + 1].copy(),
        },
    )


def _notes(batch: Batch, curves: Curves) -> list[str]:
    rows = batch.weight > 0.0
    count = np.bincount(batch.slot_topic[batch.slot[rows]], minlength=len(batch.topics))
    thin = [topic for (_, topic), answers in zip(batch.topics, count, strict=True) if answers < THIN_TOPIC]
    notes = []
    if thin:
        named = ", ".join(thin[:10]) + (" and others" if len(thin) > 10 else "")
        notes.append(
            f"irt: on {len(thin)} of {len(batch.topics)} topics there are fewer than {THIN_TOPIC} answers; "
            f"they lean on the mean of all: {named}"
        )
    if not (rows & (batch.item >= 0)).any():
        notes.append("irt: no answer names an item; each topic is one item.")
    if not curves.converged:
        notes.append(f"irt: item curves still moved after {curves.steps} steps.")
    return notes
