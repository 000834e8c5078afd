"""`fit`: parameters of scorers found in the lake's events, stored as a new model set with its card.

Nothing that is there is changed: a version is a hash of every number in it. What is not fitted keeps the parameters of
the active set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Floats, Int64s
from mastery.evaluation.measures import auc_interval, measures
from mastery.evaluation.reliability import reliability
from mastery.features.batch import ON, Batch, make_batch
from mastery.features.columns import QUIZ, READ, event_columns
from mastery.insight.data_quality import data_warnings
from mastery.instants import instant
from mastery.lake import Lake
from mastery.pipelines.models.card import (
    CalibrationPoint,
    DataDocument,
    ModelCard,
    ScorerCard,
    SimulatedDocument,
    TopicMeasures,
    cards,
    write_card,
)
from mastery.pipelines.models.chapters import chapters_of
from mastery.pipelines.models.sample import ENOUGH_EVENTS, sampled_buckets
from mastery.pipelines.models.store import store_model_set
from mastery.scorers import SPECS, of_stage, source_of
from mastery.scorers.bounds import bounds_of
from mastery.scorers.model_set import ModelSet, version_of
from mastery.scorers.parameters import Parameters
from mastery.scorers.spec import Stage
from mastery.scorers.stacked import Stacked
from mastery.splitmix import absorb
from mastery.tables import UTC

FEW_ANSWERS = 20
"""A topic with fewer leans on the others: the fits name such topics."""

Progress = Callable[[str, int, int], None]
"""(what has just been done, how many steps that makes, how many there are)."""


class Found(Protocol):
    """What a fit of all scorers comes back with; see `mastery.fitting.fit_all.FittedAll`."""

    @property
    def scorers(self) -> Mapping[str, Parameters]:
        """Parameters by name."""

    @property
    def notes(self) -> Mapping[str, tuple[str, ...]]:
        """Sentences for people, by scorer."""

    @property
    def measures(self) -> Mapping[str, Mapping[str, float | str]]:
        """What each fit chose and reached; those that were fitted."""

    @property
    def held_out(self) -> Stacked:
        """What was said of answers by those that had not seen their student."""


FitAll = Callable[..., Found]
"""(batch, *, rules, seed, threads, scorers, base, chapters, settings, progress) → Found."""


class FitIntervals(Protocol):
    """Finds half widths of intervals; see `mastery.pipelines.evaluation.deployment_intervals.fit_deployment`."""

    def __call__(
        self, batch: Batch, scorers: Mapping[str, Parameters], names: Collection[str], seed: int
    ) -> tuple[Mapping[str, Parameters], SimulatedDocument | None]:
        """Return all parameters, those of the scorers `names` with corrections and half widths for this batch's school,
        and where they were found."""


@dataclass(frozen=True)
class Stored:
    """A model set that was fitted; `new` unless the very same numbers had been stored before."""

    card: ModelCard
    new: bool


def fit(
    lake: Lake,
    base: ModelSet,
    rules: Floats,
    *,
    now_us: int,
    code_version: str,
    scorers: Sequence[str] | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    seed: int = 0,
    threads: int = 1,
    most_events: int = ENOUGH_EVENTS,
    bounds: Mapping[str, object] | None = None,
    fit_all: FitAll | None = None,
    fit_intervals: FitIntervals | None = None,
    progress: Progress | None = None,
) -> Stored:
    """Fit scorers to the events of the lake and store what is found as a new version.

    Args:
        lake: Where the events are, and where the version goes.
        base: The set whose parameters stand where nothing is fitted.
        rules: float64[K]. Parameters of rule_based.
        now_us: When.
        code_version: Of the engine.
        scorers: Which to fit; all for None.
        since_us, until_us: Only events from and up to these moments.
        seed: Of everything that is drawn.
        threads: Of the fits.
        most_events: Whole buckets are read until there are this many events.
        bounds: What people allow of parameters; see `mastery.scorers.bounds`. None, or an empty one: everything.
        fit_all: What fits; `mastery.fitting.fit_all.fit_all` when left out.
        fit_intervals: What finds half widths of intervals for this school, and how far scores are off; None leaves the
            half widths that are shipped, and scores as they are.
        progress: Called as the fits go on.

    Raises:
        BadInput: a scorer that nothing fits, no answers to learn from, or bounds that cannot be used.
    """
    if fit_all is None:
        from mastery.fitting.fit_all import fit_all as fit_all_of_ours

        fit_all = fit_all_of_ours
    events, buckets_read = read_events(lake, since_us, until_us, most_events)
    batch = make_batch(event_columns(events, until_us), days=base.days)
    data = _data(events, batch, since_us, until_us, buckets_read, lake.buckets)
    del events
    bounded = source_of("guess").name
    found = fit_all(
        batch, rules=rules, seed=seed, threads=threads, scorers=scorers, base=base, chapters=chapters_of(lake),
        settings={bounded: {"bounds": bounds}} if bounds else None, progress=progress,
    )  # fmt: skip
    scorers_found, simulated = found.scorers, None
    if fit_intervals is not None:
        scorers_found, simulated = fit_intervals(batch, found.scorers, [*found.measures], seed)
    model_set = _together(base, scorers_found)
    within = bounds_of(model_set.scorers[bounded]) if bounded in model_set.scorers else None
    card = ModelCard(
        version=model_set.version,
        parent=base.version,
        created_at=instant(now_us),
        code_version=code_version,
        seed=seed,
        settings={
            "scorers": "all" if scorers is None else ", ".join(scorers),
            "threads": threads,
            "most_events": most_events,
            **({} if within is None else {"bounds": within.text}),
        },
        data=data,
        scorers={name: _of_scorer(name, model_set.scorers[name], found, batch) for name in model_set.scorers},
        simulated=simulated,
        notes=[*_notes(model_set, found, data), *data_warnings(batch)],
    )
    new = store_model_set(lake, model_set, now_us)
    known = cards(lake).get(card.version)
    if known is None or known.outdated:  # None also where a fit was broken off before its card
        write_card(lake, card)
        known = card
    return Stored(known, new)


def read_events(lake: Lake, since_us: int | None, until_us: int | None, most_events: int) -> tuple[pa.Table, int]:
    """Return the events of whole buckets within a span of time, and how many buckets were read."""
    wanted = [*READ, "body_hash"]
    read = list(sampled_buckets(lake, wanted, enough=most_events, since_us=since_us, until_us=until_us))
    return pa.concat_tables(read).unify_dictionaries().combine_chunks(), len(read)


def data_hash(events: pa.Table) -> str:
    """Return a sum over the events of a hash of id and body: the same for any order and any cut into files."""
    words = [events[name].to_numpy().view(np.uint64) for name in ("event_id_hi", "event_id_lo", "body_hash")]
    hashes = np.zeros(events.num_rows, np.uint64)
    for word in words:
        absorb(word, hashes)
    return f"{events.num_rows}-{int(hashes.sum(dtype=np.uint64)):016x}"


def _data(
    events: pa.Table, batch: Batch, since_us: int | None, until_us: int | None, buckets_read: int, buckets: int
) -> DataDocument:
    span = pc.min_max(events["occurred_at"].cast(UTC)).as_py()
    return DataDocument(
        since=None if since_us is None else instant(since_us),
        until=None if until_us is None else instant(until_us),
        first_event=span["min"],
        last_event=span["max"],
        events=events.num_rows,
        answers=int(np.unique(batch.row[(batch.kind == QUIZ) & (batch.weight > 0.0)]).size),
        students=len(batch.students),
        topics=len(batch.topics),
        items=int(np.unique(batch.item[batch.item >= 0]).size),
        pooled_topics=int(np.count_nonzero(_graded(batch) < FEW_ANSWERS)),
        buckets_read=buckets_read,
        buckets=buckets,
        hash=data_hash(events),
    )


def _graded(batch: Batch) -> Int64s:
    """Return int64[T]: graded answers of each topic."""
    return np.bincount(batch.slot_topic[batch.slot[batch.weight > 0.0]], minlength=len(batch.topics))


def _together(base: ModelSet, found: Mapping[str, Parameters]) -> ModelSet:
    """Return the new set: what was found, and what the base holds of the others."""
    scorers = dict(base.scorers) | dict(found)
    return ModelSet(version_of("fit", scorers), scorers, base.days)


def _of_scorer(name: str, mine: Parameters, found: Found, batch: Batch) -> ScorerCard:
    held_out, counted = found.held_out, found.held_out.by_answer()
    card = ScorerCard(
        # of rules a fit finds a map alone, and where it had nothing to go by none: a note says why
        fitted=name in found.measures and (SPECS[name].stage is not Stage.RULES or bool(found.measures[name])),
        topics=mine.topics.count,
        items=sum(ON not in one for _, one in mine.items.keys),
        measures={
            key: value if isinstance(value, str) else _number(value)
            for key, value in found.measures.get(name, {}).items()
        },
        notes=list(found.notes.get(name, ())),
    )
    p = held_out.probabilities.get(name)
    if p is None or p.size == 0:
        return card
    of_answers = counted.probabilities[name]
    bins = reliability(of_answers, counted.y)
    by_topic = []
    order = np.argsort(held_out.topic, kind="stable")
    codes, starts = np.unique(held_out.topic[order], return_index=True)
    for code, rows in zip(codes, np.split(order, starts[1:]), strict=True):
        tenant, topic = batch.topics[int(code)]
        of_topic = {key: _number(value) for key, value in measures(p[rows], held_out.y[rows]).items()}
        by_topic.append(TopicMeasures(tenant=tenant, topic_id=topic, answers=rows.size, measures=of_topic))
    return card.model_copy(
        update={
            "answers": of_answers.size,
            "held_out": {
                key: _number(value) for key, value in (measures(of_answers, counted.y) | {"ece": bins.ece}).items()
            },
            "auc_95": tuple(_number(end) for end in auc_interval(of_answers, counted.y, counted.student)),
            "by_topic": by_topic,
            "calibration": [
                CalibrationPoint(answers=int(n), predicted=float(said), right=float(right))
                for n, said, right in zip(bins.answers, bins.predicted, bins.right, strict=True)
            ],
        }
    )


def _notes(model_set: ModelSet, found: Found, data: DataDocument) -> list[str]:
    notes = []
    if data.buckets_read < data.buckets:
        notes.append(
            f"{data.buckets_read} of {data.buckets} buckets were read: a sample of students by a hash of their "
            f"pseudonyms, {data.events:,} events"
        )
    kept = [name for name in model_set.scorers if name not in found.measures]
    if kept:
        notes.append(f"not fitted, so as in the set before: {', '.join(kept)}")
    late = [name for name in kept if name in of_stage(Stage.PROBABILITIES, Stage.BLEND)]
    if late and len(kept) < len(model_set.scorers):
        notes.append(
            f"{', '.join(late)} {'rests' if len(late) == 1 else 'rest'} on what the scorers before said when they were "
            "fitted; 'mastery fit' without --scorer brings all together"
        )
    return notes


def _number(value: float) -> float | None:
    """Return the number; None for one that JSON does not have."""
    return float(value) if np.isfinite(value) else None
