"""Where the rows of a JSON file are: one object per line, the elements of an array, or objects one after another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mastery.errors import BadInput, did_you_mean
from mastery.events.header_words import printable
from mastery.pipelines.ingest.csv_records import LONGEST
from mastery.pipelines.ingest.json_elements import Elements, value_end
from mastery.pipelines.ingest.json_paths import leaves, segments

LOOKED_AT = 1000
"""Rows whose keys are taken as the file's columns. A key that appears later may still be read."""

JUDGED_LINES = 50
_TOO_LONG = f"{{}}: the first row is longer than {LONGEST >> 20} MiB; expected one object per row"
_SPACE = b" \t\r\n"


@dataclass(frozen=True)
class Layout:
    """Where the rows begin, and how they end.

    Attributes:
        by_line: One object per line; else elements.
        after: Bytes before the first row.
        line: Physical line there.
        only: The array is a part of the file, so what follows it are no rows.
        columns: Names of the values of the first rows, those of nested objects with dots.
    """

    by_line: bool
    after: int
    line: int
    only: bool
    columns: tuple[str, ...]


def read_layout(head: bytes, place: str, array: str | None, *, last: bool) -> Layout | None:
    """Return where the rows of a file that begins with `head` are, or None when more of it is needed to tell.

    Args:
        head: UTF-8, without a byte order mark.
        place: What a message calls the file.
        array: Name of the array whose elements are the rows; None for the file itself.
        last: `head` is all of the file.

    Raises:
        BadInput: No rows are there.
    """
    large = len(head) > LONGEST
    if array is not None:
        found = _array_at(head, segments(array))
        if isinstance(found, int):
            return _with_columns(head, found, place, last=last or large, only=True)
        if not last and not large:
            return None
        raise BadInput(
            f"{place}: there is no array {array!r}"
            + ("" if last else f" in the first {LONGEST >> 20} MiB")
            + did_you_mean(array, found)
            + (
                f"; there are {', '.join(map(printable, found))}"
                if found
                else "; expected the name of an array, such as data.rows"
            )
        )
    text = head.lstrip(_SPACE)
    if text[:1] in (b"{", b"[") and not _by_line(text, last=last):
        end = value_end(np.frombuffer(text, np.uint8), 0, False)[0]
        if text[:1] == b"{" and end < 0 and not last and not large:
            return None
        _check_not_around(text, place)
        start = len(head) - len(text)
        return _with_columns(head, start, place, last=last or large, only=False)
    if not last and not large and b"\n" not in text:
        return None
    if _lines_used(text, last=last) == 1 and last:
        _check_not_around(text, place)
    names = _columns(json.loads(line) for line in _lines(text, last=last or large) if _is_object(line))
    if not names and large and b"\n" not in head:
        raise BadInput(_TOO_LONG.format(place))
    if not names:
        raise BadInput(
            f"{place}: no JSON object in its first lines; expected one object per line, or one array of them"
        )
    return Layout(True, 0, 1, False, names)


def _with_columns(head: bytes, start: int, place: str, *, last: bool, only: bool) -> Layout | None:
    """Return the layout of elements that begin at `start`."""
    line = 1 + head.count(b"\n", 0, start)
    elements = Elements(only)
    if only:
        elements.state[0] = 1
    starts, stops, *_ = elements.cut(np.frombuffer(head, np.uint8)[start:], line, last=last)
    texts = [head[start + a : start + b] for a, b in zip(starts[:LOOKED_AT], stops[:LOOKED_AT], strict=True)]
    names = _columns(json.loads(text) for text in texts if _is_object(text))
    if names:
        return Layout(False, start, line, only, names)
    if not last:
        return None
    if len(head) > LONGEST and (not len(starts) or stops[0] - starts[0] > LONGEST):
        raise BadInput(_TOO_LONG.format(place))
    raise BadInput(f"{place}: no JSON object in the array; expected an array of objects, one for each row")


def _columns(rows: Iterator[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in leaves(row)))


def _lines(text: bytes, *, last: bool) -> list[bytes]:
    lines = text.split(b"\n", LOOKED_AT)
    return [line for line in (lines if last and len(lines) <= LOOKED_AT else lines[:-1]) if line.strip()]


def _lines_used(text: bytes, *, last: bool) -> int:
    return len(_lines(text, last=last))


def _by_line(text: bytes, *, last: bool) -> bool:
    lines = _lines(text, last=last)[:JUDGED_LINES]
    return sum(map(_is_object, lines)) * 2 >= max(len(lines), 1)


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _check_not_around(text: bytes, place: str) -> None:
    """Refuse a file that is one object around an array of rows, and say which array."""
    if not text.startswith(b"{") or not _is_object(text):
        return
    arrays = [name for name, value in _named(json.loads(text)) if isinstance(value, list) and _objects(value)]
    if arrays:
        raise BadInput(
            f"{place}: it is one object, and its rows seem to be in {' or '.join(arrays)}; say so with "
            f"--array {arrays[0]} (in Python, array={arrays[0]!r})"
        )


def _named(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in leaves(value):
        inner: Any = value
        for key in [name] if name in value else segments(name):
            inner = inner[key]
        yield name, inner


def _objects(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(one, dict) for one in values)


def _array_at(head: bytes, keys: list[str]) -> int | list[str]:
    """Return where the first element of the array may begin, or the names that were there instead."""
    data = np.frombuffer(head, np.uint8)
    names: list[str] = []
    at = _skip(head, 0)
    for depth, key in enumerate(keys):
        if head[at : at + 1] != b"{":
            return names
        at, names = _skip(head, at + 1), []
        while True:
            if head[at : at + 1] != b'"':
                return names
            name, at = _key(head, at)
            at = _skip(head, at)
            names.append(".".join([*keys[:depth], name]))
            if name == key:
                break
            at = _after_value(head, data, at)
            if at < 0:
                return names
    return at + 1 if head[at : at + 1] == b"[" else names


def _key(head: bytes, at: int) -> tuple[str, int]:
    """Return the key that begins at `at`, and where the colon after it ends."""
    stop = at + 1
    while stop < len(head) and head[stop : stop + 1] != b'"':
        stop += 2 if head[stop : stop + 1] == b"\\" else 1
    return _text(head[at : stop + 1]), _skip(head, stop + 1, b" \t\r\n:")


def _text(literal: bytes) -> str:
    try:
        return str(json.loads(literal))
    except ValueError:
        return literal.decode(errors="replace")


def _after_value(head: bytes, data: np.ndarray[Any, Any], at: int) -> int:
    """Return where the next key begins, or −1 where that is not in `head`."""
    if head[at : at + 1] in (b"{", b"["):
        at = int(value_end(data, at, False)[0])
    elif head[at : at + 1] == b'"':
        at = _key(head, at)[1]
    else:
        ends = [place for mark in (b",", b"}") if (place := head.find(mark, at)) >= 0]
        at = min(ends, default=-1)
    return at if at < 0 else _skip(head, at, b" \t\r\n,")


def _skip(head: bytes, at: int, skipped: bytes = _SPACE) -> int:
    while at < len(head) and head[at] in skipped:
        at += 1
    return at
