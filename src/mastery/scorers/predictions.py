"""What the parameters of a model set predict of answers: the probability of a right one, each before it is seen."""

from __future__ import annotations

from collections.abc import Mapping

from mastery.arrays import Floats
from mastery.features.batch import Batch
from mastery.scorers import folding, of_stage
from mastery.scorers.base import Scorer, predict, start
from mastery.scorers.parameters import Parameters
from mastery.scorers.spec import Stage


def predict_folding(
    scorers: Mapping[str, Scorer], parameters: Mapping[str, Parameters], batch: Batch
) -> dict[str, Floats]:
    """Return float64[n] by scorer: the probability of a right answer on each row, before it."""
    probabilities = {}
    for name, scorer in scorers.items():
        model = parameters[name].model(batch.topics, batch.uses)
        probabilities[name] = predict(scorer, model, batch, start(scorer, model, batch))
    return probabilities


def predict_all(parameters: Mapping[str, Parameters], batch: Batch, *, threads: int = 1) -> dict[str, Floats]:
    """Return float64[n] by scorer that there are parameters of: before each row the probability of a right answer.

    For answers that nothing was learnt from: what the unconstrained forms know of others' answers comes from the
    answers of the fit.
    """
    there = {name: scorer for name, scorer in folding().items() if name in parameters}
    probabilities = predict_folding(there, parameters, batch)
    for name, spec in of_stage(*Stage).items():
        if name in parameters and spec.predict is not None:
            probabilities[name] = spec.load_predict()(batch, parameters[name], probabilities, threads)
    return probabilities
