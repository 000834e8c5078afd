"""Which files or tables are read, and as what. Everything is checked here before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from mastery.errors import BadInput, did_you_mean
from mastery.events.columns import RENAMING
from mastery.events.read_options import ReadOptions
from mastery.events.recognise import answers_table, check_columns, recognise, source_named
from mastery.events.registry import SOURCES
from mastery.events.source import Source
from mastery.events.tally import Tally
from mastery.events.values import ID_LETTERS
from mastery.pipelines.ingest.files import Input, TableInput, files_in, open_input, open_table

EXPECTED = {
    "id": "an id, as text",
    "text": "a text",
    "number": "a number",
    "whole": "a whole number",
    "truth": "true or false (or yes, no, 1, 0)",
    "moment": "a time stamp in ISO 8601 (2025-12-31 14:30 or 2025-12-31T14:30:00Z), or seconds or milliseconds "
    "since 1970",
    "ids": "a list of ids: a|b|c or a JSON list",
}
"""What a column of each kind should contain, in words."""


@dataclass(frozen=True)
class Planned:
    """One file or table in memory, the source table it is, and our names for its columns (file's name → ours)."""

    input: Input | TableInput
    source: Source
    renamed: Mapping[str, str]

    def check_usable(self, tally: Tally) -> None:
        """Raise BadInput when a needed column has no usable value in any of the rows counted."""
        names = tally.unusable_throughout()
        if not names:
            return
        column = self.source.column(names[0])
        theirs = next(theirs for theirs, ours in self.renamed.items() if ours == column.name)
        raise BadInput(
            f"{self.input.place}: column {theirs!r} has no usable value in any of {tally.rows} rows; expected "
            f"{EXPECTED[column.kind]}: {column.doc}. Write its values so; or, if another column is meant, rename that "
            f"one with {RENAMING}"
        )


def plan(
    files: Sequence[str | Path | pa.Table], options: ReadOptions, *, answers: bool = False
) -> tuple[list[Planned], list[str]]:
    """Return what to read, metadata first, and notes on the files of folders that are left out.

    Args:
        files: Files, folders and Arrow tables; of a folder, the files in it that are some source table.
        options: What is said about all of them.
        answers: Only events are read, and only beside each other: course metadata is refused, and a log of students
            and outcomes needs neither time stamps nor an order.

    Raises:
        BadInput: A file that was named cannot be used. The message names it.
    """
    source = source_named(options.table) if options.table is not None else None
    _check_map(options.columns)
    found: list[Planned] = []
    notes: list[str] = []
    opened: list[Input | TableInput] = []
    for given in files:
        folder = not isinstance(given, pa.Table) and Path(given).is_dir()
        for one in _opened(given):
            opened.append(one)
            try:
                found.append(_planned(one, source, options.columns, answers=answers))
            except BadInput as error:
                if not folder:
                    raise
                notes.append(f"left out {one.name}: {error}")
    absent = [name for name in options.columns if not any(name in one.columns for one in opened)]
    if absent and opened:
        have = list(dict.fromkeys(name for one in opened for name in one.columns))
        raise BadInput(
            f"there is no column {absent[0]!r} to rename{did_you_mean(absent[0], have)}; there are {', '.join(have)}"
        )
    if not found:
        raise BadInput(f"nothing to read: {'; '.join(notes) or 'no file was given'}")
    # topics first, so that events are compared with the topics that come with them
    return sorted(found, key=lambda one: not one.source.metadata), notes


def _opened(given: str | Path | pa.Table) -> list[Input | TableInput]:
    if isinstance(given, pa.Table):
        return [open_table(given)]
    return [open_input(path) for path in files_in(Path(given))]


def _planned(
    one: Input | TableInput, source: Source | None, columns_map: Mapping[str, str], *, answers: bool
) -> Planned:
    renamed = {name: columns_map.get(name, name) for name in one.columns}
    ours = list(renamed.values())
    twice = sorted({name for name in ours if ours.count(name) > 1})
    if twice:
        raise BadInput(f"{one.place}: after renaming, two columns are called {twice[0]!r}; expected each name once")
    try:
        if source is None:
            source = SOURCES[answers_table(ours) if answers else recognise(ours)]
        if answers and source.metadata:
            raise BadInput(f"`{source.name}` describes a course; expected what students did, such as answers")
        check_columns(source, ours, placed=not answers)
    except BadInput as error:
        raise BadInput(f"{one.place}: {error}") from None
    known = {column.name for column in source.columns}
    if one.format == "json":  # a key may be missing from the first rows
        taken = set(ours)
        renamed |= {theirs: name for theirs, name in columns_map.items() if name not in taken}
        renamed |= {name: name for name in known if name not in set(renamed.values())}
    return Planned(one, source, {theirs: name for theirs, name in renamed.items() if name in known})


def _check_map(columns_map: Mapping[str, str]) -> None:
    known = sorted({column.name for source in SOURCES.values() for column in source.columns})
    for theirs, ours in columns_map.items():
        if ours not in known:
            raise BadInput(
                f"{theirs} renamed to {ours}: no source table has a column {ours!r}{did_you_mean(ours, known)}; "
                "expected the file's name first, then ours"
            )


def check_options(tenant: str, now: datetime, options: ReadOptions) -> None:
    """Raise BadInput for a tenant that cannot be a name, a moment without a zone, or a zone that nobody knows."""
    if not tenant.strip() or len(tenant) > ID_LETTERS or not tenant.isprintable():
        raise BadInput(f"tenant {tenant!r}: expected a name of 1 to {ID_LETTERS} printable characters")
    if now.tzinfo is None:
        raise BadInput(f"now={now:%Y-%m-%d %H:%M} has no zone; give the instant in UTC")
    timezone = options.timezone
    if timezone is not None:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):
            raise BadInput(
                f"unknown time zone {timezone!r}; expected an IANA name such as Europe/Berlin or UTC"
            ) from None
