"""What a door brings into a lake, as ingests in the register: one from when it opens, or from midnight in UTC on, until
it closes. One that was killed is gone on with on the same day, and so is one of the same door in another process, for
nobody can tell the two apart. Whoever ends it was alone with it, or counts what the lake has of it by then.

So what came in on a day can be listed and taken back like a file. A row in the register for each batch would be three
commits instead of one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pyarrow.compute as pc

from mastery.lake import Lake
from mastery.pipelines.ingest.ingests import INGEST, FileRead, IngestEntry, begin_or_go_on, finish_beside
from mastery.tables import EVENTS, REJECTED, SUPERSEDED

TABLE = "events"
"""In the place of a source table: rows of all of them come in."""


class Register:
    """The ingest that a door is writing under, begun when it first writes."""

    def __init__(self, lake: Lake, tenant: str, door: str, code_version: str) -> None:
        self._lake, self._tenant, self._door, self._code_version = lake, tenant, door, code_version
        self._entry: IngestEntry | None = None
        self._gone_on = False
        self._counts = dict.fromkeys(("read", "accepted", "revised", "duplicates", "rejected"), 0)

    def number(self, now: datetime) -> int:
        """Return the number of the ingest at a moment in UTC."""
        if self._entry is not None and self._entry.at.date() != now.date():
            self.end()
        if self._entry is None:
            file = FileRead(self._door, TABLE, 0, content=now.date().toordinal())
            entry = IngestEntry(self._tenant, INGEST, now, self._door, self._code_version, files=(file,))
            self._entry, self._gone_on = begin_or_go_on(self._lake, entry)
        return self._entry.number

    def count(self, **more: int) -> None:
        """Count rows that this process brings. Of one that was killed, duplicates are not known, and revisions count as
        accepted.
        """
        for name, rows in more.items():
            self._counts[name] += rows

    def end(self) -> None:
        """Say that the ingest has ended; the next rows begin another one."""
        if self._entry is None:
            return
        finish_beside(self._lake, self._entry.number, self._ended)
        self.forget()

    def _ended(self, before: IngestEntry | None) -> IngestEntry:
        """Return what is registered, after what another process has registered before."""
        assert self._entry is not None
        (file,) = self._entry.files
        counts = dict(self._counts)
        if before is not None or self._gone_on:
            there = {} if before is None else before.files[0].counts
            counts |= {name: counts[name] + there.get(name, 0) for name in ("revised", "duplicates")}
            found = _in_the_lake(self._lake, self._entry.number)
            counts["accepted"] = max(found["accepted"] - counts["revised"], 0)
            # one that is sent again lies there once
            counts["rejected"] = max(found["rejected"], counts["rejected"], there.get("rejected", 0))
            counts["read"] = sum(rows for name, rows in counts.items() if name != "read")
        events = counts["accepted"] + counts["revised"]
        return replace(self._entry, files=(replace(file, counts=counts),), events=events)

    def forget(self) -> None:
        """Begin another ingest with the next rows: what this one brought was taken back."""
        self._entry = None
        self._counts = dict.fromkeys(self._counts, 0)


def _in_the_lake(lake: Lake, number: int) -> dict[str, int]:
    """Return how many rows an ingest has brought so far, as the lake has them; one file is read at a time."""
    found = {"accepted": 0, "rejected": 0}
    for table, outcome in ((EVENTS, "accepted"), (SUPERSEDED, "accepted"), (REJECTED, "rejected")):
        for file in lake.snapshot(table):
            mine = pc.equal(lake.read_files(table, [file.path], ["ingest"])["ingest"], number)
            found[outcome] += pc.sum(mine).as_py() or 0
    return found
