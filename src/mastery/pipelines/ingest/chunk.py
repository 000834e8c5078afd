"""Some rows of a file, before anything is known of what they mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BROKEN = pa.schema(
    [
        pa.field("line", pa.int64()),
        pa.field("reason", pa.string()),
        pa.field("code", pa.string()),
        pa.field("text", pa.binary()),
    ]
)
"""A line that is not a row: where, why, and its bytes. They may contain an id, so they are only ever hashed."""

NOTHING_BROKEN: pa.Table = BROKEN.empty_table()

TOO_LONG = ("is longer than 16 MiB, which no row of this kind is", "long")
"""Reason and code of a line that is not looked at: a file of a few megabytes may unpack to one of many gigabytes."""


@dataclass(frozen=True)
class Chunk:
    """Rows that follow each other in a file.

    Attributes:
        raw: The requested columns that the file has, unchanged; texts for CSV and NDJSON.
        lines: int64[n]. Physical line of each row, from 1; for Parquet the number of the row.
        broken: Columns `BROKEN`.
    """

    raw: pa.Table
    lines: npt.NDArray[np.int64]
    broken: pa.Table

    @property
    def read(self) -> int:
        """How many rows were read, broken lines included."""
        return int(self.raw.num_rows + self.broken.num_rows)


def broken_lines(lines: list[int], reasons: list[tuple[str, str]], texts: list[bytes]) -> pa.Table:
    """Return `BROKEN` from lines, (reason, code) pairs and the bytes of each."""
    return pa.table([lines, [reason for reason, _ in reasons], [code for _, code in reasons], texts], schema=BROKEN)
