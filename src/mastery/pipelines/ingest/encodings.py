"""The encoding of a text file: judged by its first bytes, or declared; and the file as UTF-8, a piece at a time."""

from __future__ import annotations

import codecs
import io
import re
from typing import BinaryIO

import numpy as np

from mastery.errors import BadInput

UTF8 = "utf-8"

PIECE_BYTES = 1 << 20
"""Another encoding becomes UTF-8 in pieces of this size."""

_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DAMAGED = "mastery.damaged"
_ZEROS, _FEW = 0.2, 0.02
_OBJECT_ENDS = re.compile(rb"(?<=\}),|[\r\n]")


def judged_encoding(head: bytes, place: str) -> str:
    """Return the encoding of a file that begins with `head`: UTF-8, UTF-16 or UTF-32.

    Raises:
        BadInput: Most lines that are not plain ASCII are not UTF-8 either; which of many encodings it is, no file says.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    data = np.frombuffer(head[: len(head) // 4 * 4], np.uint8)
    if data.size:
        high = [float(np.mean(data[side::4] == 0)) for side in range(4)]
        # no letter is above U+10FFFF, and few are above U+FFFF: the high two of four bytes are 0
        if min(high[2:]) > 1 - _FEW and high[0] < _FEW:
            return "utf-32-le"
        if min(high[:2]) > 1 - _FEW and high[3] < _FEW:
            return "utf-32-be"
    data = np.frombuffer(head[: len(head) // 2 * 2], np.uint8)
    if data.size:
        zeros = [float(np.mean(data[side::2] == 0)) for side in (0, 1)]
        # separators, digits and line ends are ASCII in every script: one of their two bytes is 0
        if min(zeros) < _FEW and max(zeros) > _ZEROS:
            return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    _check_utf8(head, place)
    return UTF8


def _check_utf8(head: bytes, place: str) -> None:
    json = head.lstrip()[:1] in (b"{", b"[")
    pieces = _OBJECT_ENDS.split(head) if json else head.splitlines()  # all of an array may be on one line
    lines = [line for line in pieces[: -1 if len(head) >= PIECE_BYTES else None] if line.strip()]
    damaged = sum(not _is_utf8(line) for line in lines)
    header_lost = damaged and not json and not _is_utf8(lines[0])
    if header_lost or (damaged and damaged * 2 >= len(lines) - 1):
        raise BadInput(
            f"{place}: {'the text is' if damaged > 1 else 'the first line is'} not UTF-8; save the file as UTF-8, or "
            "name its encoding, which for files of Windows is often --encoding windows-1252 (in Python, "
            'encoding="windows-1252")'
        )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def checked_encoding(name: str) -> str:
    """Return the usual name of a declared encoding, or raise BadInput."""
    try:
        found = codecs.lookup(name)
        "".encode(found.name)  # such as `hex`, which is no encoding of texts
    except (LookupError, ValueError):
        raise BadInput(
            f"unknown encoding {name!r}; expected one such as utf-8, utf-16, windows-1252, iso-8859-2, mac-roman"
        ) from None
    # What is called latin-1 is windows-1252 wherever the two differ: nobody writes the control characters there.
    return {"iso8859-1": "cp1252", "utf-8-sig": UTF8}.get(found.name, found.name)


def mark_of(head: bytes) -> bytes:
    """Return the byte order mark that the bytes begin with, or nothing."""
    return next((mark for mark, _ in _MARKS if head.startswith(mark)), b"")


def as_utf8(raw: BinaryIO, encoding: str) -> BinaryIO:
    """Return a binary stream of the same text in UTF-8, without a byte order mark.

    Bytes that are no text in this encoding become bytes that are not UTF-8, so that they cost their row and no other.
    """
    begun = raw.read(4)
    mark = mark_of(begun)
    if encoding in ("utf-16", "utf-32"):  # without a mark as spreadsheets write it
        encoding = dict(_MARKS).get(mark, f"{encoding}-le")
    if dict(_MARKS).get(mark) == encoding:
        begun = begun[len(mark) :]
    return io.BufferedReader(_Utf8(raw, begun, encoding), PIECE_BYTES)


class _Utf8(io.RawIOBase):
    """Decodes a piece at a time."""

    def __init__(self, raw: BinaryIO, begun: bytes, encoding: str) -> None:
        self._raw, self._ended = raw, False
        self._decoder = codecs.getincrementaldecoder(encoding)(_DAMAGED)
        self._ready = self._converted(begun)

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            piece = self._raw.read(PIECE_BYTES)
            self._ended = not piece
            self._ready = self._converted(piece)
        size = min(len(into), len(self._ready))
        into[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _converted(self, piece: bytes) -> bytes:
        return self._decoder.decode(piece, self._ended).encode(UTF8, "surrogateescape")


def _damaged(error: UnicodeError) -> tuple[str, int]:
    """Stand in for bytes that are no text: a lone surrogate, which becomes the byte FF in UTF-8."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error(_DAMAGED, _damaged)
