"""NDJSON: one JSON object per line, as Arrow columns of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.errors import BadInput
from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, TOO_LONG, Chunk, broken_lines
from mastery.pipelines.ingest.csv_records import LONGEST, Bytes

LOOKED_AT = 1000
"""Rows whose keys are taken as the file's columns. A key that appears later may still be read."""

_NEWLINE = 10


def columns(head: bytes, path: Path) -> tuple[str, ...]:
    """Return the keys of the first rows of a file that begins with `head`, in order of appearance."""
    data = np.frombuffer(head, np.uint8)
    lines, _, _ = _lines(data, 1, last=head.count(b"\n") == 0 or head.endswith(b"\n"))
    with duckdb.connect() as engine:
        engine.register("rows", pa.table({"line": lines.slice(0, LOOKED_AT)}))
        found = engine.execute(
            "SELECT unnest(json_keys(line)) FROM (SELECT CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' "
            "THEN line END AS line FROM rows) WHERE line IS NOT NULL"
        ).fetchall()
    names = tuple(dict.fromkeys(name for (name,) in found))
    if not names and len(head) + 3 > LONGEST and head.count(b"\n") == 0:
        raise BadInput(
            f"{path}: the first line is longer than 1 MiB; expected one object per line, none longer than that"
        )
    if not names:
        raise BadInput(f"{path}: no JSON object in its first lines; expected one object per line")
    return names


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


def cut(data: Bytes, line: int, *, wanted: Sequence[str], last: bool) -> tuple[Callable[[], Chunk], int, int]:
    """Return (what reads the lines that end in `data`, bytes used, line of the rest)."""
    texts, numbers, (used, next_line) = _lines(data, line, last=last)
    return lambda: _read(texts, numbers, wanted), used, next_line


def _read(texts: pa.Array, numbers: Int64s, wanted: Sequence[str]) -> Chunk:
    """Return the rows; a line that is too long is not given to the parser, which would take 20 times its size."""
    long = np.asarray(pc.greater(pc.fill_null(pc.binary_length(texts), 0), LONGEST))
    if not long.any():
        return _parsed(texts, numbers, wanted)
    chunk = _parsed(texts.filter(pa.array(~long)), numbers[~long], wanted)
    begun = [text.encode()[:LONGEST] for text in texts.filter(pa.array(long)).to_pylist()]
    broken = broken_lines(numbers[long].tolist(), [TOO_LONG] * len(begun), begun)
    return Chunk(chunk.raw, chunk.lines, pa.concat_tables([chunk.broken, broken]))


def _parsed(texts: pa.Array, numbers: Int64s, wanted: Sequence[str]) -> Chunk:
    paths = ['$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in wanted]
    with duckdb.connect() as engine:
        engine.execute("SET threads = 1")
        engine.register("rows", pa.table({"line": texts}))
        fields = ", ".join(f"line ->> ${i + 1} AS c{i}" for i in range(len(paths)))
        found = engine.execute(
            "WITH checked AS (SELECT CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' THEN line END AS line "
            f"FROM rows) SELECT line IS NOT NULL AS fine, {fields} FROM checked",
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
