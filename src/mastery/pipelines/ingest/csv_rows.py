"""CSV: its header, and pieces of it as Arrow columns of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from mastery.errors import BadInput
from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, TOO_LONG, Chunk, broken_lines
from mastery.pipelines.ingest.csv_records import FIELDS, FINE, LETTERS, LONG, LONGEST, QUOTE, Bytes, Records, cut, fine

DELIMITERS = b",;\t"
"""Delimiters of fields. The one that the header has most of is used: spreadsheets write all three."""


def header(head: bytes, path: Path) -> tuple[tuple[str, ...], int, int, int]:
    """Return (column names, delimiter, bytes of the header, line after it) of a file that begins with `head`.

    Names are trimmed. `head` is without a byte order mark.
    """
    first_line = head.lstrip(b"\r\n").split(b"\n", 1)[0].split(b"\r", 1)[0]
    delimiter = max(DELIMITERS, key=first_line.count)
    data = np.frombuffer(head, np.uint8)
    # the number of fields is not known yet, so any number is right here
    records = cut(data, delimiter, 0, 1, last=True)
    if len(records.starts) and records.faults[0] == LETTERS:
        raise BadInput(
            f"{path}: the first line is not UTF-8; save the file as CSV UTF-8, or convert it, say with "
            "`iconv -f WINDOWS-1252 -t UTF-8`"
        )
    if len(records.starts) == 0 or records.faults[0] not in (FINE, FIELDS):
        raise BadInput(f"{path}: the first line cannot be read; expected the names of the columns as CSV in UTF-8")
    text = bytes(data[: records.stops[0]]).decode()
    try:
        names = pacsv.read_csv(
            pa.py_buffer(text.encode() + b"\n"),
            read_options=pacsv.ReadOptions(autogenerate_column_names=True, block_size=len(head) + 2),
            parse_options=_parsing(delimiter),
            convert_options=pacsv.ConvertOptions(
                strings_can_be_null=False, null_values=[], true_values=[], false_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        raise BadInput(f"{path}: the first line cannot be read ({error}); expected the names of the columns") from error
    columns = tuple(str(column[0]).strip() for column in names.columns)
    after = int(records.starts[1]) if len(records.starts) > 1 else len(head)
    line = int(records.lines[1]) if len(records.lines) > 1 else records.next_line
    return columns, delimiter, after, line


def _parsing(delimiter: int) -> pacsv.ParseOptions:
    return pacsv.ParseOptions(delimiter=chr(delimiter), newlines_in_values=True)


@dataclass(frozen=True)
class Plan:
    """How the pieces of one file are read.

    Attributes:
        columns: All of the file's columns.
        delimiter: Byte between fields.
        wanted: Columns to read → whether as a dictionary.
    """

    columns: tuple[str, ...]
    delimiter: int
    wanted: Mapping[str, bool]

    def cut(self, data: Bytes, line: int, *, last: bool) -> tuple[Callable[[], Chunk], int, int]:
        """Return (what reads the records that end in `data`, bytes used, line of the rest)."""
        records = cut(data, self.delimiter, len(self.columns), line, last=last)
        return lambda: self._read(data, records), records.used, records.next_line

    def _read(self, data: Bytes, records: Records) -> Chunk:
        good = records.faults == FINE
        lines = records.lines if records.faulty == 0 else records.lines[good]
        names = [name for name in self.columns if name in self.wanted]
        raw = pa.table({name: pa.array([], pa.string()) for name in names})
        if len(lines):
            text = fine(data, records)
            raw = pacsv.read_csv(
                pa.py_buffer(text),
                read_options=pacsv.ReadOptions(
                    column_names=list(self.columns), block_size=len(text) + 1, use_threads=False
                ),
                parse_options=_parsing(self.delimiter),
                convert_options=pacsv.ConvertOptions(
                    include_columns=names,
                    column_types={name: _type(repeats) for name, repeats in self.wanted.items()},
                    strings_can_be_null=True,
                    null_values=[""],
                    check_utf8=False,
                ),
            )
        return Chunk(raw, lines, self._broken(data, records))

    def _broken(self, data: Bytes, records: Records) -> pa.Table:
        if records.faulty == 0:
            return NOTHING_BROKEN
        at = np.flatnonzero(records.faults != FINE)
        reasons = {
            FIELDS: (f"has another number of fields than the {len(self.columns)} of the header", "fields"),
            QUOTE: ("has a quote that opens a field and is not closed before a delimiter", "quote"),
            LETTERS: ("is not UTF-8", "utf8"),
            LONG: TOO_LONG,
        }
        return broken_lines(
            records.lines[at].tolist(),
            [reasons[int(records.faults[i])] for i in at],
            [data[records.starts[i] : min(records.stops[i], records.starts[i] + LONGEST)].tobytes() for i in at],
        )


def _type(repeats: bool) -> pa.DataType:
    return pa.dictionary(pa.int32(), pa.string()) if repeats else pa.string()
