"""Cutting CSV into records: what Python's csv module writes, read back whatever the cut."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.pipelines.ingest.csv_header import Header, read_header
from mastery.pipelines.ingest.csv_records import FIELDS, FINE, LETTERS, QUOTE, cut, fine
from mastery.pipelines.ingest.csv_rows import Plan

COMMA = ord(",")
CELLS = st.text(st.sampled_from('ab",\n é;'), max_size=6)


def bytes_of(text: str | bytes) -> np.ndarray:
    return np.frombuffer(text.encode() if isinstance(text, str) else text, np.uint8)


def written(rows: list[list[str]], end: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows(rows)
    return out.getvalue()


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.data(),
)
def test_what_is_written_is_read_whatever_the_cut(rows, end, ended, data):
    text = written(rows, end).encode()
    text = text if ended else text.removesuffix(end.encode())
    plan = Plan(("a", "b", "c"), COMMA, {"a": True, "b": False, "c": False})
    at = data.draw(st.integers(0, len(text)))
    read, used, line = plan.cut(bytes_of(text[:at]), 1, last=False)
    rest, _, _ = plan.cut(bytes_of(text[used:]), line, last=True)
    chunks = [read(), rest()]
    assert all(chunk.broken.num_rows == 0 for chunk in chunks)
    found = [list(row.values()) for chunk in chunks for row in chunk.raw.to_pylist()]
    assert found == [[cell or None for cell in row] for row in rows]
    begins, at_line = [], 1
    for row in rows:
        begins.append(at_line)
        at_line += 1 + sum(cell.count("\n") for cell in row)
    assert [line for chunk in chunks for line in chunk.lines.tolist()] == begins


@given(st.lists(st.sampled_from(["a,b", '"x\ny",1', '"open,1', '"q"z,1', "1,2,3", "", "é,ü", '"""",1']), max_size=10))
def test_a_cut_anywhere_gives_the_same_records(lines):
    text = ("\n".join(lines) + "\n").encode()
    whole = cut(bytes_of(text), COMMA, 2, 1, last=True)
    expected = list(zip(whole.lines.tolist(), whole.faults.tolist(), strict=True))
    for at in range(len(text) + 1):
        first = cut(bytes_of(text[:at]), COMMA, 2, 1, last=False)
        second = cut(bytes_of(text[first.used :]), COMMA, 2, first.next_line, last=True)
        found = [
            *zip(first.lines.tolist(), first.faults.tolist(), strict=True),
            *zip(second.lines.tolist(), second.faults.tolist(), strict=True),
        ]
        assert found == expected, at


@given(
    st.lists(
        st.sampled_from([b"a", b"bcdefghi", b",", b";", b"\n", b"\xc3\xa9", b"\xff", b"\r", b'"']),
        min_size=1,
        max_size=60,
    ),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
)
def test_the_records_are_the_same_wherever_the_bytes_lie_in_memory(pieces, fields, last):
    # those that lie where whole words do, and have no quote and no carriage return, are cut by another kernel
    text = b"".join(pieces)
    apart = np.frombuffer(b"\0" + text, np.uint8)[1:]
    assert apart.ctypes.data % 8
    one, other = (cut(data, COMMA, fields, 7, last=last) for data in (bytes_of(text), apart))
    for name in ("starts", "stops", "lines", "faults"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    assert (one.used, one.next_line, one.faulty) == (other.used, other.next_line, other.faulty)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"a,b", FINE),
        (b'5" pipe,b', FINE),
        (b'"a""b",b', FINE),
        (b"a,b,c", FIELDS),
        (b"a", FIELDS),
        (b'"a,b', QUOTE),
        (b'"a"x,b', QUOTE),
        (b"\xff,b", LETTERS),
        (b"\xc0\xaf,b", LETTERS),
        (b"\xed\xa0\x80,b", LETTERS),
        (b"a,\xe2\x82", LETTERS),
        ("a,€😀".encode(), FINE),
    ],
)
def test_a_line_is_judged_by_itself_and_costs_no_other(line, fault):
    data = bytes_of(b"x,y\n" + line + b"\nz,w\n")
    records = cut(data, COMMA, 2, 1, last=True)
    assert records.faults.tolist() == [FINE, fault, FINE]
    assert records.lines.tolist() == [1, 2, 3]
    kept = b"x,y\n" + (line + b"\n" if fault == FINE else b"") + b"z,w\n"
    assert bytes(fine(data, records, COMMA)) == kept


def test_the_header_tells_names_delimiter_and_where_the_rows_begin():
    head = b'\r\n"a ";b\r\n1;2\r\n'
    assert read_header(head, "x.csv", last=True) == Header(("a", "b"), ord(";"), 10, 3)
