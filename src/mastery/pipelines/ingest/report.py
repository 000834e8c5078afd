"""What an ingest did with its rows. The counts add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mastery.arrays import Int64s
from mastery.lake.known_ids import NOBODY
from mastery.pipelines.ingest.ingests import id_of
from mastery.pipelines.ingest.row_counts import CONTRADICTING, FILLED, LEFT, TOGETHER
from mastery.pipelines.ingest.undo import Undone

ONE_ANSWER = (
    "{:,} rows follow each other with the same student, question and outcome, on topics of their own, and are taken as "
    "one answer on several topics; if they share a column that says so, name it: --map COLUMN=interaction_id"
)

NAMED = 3
"""Ingests that are named of those that changed events, the latest first."""


def revision_notes(counts: Int64s) -> list[str]:
    """Return notes on the rows of one file that say something other than others of their events.

    Args:
        counts: int64[COUNTS], as `mastery.pipelines.ingest.write_events` counts them.
    """
    notes = []
    if counts[TOGETHER]:
        notes.append(ONE_ANSWER.format(int(counts[TOGETHER])))
    contradicting, filled, left = (int(counts[place]) for place in (CONTRADICTING, FILLED, LEFT))
    if contradicting:
        notes.append(
            f"{_rows(contradicting)} something other than another row of the same event in this ingest. For each "
            "event only one row counts. Different events need an id, a time or an order each"
        )
    if filled:
        notes.append(
            f"{_rows(filled)} more of known events than was known, such as a column that was not there before, and "
            "nothing else: the rest of them is as it was"
        )
    if left:
        notes.append(
            f"{_rows(left)} something other than what is known of their events, which stay as they were, as was said "
            "with --on-revision keep; they count as duplicates"
        )
    return notes


def earlier_notes(changed_by: Mapping[int, int]) -> list[str]:
    """Return notes on rows that say what was known of their events before these ingests changed them.

    Args:
        changed_by: Number of an ingest → rows; `NOBODY` where that is not known.
    """
    notes = []
    for number, rows in sorted(changed_by.items(), reverse=True)[:NAMED]:
        what = "1 row is an earlier version" if rows == 1 else f"{rows:,} rows are earlier versions"
        takes_back = "" if number == NOBODY else f"; `mastery ingests undo {id_of(number)}` takes that back"
        notes.append(f"{what} of events that were changed since: duplicates, which do not count{takes_back}")
    return notes


def _rows(count: int) -> str:
    return "1 row says" if count == 1 else f"{count:,} rows say"


@dataclass(frozen=True)
class FileReport:
    """Counts of one file: read = accepted + revised + duplicates + rejected.

    Attributes:
        accepted: Events that were not known; of course metadata, rows with something new.
        revised: Known events that say something other than before.
        duplicates: Known events as they are known.
    """

    path: str
    table: str
    read: int
    accepted: int
    revised: int
    duplicates: int
    rejected: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.path,
            "table": self.table,
            "read": self.read,
            "accepted": self.accepted,
            "revised": self.revised,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
        }


@dataclass(frozen=True)
class IngestReport:
    """All files of one ingest in the order they were read, and notes for people.

    Attributes:
        assumed: What neither a file nor the person said, such as the zone of its clocks.
        ingest: Its id; None where nothing was written anywhere.
        replaced: What earlier ingests of the files had brought, and was taken back.
    """

    files: tuple[FileReport, ...]
    notes: tuple[str, ...]
    assumed: tuple[str, ...] = ()
    ingest: str | None = None
    replaced: tuple[Undone, ...] = ()

    @property
    def read(self) -> int:
        return sum(file.read for file in self.files)

    @property
    def accepted(self) -> int:
        return sum(file.accepted for file in self.files)

    @property
    def revised(self) -> int:
        return sum(file.revised for file in self.files)

    @property
    def duplicates(self) -> int:
        return sum(file.duplicates for file in self.files)

    @property
    def rejected(self) -> int:
        return sum(file.rejected for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        return {
            **({} if self.ingest is None else {"ingest": self.ingest}),
            **({"replaced": [one.as_dict() for one in self.replaced]} if self.replaced else {}),
            "read": self.read,
            "accepted": self.accepted,
            "revised": self.revised,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "files": [file.as_dict() for file in self.files],
            "notes": list(self.notes),
            "assumed": list(self.assumed),
        }
