"""What the parameters of a model set say of answers: the probability of a right one, each strictly before it is
seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mastery.arrays import Floats
from mastery.features.batch import Batch
from mastery.scorers import SCORERS
from mastery.scorers.base import Scorer, predict, start
from mastery.scorers.blend import scorer as blending
from mastery.scorers.boosting import scorer as ml
from mastery.scorers.boosting.unconstrained import predict_unconstrained, unpack
from mastery.scorers.linear_rnn import scorer as linear_rnn
from mastery.scorers.parameters import Parameters

FOLDING: dict[str, Scorer] = {**SCORERS, "linear_rnn_unconstrained": linear_rnn.FREE}
"""Scorers that fold. The unconstrained one is exempt from law 6, and so is not in the registry."""

BLENDS = ("blend", "blend_unconstrained")


def logits(probabilities: Mapping[str, Floats], names: tuple[str, ...]) -> dict[str, Floats]:
    """Return the log-odds, within ± `blend.FARTHEST`, of some of the probabilities."""
    least = 1.0 / (1.0 + np.exp(blending.FARTHEST))
    clipped = {name: np.clip(probabilities[name], least, 1.0 - least) for name in names}
    return {name: np.log(p / (1.0 - p)) for name, p in clipped.items()}


def _monotone(batch: Batch, parameters: Parameters, probabilities: Mapping[str, Floats], _: int) -> Floats:
    return ml.predict(batch, parameters, probabilities)


def _free(batch: Batch, parameters: Parameters, probabilities: Mapping[str, Floats], threads: int) -> Floats:
    return predict_unconstrained(
        batch, parameters, logits(probabilities, unpack(parameters.shared["extra"])), threads=threads
    )


LATE: dict[str, Callable[[Batch, Parameters, Mapping[str, Floats], int], Floats]] = {
    "ml": _monotone,
    "ml_unconstrained": _free,
}
"""Scorers that read the probabilities of those that fold: (batch, parameters, probabilities, threads) → float64[n]."""


def predict_folding(
    scorers: Mapping[str, Scorer], parameters: Mapping[str, Parameters], batch: Batch
) -> dict[str, Floats]:
    """Return float64[n] by scorer: the probability of a right answer on each row, before it."""
    probabilities = {}
    for name, scorer in scorers.items():
        model = parameters[name].model(batch.topics, batch.items)
        probabilities[name] = predict(scorer, model, batch, start(scorer, model, batch))
    return probabilities


def predict_all(parameters: Mapping[str, Parameters], batch: Batch, *, threads: int = 1) -> dict[str, Floats]:
    """Return float64[n] by scorer that there are parameters of: before each row the probability of a right answer.

    For answers that nothing was learnt from: what the unconstrained forms know of others' answers holds those of the
    fit.
    """
    there = {name: scorer for name, scorer in FOLDING.items() if name in parameters}
    probabilities = predict_folding(there, parameters, batch)
    for name, say in LATE.items():
        if name in parameters:
            probabilities[name] = say(batch, parameters[name], probabilities, threads)
    for name in BLENDS:
        if name in parameters:
            probabilities[name] = blending.predict(blending.mixture(parameters[name].shared), probabilities)
    return probabilities
