"""Outcomes in words that a person has declared: `solved` is worth 1, `partly solved` 0.5 of what can be reached."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.errors import BadInput
from mastery.events.values import Problem, Read, as_text, mask, per_value

PARTLY = "is declared to be worth more than 0 and less than 1; an answer is right or wrong: declare 0 or 1"


def check_worths(values: Mapping[str, float]) -> None:
    """Raise BadInput for a word that is worth less than nothing or more than all."""
    for word, worth in values.items():
        if not 0 <= worth <= 1:
            raise BadInput(f"the value {word!r} is declared as {worth:g}; expected a share from 0 (wrong) to 1 (right)")


def read_worths(
    column: pa.Array, values: Mapping[str, float], other: Callable[[pa.Array], Read], *, truth: bool
) -> Read:
    """Return outcomes, of declared words as declared, whatever their capitals; others as `other` reads them.

    Args:
        values: Word → what it is worth, from 0 to 1.
        truth: The outcomes are booleans; else they are shares from 0 to 1.
    """
    words = {_plain(word): worth for word, worth in values.items()}
    known, worths = pa.array(list(words), pa.string()), np.array(list(words.values()), np.float64)

    def once(texts: pa.Array) -> Read:
        plain = pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_normalize(texts, "NFC")))
        place = pc.index_in(plain, known)
        said = pa.array(worths).take(place)
        declared = mask(place.is_valid())
        read = other(pc.if_else(pa.array(declared), pa.scalar(None, pa.string()), texts))
        problems = list(read.problems)
        if truth:
            partly = declared & mask(pc.and_(pc.greater(said, 0), pc.less(said, 1)))
            if partly.any():
                problems.append(Problem(partly, "partly_right", PARTLY))
            said = pc.if_else(pa.array(declared & ~partly), pc.equal(said, 1), pa.scalar(None, pa.bool_()))
        return Read(pc.coalesce(said, read.values), tuple(problems), read.remarks)

    return per_value(as_text(column), once)


def _plain(word: str) -> str:
    return unicodedata.normalize("NFC", word).strip().lower()
