"""Lists of ids: `a|b|c`, a JSON list, or a list type of the file format."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.ids import read_id
from mastery.events.values import Problem, Read, Remark, as_text, is_text, mask, per_value, read_text
from mastery.tables import STRINGS

SEPARATOR = "|"


def read_ids(column: pa.Array) -> Read:
    """Return lists of ids without repeats, in the order of the source; null for a list without any id.

    Ids are trimmed, and empty ones left out. A list with an unusable id is unusable.
    """
    if is_text(column.type):
        return _from_texts(column)
    if pa.types.is_dictionary(column.type):
        return read_ids(column.cast(column.type.value_type))
    if pa.types.is_nested(column.type):
        try:
            return _cleaned(column.cast(pa.list_(column.type.value_type)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, AttributeError):
            bad = mask(column.is_valid())
            problem = Problem(bad, "not_a_list", "is not a list of ids", wrong_type=True)
            return Read(pa.nulls(len(column), STRINGS), (problem,))
    return _from_texts(as_text(column))


def _from_texts(column: pa.Array) -> Read:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return per_value(encoded, _split)


def _split(texts: pa.Array) -> Read:
    texts = read_text(texts).values
    lists: pa.Array = pc.split_pattern(texts, SEPARATOR)
    json = mask(pc.starts_with(texts, "["))
    bad = np.zeros(len(texts), np.bool_)
    if json.any():
        parsed = _from_json(pc.if_else(pa.array(json), texts, pa.scalar(None, pa.string())))
        bad = json & mask(parsed.is_null())
        lists = pc.if_else(pa.array(json), parsed, lists)
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
