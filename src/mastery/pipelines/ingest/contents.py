"""Where the bytes of files come from: a file, standard input, a member of an archive; packed by gzip or zstd or not."""

from __future__ import annotations

import gzip
import io
import lzma
import shutil
import struct
import sys
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from mastery.errors import BadInput

GZIP_MAGIC, ZSTD_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK"

STANDARD_INPUT = "-"
"""What a person writes for standard input."""

STANDARD_INPUT_NAME = "standard input"
BUFFER_BYTES = 1 << 20
MAC_FOLDER = "__MACOSX"
_OF_WORKBOOKS = {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}


@dataclass(frozen=True)
class Content:
    """Bytes that can be read from their beginning as often as is needed.

    Attributes:
        name: What the file is called.
        place: Where a message says that something is wrong.
        size: Bytes, before unpacking.
        opened: Opens them.
    """

    name: str
    place: str
    size: int
    opened: Callable[[], AbstractContextManager[BinaryIO]]

    def beginning(self, size: int = 8) -> bytes:
        """Return the first bytes, as they are packed."""
        with self.opened() as file:
            return file.read(size)


def of_path(path: Path) -> Content:
    """Return the bytes of a file that exists."""
    return Content(path.name, str(path), path.stat().st_size, lambda: path.open("rb"))


def of_standard_input() -> Content:
    """Return what comes in there, kept in a temporary file: it is read twice, for its columns first."""
    kept = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as what reads it
    shutil.copyfileobj(sys.stdin.buffer, kept, BUFFER_BYTES)
    size = kept.tell()

    @contextmanager
    def opened() -> Iterator[BinaryIO]:
        kept.seek(0)
        yield kept

    content = Content(STANDARD_INPUT_NAME, STANDARD_INPUT_NAME, size, opened)
    weakref.finalize(content, kept.close)
    return content


def is_archive(content: Content) -> bool:
    """Return whether it is a zip archive of files; a workbook is one too, with a file of its own in it."""
    if content.beginning(len(ZIP_MAGIC)) != ZIP_MAGIC:
        return False
    if content.name.lower().endswith(".zip"):
        return True
    with content.opened() as file, _archive(file, content.place) as archive:
        return not _OF_WORKBOOKS & set(archive.namelist())


def is_packed(content: Content) -> bool:
    """Return whether the bytes are packed by gzip or zstd, or are a zip archive by their name too."""
    begins = content.beginning(4)
    zipped = begins.startswith(ZIP_MAGIC) and content.name.lower().endswith(".zip")
    return zipped or begins.startswith(GZIP_MAGIC) or begins == ZSTD_MAGIC


def members(content: Content) -> list[Content]:
    """Return the files in a zip archive, in its order, but for what macOS adds.

    Raises:
        BadInput: It is damaged, or is encrypted.
    """
    with content.opened() as file, _archive(file, content.place) as archive:
        infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
    locked = next((info for info in infos if info.flag_bits & 1), None)
    if locked is not None:
        raise BadInput(f"{content.place}: the archive needs a password; unpack it, and name the files")
    return [
        Content(
            f"{content.name}/{info.filename}",
            f"{content.place}/{info.filename}",
            info.file_size,
            partial(_member, content, info.filename),
        )
        for info in infos
        if not info.filename.startswith(f"{MAC_FOLDER}/")
    ]


DAMAGED_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, UnicodeDecodeError),
    *(OSError, EOFError, NotImplementedError),
)
"""What reading a damaged archive raises, also while a file in it is read."""


@contextmanager
def _archive(file: BinaryIO, place: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except DAMAGED_ARCHIVE as error:
        raise BadInput(
            f"{place}: cannot be read as a zip archive ({error}); expected a whole, undamaged file: write or copy it "
            "again"
        ) from error


@contextmanager
def _member(content: Content, name: str) -> Iterator[BinaryIO]:
    with content.opened() as file, _archive(file, content.place) as archive, archive.open(name) as member:
        yield member  # type: ignore[misc]


@contextmanager
def unpacked(content: Content) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """Yield the bytes of the text, and what says how many bytes of the file are done."""
    with content.opened() as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(GZIP_MAGIC):
            with gzip.GzipFile(fileobj=file) as text:
                yield io.BufferedReader(text, BUFFER_BYTES), file.tell
        elif magic == ZSTD_MAGIC:
            with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as text:
                yield io.BufferedReader(text, BUFFER_BYTES), file.tell
        else:
            yield file, file.tell
