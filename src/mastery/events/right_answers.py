"""What was answered beside what is right, where a key says the latter and a log only the former."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.ids import written_id

_BESIDE_A_SEPARATOR = re.compile(r"\s*([,;|])\s*")
_NUMBER = re.compile(r"([+-]?)0*(\d+?)(?:\.(\d*?)0*)?", re.ASCII)


def written_answer(text: str) -> str:
    """Return an answer in the one way in which it is compared; empty where there is none.

    Capitals, blanks (but those between words), invisible characters, composed or decomposed letters, and zeros at the
    ends of a number do not matter: `A, B` is `a,b`, and `2.0` is `2`.
    """
    text = _BESIDE_A_SEPARATOR.sub(r"\1", " ".join(written_id(text).split())).casefold()
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    sign, whole, decimals = number.groups()
    return f"{sign.strip('+')}{whole}{f'.{decimals}' if decimals else ''}"


def judged(items: pa.Array, answers: pa.Array, key: Mapping[str, str]) -> tuple[pa.Array, int]:
    """Return 1 or 0 for each answer, null where there is none or no right one is known; and how many of the latter.

    Args:
        items, answers: Texts, n each.
        key: Question → right answer, as `written_id` and `written_answer` write them.
    """
    questions, rights = pa.array(list(key), pa.string()), pa.array(list(key.values()), pa.string())
    place = pc.index_in(_each_once(items, written_id), questions)
    given = _each_once(answers, written_answer)
    given = pc.if_else(pc.equal(given, ""), pa.scalar(None, pa.string()), given)
    unkeyed = pc.sum(pc.and_(place.is_null(), given.is_valid())).as_py() or 0
    return pc.if_else(pc.equal(given, rights.take(place)), "1", "0"), int(unkeyed)


def _each_once(texts: pa.Array, write: Callable[[str], str]) -> pa.Array:
    """Return texts as `write` writes them, which is asked once for each that is different."""
    codes = texts.dictionary_encode()
    return pa.array([write(text) for text in codes.dictionary.to_pylist()], pa.string()).take(codes.indices)
