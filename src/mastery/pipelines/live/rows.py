"""Rows of source tables as JSON objects, each in bytes of its own: what a body of a request is cut into."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from mastery.errors import BadInput

_DECODER = json.JSONDecoder()
_CUTTER = json.JSONDecoder(parse_int=str)
"""Only finds where values end: a number of 5,000 digits, which Python refuses to make, costs its own row alone."""

_SPACE = " \t\r\n"
_MARK = b"\xef\xbb\xbf"


def cut_rows(body: bytes) -> list[bytes]:
    r"""Return the rows of a JSON array, or of one JSON object a line (NDJSON), each on one line.

    A line that is no object is a row too, which is rejected when it is read; an array has to be whole.

    >>> cut_rows(b'[{"a": 1}, {"a": 2}]')
    [b'{"a": 1}', b'{"a": 2}']

    Raises:
        BadInput: An array that is damaged, or is not in UTF-8.
    """
    body = body.removeprefix(_MARK)
    if body.lstrip(_SPACE.encode())[:1] != b"[":
        return [line for line in body.split(b"\n") if line.strip()]
    try:
        return _elements(body.decode())
    except UnicodeDecodeError as error:
        raise BadInput(
            f"the body is not in UTF-8 (byte {error.start}); expected a JSON array of rows in UTF-8"
        ) from None
    except RecursionError:
        raise BadInput("the body is nested too deeply; expected a JSON array of rows, one object each") from None
    except json.JSONDecodeError as error:
        raise BadInput(
            f"the body is not a JSON array (line {error.lineno}, column {error.colno}: {error.msg}); expected an array "
            "of rows, one object each, or one object a line"
        ) from None


def _elements(text: str) -> list[bytes]:
    """Return the elements of an array as they are written, but for line breaks, which only stand between values."""
    found: list[bytes] = []
    at = _after_space(text, text.index("[") + 1)
    while text[at : at + 1] != "]":
        _, end = _CUTTER.raw_decode(text, at)
        found.append(text[at:end].replace("\n", " ").encode())
        at = _after_space(text, end)
        if text[at : at + 1] == ",":
            at = _after_space(text, at + 1)
            if text[at : at + 1] == "]":
                raise json.JSONDecodeError("a row is missing after the comma", text, at)
        elif text[at : at + 1] != "]":
            raise json.JSONDecodeError("expected a comma or the end of the array", text, at)
    rest = _after_space(text, at + 1)
    if rest != len(text):
        raise json.JSONDecodeError("something follows the array", text, rest)
    return found


def _after_space(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACE and at < len(text):
        at += 1
    return at


def field_of(row: bytes, names: Sequence[str]) -> str | None:
    """Return as text the first of these fields that a row has a value in; None for none, and for what is no object.

    Half of a surrogate pair, which no text in UTF-8 can hold, is told as a question mark.
    """
    fields = object_of(row)
    values = (None if fields is None else fields.get(name) for name in names)
    told = (value if isinstance(value, str) else json.dumps(value) for value in values if value is not None)
    return next((text.encode(errors="replace").decode() for text in told), None)


def shape_of(row: bytes, name: str) -> tuple[tuple[str, ...], object] | None:
    """Return the names of the fields of a row, and what one of them says; None for what is no object.

    As `object_of` has them, in half the time: of a field that is there twice only the name counts here, unless it is
    the one that is asked for.
    """
    if row.count(name.encode()) < 2 and b"\\" not in row:
        with suppress(ValueError, RecursionError):
            text = row.decode()
            fields, end = _DECODER.raw_decode(text)
            if end == len(text) and isinstance(fields, dict):
                return tuple(fields), fields.get(name)
    found = object_of(row)
    return None if found is None else (tuple(found), found.get(name))


def object_of(row: bytes) -> dict[str, object] | None:
    """Return the object that a row is; None where it is none. Of a field that is there twice the first counts, as it
    does where the row is read.
    """
    try:
        found = json.loads(row, object_pairs_hook=_first_of_each)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _first_of_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found
