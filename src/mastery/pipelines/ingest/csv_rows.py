"""Pieces of a CSV file as Arrow columns of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, TOO_LONG, Chunk, broken_lines
from mastery.pipelines.ingest.csv_header import parsing
from mastery.pipelines.ingest.csv_records import FIELDS, FINE, LETTERS, LONG, LONGEST, QUOTE, Bytes, Records, cut, fine

SMALL = 1 << 16
"""Fewer bytes without a quote are split here: for them alone, pyarrow's reader takes most of the time of a file."""

_QUOTE = 34


@dataclass(frozen=True)
class Plan:
    """How the pieces of one file are read.

    Attributes:
        columns: All of the file's columns.
        delimiter: Byte between fields.
        wanted: Columns to read → whether as a dictionary.
        encoding: What the file was in before it became UTF-8; for messages.
    """

    columns: tuple[str, ...]
    delimiter: int
    wanted: Mapping[str, bool | None]
    encoding: str = "utf-8"

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
            text = fine(data, records, self.delimiter)
            if len(text) < SMALL and _QUOTE not in text:
                return Chunk(self._split(data, records), lines, self._broken(data, records))
            raw = pacsv.read_csv(
                pa.py_buffer(text),
                read_options=pacsv.ReadOptions(
                    column_names=list(self.columns), block_size=len(text) + 1, use_threads=False
                ),
                parse_options=parsing(self.delimiter),
                convert_options=pacsv.ConvertOptions(
                    include_columns=names,
                    column_types={name: _type(repeats) for name, repeats in self.wanted.items()},
                    strings_can_be_null=True,
                    null_values=[""],
                    check_utf8=False,
                ),
            )
        return Chunk(raw, lines, self._broken(data, records))

    def _split(self, data: Bytes, records: Records) -> pa.Table:
        """Return the rows of a few records without a quote."""
        whole, delimiter = data.tobytes(), bytes([self.delimiter])
        places = zip(records.starts.tolist(), records.stops.tolist(), records.faults.tolist(), strict=True)
        columns = zip(
            *(whole[start:stop].split(delimiter) for start, stop, fault in places if fault == FINE), strict=True
        )
        made = {}
        for name, cells in zip(self.columns, columns, strict=True):
            if name in self.wanted:
                texts = pa.array([cell or None for cell in cells], pa.binary()).cast(pa.string())
                made[name] = texts.dictionary_encode() if self.wanted[name] else texts
        return pa.table(made)

    def _broken(self, data: Bytes, records: Records) -> pa.Table:
        if records.faulty == 0:
            return NOTHING_BROKEN
        at = np.flatnonzero(records.faults != FINE)
        reasons = {
            FIELDS: (f"has another number of fields than the {len(self.columns)} of the header", "fields"),
            QUOTE: ("has a quote that opens a field and is not closed before a delimiter", "quote"),
            LETTERS: (f"is not {self.encoding.upper()}", "utf8"),
            LONG: TOO_LONG,
        }
        return broken_lines(
            records.lines[at].tolist(),
            [reasons[int(records.faults[i])] for i in at],
            [data[records.starts[i] : min(records.stops[i], records.starts[i] + LONGEST)].tobytes() for i in at],
        )


def _type(repeats: bool | None) -> pa.DataType:
    return pa.dictionary(pa.int32(), pa.string()) if repeats else pa.string()
