"""Events of one student that share a moment: which are separate answers, and in which order they were given.

Time stamps that are rounded to minutes or days say neither, and the order of the file's rows is then the best there is.
Whether they are rounded is decided once for a file, from its first events (`HEAD`) or by whoever reads it:

    coarse    each row without an id and an order of its own is an event, also where another one is equal to it
    precise   equal rows are repeats of one event

In a coarse file, too, rows that differ in topic alone are one answer on several topics, and rows that differ in the
source's version are revisions of one: what is counted is equal rows of one topic and version. The second `a` of the
rows a, b, a is a second answer, and of a, b, a, b each answer is on both topics.

Events without an order of the source's own get their place among those of their student's moment, added to `sequence`;
in a file with precise time stamps when they are written (`mastery.events.places`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from mastery.arrays import Int32s, Int64s
from mastery.events.calendar import MINUTE_US
from mastery.events.identity import Blocks
from mastery.events.values import Mask
from mastery.kernels import kernel
from mastery.splitmix import G1, XXHASH_2

HEAD = 1_000
"""Events from which a file is judged: its time stamps are coarse where none of these has seconds."""

REMEMBERED = 1 << 21
"""Rows with coarse time stamps share a moment if at most this many others lie between them: about 300 MB."""

WORDS = ("answers", "duplicates")
"""What may be said of equal rows: that each is an answer, or that they are repeats of one."""

NO_ROWS = np.empty(0, np.int64)

Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Sharing:
    """n events of a file in its order, as far as it matters which of them share a moment.

    Attributes:
        student: int64[n]. Hash of each one's student.
        id_lo: int64[n]. Second word of their ids.
        at_us: int64[n]. Microseconds since 1970 UTC.
        own, ordered: Whether they have an id, and an order, of the source's own.
        apart: int64[n]. Hash of what tells rows of one id apart that are no equal answers: topics and version.
        outcome: int64[n]. Hash of how they went, and 0 where another version may say something else.
    """

    student: Int64s
    id_lo: Int64s
    at_us: Int64s
    own: Mask
    ordered: Mask
    apart: Int64s
    outcome: Int64s


@dataclass(frozen=True)
class Placed:
    """Events, by their row among those of `Sharing`, that are not the only ones of their moment.

    Attributes:
        rows: int64[k], ascending.
        place: int64[k]. Place among the student's events of the moment, from 0.
        nth: int64[k]. Number of equal rows of its topic and version before it, each an event.
    """

    rows: Int64s
    place: Int64s
    nth: Int64s


NO_MASK = np.empty(0, np.bool_)
NONE_SHARING = Sharing(NO_ROWS, NO_ROWS, NO_ROWS, NO_MASK, NO_MASK, NO_ROWS, NO_ROWS)
NONE_PLACED = Placed(NO_ROWS, NO_ROWS, NO_ROWS)


class Ties(Generic[Piece]):
    """Places the events of one file, given in the file's order, piece by piece.

    Attributes:
        sharing: Number of events that are not the only ones of their student's moment; where time stamps are precise
            they are counted by whoever places them.
        coarse: Whether its time stamps are; None until it is known.
    """

    def __init__(self, said: str | None) -> None:
        """Take what was said of equal rows, one of `WORDS`, or None to judge by the file."""
        self.sharing = 0
        self.said = said is not None
        self.coarse: bool | None = None if said is None else said == "answers"
        self._held: list[tuple[Piece, Sharing]] = []
        self._looked_at = 0
        self._ids, self._answers, self._moments = _Counts(), _Counts(), _Counts()

    def add(self, piece: Piece, events: Sharing) -> list[tuple[Piece, Placed]]:
        """Return the pieces so far whose events can be placed, in order, with their places."""
        self._held.append((piece, events))
        if self.coarse is None and (events.at_us[: HEAD - self._looked_at] % MINUTE_US).any():
            self.coarse = False
        self._looked_at += events.at_us.size
        return self.end() if self.coarse is not None or self._looked_at >= HEAD else []

    def end(self) -> list[tuple[Piece, Placed]]:
        """Return the pieces that were held until more of the file is known."""
        if self.coarse is None and self._looked_at:
            self.coarse = True
        held, self._held = self._held, []
        return [(piece, self._placed(events)) for piece, events in held]

    def note(self) -> str | None:
        """Return what a person should know, in one sentence; None where no events share a moment."""
        if not self.sharing:
            return None
        first = (
            f"{self.sharing:,} events share their moment with others of the same student and are taken in the order of "
            "the file"
        )
        other = WORDS[1] if self.coarse else WORDS[0]
        if self.said:
            return f"{first}; equal ones are {WORDS[0 if self.coarse else 1]}, as was said"
        if self.coarse:
            return (
                f"{first}, equal ones as separate answers, because no time stamp has seconds; if equal ones are "
                f'repeats: --repeats {other} (in Python, repeats="{other}")'
            )
        return f'{first}, equal ones as repeats; if each is an answer: --repeats {other} (in Python, repeats="{other}")'

    def _placed(self, events: Sharing) -> Placed:
        n = events.at_us.size
        if n == 0 or not self.coarse:
            return NONE_PLACED
        place, nth = np.zeros(n, np.int64), np.zeros(n, np.int64)
        for counts in (self._ids, self._answers, self._moments):
            counts.make_room(n)
        shared = np.zeros(1, np.int64)
        _place(
            _Sharing(*(getattr(events, name) for name in _Sharing._fields)),
            self._ids.tables,
            self._answers.tables,
            self._moments.tables,
            place,
            nth,
            shared,
        )
        self.sharing += int(shared[0])
        more = np.flatnonzero((place > 0) | (nth > 0))
        return Placed(more, place[more], nth[more])


def renumbered(events: pa.Table, rows: Int64s, placed: Placed) -> pa.Table:
    """Return identified events in which some rows have their place, and those that are not the first of equal ones
    an id of their own: the murmur of the first one's id and of the number of equal ones before.

    A place is none of what the source says, so the body stays: with other rows around it a row is the same.

    Args:
        events: The columns of EVENTS, with or without `bucket`.
        rows: int64[k]. The row of each placed event.
    """
    if not rows.size:
        return events
    hi, lo, sequence = (events[name].to_numpy()[rows] for name in ("event_id_hi", "event_id_lo", "sequence"))
    further_hi, further_lo = Blocks(rows.size).add(hi, lo).add(placed.nth, np.zeros(rows.size, np.int64)).finish()
    again = placed.nth > 0
    changed = {
        "event_id_hi": np.where(again, further_hi, hi),
        "event_id_lo": np.where(again, further_lo, lo),
        "sequence": sequence + placed.place,
    }
    for name, values in changed.items():
        column = events[name].to_numpy().copy()
        column[rows] = values
        events = events.set_column(events.column_names.index(name), name, pa.array(column))
    return events


class _Sharing(NamedTuple):
    """`Sharing`, as kernels take it."""

    student: Int64s
    id_lo: Int64s
    at_us: Int64s
    own: Mask
    ordered: Mask
    apart: Int64s
    outcome: Int64s


class _Tables(NamedTuple):
    """The two hash tables of `_Counts`; `used` (int64[1]) is the number of keys in the first."""

    keys: Int64s
    values: Int32s
    old_keys: Int64s
    old_values: Int32s
    used: Int64s


class _Counts:
    """A count by 64-bit key, of the keys met last: of at least `REMEMBERED`, and of at most twice as many."""

    def __init__(self) -> None:
        self._keys, self._values = _table(16)
        self._old_keys, self._old_values = _table(1)
        self.used: Int64s = np.zeros(1, np.int64)

    @property
    def tables(self) -> _Tables:
        return _Tables(self._keys, self._values, self._old_keys, self._old_values, self.used)

    def make_room(self, n: int) -> None:
        """Make room for n further keys."""
        if self.used[0] > REMEMBERED:
            self._old_keys, self._old_values = self._keys, self._values
            self._keys, self._values = _table(16)
            self.used[0] = 0
        needed = int(self.used[0]) + n
        if 3 * self._keys.size < 4 * needed:
            keys, values = _table(2 * needed)
            _copy(self._keys, self._values, keys, values)
            self._keys, self._values = keys, values


def _table(size: int) -> tuple[Int64s, Int32s]:
    slots = 1 << max(1, int(size - 1).bit_length())
    return np.zeros(slots, np.int64), np.zeros(slots, np.int32)


@kernel
def _slot(keys: Any, key: Any) -> Any:
    """Return the slot of a key, or the free one where it belongs. A table is never full."""
    around = np.uint64(keys.size - 1)
    at = np.uint64(key) & around
    while keys[at] != 0 and keys[at] != key:
        at = (at + np.uint64(1)) & around
    return np.int64(at)


@kernel
def _copy(keys: Any, values: Any, to_keys: Any, to_values: Any) -> None:
    for i in range(keys.size):
        if keys[i] != 0:
            at = _slot(to_keys, keys[i])
            to_keys[at], to_values[at] = keys[i], values[i]


@kernel
def _remembered(keys: Any, values: Any, old_keys: Any, old_values: Any, used: Any, key: Any) -> Any:
    """Return the slot of a key, which is made where there is none, with the count of the older table."""
    at = _slot(keys, key)
    if keys[at] == 0:
        keys[at] = key
        used[0] += 1
        before = _slot(old_keys, key) if old_keys.size > 2 else np.int64(-1)
        values[at] = old_values[before] if before >= 0 else 0
    return at


@kernel
def _mixed(a: Any, b: Any, c: Any) -> Any:
    """Return a hash of three words that is not 0, which marks a free slot."""
    h = np.uint64(a) ^ (np.uint64(b) * G1) ^ (np.uint64(c) * XXHASH_2)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    return np.int64(h) if h != 0 else np.int64(1)


@kernel
def _place(sharing: Any, by_id: Any, by_answer: Any, by_moment: Any, place: Any, nth: Any, shared: Any) -> None:
    """Set the place and the number among equal ones of rows, and count the events that share a moment.

    By id are kept, of a row that may be one of several answers the number of equal ones, of others its place + 1: a
    repeat has the place of what it repeats. So has a row of an answer on another topic, or of another version of it.
    """
    student, id_lo, at_us, own, ordered, apart, outcome = sharing
    ids, id_values, old_ids, old_id_values, ids_used = by_id
    answers, places, old_answers, old_places, answers_used = by_answer
    moments, counts, old_moments, old_counts, moments_used = by_moment
    for r in range(student.size):
        if ordered[r]:
            continue
        counted = not own[r]
        key = _mixed(id_lo[r], apart[r] if counted else 0, 0)
        one = _remembered(ids, id_values, old_ids, old_id_values, ids_used, key)
        answer = np.int64(0)
        if counted:
            nth[r] = id_values[one]
            id_values[one] += 1
            key = _mixed(id_lo[r], outcome[r], nth[r])
            answer = _remembered(answers, places, old_answers, old_places, answers_used, key)
        before = places[answer] if counted else id_values[one]
        if before > 0:
            place[r] = before - 1
            continue
        key = _mixed(student[r], at_us[r], 0)
        moment = _remembered(moments, counts, old_moments, old_counts, moments_used, key)
        place[r] = counts[moment]
        counts[moment] += 1
        shared[0] += 2 if place[r] == 1 else min(place[r], 1)
        if counted:
            places[answer] = counts[moment]
        else:
            id_values[one] = counts[moment]
