"""What lies in a table's folder where delta-rs finds no table: nothing that counts, or a table whose log was deleted.

A table is made, and its first commit is on the disk, before its first file is written (`Handle.begin`). So a log
without a commit and without files is what a kill or a full disk leaves while a table is being made, and files without a
commit are what is left of a table whose log was deleted. To begin that one again would lose all of it without a word.
"""

from __future__ import annotations

from mastery.errors import Conflict
from mastery.lake import log
from mastery.lake.file_writer import FRESH, REVISIONS, SORTED, SORTED_REVISIONS
from mastery.lake.location import TableLocation
from mastery.tables import Table

BUCKET_FOLDER = "bucket="

OURS = (BUCKET_FOLDER, *(f"{word}-" for word in (FRESH, REVISIONS, SORTED, SORTED_REVISIONS)))
"""How the names of our own files and folders begin."""


class LogDeleted(Conflict):
    """The data files of a table are there, and its log is not."""

    def __init__(self, place: TableLocation, table: Table, file: str) -> None:
        self.table, self.published = table.name, table.published
        if table.published:
            way_out = "or remove the folder, and run 'mastery recompute', which makes the table again from the events"
        else:
            way_out = "only if you deleted the log on purpose, remove the folder too, to begin with an empty table"
        super().__init__(
            f"table {table.name!r} in {place.uri}: its files lie there ({file} is one) but its log, {log.FOLDER}, was "
            "deleted or emptied, and only that says which of them count; restore the folder from your backup; "
            f"{way_out}"
        )

    @property
    def public(self) -> str:
        """Without the folder."""
        way_out = " or, the folder removed, make it again with 'mastery recompute'" if self.published else ""
        return f"table {self.table!r}: its log was deleted; restore it from a backup of the lake{way_out}"


def obstacle(place: TableLocation, table: Table) -> Conflict | None:
    """Return what keeps a table from being made in its folder, where none was found a moment ago; None for nothing.

    Another process may have made it since: then it is found now, and what this returns means nothing.
    """
    names = place.names()
    strange = [name for name in names if name != log.FOLDER and not name.startswith(OURS)]
    if not strange and log.FOLDER in names and not log.holds_no_commit(place):
        strange = [log.FOLDER]
    if strange:
        return Conflict(
            f"{place.uri} is not a Delta table but holds {strange[0]!r}; "
            "move that away, or give the lake another folder"
        )
    file = a_file(place)
    return None if file is None else LogDeleted(place, table, file)


def a_file(place: TableLocation) -> str | None:
    """Return the path of one of the data files in a table's folder; None where there is none."""
    for name in place.names():
        if name.startswith(BUCKET_FOLDER):
            within = place.child(name).names()
            if within:
                return f"{name}/{within[0]}"
        elif name.startswith(OURS):
            return name
    return None
