"""What another revision of an event says, beside what is known of it: the same with less, more, or something else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.values import Mask, mask
from mastery.tables import UNASSIGNED

ON_REVISION = ("replace", "keep", "reject")
"""What may be done with a row that says something other than what is known of its event: it replaces it, is left, or is
rejected."""

ELSE, LESS, MORE = range(3)
"""It says something else; it lacks some of what is known, and the rest is the same; it adds to what is known, be
it that its source says the same under another version."""

EXACT = ("occurred_at", "attempts", "success_ppm", "replaces_hi", "replaces_lo")
"""Columns that are something else where one is null and the other is not: what happened, and when."""

OPTIONAL = ("item_id", "teacher_id", "reason", "duration_ms", "attempt_number", "hints", "rewinds")
"""Columns that a source may lack: a null says nothing."""

COMPARED = (*EXACT, *OPTIONAL, "topic_id", "other_topic_ids", "source_version")


def compare(known: pa.Table, said: pa.Table) -> npt.NDArray[np.int8]:
    """Return int8[n]: `ELSE`, `LESS` or `MORE` of what n rows say of events beside what is known of the same events.

    Args:
        known, said: n rows with the columns `COMPARED`.
    """
    n = known.num_rows
    same, less, more = np.ones(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    for name in (*EXACT, *OPTIONAL, "topics"):
        before, now = (_plain(rows, name) for rows in (known, said))
        without, with_it = mask(now.is_null()), mask(before.is_valid())
        equal = mask(pc.equal(before, now))
        if name in EXACT:
            same &= equal | (without & ~with_it)
            continue
        same &= equal | without | ~with_it
        less |= without & with_it
        more |= ~without & ~with_it
    before, now = (_plain(rows, "source_version") for rows in (known, said))
    more |= mask(now.is_valid()) & ~mask(pc.equal(before, now))
    found = np.full(n, ELSE, np.int8)
    found[same & less & ~more] = LESS
    found[same & more & ~less] = MORE
    return found


def _plain(rows: pa.Table, name: str) -> pa.Array:
    if name == "topics":
        return _topics(rows)
    column = rows[name].combine_chunks()
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _topics(rows: pa.Table) -> pa.Array:
    """Return all topics of each event as one text; null where it has none."""
    topic = rows["topic_id"].cast(pa.string()).combine_chunks()
    others = pc.fill_null(pc.binary_join(rows["other_topic_ids"].combine_chunks(), "\x1f"), "")
    several: Mask = mask(pc.equal(topic, UNASSIGNED))
    joined = pc.binary_join_element_wise(topic, others, "\x1f")
    return pc.if_else(pa.array(several), pa.scalar(None, pa.string()), joined)
