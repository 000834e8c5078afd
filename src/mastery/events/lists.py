"""Lists of ids: `a~~b`, `a|b`, `a;b` or `a,b`, with a declared separator, a JSON list, or a list type of the format."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.ids import read_id
from mastery.events.values import Problem, Read, Remark, as_text, is_text, mask, per_value, read_text
from mastery.tables import STRINGS

SEPARATORS = ("~~", "|", ";", ",")
"""What may be between the ids of a list: of each text the first of these that is in it, and no other."""

LIKE_LISTS = r"[|;]|~~|^[\[({].*,.*[\])}]$"
"""What hardly ever is in the id of one topic."""

_IN_BRACKETS = r"^(?:\[.*\]|\(.*\)|\{.*\})$"

ONE_TOPIC = "one_topic"
"""Code of the remark that a text was read as one topic and looks like several."""

NONE_SAID: tuple[str, ...] = ()


def read_topics(column: pa.Array, separator: str | None) -> tuple[Read, pa.Array]:
    """Return the first topic of each row, dictionary-encoded, and lists of its further ones, null where it has none.

    A text is one topic, unless its separator was declared or it is a JSON list.
    """
    lists = read_ids(column, NONE_SAID if separator is None else (separator,), broken_json=False)
    first, others = first_and_rest(lists.values)
    first = first.dictionary_encode()
    remarks = looks_like_lists(first).remarks if separator is None else ()
    return Read(first, lists.problems, (*lists.remarks, *remarks)), others


def names_several(column: pa.Array) -> bool:
    """Return whether some values of a column of topics are lists, of their type or as JSON."""
    if pa.types.is_nested(column.type):
        return True
    texts = column.dictionary if pa.types.is_dictionary(column.type) else column
    return is_text(texts.type) and bool(pc.any(pc.starts_with(pc.utf8_ltrim_whitespace(texts), "[")).as_py())


def looks_like_lists(column: pa.Array) -> Read:
    """Return a column of topics with a remark on those that look like several."""
    if not pa.types.is_dictionary(column.type):
        return Read(column)
    odd = mask(pc.match_substring_regex(column.dictionary, LIKE_LISTS))
    if not odd.any():
        return Read(column)
    codes = np.asarray(pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False))
    return Read(column, (), (Remark(odd[codes] & mask(column.is_valid()), ONE_TOPIC),))


def first_and_rest(lists: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the first text of each list, and lists of the others; null where there is none."""
    several = mask(pc.greater(pc.list_value_length(lists), 1))
    others = pa.nulls(len(lists), STRINGS)
    if several.any():
        others = pc.if_else(pa.array(several), pc.list_slice(lists, 1), pa.scalar(None, STRINGS))
    # list_element refuses a null list, so such a list gets one element first
    first = pc.list_element(pc.fill_null(lists, pa.scalar([""], STRINGS)), 0)
    return pc.if_else(lists.is_valid(), first, pa.scalar(None, pa.string())), others


def read_ids(column: pa.Array, separators: Sequence[str] = SEPARATORS, *, broken_json: bool = True) -> Read:
    """Return lists of ids without repeats, in the order of the source; null for a list without any id.

    Ids are trimmed, and empty ones left out. A list with an unusable id is unusable.

    Args:
        separators: What may be between them.
        broken_json: Whether a text in brackets that is no JSON list is unusable; else it is an id.
    """
    if is_text(column.type):
        return _from_texts(column, separators, broken_json)
    if pa.types.is_dictionary(column.type):
        return read_ids(column.cast(column.type.value_type), separators, broken_json=broken_json)
    if pa.types.is_nested(column.type):
        try:
            return _cleaned(column.cast(pa.list_(column.type.value_type)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, AttributeError):
            bad = mask(column.is_valid())
            problem = Problem(bad, "not_a_list", "is not a list of ids", wrong_type=True)
            return Read(pa.nulls(len(column), STRINGS), (problem,))
    return _from_texts(as_text(column), separators, broken_json)


def _from_texts(column: pa.Array, separators: Sequence[str], broken_json: bool) -> Read:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return per_value(encoded, lambda texts: _split(texts, separators, broken_json))


def _split(texts: pa.Array, separators: Sequence[str], broken_json: bool) -> Read:
    texts = read_text(texts).values
    lists: pa.Array = pc.split_pattern(texts, "\x1f")  # ids hold no control characters: one id each
    several = np.zeros(len(texts), np.bool_)
    for separator in reversed(separators):
        several |= mask(pc.match_substring(texts, separator))
        lists = pc.if_else(pc.match_substring(texts, separator), pc.split_pattern(texts, separator), lists)
    json = mask(pc.starts_with(texts, "["))
    bad = several & mask(pc.match_substring_regex(texts, _IN_BRACKETS))
    if json.any():
        parsed = _from_json(pc.if_else(pa.array(json), texts, pa.scalar(None, pa.string())))
        bad = (bad & mask(parsed.is_null())) | (json & mask(parsed.is_null()) & broken_json)
        lists = pc.if_else(pa.array(json) if broken_json else parsed.is_valid(), parsed, lists)
    if bad.any():
        lists = pc.if_else(pa.array(bad), pa.scalar(None, lists.type), lists)
    read = _cleaned(lists)
    broken = Problem(bad, "not_a_list", "is not a JSON list of ids", wrong_type=True)
    return Read(read.values, (broken, *read.problems) if bad.any() else read.problems, read.remarks)


def _from_json(texts: pa.Array) -> pa.Array:
    """Return list<string>, null where the text is not a JSON list."""
    with duckdb.connect() as engine:
        engine.execute("SET threads = 1")
        engine.register("texts", pa.table({"place": np.arange(len(texts)), "text": texts}))
        found = engine.execute(
            "SELECT CASE WHEN json_valid(text) THEN text ->> '$[*]' END AS ids FROM texts ORDER BY place"
        ).to_arrow_table()
    return found["ids"].combine_chunks().cast(STRINGS)


def _cleaned(lists: pa.Array) -> Read:
    parents = np.asarray(pc.list_parent_indices(lists), np.int64)
    ids = read_id(pc.list_flatten(lists))
    codes = ids.values if pa.types.is_dictionary(ids.values.type) else ids.values.dictionary_encode()
    there = mask(codes.is_valid())
    code = np.asarray(pc.fill_null(codes.indices, 0).to_numpy(zero_copy_only=False), np.int64)
    _, first = np.unique((parents * (len(codes.dictionary) + 1) + code)[there], return_index=True)
    keep = np.flatnonzero(there)[np.sort(first)]
    sizes = np.bincount(parents[keep], minlength=len(lists))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    values = codes.take(pa.array(keep)).cast(pa.string())
    empty = sizes == 0
    cleaned = pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(empty))
    problems = []
    for problem in ids.problems:
        where = np.zeros(len(lists), np.bool_)
        where[parents[problem.where]] = True
        problems.append(Problem(where, problem.code, f"has an id that {problem.reason}", wrong_type=True))
    remarks = []
    for remark in ids.remarks:
        where = np.zeros(len(lists), np.bool_)
        where[parents[remark.where]] = True
        remarks.append(Remark(where, remark.code))
    return Read(cleaned, tuple(problems), tuple(remarks))
