"""Rows that are one answer on several topics: sources with a row for each skill of a question write them.

Rows of one file that have one id (the source's own; else student, item, moment and order), or one interaction, and the
same outcome, but other topics, become one event on all of these. Without an own id or an interaction, rows of two
versions of the source are no such rows: the later one says what the topics are. Rows that share nothing but student,
item and moment, and differ in topic and outcome, are answers of their own, such as the points for each criterion of one
task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.events.identity import Blocks
from mastery.events.values import Mask, mask
from mastery.splitmix import G1

TAIL_ROWS = 1_024
"""As many rows at the end of a piece of a file, at most, may be one answer with rows of the next piece."""


@dataclass(frozen=True)
class Joined:
    """n rows as m events.

    Attributes:
        events: m rows, in the order of the first row of each.
        rows: int64[m]. The first row of each, in time.
        event_of_row: int64[n].
        repeats: bool[n]. Whether a row has nothing that an earlier row of its event does not have.
    """

    events: pa.Table
    rows: Int64s
    event_of_row: Int64s
    repeats: Mask


def join_topics(events: pa.Table, file_of: Int64s, own: Mask, interaction: Int64s | None) -> Joined | None:
    """Return identified events with those of several topics joined; None where there are none.

    Args:
        events: n rows with the columns of EVENTS, with or without `bucket`, in the order of their files.
        file_of: int64[n].
        own: bool[n]. Whether a row has an id of the source's own.
        interaction: int64[n]. Hash of each one's student and interaction, 0 without one; None where no row has one.
    """
    lo, body = (events[name].to_numpy() for name in ("event_id_lo", "body_hash"))
    apart = ~own if interaction is None else ~own & (interaction == 0)
    group = np.where(apart, lo ^ _versions(events), lo)
    group = group if interaction is None else np.where(interaction != 0, interaction, group)
    _, code, count = np.unique(
        group.view(np.uint64) ^ (file_of.view(np.uint64) * G1), return_inverse=True, return_counts=True
    )
    among = np.flatnonzero(count[code] > 1)
    if not among.size:
        return None
    moment, order = (events[name].cast(pa.int64()).to_numpy()[among] for name in ("occurred_at", "sequence"))
    among = among[
        np.lexsort((order, moment, code[among]))
    ]  # the first row of each is not that of the file, but in time
    some = events.take(pa.array(among))
    outcome, topics = _answered(some), _topics(some)
    start = np.flatnonzero(np.concatenate([[True], np.diff(code[among]) != 0]))
    size = np.diff(np.append(start, among.size))
    of = np.repeat(np.arange(start.size), size)

    agree = np.logical_and.reduceat(outcome == outcome[start][of], start)
    several = np.logical_or.reduceat(topics != topics[start][of], start)
    by_interaction = np.zeros(start.size, np.bool_) if interaction is None else interaction[among[start]] != 0
    different = _distinct(of, topics, start.size) == _distinct(of, body[among], start.size)
    join = agree & several & (~by_interaction | different)
    split = ~agree & several & ~by_interaction & ~np.logical_or.reduceat(own[among], start)
    if not (join.any() or split.any()):
        return None

    event_of_row, keep = np.arange(events.num_rows), np.ones(events.num_rows, np.bool_)
    repeats = np.zeros(events.num_rows, np.bool_)
    joined = join[of]
    event_of_row[among[joined]] = among[start][of[joined]]
    keep[among[joined]] = False
    keep[among[start[join]]] = True
    repeats[among[joined]] = _seen(of[joined], topics[joined])
    if join.any():
        events = _replaced(events, among[start[join]], _on_all_topics(events, among, of, join, body))
    events = _with_topic_in_id(events, among[split[of]], of[split[of]], topics[split[of]])
    kept = np.flatnonzero(keep)
    new_place = np.cumsum(keep) - 1
    return Joined(events.take(pa.array(kept)).combine_chunks(), kept, new_place[event_of_row], repeats)


def last_answer(id_lo: Int64s, at_us: Int64s, interaction: Int64s | None) -> int:
    """Return the row of a piece of a file from which on rows may be one answer with those of the next piece.

    These are the rows at the end that share their moment, for sources sort by it, or their answer.

    Args:
        id_lo, at_us: int64[n]. Second words of the ids, and moments, in the order of the file.
        interaction: int64[n]. Hash of each one's student and interaction, 0 without one; None where no row has one.
    """
    n = id_lo.size
    first = max(n - TAIL_ROWS, 0)
    if not n:
        return 0
    answer, moment = id_lo[first:], at_us[first:]
    if interaction is not None:
        answer = np.where(interaction[first:] != 0, interaction[first:], answer)
    alone = first + int(np.append(np.flatnonzero(answer != answer[-1]), -1).max()) + 1
    others = (answer != answer[-1]) & (moment != moment[-1])
    together = first + int(np.append(np.flatnonzero(others), -1).max()) + 1
    return together if together > first or not first else alone


def told_apart(events: pa.Table, interaction: pa.ChunkedArray) -> Int64s:
    """Return int64[n]: hash of what tells rows of one id apart that are no equal answers, their topics and version.

    It is 0 where rows have an interaction, which tells by itself what is one answer.
    """
    apart = _topics(events) ^ _versions(events)
    return apart if interaction.null_count == len(interaction) else np.where(mask(interaction.is_valid()), 0, apart)


def outcomes(events: pa.Table) -> Int64s:
    """Return int64[n]: hash of how an answer went, 0 where the source gives a version: another one may differ."""
    found = Blocks(events.num_rows).integers(events["attempts"], events["success_ppm"]).finish()[0]
    version = events["source_version"]
    return found if version.null_count == len(version) else np.where(mask(version.is_valid()), 0, found)


def _versions(events: pa.Table) -> Int64s:
    """Return int64[n]: hash of the source's version, 0 without one."""
    version = events["source_version"]
    if version.null_count == len(version):
        return np.zeros(len(version), np.int64)
    found = Blocks(events.num_rows).integers(version, version).finish()[0]
    return np.where(mask(version.is_valid()), found, 0)


def _answered(events: pa.Table) -> Int64s:
    """Return int64[n]: a hash of what was answered and how."""
    blocks = Blocks(events.num_rows).text(events["kind"]).text(events["item_id"])
    blocks.integers(events["attempts"], events["success_ppm"])
    return blocks.integers(events["replaces_hi"], events["replaces_lo"]).finish()[0]


def _topics(events: pa.Table) -> Int64s:
    """Return int64[n]: a hash of the topics."""
    further = pc.binary_join(events["other_topic_ids"], "\x1f")
    return Blocks(events.num_rows).text(events["topic_id"]).text(further).finish()[0]


def _distinct(of: Int64s, values: Int64s, groups: int) -> Int64s:
    """Return int64[groups]: number of different values in each group."""
    return np.bincount(of[~_seen(of, values)], minlength=groups)


def _seen(of: Int64s, values: Int64s) -> Mask:
    """Return bool[n]: whether an earlier row of the same group has the same value."""
    seen = np.ones(of.size, np.bool_)
    order = np.lexsort((values, of))
    new = (np.diff(of[order], prepend=-1) != 0) | (np.diff(values[order], prepend=values[order[:1]]) != 0)
    seen[order[new]] = False
    return seen


def _on_all_topics(events: pa.Table, among: Int64s, of: Int64s, join: Mask, body: Int64s) -> dict[str, pa.Array]:
    """Return the columns in which the joined events differ from their first rows.

    Neither the topics, ascending, nor the body, made of those of all rows, depends on the order of the rows.
    """
    rows, group = among[join[of]], (np.cumsum(join) - 1)[of[join[of]]]
    some = events.select(["topic_id", "other_topic_ids"]).take(pa.array(rows)).combine_chunks()
    others = some["other_topic_ids"].combine_chunks()
    parents = np.asarray(pc.list_parent_indices(others), np.int64)
    names = pa.concat_arrays(
        [some["topic_id"].cast(pa.string()).combine_chunks(), others.flatten().cast(pa.string())]
    ).dictionary_encode()
    order = pc.sort_indices(names.dictionary).to_numpy()
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    tagged = np.unique(np.concatenate([group, group[parents]]) * order.size + rank[np.asarray(names.indices, np.int64)])
    of_event, topic = tagged // order.size, names.dictionary.take(pa.array(order[tagged % order.size]))
    first = np.concatenate([[True], np.diff(of_event) != 0])
    sizes = np.bincount(of_event[~first], minlength=int(join.sum()))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    new = ~_seen(group, body[rows])
    total = np.zeros(sizes.size, np.int64)
    np.add.at(total, group[new], body[rows[new]])
    number = np.bincount(group[new], minlength=sizes.size).astype(np.int64)
    return {
        "topic_id": topic.filter(pa.array(first)),
        "other_topic_ids": pa.ListArray.from_arrays(pa.array(offsets), topic.filter(pa.array(~first))),
        "body_hash": pa.array(Blocks(sizes.size).add(total, number).finish()[0]),
    }


def _with_topic_in_id(events: pa.Table, rows: Int64s, of: Int64s, topics: Int64s) -> pa.Table:
    """Return the events with other ids for some rows: of the topics of each group one keeps the id."""
    if not rows.size:
        return events
    least = np.full(int(of.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, of, topics)
    rows, topics = rows[topics != least[of]], topics[topics != least[of]]
    hi, lo = (events[name].to_numpy()[rows] for name in ("event_id_hi", "event_id_lo"))
    hi, lo = Blocks(rows.size).add(hi, lo).add(topics, np.zeros(rows.size, np.int64)).finish()
    return _replaced(events, rows, {"event_id_hi": pa.array(hi), "event_id_lo": pa.array(lo)})


def _replaced(events: pa.Table, rows: Int64s, columns: dict[str, pa.Array]) -> pa.Table:
    """Return the events with other values in these columns of some rows."""
    where = np.arange(events.num_rows)
    where[rows] = events.num_rows + np.arange(rows.size)
    for name, values in columns.items():
        column = events[name]
        plain = column.cast(values.type) if pa.types.is_dictionary(column.type) else column
        both = pa.chunked_array([*plain.chunks, values.cast(plain.type)]).combine_chunks().take(pa.array(where))
        both = both.dictionary_encode() if pa.types.is_dictionary(column.type) else both
        events = events.set_column(events.column_names.index(name), name, both)
    return events
