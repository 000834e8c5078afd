"""Rows of files as messages of a stream: each a JSON object, under the key of its student."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions
from mastery.pipelines.ingest.inputs import Planned, plan
from mastery.streams import Sink, key_of

TABLE = "table"
"""The field that says of which source table a row is."""

ROWS = 1_000
"""Of a block of a file, made into Python's objects at once."""


@dataclass(frozen=True)
class Produced:
    """What became of the rows of files.

    Attributes:
        sent: Messages that the stream has kept.
        left_out: Lines that are no rows.
        notes: What a person should know about the files.
    """

    sent: int
    left_out: int
    notes: tuple[str, ...]


def produce(
    files: Sequence[str | Path], sink: Sink, *, table: str | None, tenant: str, pace: Callable[[int], None]
) -> Produced:
    """Send the rows of files, one file after the other, each in its own order. Values are sent as they are written.

    Args:
        table: Source table that the files are; None: recognised from their columns.
        tenant: The institution that the students are of.
        pace: Called before each message with the number sent so far; may wait.

    Raises:
        BadInput: A file cannot be used, or describes a course; nothing was sent.
        StreamUnusable: The stream has not taken all messages.
    """
    planned, notes = plan(files, ReadOptions(table))
    for one in planned:
        if one.source.metadata:
            raise BadInput(
                f"{one.input.place}: `{one.source.name}` describes a course; streams bring what students do. "
                "Read such a file with mastery ingest"
            )
    sent = left_out = 0
    for one in planned:
        for block in one.input.blocks(one.arrangement.wanted(one.source)):
            chunk = block.read()
            left_out += chunk.broken.num_rows
            for row in _rows(one, chunk.raw):
                pace(sent)
                student = row.get("student_id")
                sink.send(key_of(tenant, "" if student is None else str(student)), _json(row))
                sent += 1
    sink.flush()
    return Produced(sent, left_out, tuple(notes))


def _rows(one: Planned, raw: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a block under our names, without the values that are empty."""
    rows = one.arrangement.arrange(raw).table
    for first in range(0, rows.num_rows, ROWS):
        for row in rows.slice(first, ROWS).to_pylist():
            yield {TABLE: one.source.name, **{name: value for name, value in row.items() if value not in (None, "")}}


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=_text).encode()


def _text(value: object) -> str:
    """Return what JSON has no value for as the text that is read as the same."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise BadInput(f"a {type(value).__name__} is no value of an event; write that column as text or numbers")
