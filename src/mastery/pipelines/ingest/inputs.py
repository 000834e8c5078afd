"""Which files or tables are read, and as what. Everything is checked here before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from mastery.errors import BadInput, did_you_mean
from mastery.events.arrangement import Arrangement, arrange_columns, check_arrangement
from mastery.events.calendar import check_dates
from mastery.events.columns import RENAMING
from mastery.events.header_words import columns_shown, names_shown
from mastery.events.ids import ID_LETTERS
from mastery.events.numbers import check_numbers
from mastery.events.parse import check_units
from mastery.events.read_options import ReadOptions
from mastery.events.recognise import LacksColumns, answers_table, check_columns, recognise, source_named
from mastery.events.registry import SOURCES
from mastery.events.revisions import ON_REVISION
from mastery.events.source import Source
from mastery.events.tally import Tally
from mastery.events.ties import WORDS
from mastery.events.worth import check_worths
from mastery.pipelines.ingest.answer_keys import read_key
from mastery.pipelines.ingest.column_names import first_of, repeated
from mastery.pipelines.ingest.files import Input, TableInput, open_input
from mastery.pipelines.ingest.find_files import Found, LeftOut, find_files, left_out_notes, without_place
from mastery.pipelines.ingest.formats import JSON
from mastery.pipelines.ingest.json_paths import segments
from mastery.pipelines.ingest.profiles import Way, every_profile, ways_of
from mastery.time_zones import zone_named

EXPECTED = {
    "id": "an id, as text",
    "text": "a text",
    "number": "a number",
    "share": "a share, as a number in the unit of the column, 85 % or 7/10",
    "duration": "a duration, as a number, 1:12 or PT1M12S",
    "whole": "a whole number",
    "truth": "true or false (or yes, no, right, wrong, 1, 0; other words with --values)",
    "moment": "a time stamp in ISO 8601 (2025-12-31 14:30 or 2025-12-31T14:30:00Z), a date with --dates, or seconds or "
    "milliseconds since 1970",
    "ids": "a list of ids: a|b|c or a JSON list",
}
"""What a column of each kind should contain, in words."""


@dataclass(frozen=True)
class Planned:
    """One file or table in memory, the source table it is, where the columns of that come from in it, and what is said
    about it.
    """

    input: Input | TableInput
    source: Source
    arrangement: Arrangement
    options: ReadOptions

    def check_usable(self, tally: Tally) -> None:
        """Raise BadInput when a needed column has no usable value in any of the rows counted."""
        names = tally.unusable_throughout()
        misfits = tally.misfits(self.source)
        if misfits and not names:
            name, question, why = misfits[0]
            where = self.arrangement.place(name, question)
            raise BadInput(f"{self.input.place}: {where} cannot be read as it is: {why}")
        if not names:
            return
        column = self.source.column(names[0])
        raise BadInput(
            f"{self.input.place}: {self.arrangement.place(column.name)} has no usable value in any of {tally.rows} "
            f"rows; expected {EXPECTED[column.kind]}: {column.doc}. Write its values so; or, if another column is "
            f"meant, rename that one with {RENAMING}"
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
    ways = ways_of(options)
    keys = {path: read_key(path) for path in dict.fromkeys(way.options.key for way in ways) if path is not None}
    for way in ways:
        check_arrangement(way.options)
        check_numbers(way.options.decimal, way.options.thousands)
        check_worths(way.options.values)
        check_dates(way.options.dates)
        if way.options.table is not None:
            source_named(way.options.table)
    planned: list[Planned] = []
    notes: list[str] = []
    left: list[LeftOut] = []
    opened: list[Input | TableInput] = []
    for found in _found(files):
        if isinstance(found, LeftOut):
            left.append(found)
            continue
        try:
            one = found if isinstance(found, TableInput) else open_input(found.content, ways[0].options)
            opened.append(one)
            planned += _planned(one, ways, keys, answers=answers)
            notes += [f"{one.name}: {note}" for note in one.notes]
        except BadInput as error:
            if isinstance(found, TableInput) or found.named:
                raise
            why = without_place(error, found.content.place)
            left.append(LeftOut(found.content.name, why.partition("; ")[0]))  # whoever names the file is told all
    absent = [name for name in options.columns if opened and not any(_has(one, name) for one in opened)]
    if absent:
        have = list(dict.fromkeys(name for one in opened for name in one.columns))
        raise BadInput(
            f"there is no column {absent[0]!r} to rename{did_you_mean(absent[0], names_shown(have))}; "
            f"there are {columns_shown(have)}"
        )
    notes += left_out_notes(left)
    if not planned:
        raise BadInput(f"nothing to read: {'; '.join(left_out_notes(left)) or 'no file was given'}")
    # topics first, so that events are compared with the topics that come with them
    return sorted(planned, key=lambda one: not one.source.metadata), notes


def _found(files: Sequence[str | Path | pa.Table]) -> Iterator[Found | LeftOut | TableInput]:
    for given in files:
        if isinstance(given, pa.Table):
            yield TableInput(given)
        else:
            yield from find_files(given)


def _has(one: Input | TableInput, name: str) -> bool:
    """Return whether there is such a column; in JSON it may also be a part of one, such as an object in a list."""
    if one.format == JSON and len(segments(name)) > 1:
        return any(segments(column)[:1] == segments(name)[:1] for column in one.columns)
    return first_of(name) in one.columns or any(column.startswith(f"{name}.") for column in one.columns)


def _planned(
    one: Input | TableInput, ways: Sequence[Way], keys: Mapping[str, Mapping[str, str]], *, answers: bool
) -> list[Planned]:
    """Return the tables that a file is, of those that a profile takes from such files all that it can be."""
    found, errors = [], []
    for way in ways:
        try:
            planned = _as(one, way, answers=answers)
            key = None if way.options.key is None else keys[way.options.key]
            found.append(replace(planned, arrangement=replace(planned.arrangement, key=key)))
        except BadInput as error:
            errors.append(error)
    if found:
        return found
    if ways[0].options.profile is None:
        raise _of(one, errors[0], _profiles_for(one, ways[0].options, answers=answers)) from None
    if len(ways) == 1:
        raise _of(one, errors[0]) from None
    tables = "; ".join(dict.fromkeys(str(error) for error in errors))
    raise BadInput(f"{one.place}: is none of the tables of profile {ways[0].options.profile}: {tables}")


def _of(one: Input | TableInput, error: BadInput, before: str = "") -> BadInput:
    """Return an error with the place of the file it is about."""
    message = f"{one.place}: {before}{error}"
    return error.of(one.place, message) if isinstance(error, LacksColumns) else BadInput(message)


def _profiles_for(one: Input | TableInput, said: ReadOptions, *, answers: bool) -> str:
    """Return in a sentence the profiles that read such a file; empty where there is none."""
    found = []
    for profile in every_profile():
        for way in ways_of(replace(said, profile=profile.name, table=None)):
            with suppress(BadInput):
                _as(one, way, answers=answers)
                found.append(profile)
    names = list(dict.fromkeys(f"--profile {profile.name} ({profile.title})" for profile in found))
    return f"it looks like a file for {' or '.join(names)}; as it is, " if names else ""


def _as(one: Input | TableInput, way: Way, *, answers: bool) -> Planned:
    said = replace(way.options, columns={first_of(theirs): ours for theirs, ours in way.options.columns.items()})
    arrangement = arrange_columns(
        one.columns, said, _stem(one.name), candidates=way.candidates, more=one.format == JSON
    )
    ours = arrangement.names(one.columns)
    if way.options.table is not None:
        source = SOURCES[way.options.table]
    else:
        source = SOURCES[answers_table(ours) if answers else recognise(ours)]
    if answers and source.metadata:
        raise BadInput(f"`{source.name}` describes a course; expected what students did, such as answers")
    for name in source.needed():
        if name not in ours and name in way.candidates:
            raise BadInput(
                f"profile {way.options.profile} expects the column {' or '.join(map(repr, way.candidates[name]))} (for "
                f"{name}); the file has {columns_shown(one.columns)}. If it has another name, rename it with {RENAMING}"
            )
    check_columns(source, ours, placed=not answers)
    arrangement = arrangement.of(source)
    for name, theirs in arrangement.columns.items():
        _check_told_apart(name, theirs, one.columns, way.options)
    return Planned(one, source, arrangement, way.options)


def _check_told_apart(ours: str, theirs: str, columns: Sequence[str], options: ReadOptions) -> None:
    """Raise BadInput where several columns of the file have the name, and nobody said which of them is meant."""
    same = repeated(theirs, columns)
    if same and f"{theirs}#1" not in options.columns:
        choices = " or ".join(f"--map '{other}={ours}'" for other in (f"{theirs}#1", *same[1:]))
        times = "twice" if len(same) == 2 else f"{len(same)} times"
        raise BadInput(f"column {theirs!r} is there {times}; say which is meant: {choices}")


def _stem(name: str) -> str:
    """Return the name of a file without its endings, and without what a browser adds to a second copy."""
    return re.sub(r"(\s\(\d+\))?(\.[A-Za-z]\w{0,6})*$", "", name) or name


def check_units_of(planned: Sequence[Planned]) -> None:
    """Raise BadInput for a unit declared of a column that none of these tables has, or that it cannot have."""
    units = {name: unit for one in planned for name, unit in one.options.units.items()}
    check_units([one.source for one in planned], units)


def check_options(tenant: str, now: datetime, options: ReadOptions) -> None:
    """Raise BadInput for a tenant that cannot be a name, a moment without a zone, or a zone that nobody knows."""
    if not tenant.strip() or len(tenant) > ID_LETTERS or not tenant.isprintable():
        raise BadInput(f"tenant {tenant!r}: expected a name of 1 to {ID_LETTERS} printable characters")
    if now.tzinfo is None:
        raise BadInput(f"now={now:%Y-%m-%d %H:%M} has no zone; give the instant in UTC")
    if options.repeats not in (None, *WORDS):
        raise BadInput(
            f"equal rows as {options.repeats!r}{did_you_mean(options.repeats, list(WORDS))}; expected --repeats "
            f'{" or ".join(WORDS)} (in Python, repeats="answers")'
        )
    if options.on_revision not in ON_REVISION:
        raise BadInput(
            f"revisions as {options.on_revision!r}{did_you_mean(options.on_revision, list(ON_REVISION))}; expected "
            f"--on-revision {', '.join(ON_REVISION)} (in Python, on_revision=)"
        )
    timezone = options.timezone
    if timezone is not None:
        zone_named(timezone)
