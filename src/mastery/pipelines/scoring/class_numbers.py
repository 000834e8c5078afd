"""What a class view needs of gold, added up: who is in the class in which order, and how each topic stands.

A recompute adds it up while it writes gold, and publishes it as CLASS_STUDENTS and CLASS_TOPICS, so that nobody has to
read a whole tenant to see a page of it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Floats, Int64s
from mastery.events.identity import buckets as bucket_of
from mastery.insight.bands import BANDS, NEEDS_HELP, NOT_ENOUGH_EVIDENCE
from mastery.kernels import kernel
from mastery.tables import CLASS_STUDENTS, CLASS_TOPICS

COLUMNS = (
    "tenant",
    "score_source",
    "student_id",
    "topic_id",
    "mastery_score",
    "band",
    "evidence_count",
    "as_of",
    "model_version",
)
"""Columns of GOLD that are read."""

FIXED_POINT = 2.0**40
"""Scores are added up as integers of this fraction, so that a mean does not depend on the order of files. Sums of
eight million scores fit into 63 bits."""

TOTAL, EVIDENCE, BAND = 0, 1, 2
"""Of a topic: sum of the scores of students with enough evidence, evidence of all, from here on students per band."""

STUDENT_TOTAL, JUDGED, IN_NEED, ROWS = range(4)
"""Of a student: sum of the scores with enough evidence, their number, whether help is needed on any, rows."""


@kernel
def _add_up(
    group: Any, student: Any, topic: Any, band: Any, score: Any, evidence: Any, per_student: Any, per_topic: Any
) -> None:
    """Add rows of gold to int64[groups, students, 4] and int64[groups, topics, 2 + bands]."""
    for row in range(student.size):
        mine = per_student[group[row], student[row]]
        theirs = per_topic[group[row], topic[row]]
        mine[ROWS] += 1
        theirs[EVIDENCE] += evidence[row]
        theirs[BAND + band[row]] += 1
        if band[row] != NOT_ENOUGH_EVIDENCE:
            fixed = np.int64(np.rint(score[row] * FIXED_POINT))
            mine[STUDENT_TOTAL] += fixed
            mine[JUDGED] += 1
            theirs[TOTAL] += fixed
        if band[row] == NEEDS_HELP:
            mine[IN_NEED] = 1


class ClassNumbers:
    """Adds up rows of gold that are given to it in any order of students, all rows of a student and scorer at once."""

    def __init__(self) -> None:
        self._topics: dict[tuple[str, str, str], Int64s] = {}
        self._students: dict[tuple[str, str], list[tuple[pa.Array, Int64s]]] = defaultdict(list)
        self._moments: dict[tuple[str, str], tuple[int, str]] = {}

    def add(self, rows: pa.Table) -> None:
        """Add rows of gold, columns `COLUMNS`, strings dictionary-encoded."""
        for batch in rows.select(list(COLUMNS)).to_batches():
            if batch.num_rows:
                self._add(batch)

    def merge(self, other: ClassNumbers) -> None:
        """Add what another one has added up of other students."""
        for topic, numbers in other._topics.items():
            so_far = self._topics.get(topic)
            self._topics[topic] = numbers if so_far is None else so_far + numbers
        for key, parts in other._students.items():
            self._students[key] += parts
        for key, moment in other._moments.items():
            self._moments[key] = max(self._moments.get(key, (0, "")), moment)

    def _add(self, batch: pa.RecordBatch) -> None:
        column = {name: batch.column(number) for number, name in enumerate(COLUMNS)}
        tenants, sources, topics, bands = (
            column[name].dictionary.to_pylist() for name in ("tenant", "score_source", "topic_id", "band")
        )
        group = _codes(column["tenant"]) * len(sources) + _codes(column["score_source"])
        band_at = np.array([BANDS.index(name) for name in bands], np.int64)
        students = column["student_id"].dictionary
        per_student = np.zeros((len(tenants) * len(sources), len(students), 4), np.int64)
        per_topic = np.zeros((len(tenants) * len(sources), len(topics), BAND + len(BANDS)), np.int64)
        _add_up(
            group,
            _codes(column["student_id"]),
            _codes(column["topic_id"]),
            band_at[_codes(column["band"])],
            np.asarray(column["mastery_score"]),
            column["evidence_count"].to_numpy(),
            per_student,
            per_topic,
        )
        for number in np.unique(group):
            key = tenants[number // len(sources)], sources[number % len(sources)]
            there = np.flatnonzero(per_student[number, :, ROWS])
            self._students[key].append((students.take(pa.array(there)), per_student[number, there]))
            for code in np.flatnonzero(per_topic[number, :, BAND:].sum(axis=1)):
                so_far = self._topics.get((*key, topics[code]))
                mine = per_topic[number, code].copy()
                self._topics[(*key, topics[code])] = mine if so_far is None else so_far + mine
            self._moments[key] = max(self._moments.get(key, (0, "")), _moment(column, group == number))

    def student_rows(self, n_buckets: int) -> pa.Table:
        """Return the rows of CLASS_STUDENTS: of each tenant and scorer the lowest mean first, those of equal means by
        pseudonym, those without enough evidence on any topic last.
        """
        found = [CLASS_STUDENTS.schema.empty_table()]
        for tenant, source in sorted(self._students):
            parts = self._students[tenant, source]
            ids = pa.concat_arrays([part.cast(pa.string()) for part, _ in parts])
            numbers = np.concatenate([counts for _, counts in parts])
            rank = _rank(ids)
            order = np.lexsort((rank, means_of(numbers)))
            lake_place = np.empty(rank.size, np.int64)
            lake_place[np.lexsort((rank, np.asarray(bucket_of(ids, n_buckets))))] = np.arange(rank.size)
            mean, judged = means_of(numbers)[order], numbers[order, JUDGED] > 0
            rows = {
                "tenant": pa.array([tenant]).take(pa.array(np.zeros(rank.size, np.int64))),
                "score_source": pa.array([source]).take(pa.array(np.zeros(rank.size, np.int64))),
                "place": np.arange(rank.size),
                "lake_place": lake_place[order],
                "student_id": ids.take(pa.array(order)),
                "mean": pa.array(mean, mask=~judged),
                "in_need": numbers[order, IN_NEED] > 0,
            }
            found.append(pa.table(rows, schema=CLASS_STUDENTS.schema))
        return pa.concat_tables(found)

    def topic_rows(self) -> pa.Table:
        """Return the rows of CLASS_TOPICS, by tenant, scorer and topic."""
        rows = []
        for tenant, source, topic in sorted(self._topics):
            total, evidence, *in_band = self._topics[tenant, source, topic].tolist()
            as_of_us, model_version = self._moments[tenant, source]
            row = {
                "tenant": tenant,
                "score_source": source,
                "topic_id": topic,
                "score_sum": total,
                "evidence": evidence,
            }
            rows.append(
                row | dict(zip(BANDS, in_band, strict=True)) | {"as_of": as_of_us, "model_version": model_version}
            )
        return pa.Table.from_pylist(rows, schema=CLASS_TOPICS.schema)


def means_of(numbers: Int64s) -> Floats:
    """Return float64[S], the mean score of each student; infinite for who cannot be judged yet, who so come last."""
    means = np.full(len(numbers), np.inf)
    judged = numbers[:, JUDGED]
    np.divide(numbers[:, STUDENT_TOTAL] / FIXED_POINT, judged, out=means, where=judged > 0)
    return means


def _codes(column: pa.DictionaryArray) -> Int64s:
    return column.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _rank(ids: pa.Array) -> Int64s:
    rank = np.empty(len(ids), np.int64)
    rank[pc.sort_indices(ids).to_numpy()] = np.arange(len(ids))
    return rank


def _moment(column: dict[str, Any], mine: npt.NDArray[np.bool_]) -> tuple[int, str]:
    """Return the latest as_of of some rows in microseconds, and the model version of the first of them."""
    first = int(np.argmax(mine))
    as_of = column["as_of"].filter(pa.array(mine)).cast(pa.int64())
    return int(pc.max(as_of).as_py()), str(column["model_version"][first].as_py())
