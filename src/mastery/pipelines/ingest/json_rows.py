"""JSON: one object per line, or the elements of an array, as Arrow columns of text."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, TOO_LONG, Chunk, broken_lines
from mastery.pipelines.ingest.csv_records import LONGEST, Bytes
from mastery.pipelines.ingest.json_elements import TOO_LONG_ELEMENT, Elements
from mastery.pipelines.ingest.json_paths import pointer, segments
from mastery.pipelines.ingest.plain_json import plain_columns

_NEWLINE = 10

FEW = 256
"""Up to this many rows are read without DuckDB where they are plain: to plan its question takes 4 ms, however few."""


def _lines(data: Bytes, line: int, *, last: bool) -> tuple[pa.Array, Int64s, tuple[int, int]]:
    """Return the lines that end in `data` and are not empty, their numbers, and (bytes used, next line)."""
    ends = np.flatnonzero(data == _NEWLINE)
    used = int(ends[-1]) + 1 if len(ends) else 0
    if last and used < data.size:
        ends = np.append(ends, data.size)
        used = data.size
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    offsets = np.append(starts, used).astype(np.int32) if len(ends) else np.zeros(1, np.int32)
    texts = pa.Array.from_buffers(
        pa.binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data[:used]))]
    )
    return _stripped(texts, line, used)


def _stripped(texts: pa.Array, line: int, used: int) -> tuple[pa.Array, Int64s, tuple[int, int]]:
    numbers = np.arange(line, line + len(texts), dtype=np.int64)
    text, valid = _utf8(texts)
    filled = np.asarray(pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(text), ""), True)) | ~valid
    keep = pa.array(filled)
    return text.filter(keep), numbers[filled], (used, line + len(texts))


def _utf8(texts: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return the lines as text, null where the bytes are not utf-8, and which are."""
    try:
        return texts.cast(pa.string()), np.ones(len(texts), np.bool_)
    except pa.ArrowInvalid:
        decoded: list[str | None] = []
        for line in texts.to_pylist():  # a piece with damaged bytes in it: rare, so slow is fine
            try:
                decoded.append(line.decode())
            except UnicodeDecodeError:
                decoded.append(None)
        text = pa.array(decoded, pa.string())
        return text, np.asarray(text.is_valid())


def cut_lines(
    data: Bytes, line: int, *, wanted: Sequence[str], decimal: str = ".", last: bool
) -> tuple[Callable[[], Chunk], int, int]:
    """Return (what reads the lines that end in `data`, bytes used, line of the rest).

    Args:
        decimal: Sign that numbers get before their decimals, as those that are texts are said to have it.
    """
    texts, numbers, (used, next_line) = _lines(data, line, last=last)
    return lambda: _read(texts, numbers, wanted, decimal), used, next_line


def cut_elements(
    data: Bytes, line: int, *, elements: Elements, wanted: Sequence[str], decimal: str = ".", last: bool
) -> tuple[Callable[[], Chunk], int, int]:
    """Return (what reads the elements that end in `data`, bytes used, line of the rest); see `cut_lines`."""
    starts, stops, lines, faults, used, next_line = elements.cut(data, line, last=last)

    def read() -> Chunk:
        sizes = stops - starts
        found = [data[a:b].tobytes() for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
        long = faults == TOO_LONG_ELEMENT
        text, _ = _utf8(pa.array([one for one, is_long in zip(found, long, strict=True) if not is_long], pa.binary()))
        chunk = _parsed(text, lines[~long], wanted, decimal)
        if not long.any():
            return chunk
        begun = [found[at][: min(LONGEST, sizes[at])] for at in np.flatnonzero(long)]
        broken = broken_lines(lines[long].tolist(), [TOO_LONG] * len(begun), begun)
        return Chunk(chunk.raw, chunk.lines, pa.concat_tables([chunk.broken, broken]))

    return read, used, next_line


def _read(texts: pa.Array, numbers: Int64s, wanted: Sequence[str], decimal: str) -> Chunk:
    """Return the rows; a line that is too long is not given to the parser, which would take 20 times its size."""
    long = np.asarray(pc.greater(pc.fill_null(pc.binary_length(texts), 0), LONGEST))
    if not long.any():
        return _parsed(texts, numbers, wanted, decimal)
    chunk = _parsed(texts.filter(pa.array(~long)), numbers[~long], wanted, decimal)
    begun = [text.encode()[:LONGEST] for text in texts.filter(pa.array(long)).to_pylist()]
    broken = broken_lines(numbers[long].tolist(), [TOO_LONG] * len(begun), begun)
    return Chunk(chunk.raw, chunk.lines, pa.concat_tables([chunk.broken, broken]))


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Return an empty database in memory: to open one takes 9 ms, ten times as long as reading a single row."""
    engine = duckdb.connect()
    engine.execute("SET threads = 1")
    return engine


os.register_at_fork(after_in_child=_engine.cache_clear)


def _parsed(texts: pa.Array, numbers: Int64s, wanted: Sequence[str], decimal: str) -> Chunk:
    if len(texts) <= FEW and decimal == ".":
        plain = plain_columns(texts.to_pylist(), wanted)
        if plain is not None:
            return Chunk(plain, numbers, NOTHING_BROKEN)
    paths: list[str] = []
    fields: list[str] = []
    for name in wanted:
        # a key with dots in it is taken before one object in another
        ways = [[name]] if segments(name) == [name] else [[name], segments(name)]
        places = [_value(len(paths) + number + 1, decimal) for number in range(len(ways))]
        paths += map(pointer, ways)
        fields.append(f"coalesce({', '.join(places)}) AS c{len(fields)}")
    with _engine().cursor() as engine:  # what is registered with it nobody else sees
        engine.register("rows", pa.table({"line": texts}))
        found = engine.execute(
            "WITH checked AS (SELECT CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' THEN line END AS line "
            f"FROM rows) SELECT line IS NOT NULL AS fine, {', '.join(fields)} FROM checked",
            paths,
        ).to_arrow_table()
    fine = np.asarray(found["fine"].to_numpy(), np.bool_)
    raw = pa.table([found[f"c{i}"] for i in range(len(wanted))], names=list(wanted))
    if fine.all():
        return Chunk(raw, numbers, NOTHING_BROKEN)
    at = np.flatnonzero(~fine)
    lost = texts.take(pa.array(at)).to_pylist()
    reasons = [("is not UTF-8", "utf8") if line is None else ("is not a JSON object", "json") for line in lost]
    broken = broken_lines(numbers[at].tolist(), reasons, [b"" if line is None else line.encode() for line in lost])
    return Chunk(raw.filter(pa.array(fine)), numbers[fine], broken)


def _value(place: int, decimal: str) -> str:
    """Return in SQL the text of the value at the path that is parameter `place`; 1.0 is a whole number."""
    text = f"line ->> ${place}"
    if decimal == ".":
        return text
    number = f"replace(regexp_replace({text}, '\\.0$', ''), '.', '{decimal}')"
    return f"CASE json_type(line, ${place}) WHEN 'DOUBLE' THEN {number} ELSE {text} END"
