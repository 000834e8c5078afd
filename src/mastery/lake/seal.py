"""Whether a file still holds what was written: bits that flipped on a disk are noticed, never read as other values.

A local file is sealed: between its last page and its footer stand the place, the length and the CRC-32 of each column
chunk and Bloom filter, and its name ends in the CRC-32 of that list and of the footer. What is read of it is compared
first. The checksums of pages, which Parquet knows, would not do: they leave out the headers of the pages and the
footer, where one bit in a hundred gave other values and no error. Other programs read such a file as any other.

An object store has checksums of its own, and files of versions before are not sealed; of both the pages are compared.
"""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mastery.errors import Conflict
from mastery.lake.location import TableLocation
from mastery.tables import Table

Chunks = npt.NDArray[np.int64]
"""int64[row groups x columns + filters, 3]: `START`, `SIZE` and `CRC` of each column chunk, row group by row group, and
then of each Bloom filter."""

START, SIZE, CRC = range(3)

SEALED = re.compile(r"-[0-9a-f]{32}-([0-9a-f]{8})\.parquet$")
MAGIC = b"PAR1"
END_BYTES = 8
"""Length of the footer and the magic bytes; before the footer, the number of chunks."""

NOT_DAMAGE = ("[errno", "Too many open files", "AWS Error")
"""In errors of the operating system and of an object store, which pyarrow does not always give a number."""


class DamagedFile(Conflict):
    """A file of the lake does not hold what was written into it, or is not there."""

    fault = "damaged"

    def __init__(self, place: TableLocation, table: Table, path: str, found: str) -> None:
        self.table, self.path = table.name, path
        self.way_out = "put it back from a backup of the lake"
        if table.published:
            self.way_out = "run 'mastery recompute', which makes the table again from the events"
        super().__init__(
            f"table {table.name!r}: file {place.path(path)} is {self.fault} ({found}), and nothing of it was used; "
            f"{self.way_out}"
        )

    @property
    def public(self) -> str:
        """Without the file."""
        return f"table {self.table!r}: a file is {self.fault}, the server's log says which; {self.way_out}"


class MissingFile(DamagedFile, FileNotFoundError):
    """A file that a commit names is not there: lost, or vacuumed after this reader had looked at the log."""

    fault = "missing"


@contextmanager
def noticing(place: TableLocation, table: Table, path: str) -> Iterator[None]:
    """Turn what is raised while one file is read into `DamagedFile`, unless the file could not be reached at all."""
    try:
        with place.asking():
            yield
    except FileNotFoundError as error:
        raise MissingFile(place, table, path, "no such file") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        found = str(error).partition("\n")[0]
        reached = not isinstance(error, OSError) or error.errno is None
        if not reached or any(text in found for text in NOT_DAMAGE):
            raise
        raise DamagedFile(place, table, path, found) from error


def seal(path: Path, metadata: pq.FileMetaData) -> str:
    """Put the checksums of its column chunks into a local file just written, and return the name it is to bear.

    Args:
        path: The file.
        metadata: Its footer.
    """
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
            footer = len(view) - END_BYTES - int.from_bytes(view[-END_BYTES:-4], "little")
            chunks = np.array(
                [(start, size, zlib.crc32(view[start : start + size])) for start, size in _places(metadata)],
                np.int64,
            )
            end = bytes(view[footer:])
        listed = chunks.astype("<i8").tobytes() + len(chunks).to_bytes(END_BYTES, "little") + end
        file.seek(footer)
        file.write(listed)
    return f"{path.stem}-{zlib.crc32(listed):08x}{path.suffix}"


def chunks_of(place: TableLocation, path: str) -> Chunks | None:
    """Return what a sealed file says of its column chunks; None of a file that is not sealed.

    Raises:
        ValueError: It is not what was written.
    """
    sealed = SEALED.search(path)
    if sealed is None or not place.is_local:
        return None
    with _mapped(place.path(path)) as view:
        footer = len(view) - END_BYTES - int.from_bytes(view[-END_BYTES:-4], "little")
        count = int.from_bytes(view[max(footer - END_BYTES, 0) : max(footer, 0)], "little")
        first = footer - END_BYTES - count * 3 * 8
        if first < 0 or zlib.crc32(view[first:]) != int(sealed[1], 16):
            raise ValueError("the end of it does not have the checksum in its name")
        return np.frombuffer(view, "<i8", count * 3, first).astype(np.int64).reshape(-1, 3)


def compare(place: TableLocation, path: str, chunks: Chunks, wanted: Iterable[int]) -> None:
    """Compare some column chunks of a sealed file, by their numbers, with their checksums.

    Raises:
        ValueError: One is not what was written.
    """
    with _mapped(place.path(path)) as view:
        for start, size, crc in chunks[list(wanted)].tolist():
            if zlib.crc32(view[start : start + size]) != crc:
                raise ValueError(f"the {size} bytes from {start} on do not have their checksum")


@contextmanager
def _mapped(path: str) -> Iterator[memoryview]:
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
    ):
        yield view


def _places(metadata: pq.FileMetaData) -> Iterator[tuple[int, int]]:
    """Yield the first byte and the number of bytes of each column chunk, row group by row group; then of filters."""
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for column in range(metadata.num_columns):
            chunk = row_group.column(column)
            first = chunk.data_page_offset
            if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
                first = min(first, chunk.dictionary_page_offset)
            yield first, chunk.total_compressed_size
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for column in range(metadata.num_columns):
            chunk = row_group.column(column)
            if chunk.bloom_filter_offset is not None:
                yield chunk.bloom_filter_offset, chunk.bloom_filter_length
