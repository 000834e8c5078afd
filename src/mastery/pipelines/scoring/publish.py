"""What a fold comes to, as rows of ledger, features, gold and history.

Structured values only: words are made when somebody reads them. Strings are dictionary arrays over the batch's own
names, so that no string is copied per row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.features.counters import EVIDENCE, LAST_AT_US, NEVER
from mastery.features.feedback import AT_US, SCORE
from mastery.insight.bands import BANDS, band_codes
from mastery.instants import DAY_US
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


def derived_history_rows(folded: Folded, earlier: pa.Table) -> pa.Table:
    """Return the rows of HISTORY of the scorers that fold nothing, without `bucket`.

    Their past cannot be folded: it starts when they are first published. What earlier recomputes published stays as it
    was, under the model version of its day, for students and topics that are still there; and each student-topic with
    activity on or after the last day that is published of it gets a row for the day of `as_of`.

    Args:
        folded: The students whose history it is.
        earlier: Rows of HISTORY as last published, of these students among others; columns of other scorers' rows
            are left out. Any table with HISTORY's columns will do.
    """
    kept = earlier.select([name for name in HISTORY.schema.names if name != "bucket"])
    kept = kept.filter(pc.is_in(kept["score_source"], value_set=pa.array(list(DERIVED))))
    slot = _slots_of(folded, kept)
    kept, slot = kept.filter(pa.array(slot >= 0)), slot[slot >= 0]
    today = folded.as_of_us // DAY_US
    days = kept["day"].cast(pa.int32()).to_numpy().astype(np.int64)
    last_day = folded.counters[:, LAST_AT_US] // DAY_US
    assigned = _all_or(_assigned(folded, None), last_day.size)
    tables, stays = [], np.ones(kept.num_rows, bool)
    for name, scores in folded.derived_scores().items():
        mine = pc.equal(kept["score_source"], name).to_numpy()
        published = np.full(last_day.size, NEVER)
        np.maximum.at(published, slot[mine], days[mine])
        take = assigned[(last_day >= published)[assigned] & (folded.counters[:, LAST_AT_US] != NEVER)[assigned]]
        renewed = np.zeros(last_day.size, bool)
        renewed[take] = True
        stays &= ~(mine & renewed[slot] & (days == today))
        columns = {
            **_keys(folded, take),
            "score_source": _name(name, take.size),
            "day": pa.array(np.full(take.size, today, np.int32)).cast(pa.date32()),
            "mastery_score": pa.array(scores.score[take]),
            "lower": pa.array(scores.lower[take]),
            "upper": pa.array(scores.upper[take]),
            "evidence_count": pa.array(folded.counters[take, EVIDENCE].astype(np.int32)),
            "model_version": _name(folded.model_version, take.size),
        }
        tables.append(_table(columns, HISTORY.schema))
    return pa.concat_tables([_encoded(kept.filter(pa.array(stays))), *tables], promote_options="permissive")


def points_only_in(theirs: pa.Table, mine: pa.Table) -> pa.Table:
    """Return the rows of HISTORY of the scorers that fold nothing, of students and topics that `mine` has, for scorers
    and days that it has not.

    Args:
        theirs: Rows of HISTORY.
        mine: The same, or only their keys.
    """
    derived = theirs.filter(pc.is_in(theirs["score_source"], value_set=pa.array(list(DERIVED))))
    key = [name for name in HISTORY.key if name != "day"]
    theirs_at, mine_at = (_joined(rows, key) for rows in (derived, mine))
    day = [rows["day"].cast(pa.int32()).cast(pa.string()) for rows in (derived, mine)]
    known = pc.is_in(
        pc.binary_join_element_wise(theirs_at, day[0], "\x1f"),
        value_set=pc.binary_join_element_wise(mine_at, day[1], "\x1f").combine_chunks(),
    )
    there = pc.is_in(
        _joined(derived, ["student_id", "topic_id"]),
        value_set=_joined(mine, ["student_id", "topic_id"]).combine_chunks(),
    )
    return derived.filter(pc.and_(there, pc.invert(known)))


def _joined(rows: pa.Table, names: Sequence[str]) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*(rows[name].cast(pa.string()) for name in names), "\x1f")


def _encoded(history: pa.Table) -> pa.Table:
    """Return rows as they were read, strings as dictionaries like those that are made here."""
    names = ("tenant", "student_id", "topic_id", "score_source", "model_version")
    return pa.table(
        {
            name: history[name].cast(pa.string()).dictionary_encode() if name in names else history[name]
            for name in history.column_names
        }
    )


def _slots_of(folded: Folded, rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return int64[n]: the slot of each row's student and topic, −1 where the fold has none."""
    batch = folded.batch
    student = pc.index_in(rows["student_id"].cast(pa.string()), value_set=pa.array(batch.students, pa.string()))
    student = student.fill_null(-1).to_numpy().astype(np.int64)
    names = pa.array(["\x1f".join(topic) for topic in batch.topics], pa.string())
    scoped = pc.binary_join_element_wise(rows["tenant"].cast(pa.string()), rows["topic_id"].cast(pa.string()), "\x1f")
    topic = pc.index_in(scoped, value_set=names).fill_null(-1).to_numpy().astype(np.int64)
    topics = max(1, len(batch.topics))
    mine = batch.slot_student.astype(np.int64) * topics + batch.slot_topic
    order = np.argsort(mine)
    wanted = np.where((student < 0) | (topic < 0), -1, student * topics + topic)
    if not order.size:
        return np.full(rows.num_rows, -1, np.int64)
    at = np.minimum(np.searchsorted(mine, wanted, sorter=order), order.size - 1)
    found = order[at]
    return np.where(mine[found] == wanted, found, -1)


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
