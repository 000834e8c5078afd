"""Files as a stream of chunks of rows: CSV, Parquet and NDJSON, the first and the last also gzipped.

A chunk has the physical line of each of its rows, and the lines that cannot be read as a row. Blocks are cheap and come
in order; `Block.read`, which does the work, may run in any thread.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mastery.errors import BadInput, NotFound
from mastery.events.values import is_text
from mastery.pipelines.ingest import csv_rows, json_rows
from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, TOO_LONG, Chunk, broken_lines
from mastery.pipelines.ingest.csv_records import LONGEST, Bytes

BLOCK_BYTES = 24 << 20
"""Text is read in pieces of this size: about 400,000 answers."""

BATCH_ROWS = 524_288
"""Rows of a Parquet file, or of a table in memory, that are taken at a time at most."""

BATCH_BYTES = 256 << 20
"""Fewer rows are taken where they are so long that they would hold more than this."""

HEAD_BYTES = 1 << 20
"""The first record of a text file must end within this many bytes."""

FORMATS = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
    ".ndjson": "json",
    ".jsonl": "json",
    ".ndjson.gz": "json",
    ".jsonl.gz": "json",
}

GZIP_MAGIC = b"\x1f\x8b"
_NEWLINE, _RETURN = 10, 13
_BOM, _UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Block:
    """One piece of a file, not yet read.

    Attributes:
        read: Returns its rows.
        done: Bytes of the file that are done once it is read.
    """

    read: Callable[[], Chunk]
    done: int


@dataclass(frozen=True)
class Input:
    """A file that can be opened and has named columns.

    Attributes:
        format: `csv`, `parquet` or `json`.
        columns: Their names, as in the file; of NDJSON those of the first rows.
        size: Bytes of the file.
    """

    path: Path
    format: str
    columns: tuple[str, ...]
    size: int

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def place(self) -> str:
        """Where a message says that something is wrong."""
        return str(self.path)

    def empty(self, wanted: Mapping[str, bool]) -> pa.Table:
        """Return no rows, with the columns to read."""
        return pa.table({name: pa.array([], pa.string()) for name in self.columns if name in wanted})

    def blocks(self, wanted: Mapping[str, bool]) -> Iterator[Block]:
        """Return the file's blocks in order.

        Args:
            wanted: Columns to read (others are left out) → whether their values repeat, so that they are
                better read as a dictionary. Texts stay texts: nothing is converted.
        """
        with _readable(self.path):
            if self.format == "parquet":
                yield from _parquet_blocks(self, wanted)
            else:
                yield from _text_blocks(self, wanted)


@dataclass(frozen=True)
class TableInput:
    """An Arrow table in memory, read like a file. Its lines are its rows, from 1."""

    table: pa.Table

    format = "table"
    name = "table"
    place = "the table"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.table.column_names)

    @property
    def size(self) -> int:
        """Bytes of the table, as `Block.done` counts them."""
        return int(self.table.nbytes)

    def blocks(self, wanted: Mapping[str, bool]) -> Iterator[Block]:
        """Return the table's blocks in order; see `Input.blocks`."""
        table = self.table.select([name for name in self.columns if name in wanted])
        n = table.num_rows
        at_once = _batch_rows(n, table.nbytes)
        for first in range(0, max(n, 1), at_once):
            last = min(first + at_once, n)
            chunk = Chunk(table.slice(first, last - first), np.arange(first + 1, last + 1), NOTHING_BROKEN)
            yield Block(lambda chunk=chunk: chunk, self.size * last // max(n, 1))  # type: ignore[misc]


def format_of(path: Path) -> str | None:
    """Return the format of a file by its name, or None."""
    name = path.name.lower()
    return next((found for ending, found in FORMATS.items() if name.endswith(ending)), None)


def open_table(table: pa.Table) -> TableInput:
    """Return a table as an input. Raises BadInput when two columns have one name."""
    _check_names("the table", tuple(table.column_names))
    return TableInput(table)


def _check_names(place: str, columns: tuple[str, ...]) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise BadInput(f"{place}: column {twice[0]!r} is there twice; expected each name once")


def open_input(path: Path) -> Input:
    """Return the file with its column names. Raises NotFound, or BadInput with the reason why it cannot be read."""
    found = format_of(path)
    if not path.exists():
        raise NotFound(f"{path}: no such file; give the path of a file or a folder that exists")
    if found is None:
        raise BadInput(f"{path}: files of this kind cannot be read; expected one of {', '.join(FORMATS)}")
    size = path.stat().st_size
    if size == 0:
        raise BadInput(f"{path}: the file is empty; expected at least the names of the columns")
    with _readable(path):
        if found == "parquet":
            columns = tuple(pq.read_schema(path).names)
        else:
            head = _head(path)
            columns = csv_rows.header(head, path)[0] if found == "csv" else json_rows.columns(head, path)
    _check_names(str(path), columns)
    return Input(path, found, columns, size)


def files_in(path: Path) -> list[Path]:
    """Return the readable files of a folder, sorted by name; a file is its own list."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.is_file() and format_of(file) is not None)
    if not found:
        raise BadInput(f"{path}: no file in this folder can be read; expected one of {', '.join(FORMATS)}")
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn a library's error about an unreadable file into one message that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(
            f"{path}: cannot be read as {format_of(path)} ({said}); expected a whole, undamaged file: "
            "write or copy it again"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[io.BufferedIOBase, io.BufferedIOBase]]:
    """Yield the bytes of the text, and the file they are unpacked from, for its position."""
    with path.open("rb") as file:
        magic = file.read(2)
        file.seek(0)
        if magic == GZIP_MAGIC:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield io.BufferedReader(unpacked, 1 << 20), file
        else:
            yield file, file


def _head(path: Path) -> bytes:
    with _opened(path) as (text, _):
        head = text.read(HEAD_BYTES)
    if head.startswith(_UTF16):
        raise BadInput(f"{path}: the text is UTF-16; expected UTF-8: save it as UTF-8")
    return head.removeprefix(_BOM)


def _text_blocks(source: Input, wanted: Mapping[str, bool]) -> Iterator[Block]:
    with _opened(source.path) as (text, file):
        head = text.read(HEAD_BYTES).removeprefix(_BOM)
        if source.format == "csv":
            columns, delimiter, after, line = csv_rows.header(head, source.path)
            head, cut = head[after:], csv_rows.Plan(columns, delimiter, dict(wanted)).cut
        else:
            line, cut = 1, partial(json_rows.cut, wanted=list(wanted))
        rest, last = np.frombuffer(head, np.uint8), False
        while not last:
            data = np.empty(len(rest) + BLOCK_BYTES, np.uint8)
            data[: len(rest)] = rest
            filled = len(rest) + text.readinto(data[len(rest) :].data)
            last = filled < data.size
            data = data[:filled]
            read, used, line = cut(data, line, last=last)
            rest = data[used:]
            yield Block(read, file.tell())
            if not last and len(rest) > LONGEST:
                lost = broken_lines([line], [TOO_LONG], [rest[:LONGEST].tobytes()])
                rest, last = _after_line(text, rest)
                line += 1
                empty = source.empty(wanted)
                yield Block(partial(Chunk, empty, np.empty(0, np.int64), lost), file.tell())


def _after_line(text: io.BufferedIOBase, rest: Bytes) -> tuple[Bytes, bool]:
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


def _parquet_blocks(source: Input, wanted: Mapping[str, bool]) -> Iterator[Block]:
    texts = [field.name for field in pq.read_schema(source.path) if is_text(field.type)]
    repeating = [name for name in texts if wanted.get(name, False)]
    with pq.ParquetFile(source.path, read_dictionary=repeating) as file:
        first, rows = 1, max(file.metadata.num_rows, 1)
        groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
        at_once = min((_batch_rows(group.num_rows, group.total_byte_size) for group in groups), default=BATCH_ROWS)
        batches = file.iter_batches(at_once, columns=[name for name in source.columns if name in wanted])
        for batch in batches:
            lines = np.arange(first, first + batch.num_rows, dtype=np.int64)
            first += batch.num_rows
            chunk = Chunk(pa.Table.from_batches([batch]), lines, NOTHING_BROKEN)
            yield Block(lambda chunk=chunk: chunk, source.size * (first - 1) // rows)  # type: ignore[misc]
