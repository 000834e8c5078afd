"""Half widths of a deployment's intervals, and how far scores are off, found on simulated schools like it: see
`mastery.simulation.likeness`.

The simulated students work on the deployment's own topics and items, so what was fitted folds them as it folds the
deployment's. Their scores are read at the ends of three weeks and compared with what they truly know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Bools, Floats, Int64s
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import ANSWERS_TO_RIGHT, EVIDENCE
from mastery.fitting.intervals import PROBE, evidence_of, fit_intervals, with_numbers
from mastery.insight.bands import BANDS, band_codes
from mastery.pipelines.evaluation.simulated import truth_of
from mastery.pipelines.models.card import Covered, SimulatedDocument, SimulatedSchool
from mastery.pipelines.scoring.fold import fold_batch
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers import SPECS
from mastery.scorers.base import Scores
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import Parameters
from mastery.scorers.scale import shared_scale
from mastery.simulation import course
from mastery.simulation.likeness import Likeness, likenesses

READ_AT = (0.4, 0.7, 1.0)
"""Scores are read after these shares of the simulated weeks."""

LEAST_EVIDENCE = (1, 3, 6, 12, 25)
"""Where classes of evidence begin, in pieces of evidence on the topic."""

MIN_EVIDENCE = 3
"""Below, a score has no band."""


@dataclass(frozen=True, eq=False)
class Readings:
    """Scores of n student-topics beside the truth.

    Attributes:
        score, lower, upper, truth: float64[n].
        count: int64[n]. Pieces of evidence.
        to_right: int64[n]. Answers on the topic up to the last right one.
    """

    score: Floats
    lower: Floats
    upper: Floats
    truth: Floats
    count: Int64s
    to_right: Int64s

    def take(self, rows: Bools) -> Readings:
        """Return some of them; rows: bool[n]."""
        return Readings(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def together(some: Sequence[Readings]) -> Readings:
        """Return several in a row."""
        return Readings(*(np.concatenate([getattr(one, field.name) for one in some]) for field in fields(Readings)))


def fit_deployment(
    batch: Batch, scorers: Mapping[str, Parameters], names: Collection[str], seed: int
) -> tuple[dict[str, Parameters], SimulatedDocument | None]:
    """Return the parameters, those of the scorers `names` with corrected scores (of scorers that can be corrected) and
    half widths for the school of this log, and where they were found; the parameters as they are and None for a log
    without answers.

    Law: the same events, in any order, and the same seed give the same numbers, bit for bit.
    """
    found = dict(scorers)
    schools = like(batch, scorers, seed)
    names = [name for name in names if name in scorers and SPECS[name].intervals is not None]
    if not schools or not names:
        return found, None
    seen = readings(schools, batch, found)
    for name in names:
        correct, one = SPECS[name].load_correct(), seen[name]
        if correct is not None:
            found[name] = correct(found[name], one.score, one.to_right, one.truth)
    probed = readings(schools, batch, {**found, **{name: with_numbers(name, found[name], PROBE) for name in names}})
    for name in names:
        one = probed[name]
        numbers = fit_intervals(one.score, evidence_of(one.score, one.lower, one.upper), one.truth)
        found[name] = with_numbers(name, found[name], numbers)
    after = readings(schools, batch, found)
    document = SimulatedDocument(
        schools=[_told(school) for school in schools], scorers={name: coverage(after[name]) for name in names}
    )
    return found, document


def like(batch: Batch, scorers: Mapping[str, Parameters], seed: int) -> tuple[Likeness, ...]:
    """Return schools like that of a batch, whose answers are guessed as the fit has found."""
    return likenesses(batch, shared_scale(batch, scorers)[0], seed=seed)


def readings(schools: Sequence[Likeness], log: Batch, scorers: Mapping[str, Parameters]) -> dict[str, Readings]:
    """Return what every scorer says of the students of simulated schools with the topics and items of `log`."""
    shown = ModelSet("simulated", {name: mine for name, mine in scorers.items() if SPECS[name].has_scores})
    found: dict[str, list[Readings]] = {}
    for school in schools:
        for batch, truth, as_of_us in _moments(school, log):
            folded = fold_batch(batch, shown, as_of_us, history=False)
            there, counters = np.isfinite(truth), folded.counters
            for name, got in folded.scores().items():
                one = reading(got, truth, counters)
                found.setdefault(name, []).append(one.take(there))
    return {name: Readings.together(some) for name, some in found.items()}


def reading(scores: Scores, truth: Floats, counters: Int64s) -> Readings:
    """Return the scores of P student-topics beside the truth; counters: int64[P, len(COUNTERS)]."""
    count, to_right = counters[:, EVIDENCE], counters[:, ANSWERS_TO_RIGHT]
    return Readings(scores.score, scores.lower, scores.upper, truth, count, to_right)


def coverage(found: Readings) -> list[Covered]:
    """Return how often intervals contain the truth and how far scores lie from it: of all, by band, by evidence."""
    held = (found.truth >= found.lower) & (found.truth <= found.upper)
    band = band_codes(found.score, found.count, MIN_EVIDENCE)
    groups = {"all": np.ones(held.size, bool), **{word: band == code for code, word in enumerate(BANDS)}}
    for least, most in zip(LEAST_EVIDENCE, (*LEAST_EVIDENCE[1:], None), strict=True):
        word = f"evidence {least}+" if most is None else f"evidence {least}–{most - 1}"
        groups[word] = (found.count >= least) & (found.count < (most or np.inf))
    return [
        Covered(
            group=word,
            scores=int(mine.sum()),
            share=float(held[mine].mean()),
            bias=float((found.score[mine] - found.truth[mine]).mean()),
        )
        for word, mine in groups.items()
        if mine.any()
    ]


def _moments(school: Likeness, log: Batch) -> Iterator[tuple[Batch, Floats, int]]:
    """Yield (batch under the log's ids, true mastery float64[P], moment) of one school."""
    plan = school.plan
    events, truth = simulated_events(plan, 0, plan.students, school.numbers)
    weeks = plan.days // 7
    for week in sorted({max(1, round(weeks * share)) for share in READ_AT}):
        end = plan.start + timedelta(days=7 * week)
        as_of_us = int(datetime.combine(end, time(), UTC).timestamp() * 1e6)
        told = truth.filter(pc.equal(truth["day"], pa.scalar(end - timedelta(days=1), pa.date32())))
        batch = make_batch(event_columns(events, as_of_us))
        if batch.slot_topic.size:
            yield _named(batch, school, log), truth_of(batch, told), as_of_us


def _named(batch: Batch, school: Likeness, log: Batch) -> Batch:
    """Return the batch with the log's topics and items in place of the simulated ones."""
    topic_table, item_table = course(school.plan)
    topics = dict(zip(topic_table["topic_id"].to_pylist(), school.topics.tolist(), strict=True))
    items = dict(zip(item_table["question_id"].to_pylist(), school.items.tolist(), strict=True))
    return replace(
        batch,
        topics=[log.topics[topics[name]] for _, name in batch.topics],
        items=[
            log.items[code] if (code := items.get(name, -1)) >= 0 else (tenant, name) for tenant, name in batch.items
        ],
    )


def _told(school: Likeness) -> SimulatedSchool:
    names = set(SimulatedSchool.model_fields) - {"learning_rate"}
    return SimulatedSchool(learning_rate=school.rate, **{name: getattr(school.plan, name) for name in names})
