"""What the beginning of a CSV file says: the separator of fields, the names of columns, where the rows begin."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from mastery.errors import BadInput
from mastery.pipelines.ingest.column_names import told_apart
from mastery.pipelines.ingest.csv_records import FINE, LETTERS, LONGEST, Bytes, cut, fine, first_record

DELIMITERS = b",;\t|"
"""Separators of fields that programs write."""

JUDGED_BYTES = 1 << 16
"""The separator is judged by the records that end within this number of bytes."""

NEARLY = 0.1
"""Separators whose shares of fitting rows differ by less fit alike: damaged rows are no reason to choose another."""

_SEP_LINE = re.compile(rb'"?sep=([^\r\n"])"?[ ;,\t]*(\r\n|\n|\r|$)', re.IGNORECASE)
_ENDS = b"\r\n"


@dataclass(frozen=True)
class Header:
    """The beginning of a CSV file.

    Attributes:
        columns: Names, each once; see `mastery.pipelines.ingest.column_names`.
        delimiter: Byte between fields.
        after: Bytes before the first row.
        line: Physical line on which the first row begins.
    """

    columns: tuple[str, ...]
    delimiter: int
    after: int
    line: int


def read_header(head: bytes, place: str, *, last: bool) -> Header | None:
    """Return the header of a file that begins with `head`, or None when more of the file is needed to tell.

    Args:
        head: UTF-8, without a byte order mark.
        place: What a message calls the file.
        last: `head` is all of the file.

    Raises:
        BadInput: The first record is no row of names.
    """
    said = _SEP_LINE.match(head)
    before = said.end() if said is not None else 0
    before += len(head) - before - len(head[before:].lstrip(_ENDS))
    data = np.frombuffer(head, np.uint8)[before:]
    delimiter = said.group(1)[0] if said is not None else judged(data, last=last)
    stop, fields = first_record(data, delimiter, last=last)
    if stop < 0:
        if len(data) <= LONGEST:
            return None
        raise BadInput(f"{place}: the first line is longer than {LONGEST >> 20} MiB; expected the names of the columns")
    if fields == 0 or not data.size:
        raise BadInput(f"{place}: the first line cannot be read; expected the names of the columns as CSV in UTF-8")
    end = stop
    if end < data.size:
        end += 2 if bytes(data[end : end + 2]) == b"\r\n" else 1
    records = cut(data[:end], delimiter, fields, 1, last=True)
    if records.faults[0] == LETTERS:
        raise BadInput(
            f"{place}: the first line is not UTF-8; save the file as UTF-8, or name its encoding, say with "
            "--encoding windows-1252 (in Python, encoding=)"
        )
    if records.faults[0] != FINE:
        raise BadInput(f"{place}: the first line cannot be read; expected the names of the columns as CSV in UTF-8")
    names = _names(fine(data[:end], records, delimiter), fields, delimiter)
    lines = _line_ends(head[:before]) + records.next_line
    return Header(told_apart(names), delimiter, before + end, lines)


def judged(data: Bytes, *, last: bool) -> int:
    """Return the separator that cuts the rows into as many fields as the header; of several that of most fields."""
    fits: list[tuple[float, int, int]] = []
    for delimiter in DELIMITERS:
        stop, fields = first_record(data, delimiter, last=last)
        if fields > 1:
            piece = data[: max(JUDGED_BYTES, stop + 1)]
            records = cut(piece, delimiter, fields, 1, last=last and len(piece) == len(data))
            rows = records.faults[1:]
            fits.append((float(np.mean(rows == FINE)) if len(rows) else 1.0, fields, delimiter))
    enough = max((share for share, _, _ in fits), default=0.0) - NEARLY
    return max((fit for fit in fits if fit[0] >= enough), key=lambda fit: fit[1], default=(0.0, 1, DELIMITERS[0]))[2]


def _names(text: Bytes, fields: int, delimiter: int) -> list[str]:
    """Return the fields of one record. All of them are text: 007 is no number."""
    plain = bytes(text)
    if b'"' not in plain:
        return plain.decode().rstrip("\r\n").split(chr(delimiter))
    numbered = [str(number) for number in range(fields)]
    row = pacsv.read_csv(
        pa.py_buffer(text),
        read_options=pacsv.ReadOptions(column_names=numbered, block_size=len(text) + 1, use_threads=False),
        parse_options=parsing(delimiter),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(numbered, pa.string()), strings_can_be_null=False, null_values=[]
        ),
    )
    return [str(row[name][0]) for name in numbered]


def parsing(delimiter: int) -> pacsv.ParseOptions:
    """Return how pyarrow reads records with this separator."""
    return pacsv.ParseOptions(delimiter=chr(delimiter), newlines_in_values=True)


def _line_ends(text: bytes) -> int:
    return text.count(b"\n") + text.replace(b"\r\n", b"").count(b"\r")
