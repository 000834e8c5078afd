"""A frame as a file that `ingest` reads: a Parquet file for as long as the ingest takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from mastery.frames import read_frame


@contextmanager
def as_files(source: Any, table: str | None) -> Iterator[Sequence[str | Path]]:
    """Yield the files of a source: a path, several, or a frame, whose rows are written to a temporary file.

    Rejected rows of a frame are kept under the file's name, `frame.parquet` or that of the source table.

    Raises:
        BadInput: It is none of these.
    """
    if isinstance(source, str | Path):
        yield [source]
    elif isinstance(source, list | tuple):
        yield source
    else:
        rows = read_frame(source).table
        with TemporaryDirectory(prefix="mastery-frame-") as folder:
            path = Path(folder) / f"{table or 'frame'}.parquet"
            pq.write_table(rows, path)
            yield [path]
