"""Universal Binary JSON as XGBoost writes it, read strictly: no length leads beyond the bytes that are there.

XGBoost's own reader takes a file at its word, and asks for the memory that a damaged length names.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mastery.errors import BadInput

NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
"""Marker → type of the number behind it, big-endian."""

WHOLE = "iUIlL"
CONSTANTS = {"T": True, "F": False, "Z": None}

DEEPEST = 64
"""Objects and lists within each other; XGBoost's are seven deep."""


def read_ubjson(data: bytes) -> Any:
    """Return what the bytes hold; a list of numbers of one type as an array.

    Raises:
        BadInput: They are not one whole value.
    """
    found, end = _value(data, 0, 0)
    if end != len(data):
        raise BadInput(f"{len(data) - end} bytes follow its end")
    return found


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """Return the value whose marker stands at a place, and the place behind it."""
    marker = _marker(data, at)
    at += 1
    if marker in CONSTANTS:
        return CONSTANTS[marker], at
    if marker in NUMBERS:
        return _number(data, at, marker)
    if marker == "S":
        return _text(data, at)
    if depth < DEEPEST and marker == "{":
        return _object(data, at, depth + 1)
    if depth < DEEPEST and marker == "[":
        return _list(data, at, depth + 1)
    raise BadInput(f"byte {at - 1} is {marker!r}, which begins no value")


def _marker(data: bytes, at: int) -> str:
    if at >= len(data):
        raise BadInput(f"it ends after {len(data)} bytes, in the middle of a value")
    return chr(data[at])


def _number(data: bytes, at: int, marker: str) -> tuple[Any, int]:
    end = at + np.dtype(NUMBERS[marker]).itemsize
    if end > len(data):
        raise BadInput(f"it ends after {len(data)} bytes, in the middle of a number")
    return np.frombuffer(data[at:end], NUMBERS[marker])[0].item(), end


def _length(data: bytes, at: int) -> tuple[int, int]:
    marker = _marker(data, at)
    if marker not in WHOLE:
        raise BadInput(f"byte {at} is {marker!r}; expected a length")
    length, at = _number(data, at + 1, marker)
    if not 0 <= length <= len(data) - at:
        raise BadInput(f"a length of {length} at byte {at} goes beyond its {len(data)} bytes")
    return int(length), at


def _text(data: bytes, at: int) -> tuple[str, int]:
    length, at = _length(data, at)
    try:
        return data[at : at + length].decode(), at + length
    except UnicodeDecodeError:
        raise BadInput(f"the text at byte {at} is not UTF-8") from None


def _object(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while _marker(data, at) != "}":
        name, at = _text(data, at)
        found[name], at = _value(data, at, depth)
    return found, at + 1


def _list(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if _marker(data, at) == "$":
        kind = _marker(data, at + 1)
        if kind not in NUMBERS or _marker(data, at + 2) != "#":
            raise BadInput(f"byte {at + 1} is {kind!r}; expected the type of numbers, and how many there are")
        size, at = _length(data, at + 3)
        end = at + size * np.dtype(NUMBERS[kind]).itemsize
        if end > len(data):
            raise BadInput(f"a list of {size} numbers at byte {at} goes beyond its {len(data)} bytes")
        return np.frombuffer(data[at:end], NUMBERS[kind]), end
    count: int | None = None
    if _marker(data, at) == "#":
        count, at = _length(data, at + 1)
    found: list[Any] = []
    while len(found) != count and (count is not None or _marker(data, at) != "]"):
        one, at = _value(data, at, depth)
        found.append(one)
    return found, at if count is not None else at + 1
