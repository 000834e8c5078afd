"""The scale that scores of fitted scorers share: how much of a probability of a right answer is guessing, and slipping.

Answers alone do not tell it. bkt's guess is the share right of those who do not know, and whoever knows a part counts
as one of them; so it is no lower than blind guessing, and often twice that: on simulated schools it found 0.40 and 0.26
where 0.15 and 0.07 made the answers, and every score in between was stretched threefold. So bkt's numbers bound the
scale from above, and what is usual bounds it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mastery.arrays import Floats
from mastery.features.batch import Batch
from mastery.scorers import SPECS, source_of
from mastery.scorers.base import Parameter, Scorer, defaults, place_of
from mastery.scorers.parameters import KeyedRows, Parameters

MOST = {"guess": 0.20, "slip": 0.10}
"""The usual ones, which are also those of scorers that nobody has fitted."""


def shared_scale(batch: Batch, given: Mapping[str, Parameters]) -> tuple[Floats, Floats]:
    """Return guess and slip of each topic, float64[T] each: bkt's, fitted or by default, and at most `MOST`.

    Also for fits that take them for asymptotes: between bkt's own .38 and .75 (simulated schools), no probability and
    so no score could be outside .26 to .79.
    """
    source = _source()
    if source.name in given:
        return _at_most(source, given[source.name].model(batch.topics, ()).params)
    return _at_most(source, defaults(source, len(batch.topics)))


def new_topics_scale(given: Mapping[str, Parameters]) -> tuple[Floats, Floats]:
    """Return guess and slip of a topic that nobody has answered on, float64[1] each; see `shared_scale`."""
    source = _source()
    return _at_most(source, given[source.name].default[None, :] if source.name in given else defaults(source, 1))


def _source() -> Scorer:
    found = source_of("guess").scorer
    assert found is not None  # guess and slip are found by a scorer with parameters of its own
    return found


def _at_most(source: Scorer, params: Floats) -> tuple[Floats, Floats]:
    guess, slip = (np.minimum(params[:, source.column(name)], most) for name, most in MOST.items())
    return guess, slip


def on_one_scale(scorers: Mapping[str, Parameters]) -> dict[str, Parameters]:
    """Return the parameters with guess and slip at most `MOST`; probabilities of a right answer stay what they were."""
    return {
        name: _on_scale(mine, spec.parameters)
        if (spec := SPECS.get(name)) is not None and spec.on_shared_scale
        else mine
        for name, mine in scorers.items()
    }


def _on_scale(mine: Parameters, columns: tuple[Parameter, ...]) -> Parameters:
    default = _rows_on_scale(mine.default[None, :], columns)[0]
    return replace(
        mine, default=default, topics=KeyedRows(mine.topics.keys, _rows_on_scale(mine.topics.values, columns))
    )


def _rows_on_scale(rows: Floats, columns: tuple[Parameter, ...]) -> Floats:
    rows = rows.copy()
    guess, slip = (place_of(columns, name).start for name in MOST)
    before = rows[:, [guess, slip]]
    rows[:, guess], rows[:, slip] = np.minimum(before[:, 0], MOST["guess"]), np.minimum(before[:, 1], MOST["slip"])
    for parameter in columns:
        if parameter.name == "prior":  # a score itself: the same probability on the new scale
            at = place_of(columns, "prior").start
            probability = before[:, 0] + (1.0 - before[:, 0] - before[:, 1]) * rows[:, at]
            prior = (probability - rows[:, guess]) / (1.0 - rows[:, guess] - rows[:, slip])
            rows[:, at] = np.clip(prior, parameter.low, parameter.high)
    return rows
