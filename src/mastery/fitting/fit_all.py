"""All scorers fitted together: each learns from those before it, and the blend weighs what all of them say.

    bkt → elo → irt → linear_rnn     cross-fitted by student: in 5 CV folds of the students, and once on everybody
    ml                               learns from the cross-fitted probabilities: without some CV folds of them,
                                     then once on everybody
    rule_based                       keeps its weights, learns what its index stands for
    blend                            weights and calibration on students that no member has learnt from

linear_rnn, ml and blend are fitted in a monotone and an unconstrained form. The monotone forms are for scores that
people see; the unconstrained ones, exempt from law 6, are for the probability of a right answer alone. What is found
on everybody is what a model set holds. Who is fitted when stands in each scorer's `ScorerSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np

from mastery.arrays import Bools, Floats, Int64s
from mastery.errors import BadInput, did_you_mean
from mastery.evaluation.measures import measures
from mastery.evaluation.reliability import ece
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.fitting.cross_fitting import FitScorer, cross_fit, deal, labelled, own_names
from mastery.fitting.forgetting import fading, fit_forgetting, with_forgetting
from mastery.fitting.intervals import fitted_intervals
from mastery.fitting.training_order import cross_fit_to_probabilities, predict_from
from mastery.scorers import SPECS, folding, needs, of_stage
from mastery.scorers.fits import Fit
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import Parameters, Scoped
from mastery.scorers.predictions import predict_all, predict_folding
from mastery.scorers.scale import on_one_scale
from mastery.scorers.spec import Stage
from mastery.scorers.stacked import Stacked

CV_FOLDS = 5
"""Students are dealt into this many CV folds for cross-fitting."""

LEARN_FROM_OTHERS = (Stage.PROBABILITIES, Stage.BLEND)

ENOUGH_STACKED = 100_000
"""ml is fitted without one CV fold after the other until this many answers are predicted, or all: enough
for half a dozen weights and a calibration, and ml takes most of the time."""

ALONE = "one student alone: what is measured is measured on answers that were learnt from"

Progress = Callable[[str, int, int], None]
"""(what has just been done, how many steps are done, how many there are)."""


@dataclass(frozen=True, eq=False)
class FittedAll:
    """What was found of every scorer.

    Attributes:
        scorers: Parameters by name, those the base held included; `linear_rnn_unconstrained`, `ml_unconstrained`,
        `blend_unconstrained` too. notes, measures: As in `Fit`, by name.
        held_out: Answers, and what every scorer said of each without having learnt from its student; none where nobody
            wanted them.
    """

    scorers: Mapping[str, Parameters]
    notes: Mapping[str, tuple[str, ...]]
    measures: Mapping[str, Mapping[str, float | str]]
    held_out: Stacked

    def predict(self, batch: Batch, *, threads: int = 1) -> dict[str, Floats]:
        """Return float64[n] by scorer: before each row the probability of a right answer, for students new to the
        fits."""
        return predict_all(self.scorers, batch, threads=threads)

    def worth(self) -> dict[str, dict[str, float]]:
        """Return AUC, log loss, ECE … on the held-out answers, by scorer; NaN where undefined."""
        answers = self.held_out.by_answer()
        return {name: {**measures(p, answers.y), "ece": ece(p, answers.y)} for name, p in answers.probabilities.items()}


def fit_all(
    batch: Batch,
    *,
    rules: Floats,
    seed: int = 0,
    threads: int = 1,
    scorers: Sequence[str] | None = None,
    base: ModelSet | None = None,
    clock: Clock = "answer",
    cv_folds: int = CV_FOLDS,
    held_out: bool = True,
    chapters: Mapping[Scoped, str] | None = None,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    progress: Progress | None = None,
) -> FittedAll:
    """Fit scorers to the answers of a batch.

    Args:
        rules: float64[K]. Parameters of the scorer that people write rules for, as its YAML says.
        scorers: Which to fit; all where None. The others keep what `base` holds of them, and are taken to have seen
            none of these students.
        clock: When the batch's time stamps were taken.
        held_out: Whether to say what scorers are worth on students left out. Without, and where none of them learns
            from the probabilities of others, they are fitted once instead of `cv_folds` + 1 times, to the same
            parameters.
        chapters: Chapter by topic, as course metadata say; elo estimates them where None.
        settings: By scorer that is fitted to answers: arguments of its fit that leave less to be chosen.
        progress: Called with what has been done, how many steps that makes, and how many there are.

    Law: the same events, in any order, and the same seed give the same numbers, bit for bit, for any number of threads.

    Raises:
        BadInput: a scorer that is not known, a blend without members, or no answers at all.
    """
    wanted = _wanted(scorers)
    answers = labelled(batch)
    if not answers.any():
        raise BadInput("there are no quiz answers to learn from; ingest some, or take a longer span of time")
    batch = own_names(batch, seed)
    learning = [name for name in wanted if SPECS[name].stage in LEARN_FROM_OTHERS or SPECS[name].forgets_nothing]
    held_out = held_out or bool(learning)
    cv_fold = deal(batch.students, max(1, min(cv_folds if held_out else 1, len(batch.students))), seed)
    left_out = _left_out(batch, answers, cv_fold)
    to_answers, late, by_rules, blends = (
        [name for name in of_stage(stage) if name in wanted]
        for stage in (Stage.ANSWERS, Stage.PROBABILITIES, Stage.RULES, Stage.BLEND)
    )
    foldable = {name: scorer for name, scorer in folding().items() if SPECS[name].stage == Stage.ANSWERS}
    steps = (1 + (int(cv_fold.max()) + 1 if left_out else 0)) * bool(to_answers) + len(late) * (1 + len(left_out)) + 1
    done = count(1)

    def told(what: str) -> None:
        if progress is not None:
            progress(what, next(done), steps)

    found: dict[str, Parameters] = {} if base is None else dict(base.scorers)
    kept = {name: scorer for name, scorer in foldable.items() if name in found and name not in to_answers}
    probabilities = predict_folding(kept, found, batch)
    fits: dict[str, Fit] = {}
    if to_answers:
        fits, said = cross_fit(
            batch, cv_fold, _fits(to_answers, {"chapters": chapters}, settings or {}), foldable,
            {name: found[name] for name in kept}, seed=seed, threads=threads, told=told,
        )  # fmt: skip
        probabilities |= said
        found |= {name: fit.parameters for name, fit in fits.items()}
    for name in of_stage(Stage.PROBABILITIES):
        if name in found and name not in late:
            probabilities[name] = predict_from(name, batch, found[name], probabilities, threads)
    if late:
        more, said = cross_fit_to_probabilities(
            batch, cv_fold, left_out, late, probabilities, found, clock=clock, seed=seed, threads=threads, told=told
        )
        probabilities, fits = probabilities | said, fits | more
        found |= {name: fit.parameters for name, fit in more.items()}
    for name in by_rules:
        fits[name], probabilities[name] = SPECS[name].load_fit()(batch, answers, cv_fold, rules, found)
    stacked = _stacked(batch, answers if held_out else np.zeros_like(answers), probabilities)
    blended, said = _blends(batch, answers, stacked, blends, found)
    stacked, fits = stacked.adding(said), fits | blended
    told(", ".join((*by_rules, *blends)) or "intervals")
    for source in [name for name in probabilities if SPECS[name].forgets_nothing]:
        forgetting = fit_forgetting(batch, answers, probabilities[source])
        if forgetting is not None:
            fits |= {
                name: with_forgetting(fits[name], columns, forgetting)
                for name, columns in fading().items()
                if name in fits
            }
    alone = () if len(batch.students) > 1 else (ALONE,)
    return FittedAll(
        fitted_intervals(on_one_scale(found | {name: fit.parameters for name, fit in fits.items()})),
        {name: (*fit.notes, *alone) for name, fit in fits.items()},
        {name: fit.measures for name, fit in fits.items()},
        stacked,
    )


def _fits(
    names: Sequence[str], known: Mapping[str, object], settings: Mapping[str, Mapping[str, object]]
) -> dict[str, FitScorer]:
    """Return the fits of these scorers, each with what it takes of what is known besides the answers, and settings."""
    return {
        name: partial(
            SPECS[name].load_fit(),
            **{word: known[word] for word in SPECS[name].fit_arguments},
            **settings.get(name, {}),
        )
        for name in names
    }


def _wanted(scorers: Sequence[str] | None) -> list[str]:
    known = list(of_stage(*Stage))
    for name in scorers or ():
        if name not in known:
            raise BadInput(f"no scorer {name!r} to fit{did_you_mean(name, known)}; there are: {', '.join(known)}")
    return [name for name in known if scorers is None or name in scorers]


def _left_out(batch: Batch, answers: Bools, cv_fold: Int64s) -> list[int]:
    """Return the CV folds that ml is fitted without, one after the other; none where there is only one."""
    cv_folds = int(cv_fold.max()) + 1
    predicted = np.cumsum(np.bincount(np.repeat(cv_fold, np.diff(batch.student_ptr))[answers], minlength=cv_folds))
    return [k for k in range(cv_folds) if k == 0 or predicted[k - 1] < ENOUGH_STACKED] if cv_folds > 1 else []


def _stacked(batch: Batch, answers: Bools, probabilities: Mapping[str, Floats]) -> Stacked:
    """Return the answers that every scorer has predicted without having seen their student."""
    rows = answers.copy()
    for values in probabilities.values():
        rows &= np.isfinite(values)
    return Stacked(
        {name: values[rows] for name, values in probabilities.items()},
        batch.y[rows],
        np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))[rows],
        batch.slot_topic[batch.slot[rows]].astype(np.int64),
        batch.row[rows],
    )


def _blends(
    batch: Batch, answers: Bools, stacked: Stacked, names: Sequence[str], found: Mapping[str, Parameters]
) -> tuple[dict[str, Fit], dict[str, Floats]]:
    """Return the blends, and what blends whose weights have not seen the student either say of each answer."""
    fits, said = {}, {}
    for name in names:
        mine = stacked.of([member for member in needs(name) if member in stacked.probabilities])
        if not mine.probabilities:
            raise BadInput(f"{name} has nothing to weigh; fit one of {', '.join(needs(name))} with it, or before it")
        fits[name], said[name] = SPECS[name].load_fit()(batch, answers, mine, found, name)
    return fits, said
