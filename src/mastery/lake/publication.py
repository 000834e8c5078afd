"""Which versions of the published tables people see: one row of PUBLICATIONS names them all.

A recompute commits ledger, features, gold and history one after the other, each a version of its own table, and then
appends the row that names these versions: the one commit that shows them. The row also says which model set was chosen,
so tables and choice are switched by the same commit. Whoever is killed before it has changed nothing that people see,
and whoever reads looks at the row once and then reads every table at the version it names.

A lake without a row is of an earlier version of the engine, or new: the newest version of each table is shown. Before
anything is committed to it, a row of what is there is written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mastery.instants import instant
from mastery.tables import (
    CLASS_STUDENTS,
    CLASS_TOPICS,
    CLASS_WEAKEST,
    FEATURES,
    GOLD,
    HISTORY,
    LEDGER,
    PUBLICATIONS,
    SHADOW,
)
from mastery.tables import UTC as UTC_US

FOUND, RECOMPUTE, COMPACT, CHANGES = "found", "recompute", "compact", "changes"
"""Actions that choose nothing; the others are in `mastery.pipelines.models.activations`."""

OF_EVERYBODY = (RECOMPUTE, "activate", "rollback")
"""Actions with which everybody was folded."""

TABLES = (LEDGER, FEATURES, GOLD, CLASS_STUDENTS, CLASS_TOPICS, CLASS_WEAKEST, HISTORY, SHADOW)
"""The tables whose versions a row names."""

READERS_HOURS = 24
"""For so long after another publication the files of one are kept, for who still reads them. Without an end to it a
daily recompute of 20 million events would add 2 GB every day."""

NUMBER = "mastery.publication"
"""Application transaction of each commit to PUBLICATIONS: of two at once Delta refuses one, on an object store too."""

MOST_FILES = 32
"""Files of PUBLICATIONS before they are made one again: each publication adds one."""

EPOCH = instant(0)
"""When what is shown was begun, where nobody knows: before all else."""


@dataclass(frozen=True)
class Publication:
    """What people see from one commit on.

    Attributes:
        number: The generation, one more with each; −1 before the first.
        at: When what it publishes was begun, by the clock of who did it.
        action: What made it; see PUBLICATIONS.
        version, previous: The model set that was chosen with it, and the one before.
        model_version: Whose scores are in gold.
        timezone: Of the school days by which they were made; None for UTC.
        as_of: Moment of the scores.
        events: Version of the events that everybody was folded from.
        changed_events: Version of the events up to which students of whom something came in since are published, too;
            None where nobody has published changes.
        versions: By name of the table, the version that is shown; the newest one of a table that is not in it.
    """

    number: int = -1
    at: datetime | None = None
    action: str = FOUND
    version: str | None = None
    previous: str | None = None
    model_version: str | None = None
    timezone: str | None = None
    as_of: datetime | None = None
    events: int | None = None
    changed_events: int | None = None
    versions: Mapping[str, int] = field(default_factory=dict)

    def after(self, action: str, at: datetime, **changed: Any) -> Publication:
        """Return the next publication: as this one but for what has changed."""
        plain = replace(self, number=self.number + 1, action=action, at=at, version=None, previous=None)
        return replace(plain, **changed)

    @property
    def changes_until(self) -> int:
        """Version of the events that everybody's scores hold; -1 for none."""
        return max(-1 if one is None else one for one in (self.events, self.changed_events))

    def began_after(self, at: datetime) -> bool:
        """Tell whether what it publishes was begun later."""
        return self.at is not None and self.at > at


NOTHING = Publication()


def last(rows: pa.Table) -> Publication:
    """Return the last of the rows of PUBLICATIONS; `NOTHING` where there are none."""
    if not rows.num_rows:
        return NOTHING
    (row,) = rows.slice(pc.index(rows["number"], pc.max(rows["number"])).as_py(), 1).to_pylist()
    return Publication(
        **{name: row[name] for name in PUBLICATIONS.schema.names if name in Publication.__dataclass_fields__},
        versions={table.name: row[table.name] for table in TABLES if row[table.name] is not None},
    )


def row_of(publication: Publication) -> pa.Table:
    """Return the row that shows it from now on."""
    row = {**vars(publication), **publication.versions, "committed_at": _now()}
    return pa.Table.from_pylist([row], schema=PUBLICATIONS.schema)


def last_of_everybody(rows: pa.Table) -> tuple[float, float] | None:
    """Return when the last fold of everybody that was published was begun, in seconds since 1970, and how many seconds
    later it was shown; None for none.
    """
    mine = rows.filter(pc.is_in(rows["action"], value_set=pa.array(OF_EVERYBODY)))
    if not mine.num_rows:
        return None
    (row,) = mine.slice(pc.index(mine["number"], pc.max(mine["number"])).as_py(), 1).to_pylist()
    began, shown = row["at"], row["committed_at"]
    return began.timestamp(), (shown - began).total_seconds()


def worth_keeping(rows: pa.Table) -> pa.Table:
    """Return the rows without those of changes that nobody is shown any more, of which there are hundreds a day."""
    old = pc.less(rows["committed_at"], pa.scalar(_now() - timedelta(hours=2 * READERS_HOURS)).cast(UTC_US))
    return rows.filter(pc.invert(pc.and_(old, pc.equal(rows["action"], CHANGES)).fill_null(False)))


def versions_in_use(rows: pa.Table, table: str, hours: int) -> Sequence[int]:
    """Return the versions of a table that were shown within the last hours, the one that is shown now among them."""
    shown = sorted(rows.select(["number", "committed_at", table]).to_pylist(), key=lambda one: int(one["number"]))
    since = _now() - timedelta(hours=hours)
    ends = [later["committed_at"] for later in shown[1:]]
    recent = [one for one, end in zip(shown, ends, strict=False) if end >= since]
    return sorted({one[table] for one in (*recent, *shown[-1:]) if one[table] is not None and one[table] >= 0})


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
