"""Plain rows of JSON as columns of text, the same texts as DuckDB gives: for a few rows, which it takes long to plan.

Plain is an object of texts, truths, nulls, whole numbers and decimals as they are usually written, each field once.
Whatever the two may see differently is not plain, and left to DuckDB: which of two equal keys counts, numbers with an
exponent or of more than 63 bits, objects and lists in a field, lone surrogates, NaN.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mastery.pipelines.ingest.json_paths import segments

LARGEST = 2**63 - 1

MOST_DIGITS = 15
"""Of a decimal: this many are the same in every shortest way to write it."""


class _NotPlain(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, str | None]:
    found = {name: _text(value) for name, value in pairs}
    if len(found) != len(pairs) or not all(map(_is_text, found)):
        raise _NotPlain
    return found


def _is_text(value: str) -> bool:
    """Tell whether a text has none of what ends it, or is half a letter."""
    return "\0" not in value and (value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value))


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and _is_text(value):
        return value
    raise _NotPlain  # an object, whose fields have been read as plain, or a list


def _whole(text: str) -> str:
    if text == "-0" or abs(int(text)) > LARGEST:
        raise _NotPlain
    return text


def _decimal(text: str) -> str:
    whole, _, rest = text.partition(".")
    if "e" in text or "E" in text or len(whole) + len(rest) > MOST_DIGITS or whole.startswith("-0"):
        raise _NotPlain
    written = repr(float(text))
    if "e" in written:
        raise _NotPlain
    return written


def _constant(_name: str) -> None:
    raise _NotPlain


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole, parse_float=_decimal, parse_constant=_constant)


def plain_columns(lines: Sequence[str | None], wanted: Sequence[str]) -> pa.Table | None:
    """Return the wanted fields of some JSON objects, each a column of text; None where one of them is not plain.

    >>> plain_columns(['{"a": 1, "b": true}', '{"a": "x"}'], ["a", "b"]).to_pydict()
    {'a': ['1', 'x'], 'b': ['true', None]}
    """
    if any(segments(name) != [name] for name in wanted):  # a field in another, or one with dots in its name
        return None
    try:
        rows = [_DECODER.decode(line) for line in lines]  # type: ignore[arg-type]
        if not all(isinstance(row, dict) for row in rows):
            return None
        return pa.table([pa.array([row.get(name) for row in rows], pa.string()) for name in wanted], names=list(wanted))
    except (ValueError, TypeError, RecursionError, pa.ArrowException):
        return None
