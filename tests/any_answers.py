"""Strategies: any table of answers, and any way of writing it that can hold it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from written_files import (
    ASSIGNMENTS,
    ENCODINGS,
    FEEDBACK,
    NESTED_NAMES,
    ODD_NAMES,
    QUIZ,
    QUOTING,
    Encoding,
    Row,
    Style,
    Table,
    fits,
    in_sheets,
)
from written_values import ALL, DATES, DAY, DURATIONS, IDS, LISTS, MINUTE, SECOND, SHARES, TRUTHS, Way

LATIN = "AZaz09 äÖßéñ€“”,;|\"'=.-_/:%#()[]{}\\<>&"
ASCII = "".join(letter for letter in LATIN if letter.isascii())
_PLAIN = st.sampled_from(["S1", "s1", "q-1", "101", "7", "0", "12345678901"])
_ODD = st.sampled_from(
    [
        *("007", "101.0", "1.10", "1e3", "1E+11", "NA", "null", "-", "#REF!", "=A1", "'7", '="007"', "100%", "true"),
        *("a,b", "a;b", "a|b", "a~~b", 'a"b', '"quoted"', '"', '""', "O'Neil", " padded ", "[x]", "{y}", "[]", "\\n"),
        *("2026-03-04", "sep=;", "é", "e\u0301", "a\u200bb", "\ufeffx", "学生1", "😀7", "ﬁ", "Ω", "Ω", "x\u2028y"),
    ]
)
KINDS = ("csv", "csv", "csv", "ndjson", "json", "nested", "parquet", "xlsx")
"""Kinds of files, CSV as often as there is more to it."""

TEXTS = (pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int8(), pa.string()))
"""Types of texts in Parquet."""

TIMES = st.integers(1_136_073_600, 1_700_000_000)
"""Seconds since 1970, of the years 2006 to 2023."""


def _letters(draw: Callable[..., Any]) -> st.SearchStrategy[str]:
    """Return the letters that the texts of one table are made of."""
    return draw(
        st.sampled_from(
            [
                st.sampled_from(ASCII),
                st.sampled_from(LATIN),
                st.characters(exclude_categories=("Cc", "Cs")),
            ]
        )
    )


@st.composite
def ids(draw: Callable[..., Any], letters: st.SearchStrategy[str]) -> str:
    """Draw an id, which may be one that is refused: it is refused in every file then."""
    return draw(st.one_of(_PLAIN, _ODD, st.text(letters, min_size=1, max_size=8), st.text(letters, min_size=60)))


def _notes(letters: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    """Texts over several lines, with separators and quotes."""
    pieces = st.sampled_from(["\n", "\r\n", "\r", "\t", ",", ";", "|", '"', '""', "'", " ", "=", "\\", "{", "]", "5"])
    return st.one_of(st.none(), st.lists(st.one_of(letters, pieces), max_size=12).map("".join))


@st.composite
def tables(draw: Callable[..., Any], most_rows: int = 7) -> Table:
    """Draw a table of answers: few students, questions, topics and moments, so that many rows share them."""
    source = draw(st.sampled_from([QUIZ, QUIZ, ASSIGNMENTS, FEEDBACK]))
    letters = _letters(draw)
    one_id = ids(letters)
    if draw(st.booleans()):
        one_id = st.integers(0, 2**50).map(str)  # as databases have them
    students, items, topics = (draw(st.lists(one_id, min_size=1, max_size=3)) for _ in range(3))
    grain = draw(st.sampled_from([1, 1000, SECOND, SECOND, MINUTE, DAY]))
    moments = [
        (second * SECOND + fraction) // grain * grain
        for second, fraction in draw(st.lists(st.tuples(TIMES, st.integers(0, SECOND - 1)), min_size=1, max_size=4))
    ]
    if source == FEEDBACK:
        item: st.SearchStrategy[str | None] = st.sampled_from(items)
        one_topic, own_id = st.one_of(st.just(()), st.sampled_from(topics).map(lambda topic: (topic,))), st.none()
    else:
        item = st.one_of(st.none(), st.sampled_from(items))
        one_topic = st.lists(st.sampled_from(topics), max_size=1 if source == QUIZ else 3).map(tuple)
        own_id = st.one_of(st.none(), one_id)
    row = st.builds(
        Row,
        student=st.sampled_from(students),
        item=item,
        topics=one_topic,
        share=st.one_of(st.sampled_from([0, ALL]), *([] if source == QUIZ else [st.integers(0, ALL)])),
        at_us=st.sampled_from(moments),
        duration_ms=st.one_of(st.none(), st.integers(0, 4_000_000), st.integers(0, 3600).map(lambda s: s * 1000)),
        attempt=st.one_of(st.none(), st.integers(0, 3)),
        own_id=own_id,
        note=_notes(letters),
    )  # fmt: skip
    return Table(source, tuple(draw(st.lists(row, min_size=1, max_size=most_rows))))


def _way(draw: Callable[..., Any], ways: Sequence[Way], kind: str, values: Sequence[Any]) -> Way:
    """Draw one of the ways that files of this kind have, and in which all values can be written."""
    able = [way for way in ways if kind in way.files and all(way.fits(value) for value in values if value is not None)]
    return draw(st.sampled_from(able))


def _date(draw: Callable[..., Any], kind: str, values: Sequence[int]) -> Way:
    families = [[way for way in family if kind in way.files and all(map(way.fits, values))] for family in DATES]
    return draw(st.sampled_from([family for family in families if family]).flatmap(st.sampled_from))


@st.composite
def styles(draw: Callable[..., Any], table: Table, kinds: Sequence[str] = KINDS) -> Style:
    """Draw a style that can hold the table.

    Args:
        kinds: Kinds of files to choose from, one of them other than a workbook.
    """
    able = [kind for kind in kinds if kind != "xlsx" or in_sheets(table)]
    kind = draw(st.sampled_from(able))
    rows = table.rows
    style = Style(
        kind=kind,
        ending={"csv": draw(st.sampled_from(["csv", "tsv", "txt", "tab"])), "ndjson": "ndjson", "nested": "json"}.get(
            kind, kind
        ),
        packed=draw(st.sampled_from(["", "zip"] if kind in ("parquet", "xlsx") else ["", "", "gz", "zst", "zip"])),
        names=draw(st.sampled_from([{}, ODD_NAMES, NESTED_NAMES if kind in ("json", "ndjson", "nested") else {}])),
        shuffled=draw(st.one_of(st.none(), st.integers(0, 99))),
        comments=draw(st.booleans()),
        compact=draw(st.booleans()),
        closed=draw(st.booleans()),
        line_end=draw(st.sampled_from(["\n", "\r\n", "\r"] if kind == "csv" else ["\n", "\r\n"])),
        texts=draw(st.sampled_from(TEXTS)),
        group=draw(st.sampled_from([2, 1000])),
        student=_way(draw, IDS, kind, [row.student for row in rows]),
        item=_way(draw, IDS, kind, [row.item for row in rows]),
        truth=_way(draw, TRUTHS, kind, []),
        share=_way(draw, SHARES, kind, []),
        topics=_way(draw, LISTS, kind, [row.topics for row in rows]),
        date=_date(draw, kind, [row.at_us for row in rows]),
        duration=_way(draw, DURATIONS, kind, [row.duration_ms for row in rows]),
        decimal=draw(st.sampled_from([".", ","])) if kind != "parquet" else ".",
        **_csv_only(draw, kind),
    )  # fmt: skip
    encodings = [encoding for encoding in ENCODINGS if fits(table, _with(style, encoding))]
    return _with(style, draw(st.sampled_from(encodings)))


def _csv_only(draw: Callable[..., Any], kind: str) -> dict[str, Any]:
    if kind != "csv":
        return {}
    said = draw(st.sampled_from([False, False, True]))
    return {
        "separator": draw(st.sampled_from(",;\t|^~" if said else ",;\t|")),
        "said_separator": said,
        "quoting": draw(st.sampled_from(QUOTING)),
    }


def _with(style: Style, encoding: Encoding) -> Style:
    return replace(style, encoding=encoding)
