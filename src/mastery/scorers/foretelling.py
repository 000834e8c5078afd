"""What the parameters of a model set say of answers: the chance of a right one, each strictly before it is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mastery.arrays import Floats
from mastery.features.batch import Batch
from mastery.scorers import SCORERS, linear_rnn, ml
from mastery.scorers import blend as blending
from mastery.scorers.base import Scorer, foretell, start
from mastery.scorers.ml_free import foretell_free, unpack
from mastery.scorers.parameters import Parameters

FOLDING: dict[str, Scorer] = {**SCORERS, "linear_rnn_free": linear_rnn.FREE}
"""Scorers that fold. The free one is exempt from law 6, and so is not in the registry."""

BLENDS = ("blend", "blend_free")


def logits(chances: Mapping[str, Floats], names: tuple[str, ...]) -> dict[str, Floats]:
    """Return the log-odds, within ± `blend.FARTHEST`, of some of the chances."""
    least = 1.0 / (1.0 + np.exp(blending.FARTHEST))
    clipped = {name: np.clip(chances[name], least, 1.0 - least) for name in names}
    return {name: np.log(p / (1.0 - p)) for name, p in clipped.items()}


def _lawful(batch: Batch, parameters: Parameters, chances: Mapping[str, Floats], _: int) -> Floats:
    return ml.foretell(batch, parameters, chances)


def _free(batch: Batch, parameters: Parameters, chances: Mapping[str, Floats], threads: int) -> Floats:
    return foretell_free(batch, parameters, logits(chances, unpack(parameters.shared["extra"])), threads=threads)


LATE: dict[str, Callable[[Batch, Parameters, Mapping[str, Floats], int], Floats]] = {"ml": _lawful, "ml_free": _free}
"""Scorers that read the chances of those that fold: (batch, parameters, chances, threads) → float64[n]."""


def foretell_folding(
    scorers: Mapping[str, Scorer], parameters: Mapping[str, Parameters], batch: Batch
) -> dict[str, Floats]:
    """Return float64[n] by scorer: the chance of a right answer on each row, before it."""
    chances = {}
    for name, scorer in scorers.items():
        model = parameters[name].model(batch.topics, batch.items)
        chances[name] = foretell(scorer, model, batch, start(scorer, model, batch))
    return chances


def foretell_all(parameters: Mapping[str, Parameters], batch: Batch, *, threads: int = 1) -> dict[str, Floats]:
    """Return float64[n] by scorer that there are parameters of: before each row the chance of a right answer.

    For answers that nothing was learnt from: what the free forms know of others' answers holds those of the fit.
    """
    there = {name: scorer for name, scorer in FOLDING.items() if name in parameters}
    chances = foretell_folding(there, parameters, batch)
    for name, say in LATE.items():
        if name in parameters:
            chances[name] = say(batch, parameters[name], chances, threads)
    for name in BLENDS:
        if name in parameters:
            chances[name] = blending.foretell(blending.mixture(parameters[name].shared), chances)
    return chances
