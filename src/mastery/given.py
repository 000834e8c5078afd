"""What a caller gives, checked where it comes in: of another type it would fail far inside, or mean something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from mastery.errors import BadInput


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return a whole number.

    Args:
        name: What the caller calls it, for the message.
        least, most: The bounds, which belong to it.

    Raises:
        BadInput: It is another type (True and 2.0 are), or out of bounds.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if least <= number and (most is None or number <= most):
            return number
    bounds = f"{least:,} or more" if most is None else f"{least:,} to {most:,}"
    raise BadInput(f"{name} is {value!r}; expected a whole number, {bounds}")


def flag(name: str, value: Any) -> bool:
    """Return True or False. Raises BadInput for anything else: the text "no" would count as yes."""
    if not isinstance(value, bool):
        raise BadInput(f"{name} is {value!r}; expected True or False")
    return value


def text(name: str, value: Any) -> str:
    """Return a text. Raises BadInput for anything else."""
    if not isinstance(value, str):
        raise BadInput(f"{name} is {value!r}; expected a text")
    return value


def mapping(name: str, value: Any, example: str) -> Mapping[str, Any]:
    """Return a mapping whose keys are texts. Raises BadInput for anything else; the message gives the example."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise BadInput(f"{name} is {value!r}; expected a mapping such as {example}")
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Return texts; one text alone is one, not its letters. Raises BadInput for anything else."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise BadInput(f"{name} is {value!r}; expected a text, or several in a list")
    return tuple(value)
