"""The scale that scores of fitted scorers share: how much of a probability of a right answer is guessing, and slipping.

Answers alone do not tell it. bkt's guess is the share right of those who do not know, and whoever knows a part counts
as one of them; so it is no lower than blind guessing, and often twice that: on simulated schools it found 0.40 and 0.26
where 0.15 and 0.07 made the answers, and every score in between was stretched threefold. So bkt's numbers bound the
scale from above, and what is usual bounds it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mastery.arrays import Floats
from mastery.features.batch import Batch
from mastery.scorers import SPECS, source_of
from mastery.scorers.base import Parameter, Scorer, defaults, place_of
from mastery.scorers.bounds import NO_TOPIC, bounds_of
from mastery.scorers.parameters import KeyedRows, Parameters, Scoped

MOST = {"guess": 0.20, "slip": 0.10}
"""The usual ones, which are also those of scorers that nobody has fitted. Where people say that guess or slip is not
below a number, that number counts instead, if it is higher."""


def shared_scale(batch: Batch, given: Mapping[str, Parameters]) -> tuple[Floats, Floats]:
    """Return guess and slip of each topic, float64[T] each: bkt's, fitted or by default, and at most `MOST`.

    Also for fits that take them for asymptotes: between bkt's own .38 and .75 (simulated schools), no probability and
    so no score could be outside .26 to .79.
    """
    source = _source()
    mine, topics = given.get(source.name), batch.topics
    params = defaults(source, len(topics)) if mine is None else mine.model(topics, ()).params
    return _at_most(source, params, _most(mine, topics))


def new_topics_scale(given: Mapping[str, Parameters]) -> tuple[Floats, Floats]:
    """Return guess and slip of a topic that nobody has answered on, float64[1] each; see `shared_scale`."""
    source = _source()
    mine = given.get(source.name)
    return _at_most(source, defaults(source, 1) if mine is None else mine.default[None, :], _most(mine, [NO_TOPIC]))


def _source() -> Scorer:
    found = source_of("guess").scorer
    assert found is not None  # guess and slip are found by a scorer with parameters of its own
    return found


def _most(source: Parameters | None, topics: Sequence[Scoped]) -> Floats:
    """Return float64[T, 2]: guess and slip at most, by what the scorer that tells them was bounded by."""
    most = np.tile([*MOST.values()], (len(topics), 1))
    bounds = None if source is None else bounds_of(source)
    return most if bounds is None else np.maximum(most, bounds.spans(tuple(MOST), topics)[0])


def _at_most(source: Scorer, params: Floats, most: Floats) -> tuple[Floats, Floats]:
    guess, slip = (np.minimum(params[:, source.column(name)], most[:, k]) for k, name in enumerate(MOST))
    return guess, slip


def on_one_scale(scorers: Mapping[str, Parameters]) -> dict[str, Parameters]:
    """Return the parameters with guess and slip at most `MOST`; probabilities of a right answer stay what they were."""
    source = scorers.get(_source().name)
    return {
        name: _on_scale(mine, spec.parameters, source)
        if (spec := SPECS.get(name)) is not None and spec.on_shared_scale
        else mine
        for name, mine in scorers.items()
    }


def _on_scale(mine: Parameters, columns: tuple[Parameter, ...], source: Parameters | None) -> Parameters:
    default = _rows_on_scale(mine.default[None, :], columns, _most(source, [NO_TOPIC]))[0]
    keys = mine.topics.keys
    return replace(
        mine, default=default, topics=KeyedRows(keys, _rows_on_scale(mine.topics.values, columns, _most(source, keys)))
    )


def _rows_on_scale(rows: Floats, columns: tuple[Parameter, ...], most: Floats) -> Floats:
    rows = rows.copy()
    guess, slip = (place_of(columns, name).start for name in MOST)
    before = rows[:, [guess, slip]]
    rows[:, guess], rows[:, slip] = np.minimum(before[:, 0], most[:, 0]), np.minimum(before[:, 1], most[:, 1])
    for parameter in columns:
        if parameter.name == "prior":  # a score itself: the same probability on the new scale
            at = place_of(columns, "prior").start
            probability = before[:, 0] + (1.0 - before[:, 0] - before[:, 1]) * rows[:, at]
            prior = (probability - rows[:, guess]) / (1.0 - rows[:, guess] - rows[:, slip])
            rows[:, at] = np.clip(prior, parameter.low, parameter.high)
    return rows
