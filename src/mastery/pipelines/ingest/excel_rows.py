"""Workbooks of spreadsheets: one sheet of them as Arrow columns of text, as a CSV file of it would be.

python-calamine reads .xlsx, .xlsm, .xlsb, .xls and .ods. Numbers are texts without `.0`, dates and times are ISO 8601,
and numbers of .xlsx and .xlsm that are shown as per cents are what is shown: `85%`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.errors import BadInput, did_you_mean
from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, Chunk
from mastery.pipelines.ingest.column_names import told_apart
from mastery.pipelines.ingest.contents import Content
from mastery.pipelines.ingest.excel_percents import percent_cells

BATCH_ROWS = 65_536
"""Rows that are taken at a time."""

_MILLISECOND = 1_000


@contextmanager
def _workbook(content: Content) -> Iterator[Any]:
    try:
        calamine = importlib.import_module("python_calamine")
    except ImportError:
        raise BadInput(
            f"{content.place}: workbooks need python-calamine; pip install 'student-mastery-engine[excel]', or save "
            "the sheet as CSV UTF-8"
        ) from None
    try:
        with content.opened() as file, calamine.CalamineWorkbook.from_filelike(file) as book:
            yield book
    except calamine.PasswordError:
        raise BadInput(
            f"{content.place}: the workbook needs a password; save it without one, or as CSV UTF-8"
        ) from None
    except calamine.CalamineError as error:
        raise BadInput(
            f"{content.place}: cannot be read as a workbook ({error}); expected a whole, undamaged file: write or copy "
            "it again, or save the sheet as CSV UTF-8"
        ) from error


def chosen_sheet(content: Content, sheet: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the name of the sheet to read, and the names of its columns.

    Args:
        content: The workbook.
        sheet: The name of a sheet, or its number from 1; None where only one has cells.

    Raises:
        BadInput: There is no such sheet, or several have cells and none is named.
    """
    with _workbook(content) as book:
        names: list[str] = book.sheet_names
        if sheet is not None:
            name = names[int(sheet) - 1] if sheet not in names and sheet in _numbers(names) else sheet
            if name not in names:
                raise BadInput(
                    f"{content.place}: there is no sheet {sheet!r}{did_you_mean(sheet, names)}; there are "
                    f"{', '.join(names)}"
                )
            whole = book.get_sheet_by_name(name)  # which reads all of it, each time
        else:
            sheets = {name: book.get_sheet_by_name(name) for name in names}
            filled = [name for name, one in sheets.items() if one.height]
            if len(filled) > 1:
                raise BadInput(
                    f"{content.place}: the workbook has several sheets: {', '.join(filled)}; name one with --sheet "
                    "(in Python, sheet=)"
                )
            if not filled:
                raise BadInput(f"{content.place}: the workbook is empty; expected at least the names of the columns")
            name, whole = filled[0], sheets[filled[0]]
        _, header = next(_filled_rows(whole), (0, []))
    if not header:
        raise BadInput(f"{content.place}: sheet {name!r} is empty; expected at least the names of the columns")
    return name, told_apart(text or "" for text in map(_text, header))


def _numbers(names: Sequence[str]) -> set[str]:
    return {str(number) for number in range(1, len(names) + 1)}


def chunks(
    content: Content, sheet: str, columns: Sequence[str], wanted: Sequence[str], decimal: str = "."
) -> Iterator[tuple[Chunk, float]]:
    """Yield the rows of a sheet, with the share of the sheet that is done; lines are the sheet's own row numbers.

    Args:
        decimal: Sign before the decimals of numbers, as the sheet's texts are said to have it.
    """
    places = [place for place, name in enumerate(columns) if name in wanted]
    names = [columns[place] for place in places]
    with _workbook(content) as book:
        whole = book.get_sheet_by_name(sheet)
        total, first = max(whole.total_height, 1), 1 + (whole.start or (0, 0))[1]
        percents = {column - first: lines for column, lines in percent_cells(content, sheet).items()}
        rows = _filled_rows(whole)
        next(rows, None)
        while batch := list(islice(rows, BATCH_ROWS)):
            lines: Int64s = np.array([number for number, _ in batch], np.int64)
            raw = pa.table(
                {
                    name: pa.array(_texts(batch, place, percents.get(place), decimal), pa.string())
                    for name, place in zip(names, places, strict=True)
                }
            )
            yield Chunk(raw, lines, NOTHING_BROKEN), int(lines[-1]) / total


def _filled_rows(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """Yield the rows that have a value, with their numbers in the sheet from 1."""
    for number, row in enumerate(sheet.iter_rows(), 1):
        if any(cell != "" for cell in row):
            yield number, row


def _texts(
    rows: Sequence[tuple[int, list[Any]]], place: int, percents: frozenset[int] | None, decimal: str
) -> list[str | None]:
    """Return the cells of a column as a person would type them; `percents` are the rows that show per cents."""
    if percents is None:
        return [_text(row[place], decimal) for _, row in rows]
    return [_percent(row[place], decimal) if number in percents else _text(row[place], decimal) for number, row in rows]


def _percent(cell: Any, decimal: str) -> str | None:
    """Return a number that is shown as per cents so, with all its digits."""
    if not isinstance(cell, float):
        return _text(cell)
    return f"{Decimal(repr(cell)).scaleb(2).normalize():f}%".replace(".", decimal)


def _text(cell: Any, decimal: str = ".") -> str | None:
    """Return a cell as a person would type it; nothing for an empty one."""
    if isinstance(cell, str):
        return cell or None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell).replace(".", decimal)
    if isinstance(cell, datetime):
        return _to_the_millisecond(cell).isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, time):
        return _clock(
            timedelta(hours=cell.hour, minutes=cell.minute, seconds=cell.second, microseconds=cell.microsecond)
        )
    return _clock(cell) if isinstance(cell, timedelta) else str(cell)


def _to_the_millisecond(moment: datetime) -> datetime:
    """Return the moment that a spreadsheet means by a day and a fraction, which is exact to some microseconds."""
    over = moment.microsecond % _MILLISECOND
    return moment + timedelta(microseconds=-over if over < _MILLISECOND / 2 else _MILLISECOND - over)


def _clock(duration: timedelta) -> str:
    """Return a duration as hours:minutes:seconds."""
    milliseconds = round(duration / timedelta(milliseconds=1))
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:06.3f}".removesuffix(".000")
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds}"
