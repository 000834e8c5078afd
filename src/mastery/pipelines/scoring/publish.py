"""What a fold comes to, as rows of ledger, features, gold and history.

Structured values only: words are made when somebody reads them. Strings are dictionary arrays over the batch's own
names, so that no string is copied per row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.features.counters import EVIDENCE, LAST_AT_US, NEVER
from mastery.features.feedback import AT_US, SCORE
from mastery.insight.bands import BANDS, band_codes
from mastery.pipelines.scoring.fold import Folded
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.base import Scores
from mastery.tables import CONTRIBUTIONS, FEATURES, GOLD, HISTORY, LEDGER, LEDGER_COUNTS, UNASSIGNED, UTC

RowIndex = npt.NDArray[np.int64] | None
"""Which slots or cells to take; None for all."""


def ledger_rows(folded: Folded) -> pa.Table:
    """Return a row of LEDGER per cell, without `bucket`."""
    batch = folded.batch
    slot = batch.cell_slot
    columns = {
        **_keys(folded, slot),
        "day": pa.array(batch.cell_day).cast(pa.date32()),
        **{name: pa.array(folded.ledger[k]) for k, name in enumerate(LEDGER_COUNTS)},
        "gap_days": pa.array(folded.gap_days.astype(np.int32)),
    }
    return _table(columns, LEDGER.schema)


def feature_rows(folded: Folded) -> pa.Table:
    """Return a row of FEATURES per slot that belongs to a topic, without `bucket`."""
    take = _assigned(folded, None)
    found = folded.windows()
    arrays = [*found.counts, *found.rates, *found.latest]
    names = FEATURES.schema.names[FEATURES.schema.names.index("as_of") + 1 :]
    slots = _all_or(take, folded.batch.slot_topic.size)
    columns = {
        **_keys(folded, slots),
        "as_of": _constant(folded.as_of_us, slots.size),
        **{name: pa.array(_of(values, take), from_pandas=True) for name, values in zip(names, arrays, strict=True)},
    }
    return _table(columns, FEATURES.schema)


def gold_rows(folded: Folded, min_evidence: int, now_us: int) -> pa.Table:
    """Return a row of GOLD per scorer and slot that belongs to a topic, without `bucket`.

    The explanation of a derived scorer is null: it is made, exactly, when somebody reads the score.
    """
    take = _assigned(folded, None)
    slots = _all_or(take, folded.batch.slot_topic.size)
    evidence = folded.counters[slots, EVIDENCE]
    last_at = folded.counters[slots, LAST_AT_US]
    shared = {
        **_keys(folded, slots),
        "evidence_count": pa.array(evidence.astype(np.int32)),
        "model_version": _name(folded.model_version, slots.size),
        "as_of": _constant(folded.as_of_us, slots.size),
        "last_activity_at": pa.array(last_at, mask=last_at == NEVER).cast(UTC),
        "override_score": pa.array(folded.feedback[slots, SCORE], from_pandas=True),
        "override_at": _moments(folded.feedback[slots, AT_US]),
        "last_updated": _constant(now_us, slots.size),
    }
    tables = []
    by_scorer = folded.scores()
    for code, (name, scores) in enumerate(by_scorer.items()):
        score = _of(scores.score, take)
        columns = {
            **shared,
            "score_source": _coded(np.full(slots.size, code, np.int8), list(by_scorer)),
            "mastery_score": pa.array(score),
            "lower": pa.array(_of(scores.lower, take)),
            "upper": pa.array(_of(scores.upper, take)),
            "band": _coded(band_codes(score, evidence, min_evidence), list(BANDS)),
            "explanation": _explanation(name, scores, take),
        }
        tables.append(_table(columns, GOLD.schema))
    return pa.concat_tables(tables)


def history_rows(folded: Folded) -> pa.Table:
    """Return a row of HISTORY per scorer and cell that belongs to a topic, without `bucket`."""
    batch = folded.batch
    take = _assigned(folded, batch.cell_slot)
    slots = _of(batch.cell_slot, take)
    shared = {
        **_keys(folded, slots),
        "day": pa.array(_of(batch.cell_day, take)).cast(pa.date32()),
        "evidence_count": pa.array(_of(folded.evidence, take).astype(np.int32)),
        "model_version": _name(folded.model_version, slots.size),
    }
    tables = []
    for code, name in enumerate(folded.history):
        score, lower, upper = folded.history[name]
        columns = {
            **shared,
            "score_source": _coded(np.full(slots.size, code, np.int8), list(folded.history)),
            "mastery_score": pa.array(_of(score, take)),
            "lower": pa.array(_of(lower, take)),
            "upper": pa.array(_of(upper, take)),
        }
        tables.append(_table(columns, HISTORY.schema))
    return pa.concat_tables(tables)


def _explanation(name: str, scores: Scores, take: RowIndex) -> pa.Array:
    n = scores.score.size if take is None else take.size
    if name in DERIVED:
        return pa.nulls(n, GOLD.schema.field("explanation").type)
    names = SCORERS[name].contributions
    own = {one: pa.array(_of(scores.contributions[:, k], take)) for k, one in enumerate(names)}
    fields = [own.get(one, pa.nulls(n, pa.float64())) for one in CONTRIBUTIONS]
    return pa.StructArray.from_arrays(fields, names=list(CONTRIBUTIONS))


def _keys(folded: Folded, slots: npt.NDArray[np.integer]) -> dict[str, pa.Array]:
    batch = folded.batch
    student = batch.slot_student[slots]
    tenants = sorted(set(batch.tenants))
    tenant_of = np.array([tenants.index(name) for name in batch.tenants], np.int32)
    return {
        "tenant": _coded(tenant_of[student], tenants),
        "student_id": _coded(student, batch.students),
        "topic_id": _coded(batch.slot_topic[slots], [topic for _, topic in batch.topics]),
    }


def _assigned(folded: Folded, slots: npt.NDArray[np.int32] | None) -> RowIndex:
    """Return which rows belong to a topic; None when all do. Events without a topic get no score."""
    batch = folded.batch
    if not any(topic == UNASSIGNED for _, topic in batch.topics):
        return None
    scored = np.array([topic != UNASSIGNED for _, topic in batch.topics], bool)[batch.slot_topic]
    return np.flatnonzero(scored if slots is None else scored[slots])


def _of(values: npt.NDArray, take: RowIndex) -> npt.NDArray:  # type: ignore[type-arg]
    return np.ascontiguousarray(values) if take is None else values[take]


def _all_or(take: RowIndex, n: int) -> npt.NDArray[np.int64]:
    return np.arange(n) if take is None else take


def _coded(codes: npt.NDArray[np.integer], names: object) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32, copy=False)), pa.array(names, pa.string()))


def _name(name: str, n: int) -> pa.DictionaryArray:
    return _coded(np.zeros(n, np.int32), [name])


def _constant(at_us: int, n: int) -> pa.Array:
    return pa.array(np.full(n, at_us, np.int64)).cast(UTC)


def _moments(at_us: npt.NDArray[np.float64]) -> pa.Array:
    absent = np.isnan(at_us)
    return pa.array(np.where(absent, 0, at_us).astype(np.int64), mask=absent).cast(UTC)


def _table(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    names = [name for name in schema.names if name != "bucket"]
    return pa.table([columns[name] for name in names], names=names)
