"""A source table: its columns, and how its rows become events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from mastery.events.columns import Column
from mastery.events.rows import ParsedRows

Shape = Callable[[ParsedRows], dict[str, pa.Array]]


@dataclass(frozen=True)
class Source:
    """One source table.

    Attributes:
        name: Its name for people, such as `quiz_attempts`.
        kind: The kind of its events; its table in the lake for metadata.
        doc: What one row is.
        columns: In the order in which they are checked: the first that fails is the reason given.
        shape: Makes of checked rows the columns of EVENTS (or of the metadata table) that are special to it.
        outcome: The column of the outcome; null withdraws the event named in `replaces`.
        own_id: Columns of the source's own id of the event; the first one with a value counts.
        marks: Columns by which a file is recognised as this table, where they are not those it needs.
        either: Columns of which a file needs at least one. With the last of them alone it is recognised as this table:
            no other does with that.
        metadata: Its rows describe topics or items, and are no events.
    """

    name: str
    kind: str
    doc: str
    columns: tuple[Column, ...]
    shape: Shape
    outcome: str | None = None
    own_id: tuple[str, ...] = ("event_id",)
    marks: frozenset[str] = frozenset()
    either: tuple[str, ...] = ()
    metadata: bool = False

    def needed(self) -> list[str]:
        """Return the columns that a file must have."""
        return [column.name for column in self.columns if column.needs != "nothing"]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)
