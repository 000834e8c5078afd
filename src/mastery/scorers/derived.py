"""Scorers without a fold of their own: they read what the ledger counts and what the scorers that fold say.

What they are given is as of each student's last event, and nothing in it is forgotten since: a fading mistake must not
raise a score. Forgetting is applied once, when the score is read, from the time since something on the topic went more
right than wrong, or was watched or asked: a wrong answer brings nothing back that had been forgotten.

Adding one: a room with `read` and its spec, registered in mastery.scorers after the scorers it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.counters import ACTIVE_DAYS, EVIDENCE, LAST_AT_US, NEVER, REFRESHED_AT_US, REFRESHED_DAYS
from mastery.kernels import kernel
from mastery.scorers.base import Model, Parameter, Scorer, Scores, States
from mastery.scorers.interval import forgotten, interval, retention, steadied
from mastery.scorers.parameters import Parameters, Scoped

BEFORE_ALL_US = int(NEVER)
"""A score as of this time forgets nothing: no time has passed since the last evidence."""


@dataclass(frozen=True)
class Inputs:
    """What is known of the P slots of S students, as of each student's last event. All slots of a student are there.

    Attributes:
        slot_student, slot_topic: int32[P]. Student and topic code of each slot.
        topics: (tenant, topic_id) by topic code.
        counters: int64[P, len(COUNTERS)]. See mastery.features.counters.
        models: By scorer that folds: its parameters for these topics.
        scores: By scorer: scores at last activity. Those of a derived scorer are there for the ones that come after
            it, and for itself when it is read at a later time.
        contribution_names: By scorer: the names of the columns of `Scores.contributions`.
        own_scale: By scorer whose score is on a scale of its own: the columns of guess and slip in its parameters.
        reach: By scorer that cannot go as far as 0 and 1: how far it can, float64[T] twice. See `Scorer.reach`.
        explain: Whether contributions are asked for. Where they are not, those of derived scorers are NaN.
        wanted: int64[W]. Slots whose scores are asked for, None for all; those of others are NaN.
    """

    slot_student: Int32s
    slot_topic: Int32s
    topics: Sequence[Scoped]
    counters: Int64s
    models: Mapping[str, Model]
    scores: Mapping[str, Scores]
    contribution_names: Mapping[str, tuple[str, ...]]
    own_scale: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    reach: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    explain: bool = True
    wanted: Int64s | None = None


@dataclass(frozen=True, kw_only=True)
class Derived:
    """One model of mastery that keeps no state.

    Attributes:
        version: Raised when the meaning of a score changes.
        scale, contributions: As in `Scorer`.
        parameters: What the numbers of a topic are, in order.
        read: (inputs, parameters, as_of_us) → Scores, at a time that is not before the last event of anybody, or at
            `BEFORE_ALL_US`: then nothing is forgotten.
    """

    name: str
    version: int
    scale: Literal["log_odds", "index"]
    parameters: tuple[Parameter, ...]
    contributions: tuple[str, ...]
    read: Callable[[Inputs, Parameters, int], Scores]


def inputs_of(
    scorers: Mapping[str, Scorer],
    models: Mapping[str, Model],
    states: Mapping[str, States],
    slot_student: Int32s,
    slot_topic: Int32s,
    topics: Sequence[Scoped],
    counters: Int64s,
    explain: bool = True,
    wanted: Int64s | None = None,
) -> Inputs:
    """Return what derived scorers are given: the scores at last activity of every scorer that folds, and the rest."""
    return Inputs(
        slot_student=slot_student,
        slot_topic=slot_topic,
        topics=topics,
        counters=counters,
        models=models,
        scores=at_last_activity(scorers, models, states, slot_student, slot_topic, wanted),
        contribution_names={name: scorers[name].contributions for name in models},
        own_scale={
            name: (scorers[name].column("guess"), scorers[name].column("slip"))
            for name in models
            if scorers[name].own_scale
        },
        reach={name: go_to(model.params) for name, model in models.items() if (go_to := scorers[name].reach)},
        explain=explain,
        wanted=wanted,
    )


def at_last_activity(
    scorers: Mapping[str, Scorer],
    models: Mapping[str, Model],
    states: Mapping[str, States],
    slot_student: Int32s,
    slot_topic: Int32s,
    wanted: Int64s | None = None,
) -> dict[str, Scores]:
    """Return the scores of every scorer that folds, with nothing forgotten since the last evidence; those that are not
    `wanted` are NaN.
    """
    if wanted is None:
        return {
            name: scorers[name].read_slots(
                states[name].slot, states[name].student, slot_student, slot_topic, model.params, BEFORE_ALL_US
            )
            for name, model in models.items()
        }
    return {
        name: among(
            scorers[name].read_slots(
                states[name].slot[wanted],
                states[name].student,
                slot_student[wanted],
                slot_topic[wanted],
                model.params,
                BEFORE_ALL_US,
            ),
            wanted,
            slot_topic.size,
        )
        for name, model in models.items()
    }


def among(scores: Scores, wanted: Int64s, slots: int) -> Scores:
    """Return the scores of all slots: those of the wanted ones, NaN for the others and for all contributions."""
    out = np.full((3, slots), np.nan)
    out[:, wanted] = scores[:3]
    return Scores(out[0], out[1], out[2], np.broadcast_to(np.nan, (slots, scores.contributions.shape[1])))


def with_derived(derived: Mapping[str, Derived], parameters: Mapping[str, Parameters], inputs: Inputs) -> Inputs:
    """Return the inputs with the scores at last activity of the derived scorers that have parameters."""
    for name, scorer in derived.items():
        if name in parameters:
            last = _read(scorer, inputs, parameters[name], BEFORE_ALL_US)
            inputs = replace(
                inputs,
                scores={**inputs.scores, name: last},
                contribution_names={**inputs.contribution_names, name: scorer.contributions},
            )
    return inputs


def read_derived(
    derived: Mapping[str, Derived], parameters: Mapping[str, Parameters], inputs: Inputs, as_of_us: int
) -> dict[str, Scores]:
    """Return the scores at `as_of_us` of the derived scorers that have parameters; `inputs` are `with_derived`."""
    return {
        name: _read(scorer, inputs, parameters[name], as_of_us)
        for name, scorer in derived.items()
        if name in parameters
    }


def _read(scorer: Derived, inputs: Inputs, parameters: Parameters, as_of_us: int) -> Scores:
    if not inputs.slot_topic.size:  # all events of everybody were withdrawn
        return Scores(np.empty(0), np.empty(0), np.empty(0), np.empty((0, len(scorer.contributions))))
    return scorer.read(inputs, parameters, as_of_us)


def probability_of(inputs: Inputs, member: str, guess: Floats, slip: Floats) -> Floats:
    """Return float64[P]: the probability of a right answer at the mean item that a member's score stands for.

    guess, slip: float64[P]. Of the scale that scorers share, for members without a scale of their own.

    Raises:
        BadInput: the member has not been read.
    """
    if member not in inputs.scores:
        raise BadInput(f"no scores of {member}; there are: {', '.join(sorted(inputs.scores))}")
    if member in inputs.own_scale:
        params = inputs.models[member].params[inputs.slot_topic]
        guess, slip = (params[:, column] for column in inputs.own_scale[member])
    probability: Floats = guess + (1.0 - guess - slip) * inputs.scores[member].score
    return probability


@kernel
def retained(mine: Int64s, half_life_days: float, growth: float, as_of_us: int) -> tuple[float, float]:
    """Return what a time leaves of a slot's score, and of the evidence that its interval rests on; both 1 at first.

    mine: int64[len(COUNTERS)]. The score fades from what last refreshed it, evidence from any last activity.
    """
    if mine[LAST_AT_US] == NEVER:
        return 1.0, 1.0
    faded_us, idle_us = float(as_of_us - mine[REFRESHED_AT_US]), float(as_of_us - mine[LAST_AT_US])
    score = retention(faded_us, steadied(half_life_days, growth, mine[REFRESHED_DAYS]))
    evidence = retention(idle_us, steadied(half_life_days, growth, mine[ACTIVE_DAYS]))
    return score, evidence


class Columns(NamedTuple):
    """Columns of a derived scorer's parameters: what forgetting and intervals need."""

    half_life_days: int
    growth: int
    prior: int
    interval: int


@kernel
def _forget(
    score: Floats,
    slot_topic: Int32s,
    counters: Int64s,
    params: Floats,
    columns: Columns,
    as_of_us: int,
    out: Floats,
) -> None:
    half_life_days, growth, prior, at = columns
    for p in range(score.size):
        t = slot_topic[p]
        kept, known = retained(counters[p], params[t, half_life_days], params[t, growth], as_of_us)
        out[0, p] = forgotten(score[p], params[t, prior], kept)
        out[1, p], out[2, p] = interval(out[0, p], counters[p, EVIDENCE] * known, params, t, at)


def forget(score: Floats, inputs: Inputs, params: Floats, columns: Columns, as_of_us: int) -> Floats:
    """Return float64[3, P]: score, lower and upper after the time since the last activity on each slot.

    Args:
        score: float64[P]. With nothing forgotten. See mastery.scorers.interval.forgotten.
        params: float64[T, K] by topic code.
    """
    out = np.empty((3, score.size))
    _forget(score, inputs.slot_topic, inputs.counters, params, columns, as_of_us, out)
    return out
