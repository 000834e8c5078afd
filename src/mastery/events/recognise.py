"""Recognise which source table a file is from its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mastery.errors import BadInput, closest, did_you_mean
from mastery.events.columns import RENAMING, STUDENT
from mastery.events.header_words import columns_shown, names_shown
from mastery.events.read_options import ReadOptions, ours_of
from mastery.events.registry import SOURCES
from mastery.events.responses import RESPONSES
from mastery.events.source import Source


class LacksColumns(BadInput):
    """A file that is no source table as it is.

    Attributes:
        table: The table that was named, or the nearest.
        missing: Columns that it needs and the file does not have.
        columns: Columns of the file; none where their names may be values.
        spare: Those of them that the table has not.
        place: The file; None until it is known.
    """

    def __init__(
        self, message: str, table: str, missing: Sequence[str], columns: Sequence[str], place: str | None = None
    ) -> None:
        self.table, self.missing, self.columns, self.place = table, tuple(missing), tuple(names_shown(columns)), place
        self.spare = tuple(_spare(SOURCES[table], columns))
        super().__init__(message)

    def of(self, place: str, message: str) -> LacksColumns:
        """Return the same of a file, with a message that names it."""
        return LacksColumns(message, self.table, self.missing, self.columns, place)


HAPPENED = frozenset({STUDENT.name, "timestamp", "is_correct", "score", "score_pct"})
"""Columns of things that happened to somebody. Metadata has none of them."""


def names_read(options: ReadOptions) -> frozenset[str]:
    """Return the columns that any source table may be read from, under the names that they have in the source."""
    ours = {column.name for source in SOURCES.values() for column in source.columns}
    said = {name for given in options.columns.values() for name in ours_of(given)}
    parts = {name for names in options.joined.values() for name in names}
    return frozenset(options.columns) | parts | frozenset(options.only) | (ours - said)


def source_named(name: str) -> Source:
    """Return the source table of this name, or raise BadInput with the nearest one."""
    if name not in SOURCES:
        raise BadInput(f"unknown source table {name!r}{did_you_mean(name, list(SOURCES))}; known: {', '.join(SOURCES)}")
    return SOURCES[name]


def marks(source: Source) -> frozenset[str]:
    """Return the columns by which a file is recognised as this table."""
    return source.marks or frozenset(source.needed())


def recognise(columns: Sequence[str]) -> str:
    """Return the name of the source table with these columns.

    Of two tables that both fit, the one that needs more columns wins: every research log has the columns of
    quiz attempts too.

    Raises:
        LacksColumns: None fits.
        BadInput: No table has any of them, or two fit and neither needs more than the other. Messages have no file
            name; callers add it.
    """
    have = frozenset(columns)
    possible, best = _fitting(have)
    if len(best) == 1:
        return best[0]
    if best:
        raise BadInput(
            f"the columns fit {' and '.join(sorted(best))} alike; name the right one with --as, "
            f"for example --as {sorted(best)[0]} (in Python, table={sorted(best)[0]!r})"
        )
    near = max(possible.values(), key=lambda source: len(marks(source) & have) / len(marks(source)))
    if not marks(near) & have:
        raise BadInput(
            f"no source table has columns like these ({columns_shown(columns)}); known tables: "
            f"{', '.join(SOURCES)}. If the columns have other names, rename them with {RENAMING}{_spelled(columns)}"
        )
    expected = [*near.needed(), *sorted(near.marks)]
    raise LacksColumns(
        f"the columns fit no source table; the nearest is {near.name}, of which "
        f"{_missing(near, expected, columns)}. "
        f"Name the table with --as (in Python, table=), or rename columns with {RENAMING}",
        near.name,
        _absent(expected, columns),
        columns,
    )


def _spelled(columns: Sequence[str]) -> str:
    """Return how to rename columns that are ours but for capitals, blanks and lines; nothing where there are none."""
    ours = {_letters(column.name): column.name for source in SOURCES.values() for column in source.columns}
    found = [(name, ours[_letters(name)]) for name in columns if _letters(name) in ours]
    return ": " + " ".join(f"--map '{theirs}={name}'" for theirs, name in found) if found else ""


def _letters(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name.casefold())


def answers_table(columns: Sequence[str]) -> str:
    """Return the name of the source table with these columns, where answers of students are expected.

    What fits no table is a research log (`responses`) as soon as it has students and outcomes.

    Raises:
        BadInput: It has neither, or fits two tables alike. The message has no file name.
    """
    _, best = _fitting(frozenset(columns))
    if best:
        return recognise(columns)
    check_columns(RESPONSES, columns, placed=False)
    return RESPONSES.name


def _fitting(have: frozenset[str]) -> tuple[dict[str, Source], list[str]]:
    """Return the source tables that these columns may be, and of those that fit the ones that need most columns."""
    # Answers name questions and topics too: a file about students, or of moments, is never metadata. Without this a
    # quiz file that calls its students "pupil" was taken for items, and its answers were lost without a word.
    dated = bool(have & HAPPENED)
    possible = {name: source for name, source in SOURCES.items() if not (source.metadata and dated)}
    fits = {name: marks(source) for name, source in possible.items() if marks(source) <= have}
    if not fits:
        fits = {name: marks(source) for name, source in possible.items() if _in_order(source, have)}
    return possible, [name for name, needed in fits.items() if not any(needed < other for other in fits.values())]


def _in_order(source: Source, have: frozenset[str]) -> bool:
    """Return whether a file has what a table needs, and of the columns that place its rows the last one alone."""
    return frozenset(source.needed()) <= have and bool(source.either) and have & {*source.either} == {source.either[-1]}


def check_columns(source: Source, columns: Sequence[str], *, placed: bool = True) -> None:
    """Raise LacksColumns when a file with these columns cannot be this table. The message has no file name.

    Args:
        placed: Its rows must have a place in time, or in an order; else the order of the rows will do.
    """
    have = set(columns)
    if not set(source.needed()) <= have:
        raise LacksColumns(
            f"for {source.name}, {_missing(source, source.needed(), columns)}; "
            f"it has {columns_shown(columns)}. If they have other names, rename them with {RENAMING}",
            source.name,
            _absent(source.needed(), columns),
            columns,
        )
    if placed and source.either and not have & set(source.either):
        raise LacksColumns(
            f"for {source.name}, one of the columns {' and '.join(source.either)} is needed; "
            f"it has {columns_shown(columns)}",
            source.name,
            source.either[:1],
            columns,
        )


def _absent(expected: Sequence[str], columns: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(expected) if name not in set(columns)]


def _spare(source: Source, columns: Sequence[str]) -> list[str]:
    known = {column.name for column in source.columns}
    return [name for name in names_shown(columns) if name not in known]


def _missing(source: Source, expected: Sequence[str], columns: Sequence[str]) -> str:
    """Return in words which expected columns are not there, with the kinds of value and a likely misspelling."""
    spare = _spare(source, columns)
    words = [
        f"{name!r} ({source.column(name).doc}{_near(name, _likely(name, spare))})"
        for name in _absent(expected, columns)
    ]
    return (
        f"{'column' if len(words) == 1 else 'columns'} {', '.join(words)} {'is' if len(words) == 1 else 'are'} missing"
    )


def _near(name: str, columns: Sequence[str]) -> str:
    found = closest(name, list(columns))
    return "" if found is None else f"; is it {found!r}?"


def _likely(name: str, spare: Sequence[str]) -> list[str]:
    """Return which columns may hold what column `name` should. For an id, those that speak of an id or a number: a
    gradebook's column "Student" holds names of people, which tell no two of the same name apart.
    """
    if not name.endswith("_id"):
        return list(spare)
    return [other for other in spare if re.search(r"(id|ids|key|code|no|nr|num|number|uuid)$", other.casefold())]
