"""Scores beside what simulated students truly know, and fitted parameters beside those that made the answers.

The same students are tested each time, at the end of the last whole week; what is learnt from grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Floats
from mastery.errors import BadInput
from mastery.evaluation.truth import Recovery, parameter_error, recovery
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import ANSWERS, EVIDENCE, RIGHT
from mastery.insight.bands import BANDS, band_codes
from mastery.log_odds import sigmoid_of
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.pipelines.simulation.events import TENANT, simulated_events
from mastery.scorers import SCORERS
from mastery.scorers.base import Parameter, place_of
from mastery.scorers.model_set import ModelSet, default_model_set
from mastery.scorers.parameters import KeyedRows, Parameters
from mastery.simulation import SchoolPlan, course_of

Learn = Callable[[Batch], Mapping[str, Parameters]]
"""What may be learnt from → parameters by scorer."""

DAYS = 91
"""Thirteen weeks: at the end of each week the truth of all topics is told."""

TESTED = 300
"""Students who are tested, none of whom is learnt from."""

SIZES = (100, 300, 1_000)
"""Students who are learnt from."""


@dataclass(frozen=True)
class Learnt:
    """What came of a fit on a number of students.

    Attributes:
        answers: Rows with weight that were learnt from.
        recovery: By scorer.
        parameters: By scorer and parameter: count, rmse, bias, correlation.
    """

    students: int
    answers: int
    recovery: Mapping[str, Recovery]
    parameters: Mapping[str, Mapping[str, Mapping[str, float]]]


RANGE = ("lower", "upper")
"""Parameters of a topic between which probabilities of a right answer lie, whatever is known."""


def unfitted_parameters(rules: Floats) -> Learn:
    """Return what learns nothing: the starter set."""
    return lambda _: default_model_set(rules, {}, {}).scorers


def fitted_parameters(rules: Floats, *, scorers: Sequence[str] | None, seed: int, threads: int) -> Learn:
    """Return what fits the scorers that are wanted, and those they read."""
    from mastery.fitting.fit_all import fit_all
    from mastery.pipelines.evaluation.predictors import with_needs

    def learn(batch: Batch) -> Mapping[str, Parameters]:
        return fit_all(
            batch,
            rules=rules,
            seed=seed,
            threads=threads,
            scorers=with_needs(scorers),
            clock="answer",
            held_out=False,
        ).scorers

    return learn


def evaluate_simulated(
    learn: Learn,
    *,
    plan: SchoolPlan | None = None,
    sizes: Sequence[int] = SIZES,
    tested: int = TESTED,
    scorers: Sequence[str] | None = None,
    min_evidence: int = 3,
    seed: int = 7,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Learnt]:
    """Return, for each number of students to learn from, how well scores and parameters find the truth.

    Args:
        plan: The school; its number of students does not matter.
        progress: Called with (what is learnt from, sizes done, sizes in all).

    Raises:
        BadInput: the school lives less than a week, or a number of students is below 1.
    """
    if min([tested, *sizes], default=0) < 1:
        raise BadInput(f"{min([tested, *sizes], default=0)} simulated students; expected 1 or more")
    plan = SchoolPlan(students=1, days=DAYS, seed=seed) if plan is None else plan
    if plan.days < 7:
        raise BadInput(f"{plan.days} simulated days; expected 7 or more: the truth is told at the end of each week")
    plan = SchoolPlan(**{**vars(plan), "students": tested + max(sizes), "truth": True})
    weeks_end = plan.start + timedelta(days=plan.days - plan.days % 7)
    as_of_us = int(datetime.combine(weeks_end, time(), UTC).timestamp() * 1e6)
    events, truth = simulated_events(plan, 0, tested)
    truth = truth.filter(pc.equal(truth["day"], pa.scalar(weeks_end - timedelta(days=1), pa.date32())))
    found = []
    for done, size in enumerate(sorted(sizes)):
        if progress is not None:
            progress(f"{size} students", done, len(sizes))
        batch = make_batch(event_columns(simulated_events(plan, tested, tested + size)[0], as_of_us))
        parameters = learn(batch)
        folded = fold_events(events, ModelSet("simulated", parameters), as_of_us, history=False)
        found.append(
            Learnt(
                size,
                int((batch.weight > 0.0).sum()),
                recoveries(folded, truth, scorers, min_evidence),
                parameter_errors(parameters, plan),
            )
        )
    return found


def recoveries(
    folded: Folded, truth: pa.Table, scorers: Sequence[str] | None = None, min_evidence: int = 3
) -> dict[str, Recovery]:
    """Return how the scores of a fold compare with the truth (columns student_id, topic_id, true_mastery)."""
    true = truth_of(folded.batch, truth)
    answers = folded.counters[:, ANSWERS]
    share = np.where(answers > 0, folded.counters[:, RIGHT] / np.maximum(answers, 1), np.nan)
    found = {}
    for name, scores in folded.scores().items():
        if scorers is not None and name not in scorers:
            continue
        band = band_codes(scores.score, folded.counters[:, EVIDENCE], min_evidence)
        groups = {word: band == code for code, word in enumerate(BANDS)}
        found[name] = recovery(scores.score, scores.lower, scores.upper, true, share, groups)
    return found


def truth_of(batch: Batch, truth: pa.Table) -> Floats:
    """Return float64[P]: the true mastery of each slot of a batch, NaN where it is not told."""
    places = zip(truth["student_id"].to_pylist(), truth["topic_id"].to_pylist(), strict=True)
    known = dict(zip(places, truth["true_mastery"].to_pylist(), strict=True))
    return np.array(
        [
            known.get((batch.students[s], batch.topics[t][1]), np.nan)
            for s, t in zip(batch.slot_student, batch.slot_topic, strict=True)
        ],
        np.float64,
    )


def parameter_errors(parameters: Mapping[str, Parameters], plan: SchoolPlan) -> dict[str, dict[str, dict[str, float]]]:
    """Return how far guess, slip and difficulties lie from those that made the answers, by scorer that names them.

    Difficulties are compared within their topic, for a topic's own level is told apart from its students' by convention
    only; and as what they do to the log-odds of a right answer, for what guessing is said to add stretches their scale.
    guess and slip of a topic are compared with the mean over its items.
    """
    course = course_of(plan)
    items = [(TENANT, name) for name in course.items["question_id"].to_pylist()]
    topics = [(TENANT, name) for name in course.topics["topic_id"].to_pylist()]
    per_topic = len(items) // len(topics)
    mean = {name: getattr(course.numbers, name).reshape(-1, per_topic).mean(axis=1) for name in ("guess", "slip")}
    errors: dict[str, dict[str, dict[str, float]]] = {}
    for name, scorer in SCORERS.items():
        if name not in parameters:
            continue
        mine: dict[str, dict[str, float]] = {}
        for word in ("guess", "slip"):
            values = _column(parameters[name].topics, scorer.parameters, word, topics)
            if values is not None:
                mine[f"topic {word}"] = parameter_error(values, mean[word], centred=False)
        difficulty = _column(parameters[name].items, scorer.item_parameters, "difficulty", items)
        slope = _column(parameters[name].items, scorer.item_parameters, "discrimination", items)
        if difficulty is not None:
            logits = (difficulty if slope is None else slope * difficulty).reshape(-1, per_topic)
            true = np.where(np.isfinite(logits), course.numbers.item_difficulty.reshape(-1, per_topic), np.nan)
            lower, upper = (_column(parameters[name].topics, scorer.parameters, word, topics) for word in RANGE)
            if lower is None or upper is None:
                raise TypeError(f"{name} has difficulties of items, and no parameters called {' and '.join(RANGE)}")
            found = _harder(logits, lower, upper)
            mine["item difficulty"] = parameter_error(
                found.ravel(), _harder(true, mean["guess"], 1.0 - mean["slip"]).ravel(), centred=False
            )
        if mine:
            errors[name] = mine
    return errors


def _harder(difficulty: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return float64[T, n]: by how much each item lowers the log-odds of a right answer below its topic's mean, for who
    knows the mean item with probability ½. NaN stays NaN.

    Args:
        difficulty: float64[T, n] in log-odds of knowing.
        lower, upper: float64[T]. Probabilities of a right answer that knowing ranges between.
    """
    there = np.isfinite(difficulty)
    count = np.maximum(there.sum(axis=1), 1)

    def centred(values: Floats) -> Floats:
        return values - (np.where(there, values, 0.0).sum(axis=1) / count)[:, None]

    known = sigmoid_of(-centred(difficulty))
    p = lower[:, None] + (upper - lower)[:, None] * known
    return centred(np.log((1.0 - p) / p))


def _column(
    rows: KeyedRows, parameters: Sequence[Parameter], name: str, wanted: Sequence[tuple[str, str]]
) -> Floats | None:
    """Return float64[len(wanted)] of one parameter, NaN where nothing is known; None where nothing is of any."""
    if not any(parameter.name == name for parameter in parameters) or len(rows.keys) == 0:
        return None
    taken = rows.take(wanted, np.full(rows.values.shape[1], np.nan))
    column: Floats = taken[:, place_of(parameters, name).start]
    return column
