"""Ids as sources write them: which texts mean the same id, and which are none.

Each id is understood from itself, so that one file gives the same ids as CSV, Parquet and JSON.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.values import (
    MISSING_WORDS,
    NOT_A_VALUE,
    SINGLE_VALUE,
    Problem,
    Read,
    Remark,
    as_text,
    mask,
    per_value,
    trimmed,
)
from mastery.kernels import kernel

ID_LETTERS = 1024
"""The longest accepted id, in characters. Skill names of real tutors reach 1,011."""

LOOKS_EMPTY, APOSTROPHE = "looks_empty", "apostrophe"
"""Remarks on ids that are taken as they are."""

AS_FORMULA = "as_formula"
"""Remark on ids such as `="00123"`, which a spreadsheet does not take for numbers: they are what is quoted."""

_INVISIBLE = r"[\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{FEFF}]"
_INVISIBLE_ONE = re.compile(re.sub(r"\\x\{(....)\}", r"\\u\1", _INVISIBLE))
_OF_A_FLOAT = r"^(-?(?:0|[1-9]\d*))\.0$"
_FORMULA = r'^="([^"]*)"$'
_LIST_OR_OBJECT = r'^(?:\{\s*(?:\}|".*\})|\[\s*(?:\]|["\[{].*\]|(?:-?\d[\d.eE+-]*|true|false|null)\s*(?:,.*)?\]))$'
_ROUNDED = r"^-?\d(\.\d+)?[eE]\+\d+$"


def read_id(column: pa.Array) -> Read:
    """Return ids: texts of 1 to `ID_LETTERS` characters, none of them a control character.

    They are trimmed, in Unicode's composed form (NFC) and without invisible characters; `101.0` is 101, as a column of
    floats has it, and `="007"` is 007. A number that a spreadsheet has rounded, `1.23457E+11`, is a problem: its digits
    are lost. So is a list or an object of JSON.
    """
    return per_value(as_text(column), _read_ids)


def written_id(text: str) -> str:
    """Return one id as a column of ids has it: trimmed, composed, without invisible characters."""
    text = unicodedata.normalize("NFC", re.sub(_INVISIBLE_ONE, "", text)).strip()
    return re.sub(_OF_A_FLOAT, r"\1", text)


def _read_ids(values: pa.Array) -> Read:
    looked = _looked_at(values)
    if looked == 0:
        return Read(values)
    if not looked & CARE:
        return _plain_ids(values)
    if not mask(pc.string_is_ascii(values)).all():
        values = pc.utf8_normalize(pc.replace_substring_regex(values, _INVISIBLE, ""), "NFC")
    values = trimmed(values)
    unprintable = mask(pc.match_substring_regex(values, r"\p{Cc}"))
    long = mask(pc.greater(pc.utf8_length(values), ID_LETTERS))
    problems = []
    if unprintable.any():
        problems.append(Problem(unprintable, "bad_id", "has a control character in it", wrong_type=True))
    if long.any():
        problems.append(
            Problem(long, "bad_id", f"is longer than the {ID_LETTERS} characters of an id", wrong_type=True)
        )
    if problems:
        values = pc.if_else(pa.array(unprintable | long), pa.scalar(None, values.type), values)
    found = _plain_ids(values)
    return Read(found.values, (*problems, *found.problems), found.remarks)


def _plain_ids(values: pa.Array) -> Read:
    """Return ids of printable characters, each written in one way."""
    if not _looked_at(values) & ODD:
        return Read(values)
    formula = mask(pc.match_substring_regex(values, _FORMULA))
    if formula.any():
        values = trimmed(pc.replace_substring_regex(values, _FORMULA, r"\1"))
    rounded = mask(pc.match_substring_regex(values, _ROUNDED))
    nested = mask(pc.match_substring_regex(values, _LIST_OR_OBJECT))
    problems: list[Problem] = []
    if rounded.any():
        reason = "is a number that a spreadsheet has rounded: the digits of the id are lost; export ids as text"
        problems.append(Problem(rounded, "rounded_id", reason, wrong_type=True))
    if nested.any():
        problems.append(Problem(nested, NOT_A_VALUE, SINGLE_VALUE, wrong_type=True))
    if problems:
        values = pc.if_else(pa.array(rounded | nested), pa.scalar(None, values.type), values)
    remarks = [
        Remark(where, code)
        for where, code in (
            (mask(_stands_for_nothing(values)), LOOKS_EMPTY),
            (mask(pc.starts_with(values, "'")), APOSTROPHE),
            (formula & mask(values.is_valid()), AS_FORMULA),
        )
        if where.any()
    ]
    return Read(pc.replace_substring_regex(values, _OF_A_FLOAT, r"\1"), tuple(problems), tuple(remarks))


def _stands_for_nothing(values: pa.Array) -> pa.Array:
    """Return which ids are words for nothing, or formulas that the source did not compute, such as `=A1`."""
    return pc.or_(pc.is_in(pc.utf8_lower(values), pa.array(MISSING_WORDS)), pc.starts_with(values, "="))


def _packed(word: str) -> int:
    return sum((letter | 32) << (8 * place) for place, letter in enumerate(word.encode()))


_ODD_WORDS = np.array(sorted({_packed(word) for word in MISSING_WORDS if len(word.encode()) < 8}), np.int64)
_ODD_FIRSTS = np.array([any(word.encode()[0] | 32 == byte for word in MISSING_WORDS) for byte in range(256)])


CARE, ODD = 1, 2
"""Bits of `_look`: texts that are empty, long or not printable ASCII; texts that may be written in another way."""


@kernel
def _look(starts: Any, letters: Any, longest: Any, words: Any, firsts: Any) -> Any:
    """Return which of CARE and ODD is true of any text."""
    found = 0
    for i in range(starts.size - 1):
        start, stop = starts[i], starts[i + 1]
        size = stop - start
        if size == 0 or size > longest:
            found |= CARE
            continue
        strange = 0
        for j in range(start, stop):
            strange |= (letters[j] < 33) | (letters[j] > 126)
        if strange:
            found |= CARE
        first = letters[start]
        if first == 39 or first == 61 or first == 91 or first == 123:  # ' = [ {
            found |= ODD
        if size > 2 and letters[stop - 1] == 48 and letters[stop - 2] == 46:  # .0
            found |= ODD
        if size < 8 and firsts[first | 32]:
            word = 0
            for j in range(start, stop):
                word |= np.int64(letters[j] | 32) << (8 * (j - start))
            for k in range(words.size):
                if word == words[k]:
                    found |= ODD
        if 48 <= first <= 57 or first == 45:  # a number
            for j in range(start, stop):
                if letters[j] == 43:  # 1E+11
                    found |= ODD
    return found


def _looked_at(values: pa.Array) -> int:
    """Return which of CARE and ODD is true of any text. ODD: it is one of `MISSING_WORDS`, begins with an
    apostrophe, an equals sign or a bracket, or may be a float's.
    """
    if len(values) == 0 or pa.types.is_null(values.type):
        return 0
    _, offsets, data = values.buffers()
    starts = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    letters = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return int(_look(starts, letters, ID_LETTERS, _ODD_WORDS, _ODD_FIRSTS))
