"""Files as a stream of chunks of rows: CSV, JSON, Parquet and workbooks, packed by gzip, zstd or zip or not.

A chunk has the physical line of each of its rows, and the lines that cannot be read as a row. Blocks are cheap and come
in order; `Block.read`, which does the work, may run in any thread.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mastery.errors import BadInput
from mastery.events.read_options import NOTHING_SAID, ReadOptions
from mastery.events.values import is_text
from mastery.pipelines.ingest import csv_rows, excel_rows, json_rows
from mastery.pipelines.ingest.binary_texts import with_texts
from mastery.pipelines.ingest.chunk import TOO_LONG, Chunk, broken_lines
from mastery.pipelines.ingest.contents import Content, is_packed, unpacked
from mastery.pipelines.ingest.csv_header import Header, read_header
from mastery.pipelines.ingest.csv_records import LONGEST, Bytes
from mastery.pipelines.ingest.encodings import UTF8, as_utf8, checked_encoding, judged_encoding, mark_of
from mastery.pipelines.ingest.excel_percents import NOT_READ, tells_percents
from mastery.pipelines.ingest.formats import CSV, ENDINGS, EXCEL, JSON, PARQUET, format_of
from mastery.pipelines.ingest.json_elements import INSIDE, Elements
from mastery.pipelines.ingest.json_layout import Layout, read_layout
from mastery.pipelines.ingest.memory_apart import apart
from mastery.pipelines.ingest.nested import leaves, taken

BLOCK_BYTES = 12 << 20
"""Text is read in pieces of this size: about 170,000 answers, which take some 60 MB while they are worked on."""

BATCH_ROWS = 524_288
"""Rows of a Parquet file, or of a table in memory, that are taken at a time at most."""

BATCH_BYTES = 256 << 20
"""Fewer rows are taken where they are so long that they would hold more than this."""

HEAD_BYTES = 1 << 20
"""As much of a text file is looked at first; more only where its first record does not end within it."""

_SPARE = 1 << 16
"""Bytes by which one piece may be longer than another in the same memory: the end of a record before it."""

_NEWLINE, _RETURN = 10, 13


@dataclass(frozen=True)
class Block:
    """One piece of a file, not yet read.

    Attributes:
        read: Returns its rows, once: of a text, the memory that it lies in is used again then.
        done: Bytes of the file that are done once it is read.
    """

    read: Callable[[], Chunk]
    done: int


@dataclass(frozen=True)
class Input:
    """A file that can be opened and has named columns.

    Attributes:
        format: `csv`, `json`, `parquet` or `excel`.
        columns: Their names, each once; of JSON those of the first rows.
        encoding: Of a text, as Python calls it.
        begins: Where the rows of a text begin.
        sheet: Of a workbook, the one that is read.
        decimal: Sign before decimals in texts that are numbers, as it was declared: numbers of JSON and of workbooks
            become texts with it.
        notes: What was judged and should be said.
    """

    content: Content
    format: str
    columns: tuple[str, ...]
    encoding: str = UTF8
    begins: Header | Layout | None = None
    sheet: str = ""
    decimal: str = "."
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.content.name

    @property
    def place(self) -> str:
        """Where a message says that something is wrong."""
        return self.content.place

    @property
    def size(self) -> int:
        return self.content.size

    def empty(self, wanted: Mapping[str, bool | None]) -> pa.Table:
        """Return no rows, with the columns to read."""
        return pa.table({name: pa.array([], pa.string()) for name in self.columns if name in wanted})

    def blocks(self, wanted: Mapping[str, bool | None]) -> Iterator[Block]:
        """Return the file's blocks in order.

        Args:
            wanted: Columns to read (others are left out) → None where they are only kept; else whether their values
                repeat, so that they are better read as a dictionary. Texts stay texts: nothing is converted.
        """
        with _readable(self.content, self.format):
            if self.format == PARQUET:
                yield from _parquet_blocks(self, wanted)
            elif self.format == EXCEL:
                for chunk, share in excel_rows.chunks(
                    self.content, self.sheet, self.columns, list(wanted), self.decimal
                ):
                    yield Block(lambda chunk=chunk: chunk, int(self.size * share))  # type: ignore[misc]
            else:
                yield from _text_blocks(self, wanted)


@dataclass(frozen=True)
class TableInput:
    """An Arrow table in memory, read like a file. Its lines are its rows, from 1."""

    table: pa.Table

    format = "table"
    name = "table"
    place = "the table"
    notes = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(leaves(self.table.schema))

    @property
    def size(self) -> int:
        """Bytes of the table, as `Block.done` counts them."""
        return int(self.table.nbytes)

    def blocks(self, wanted: Mapping[str, bool | None]) -> Iterator[Block]:
        """Return the table's blocks in order; see `Input.blocks`."""
        columns = {name: leaf for name, leaf in leaves(self.table.schema).items() if name in wanted}
        table = taken(self.table, columns)
        n = self.table.num_rows
        at_once = _batch_rows(n, table.nbytes)
        for first in range(0, max(n, 1), at_once):
            last = min(first + at_once, n)
            chunk = with_texts(table.slice(first, last - first), np.arange(first + 1, last + 1), wanted)
            yield Block(lambda chunk=chunk: chunk, self.size * last // max(n, 1))  # type: ignore[misc]


_TITLES = {CSV: "CSV", JSON: "JSON", PARQUET: "Parquet", EXCEL: "a workbook"}


def open_input(content: Content, options: ReadOptions = NOTHING_SAID) -> Input:
    """Return the file with its column names. Raises BadInput with the reason why it cannot be read."""
    if not content.size:
        raise BadInput(f"{content.place}: is empty; expected the names of the columns, and rows below them")
    found = format_of(content)
    if found in (EXCEL, PARQUET) and is_packed(content):
        raise BadInput(f"{content.place}: is packed twice, which is not unpacked; unpack it, and name what is in it")
    if found is None:
        raise BadInput(f"{content.place}: files of this kind cannot be read; expected one of {', '.join(ENDINGS)}")
    for name, of, said in (("sheet", EXCEL, options.sheet), ("array", JSON, options.array)):
        if said is not None and found != of:
            raise BadInput(
                f"{content.place}: is {_TITLES[found]}, which has no {name} {said!r}; leave out --{name} ({name}=)"
            )
    with _readable(content, found):
        if found == PARQUET:
            with content.opened() as file:
                return Input(content, found, tuple(leaves(pq.read_schema(file))))
        if found == EXCEL:
            sheet, columns = excel_rows.chosen_sheet(content, options.sheet)
            notes = () if tells_percents(content) else (NOT_READ,)
            return Input(content, found, columns, sheet=sheet, decimal=options.decimal, notes=notes)
        return _text_input(content, found, options)


def _text_input(content: Content, found: str, options: ReadOptions) -> Input:
    declared = None if options.encoding is None else checked_encoding(options.encoding)
    with unpacked(content) as (raw, _):
        encoding = declared or judged_encoding(raw.read(HEAD_BYTES), content.place)
    with unpacked(content) as (raw, _):
        text = _text(raw, encoding)
        head, last = _more(text, b"", HEAD_BYTES)
        begins: Header | Layout | None = None
        while begins is None:
            if found == CSV:
                begins = read_header(head, content.place, last=last)
            else:
                begins = read_layout(head, content.place, options.array, last=last)
            if begins is None:
                head, last = _more(text, head, max(len(head), HEAD_BYTES))
    judged = encoding != UTF8 and declared is None
    notes = (f"read as {encoding.removesuffix('-le').removesuffix('-be').upper()}",) if judged else ()
    return Input(content, found, begins.columns, encoding, begins, decimal=options.decimal, notes=notes)


def _text(raw: BinaryIO, encoding: str) -> BinaryIO:
    return raw if encoding == UTF8 else as_utf8(raw, encoding)


def _more(text: BinaryIO, head: bytes, size: int) -> tuple[bytes, bool]:
    """Return the head with `size` more bytes, without a byte order mark, and whether that is all of the file."""
    piece = text.read(size)
    mark = b"" if head else mark_of(piece)
    return head + piece[len(mark) :], len(piece) < size


@contextmanager
def _readable(content: Content, found: str) -> Iterator[None]:
    """Turn a library's error about an unreadable file into one message that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(
            f"{content.place}: cannot be read as {found} ({said}); expected a whole, undamaged file: "
            "write or copy it again"
        ) from error


def _text_blocks(source: Input, wanted: Mapping[str, bool | None]) -> Iterator[Block]:
    with unpacked(source.content) as (raw, position):
        text = _text(raw, source.encoding)
        begins = source.begins
        assert begins is not None
        head, _ = _more(text, b"", max(HEAD_BYTES, begins.after))
        while len(head) < begins.after:
            head += text.read(begins.after - len(head))
        cut = _cut(source, wanted)
        line = begins.line
        rest, last = np.frombuffer(head[begins.after :], np.uint8), False
        rooms = _Rooms()
        while not last:
            size = len(rest) + BLOCK_BYTES
            room = rooms.take(size) if source.size > HEAD_BYTES else np.empty(size, np.uint8)
            data = room[:size]
            data[: len(rest)] = rest  # which may lie in this room, further on
            filled = len(rest) + text.readinto(data[len(rest) :].data)  # type: ignore[attr-defined]
            last = filled < data.size
            data = data[:filled]
            read, used, line = cut(data, line, last=last)
            rest = data[used:]
            yield Block(rooms.given_back(room, read), position())
            if not last and len(rest) > LONGEST:
                lost = broken_lines([line], [TOO_LONG], [rest[:LONGEST].tobytes()])
                rest, last = _after_line(text, rest)
                line += 1
                empty = source.empty(wanted)
                yield Block(partial(Chunk, empty, np.empty(0, np.int64), lost), position())


class _Rooms:
    """Memory for the pieces of a text, used again once what lay in it has been read: readers copy what they keep.

    The system clears memory that it gives: for all of a file, a fortieth of the processor time of an ingest.
    """

    def __init__(self) -> None:
        self._free: SimpleQueue[Bytes] = SimpleQueue()

    def take(self, size: int) -> Bytes:
        """Return memory for that many bytes or more."""
        try:
            room = self._free.get_nowait()
        except Empty:
            room = None
        return room if room is not None and room.size >= size else apart(size + _SPARE)

    def given_back(self, room: Bytes, read: Callable[[], Chunk]) -> Callable[[], Chunk]:
        """Return what reads the rows that lie there, and gives the memory back."""

        def read_once() -> Chunk:
            rows = read()
            self._free.put(room)
            return rows

        return read_once


def _cut(source: Input, wanted: Mapping[str, bool | None]) -> Callable[..., tuple[Callable[[], Chunk], int, int]]:
    """Return what cuts the pieces of a text into rows."""
    if isinstance(source.begins, Header):
        return csv_rows.Plan(source.columns, source.begins.delimiter, dict(wanted), source.encoding).cut
    assert source.begins is not None
    if source.begins.by_line:
        return partial(json_rows.cut_lines, wanted=list(wanted), decimal=source.decimal)
    elements = Elements(source.begins.only)
    elements.state[INSIDE] = source.begins.only
    return partial(json_rows.cut_elements, elements=elements, wanted=list(wanted), decimal=source.decimal)


def _after_line(text: BinaryIO, rest: Bytes) -> tuple[Bytes, bool]:
    """Read on to the end of a line, a piece at a time; return what follows it, and whether the file has ended."""
    while True:
        ends = np.flatnonzero((rest == _NEWLINE) | (rest == _RETURN))
        if len(ends):
            after = int(ends[0]) + 1
            if rest[ends[0]] == _RETURN:  # \r\n is one end, also where a piece ends in between
                if after == len(rest):
                    rest = np.append(rest, np.frombuffer(text.read(1), np.uint8))
                after += int(after < len(rest) and rest[after] == _NEWLINE)
            return rest[after:], False
        rest = np.frombuffer(text.read(LONGEST), np.uint8)
        if not len(rest):
            return rest, True


def _batch_rows(rows: int, size: int) -> int:
    """Return how many rows are taken at a time of a file whose `rows` rows hold `size` bytes."""
    return max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(size, 1)))


def _parquet_blocks(source: Input, wanted: Mapping[str, bool | None]) -> Iterator[Block]:
    with source.content.opened() as opened:
        schema = pq.read_schema(opened)
        columns = {name: leaf for name, leaf in leaves(schema).items() if name in wanted}
        texts = {field.name for field in schema if is_text(field.type)}
        repeating = [leaf.dotted for name, leaf in columns.items() if wanted[name] and leaf.dotted in texts]
        opened.seek(0)
        with pq.ParquetFile(opened, read_dictionary=repeating) as file:
            first, rows = 1, max(file.metadata.num_rows, 1)
            groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
            at_once = min((_batch_rows(group.num_rows, group.total_byte_size) for group in groups), default=BATCH_ROWS)
            batches = file.iter_batches(at_once, columns=[leaf.dotted for leaf in columns.values()])
            for batch in batches:
                lines = np.arange(first, first + batch.num_rows, dtype=np.int64)
                first += batch.num_rows
                chunk = with_texts(taken(pa.Table.from_batches([batch]), columns), lines, wanted)
                yield Block(lambda chunk=chunk: chunk, source.size * (first - 1) // rows)  # type: ignore[misc]
