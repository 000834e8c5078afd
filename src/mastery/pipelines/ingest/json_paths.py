"""Names of values within nested JSON: `actor.account.name`, `answers.0.id`, `extensions."https://x.example/score"`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_SEGMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')

DEEPEST = 8
"""Columns are listed down to this depth of objects; deeper ones can still be named."""


def segments(name: str) -> list[str]:
    """Return the keys on the way to a value. A key with a dot in it is written in quotes."""
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in _SEGMENT.findall(name)]


def pointer(keys: list[str]) -> str:
    """Return them as a JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def leaves(value: dict[str, Any], before: str = "", depth: int = 1) -> Iterator[str]:
    """Yield the names of an object's values; those of its objects in turn, lists as they are."""
    for key, inner in value.items():
        nested = isinstance(inner, dict) and bool(inner) and depth < DEEPEST
        quoted = "." in key and (nested or bool(before))
        plain = before + ('"' + key.replace('"', '\\"') + '"' if quoted else key)
        if nested:
            yield from leaves(inner, f"{plain}.", depth + 1)
        else:
            yield plain
