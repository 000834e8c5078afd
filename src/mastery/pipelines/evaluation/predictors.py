"""What predicts: scorers fitted to the training part, or the starter set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mastery.arrays import Floats
from mastery.errors import BadInput, did_you_mean
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.scorers import SCORERS, SPECS, needs, source_of
from mastery.scorers.base import fold, start
from mastery.scorers.model_set import default_model_set
from mastery.scorers.parameters import Parameters, Scoped
from mastery.scorers.predictions import predict_all


@dataclass(frozen=True)
class Predicted:
    """What was said before each of n rows.

    Attributes:
        probability: float64[n] by scorer: of a right answer on the row's item and topic. Rows that are no answers: NaN.
        score: float64[H] by scorer that has one: its score of each student-topic-day, at the day's end.
        notes: Sentences for people: what was pooled, or fell back.
        parameters: What was found of every scorer that scores are made of, to read scores at other times.
    """

    probability: Mapping[str, Floats]
    score: Mapping[str, Floats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, Parameters] = field(default_factory=dict)


Predictor = Callable[[Batch, Batch], Predicted]
"""(what may be learnt from, what is to be predicted) → what was said. The two share no answer that is counted."""


def unfitted(rules: Floats) -> Predictor:
    """Return a predictor that learns nothing: the starter set."""
    model_set = default_model_set(rules, {}, {})

    def predict(_: Batch, test: Batch) -> Predicted:
        return Predicted(predict_all(model_set.scorers, test), _scores(model_set.scorers, test), (), model_set.scorers)

    return predict


def fitted(
    rules: Floats, *, scorers: Sequence[str] | None, clock: Clock, seed: int, threads: int,
    chapters: Mapping[Scoped, str] | None = None,
    bounds: Mapping[str, object] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Predictor:  # fmt: skip
    """Return a predictor that fits the scorers that are wanted, and those they read, to the training part.

    Args:
        chapters: Chapter by topic, where metadata say.
        bounds: What people allow of parameters; see `mastery.scorers.bounds`.
    """
    # Only who fits waits until all that fits is loaded.
    from mastery.fitting.fit_all import fit_all

    def predict(train: Batch, test: Batch) -> Predicted:
        found = fit_all(
            train,
            rules=rules,
            seed=seed,
            threads=threads,
            scorers=with_needs(scorers),
            clock=clock,
            held_out=False,
            chapters=chapters,
            settings={source_of("guess").name: {"bounds": bounds}} if bounds else None,
            progress=progress,
        )
        notes = tuple(
            note if note.startswith(f"{name}:") else f"{name}: {note}"
            for name, all_of in found.notes.items()
            for note in all_of
        )
        return Predicted(found.predict(test, threads=threads), _scores(found.scorers, test), notes, found.scorers)

    return predict


def with_needs(scorers: Sequence[str] | None) -> list[str] | None:
    """Return these scorers and all that have to be fitted before them; None for all."""
    if scorers is None:
        return None
    wanted = {*scorers, *(need for name in scorers for need in needs(name))}
    return [name for name in SPECS if name in wanted]


def wanted_scorers(text: str | None, known: Sequence[str]) -> list[str] | None:
    """Return the names in a list with commas; None for all.

    Raises:
        BadInput: one is unknown.
    """
    if text is None or text.strip() == "all":
        return None
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise BadInput(f"unknown scorer {name!r}; known: {', '.join(known)}{did_you_mean(name, list(known))}")
    if not names:
        raise BadInput(f"no scorer is named; known: {', '.join(known)}")
    return names


def _scores(parameters: Mapping[str, Parameters], batch: Batch) -> dict[str, Floats]:
    """Return float64[H] by scorer that folds: its score at the end of each student-topic-day."""
    end_us = np.iinfo(np.int64).max
    scores = {}
    for name, scorer in SCORERS.items():
        if name in parameters:
            model = parameters[name].model(batch.topics, batch.uses)
            scores[name] = fold(scorer, model, batch, start(scorer, model, batch), end_us)[0]
    return scores
