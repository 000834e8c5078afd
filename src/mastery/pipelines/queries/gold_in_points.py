"""Rows of gold with all of their explanation: contributions of every scorer, and points against the reference.

Gold has no contributions of the scorers that fold nothing, for they cost fifty times what scores do. They are made
here, of the events: a row whose score comes out of them with the same bits gets its contributions. Where events have
come in since, the rows of their students have none until the next recompute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from mastery.arrays import Floats, Int64s
from mastery.errors import Conflict, NotFound
from mastery.features.columns import READ
from mastery.insight.points import in_points
from mastery.insight.reference import reference_of
from mastery.lake import Lake
from mastery.lake.publication import Publication
from mastery.pipelines.models.store import load_model_set
from mastery.pipelines.queries.topic_means import NO_STUDENTS, TopicMean, topic_means
from mastery.pipelines.scoring.fold import derived_of, fold_events
from mastery.pipelines.scoring.recompute import parts
from mastery.pipelines.scoring.start import start_scores
from mastery.school_days import school_days
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.base import Scores
from mastery.scorers.model_set import ModelSet
from mastery.tables import CONTRIBUTIONS, EVENTS, GOLD, UTC
from mastery.time_zones import UTC_NAME

REFERENCE = (
    pa.field("reference", pa.float64()),  # the score that points count from
    pa.field("reference_students", pa.int32()),  # on how many students' scores it rests; 0: where every student starts
    pa.field("points", pa.struct([pa.field(name, pa.int32()) for name in CONTRIBUTIONS])),
)
"""Columns that rows of gold get; null where a row has no contributions."""


class GoldInPoints:
    """Explains rows of gold as one publication shows them."""

    def __init__(self, lake: Lake, published: Publication) -> None:
        self._lake, self._days = lake, school_days(published.timezone or UTC_NAME)
        self._means = topic_means(lake, published)
        self._sets: dict[str, ModelSet | None] = {}

    def explained(self, rows: pa.Table, bucket: int | None) -> pa.Table:
        """Return rows of gold of one bucket, contributions filled in, with the columns `REFERENCE`."""
        contributions = np.column_stack(
            [_floats(rows["explanation"].combine_chunks().field(name)) for name in CONTRIBUTIONS]
        )
        known = ~np.asarray(rows["explanation"].is_null())
        contributions[~known] = np.nan
        found = _Found(rows, contributions, known)
        for version in rows["model_version"].unique().to_pylist():
            model_set = self._set(version)
            if model_set is not None:
                self._explain(found, version, model_set, bucket)
        return found.table()

    def _set(self, version: str) -> ModelSet | None:
        if version not in self._sets:
            try:
                self._sets[version] = replace(load_model_set(self._lake, version), days=self._days)
            except (NotFound, Conflict):  # published by an earlier version of the engine
                self._sets[version] = None
        return self._sets[version]

    def _explain(self, found: _Found, version: str, model_set: ModelSet, bucket: int | None) -> None:
        mine = found.of("model_version", version)
        if bucket is not None and (mine & ~found.known).any():
            as_of_us = int(found.column("as_of").cast(UTC).cast(pa.int64())[int(np.flatnonzero(mine)[0])].as_py())
            for name, key, scores in self._folded_again(model_set, as_of_us, bucket):
                found.fill(name, mine, key, scores, DERIVED[name].contributions)
        tenants, topics = found.strings("tenant"), found.strings("topic_id")
        scoped = sorted(set(zip(tenants[mine].tolist(), topics[mine].tolist(), strict=True)))
        code = {topic: number for number, topic in enumerate(scoped)}
        codes = np.array([code.get(one, -1) for one in zip(tenants.tolist(), topics.tolist(), strict=True)], np.int64)
        start = start_scores(
            model_set.models(scoped, ()), derived_of(model_set), np.arange(len(scoped), dtype=np.int32), scoped
        )
        for name, began in start.items():
            take = np.flatnonzero(mine & found.known & found.of("score_source", name))
            if take.size:
                found.count(name, take, codes[take], began, [self._mean(name, topic) for topic in scoped])

    def _mean(self, name: str, topic: tuple[str, str]) -> TopicMean:
        tenant, topic_id = topic
        means = self._means.get((tenant, name))
        return NO_STUDENTS if means is None else means.by_topic.get(topic_id, NO_STUDENTS)

    def _folded_again(
        self, model_set: ModelSet, as_of_us: int, bucket: int
    ) -> Iterator[tuple[str, list[tuple[str, str]], Scores]]:
        for events in parts(self._lake.read_bucket(EVENTS, bucket, READ)):
            folded = fold_events(events, model_set, as_of_us, history=False)
            batch = folded.batch
            topics = [batch.topics[t][1] for t in batch.slot_topic.tolist()]
            key = list(zip((batch.students[s] for s in batch.slot_student.tolist()), topics, strict=True))
            for name, scores in folded.derived_scores(explain=True).items():
                yield name, key, scores


class _Found:
    """Rows of gold, and what is found of them."""

    def __init__(self, rows: pa.Table, contributions: Floats, known: np.ndarray) -> None:
        self._rows, self._contributions, self.known = rows, contributions, known
        self._points = np.zeros((rows.num_rows, len(CONTRIBUTIONS)), np.int32)
        self._counted = np.zeros((rows.num_rows, len(CONTRIBUTIONS)), bool)
        self._reference, self._students = np.full(rows.num_rows, np.nan), np.zeros(rows.num_rows, np.int32)
        self._keys: dict[tuple[str, str, str], int] | None = None

    def column(self, name: str) -> pa.ChunkedArray:
        return self._rows[name]

    def strings(self, name: str) -> np.ndarray:
        return np.asarray(self._rows[name].cast(pa.string()).to_numpy(zero_copy_only=False))

    def of(self, name: str, value: str) -> np.ndarray:
        return self.strings(name) == value

    def fill(
        self, name: str, mine: np.ndarray, key: list[tuple[str, str]], scores: Scores, names: tuple[str, ...]
    ) -> None:
        """Write the contributions of one scorer into the rows whose score they make up, bit for bit."""
        if self._keys is None:
            sources = self.strings("score_source").tolist()
            whose = zip(self.strings("student_id").tolist(), self.strings("topic_id").tolist(), sources, strict=True)
            self._keys = {one: number for number, one in enumerate(whose)}
        rows = np.array([self._keys.get((*one, name), -1) for one in key], np.int64)
        published = _floats(self._rows["mastery_score"].combine_chunks())
        same = (rows >= 0) & (published[rows] == scores.score) & mine[rows] & ~self.known[rows]
        columns = _columns(names)
        self._contributions[np.ix_(rows[same], columns)] = scores.contributions[same]
        self.known[rows[same]] = True

    def count(self, name: str, take: Int64s, codes: Int64s, began: Scores, means: list[TopicMean]) -> None:
        """Write points of one scorer's rows `take`, whose topics have these codes."""
        made_of = SCORERS[name] if name in SCORERS else DERIVED[name]
        references = [reference_of(*mean, float(start)) for mean, start in zip(means, began.score, strict=True)]
        self._reference[take] = np.array([one.score for one in references])[codes]
        self._students[take] = np.array([one.students for one in references], np.int32)[codes]
        columns = _columns(made_of.contributions)
        found = in_points(
            made_of.contributions,
            self._contributions[np.ix_(take, columns)],
            began.contributions[codes],
            _floats(self._rows["mastery_score"].combine_chunks())[take],
            self._reference[take],
            made_of.scale,
        )
        into = _columns(found.names)
        self._points[np.ix_(take, into)] = found.printed
        self._counted[np.ix_(take, into)] = True

    def table(self) -> pa.Table:
        """Return the rows with what was found."""
        without = pa.array(~self.known)
        values = [pa.array(column, from_pandas=True) for column in self._contributions.T]
        explanation = pa.StructArray.from_arrays(
            values, fields=list(GOLD.schema.field("explanation").type), mask=without
        )
        rows = self._rows.set_column(
            self._rows.column_names.index("explanation"), GOLD.schema.field("explanation"), explanation
        )
        none = ~self._counted.any(axis=1)
        points = pa.StructArray.from_arrays(
            [pa.array(column, mask=~counted) for column, counted in zip(self._points.T, self._counted.T, strict=True)],
            fields=list(REFERENCE[2].type),
            mask=pa.array(none),
        )
        added = (pa.array(self._reference, from_pandas=True), pa.array(self._students, mask=none), points)
        for field, values in zip(REFERENCE, added, strict=True):
            rows = rows.append_column(field, values)
        return rows


def _columns(names: Sequence[str]) -> Int64s:
    return np.array([CONTRIBUTIONS.index(name) for name in names], np.int64)


def _floats(values: pa.Array) -> Floats:
    return np.array(values.to_numpy(zero_copy_only=False), np.float64)
