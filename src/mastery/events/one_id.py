"""Ids given one at a time, understood as a column of ids is."""

from __future__ import annotations

import unicodedata

import numpy as np

from mastery.errors import BadInput
from mastery.events.ids import ID_LETTERS, written_id
from mastery.events.values import EXACT


def as_text(what: str, value: object) -> str:
    """Return an id that was given: a text as it is, another value as `id_of` does."""
    return value if isinstance(value, str) else id_of(what, value)


def id_of(what: str, value: object) -> str:
    """Return an id as text, as a column of ids has it: trimmed and composed, and 12.0 is "12".

    Args:
        what: Whose it is, for the message.

    Raises:
        BadInput: No row could have it: it is empty, missing (NaN), too long, no text and no number, or holds a control
            character.
    """
    if isinstance(value, str):
        text = written_id(value)
    elif isinstance(value, int | np.integer) and not isinstance(value, bool):
        text = str(int(value))
    elif isinstance(value, float | np.floating) and np.isfinite(value):
        number = float(value)
        text = str(int(number)) if number.is_integer() and abs(number) < EXACT else str(number)
    else:
        text = ""
    bad = not text or len(text) > ID_LETTERS
    if bad or not (text.isprintable() or all(unicodedata.category(letter) != "Cc" for letter in text)):
        raise BadInput(
            f"{what} is {value!r}; expected an id: a text of 1 to {ID_LETTERS:,} letters without control characters, "
            "or a number"
        )
    return text
