"""Rows read without DuckDB are the rows that DuckDB reads, text by text."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.pipelines.ingest import json_rows
from mastery.pipelines.ingest.plain_json import plain_columns

WANTED = ["a", "b", "c~/d"]

ODD = [
    '{"a": 1, "a": 2}',
    '{"a": -0}',
    '{"a": -0.0}',
    '{"a": 1.0}',
    '{"a": 1.50}',
    '{"a": 0.1, "b": 123456.7}',
    '{"a": 0.00001}',
    '{"a": 1e5}',
    '{"a": 1E-3}',
    '{"a": 9223372036854775807}',
    '{"a": 9223372036854775808}',
    '{"a": 123456789012345678901234567890}',
    '{"a": 0.30000000000000004}',
    '{"a": 1234567890.123456789}',
    '{"a": "\\ud83d\\ude00", "b": "\\u0041\\n"}',
    '{"a": "\\ud800"}',
    '{"z": "\\ud800"}',
    '{"\\udfff": 1}',
    '{"a": "x\\u0000y"}',
    '{"a": NaN}',
    '{"a": -Infinity}',
    '{"a": {"b": 1}}',
    '{"a": [1, 2]}',
    '{"a": true, "b": false, "c~/d": null}',
    ' {"a" : "  x " } ',
    '{"a": 1} {"b": 2}',
    '{"a": 1,}',
    "{'a': 1}",
    '{"a": "tab\there"}',
    "[]",
    "1",
    "null",
    "",
    "{",
    "{}",
    '\ufeff{"a": 1}',
    '{"a": 01}',
    '{"a": .5}',
    '{"a": 5.}',
    '{"a": +5}',
]

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6).map(float),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
)
OBJECTS = st.dictionaries(st.sampled_from([*WANTED, "other", "a.b", ""]), VALUES, max_size=4).map(json.dumps)


def by_duckdb(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[list[dict[str, str | None]], list[int]]:
    with monkeypatch.context() as patched:
        patched.setattr(json_rows, "FEW", -1)
        chunk = json_rows._parsed(pa.array(lines, pa.string()), np.arange(len(lines)), WANTED, ".")
    return chunk.raw.to_pylist(), chunk.lines.tolist()


def check(lines: list[str]) -> bool:
    plain = plain_columns(lines, WANTED)
    if plain is None:
        return False
    with pytest.MonkeyPatch.context() as monkeypatch:
        rows, numbers = by_duckdb(lines, monkeypatch)
    assert numbers == list(range(len(lines))), "a row that DuckDB does not take for an object"
    assert plain.to_pylist() == rows
    assert all(field.type == pa.string() for field in plain.schema)
    return True


@pytest.mark.parametrize("line", ODD)
def test_an_odd_row_is_read_alike_or_left_to_duckdb(line):
    check([line])


@given(st.lists(OBJECTS, min_size=1, max_size=4))
def test_any_rows_are_read_alike_or_left_to_duckdb(lines):
    check(lines)


def test_an_answer_as_it_is_usually_sent_is_plain():
    row = {"a": "S1", "b": 12.5, "c~/d": True, "time": "2026-04-11T15:02:11Z", "number": 3, "empty": None}
    assert check([json.dumps(row), json.dumps(row | {"a": "größer"}, ensure_ascii=False)])


def test_fields_within_fields_are_left_to_duckdb():
    assert plain_columns(['{"a": 1}'], ["a.b"]) is None
