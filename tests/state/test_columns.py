"""Large records: columns of numbers, and records of more floats than are written as rows."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.state import (
    NOWHERE,
    RECORD_LEDGER,
    Position,
    Record,
    StoredRow,
    block_of,
    decode,
    decode_many,
    encode,
    encode_each,
    find_blocks,
    seen_and_content,
)
from mastery.state.columns import NEVER, make_table, put_columns, take_columns
from mastery.state.encoding import COLUMNS, ROWS, format_of
from mastery.state.kernels import MOST_IN_ROWS, column_bytes
from mastery.tables import COUNTERS
from state.conftest import MemoryStore

OF_FORMAT_6 = Path(__file__).parent / "records_of_format_6.txt"
"""What the version before columns wrote of `large(60)` and of `large(3)`: base64, a line each."""

WORDS = (
    st.integers(0, 2**64 - 1)
    | st.sampled_from([0, 1, 2**63, 2**64 - 1, int(NEVER)])
    | st.sampled_from([1.0, -0.0, np.nan, -np.nan, np.inf, 5e-324, 0.1, -2.5]).map(lambda x: int(word(x)))
    | st.integers(-50, 50).map(lambda x: 1_000_000 * x % 2**64)
)


def word(value: float) -> np.uint64:
    return np.float64(value).view(np.uint64)


def written(columns: np.ndarray, integers: int) -> tuple[np.ndarray, int]:
    """Return what comes back of columns, of which the first are integers, and how many bits they took."""
    count, n = columns.shape
    of_integers = columns[:integers].view(np.int64).astype(np.float64).view(np.uint64)
    whole = np.concatenate([columns[:integers], of_integers, columns[integers:]])
    table, back = make_table(len(whole), n + 3), make_table(len(whole), n + 1)
    table.cells[: len(whole), :n] = whole
    words = np.zeros(column_bytes(len(whole), n) // 8 + 2, np.uint64)
    first = 5
    bits = put_columns(words, first, table, n, integers, 2 * integers)
    assert bits - first <= 8 * column_bytes(count, n)
    assert take_columns(words, first, back, n, integers, 2 * integers) == bits
    np.testing.assert_array_equal(back.cells[integers : 2 * integers, :n], of_integers)
    return np.delete(back.cells[: len(whole), :n], np.s_[integers : 2 * integers], axis=0), bits - first


@given(data=st.data(), n=st.sampled_from([1, 2, 3, 7, 63, 64, 65, 130]), integers=st.integers(0, 3))
def test_every_bit_of_columns_comes_back(data: st.DataObject, n: int, integers: int) -> None:
    count = data.draw(st.integers(integers, 7))
    few = data.draw(st.lists(WORDS, min_size=1, max_size=9))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    columns = np.array(few, np.uint64)[rng.integers(0, len(few), (count, n))]
    for k in range(1, count):  # what is like a column before it
        same = rng.random(n) < data.draw(st.sampled_from([0.0, 0.6, 1.0]))
        columns[k, same] = columns[rng.integers(0, k), same]
    back, _ = written(columns, integers)
    np.testing.assert_array_equal(back, columns)


def test_numbers_on_a_curve_take_fewer_bits_and_come_back() -> None:
    rng, nodes = np.random.default_rng(3), np.arange(16)
    middle, width = rng.uniform(5.0, 11.0, (60, 1)), rng.uniform(2.0, 4.0, (60, 1))
    bells = np.exp(-(((nodes - middle) / width) ** 2)) * (1.0 + 1e-6 * rng.random((60, 16)))
    shuffled = np.stack([rng.permutation(row) for row in bells])
    smooth, rough = (np.ascontiguousarray(each.T).view(np.uint64) for each in (bells, shuffled))
    for columns in (smooth, rough):
        np.testing.assert_array_equal(written(columns, 0)[0], columns)
    assert written(smooth, 0)[1] < 0.75 * written(rough, 0)[1]


def test_a_column_like_another_and_whole_seconds_take_few_bits() -> None:
    seconds = 1_000_000 * np.random.default_rng(4).integers(1_700_000_000, 1_700_100_000, 60)
    moments = seconds.astype(np.float64).view(np.uint64)
    columns = np.stack([seconds.view(np.uint64), moments, moments])
    back, bits = written(columns, 1)
    np.testing.assert_array_equal(back, columns)
    assert bits <= 60 * 17 + 8 * 24


def large(slots: int, seen: Position = NOWHERE) -> Record:
    """Return a record of 40 floats a slot, most of them 0, every number of which is a formula."""
    p, k = np.arange(slots)[:, None], np.arange(30)[None, :]
    states = np.where((p + k) % 5 == 0, np.sqrt(1.0 + p) / (3.0 + k), 0.0)
    last = 1_700_000_000_000_000.0 + 7_000_000.0 * p
    elo = np.hstack([np.broadcast_to(last, (slots, 2)), np.where(p % 3 == 0, np.nan, last), np.zeros((slots, 7))])
    counters = np.where((p + np.arange(len(COUNTERS))) % 4 == 0, 1_000_000 * p + 7, 0)
    counters[:, COUNTERS.index("last_at_us")] = last[:, 0].astype(np.int64)
    counters[:, COUNTERS.index("last_practice_us")] = NEVER.view(np.int64)
    override = np.full((slots, 2), np.nan)
    override[1] = 0.25, 1.5e15
    days = np.arange(2 * slots)[:, None]
    ledger = (days * np.arange(1, 1 + len(RECORD_LEDGER))) % 9
    ledger[:, 0], ledger[:, 1] = days[:, 0] % slots, 19_000 + days[:, 0] // 3
    return Record(
        student_id=f"s_{slots}",
        tenant="north",
        model_version="v1",
        timezone="UTC",
        topics=tuple(f"topic-{k}" for k in range(slots)),
        slot_states={"rule_based": states, "elo": elo},
        student_states={"rule_based": np.zeros(0), "elo": np.array([0.125, -3.5, 0.0])},
        counters=counters.astype(np.int64),
        ledger=ledger.astype(np.int64),
        override=override,
        recent=np.arange(12, dtype=np.int64).reshape(4, 3) - 5,
        newest=np.array([int(last[-1, 0]), 4, 3, 2, 1], np.int64),
        missing=np.array([[8, -9]], np.int64),
        last_event_us=int(last[-1, 0]),
        events_folded=7 * slots,
        seen=seen,
    )


def parts(record: Record) -> dict[str, object]:
    """Return all that is in a record, as bytes where it is an array."""
    found: dict[str, object] = {}
    for name, value in vars(record).items():
        if isinstance(value, np.ndarray):
            found[name] = (value.shape, value.tobytes())
        elif name.endswith("_states"):
            found[name] = {scorer: (state.shape, state.tobytes()) for scorer, state in value.items()}
        else:
            found[name] = value
    return found


@pytest.mark.parametrize("slots", [49, 50, 51, 52, 64, 65, 200])
def test_large_records_are_columns_and_all_of_them_comes_back(slots: int) -> None:
    record = large(slots, Position(1, 9))
    body = encode(record)
    assert format_of(body) == (COLUMNS if 40 * slots > MOST_IN_ROWS else ROWS)
    assert parts(decode(body)) == parts(record)
    (block,) = decode_many([body])
    assert encode(replace(record, seen=block.seen)) == body
    assert parts(decode(encode_each([large(4, Position(1, 9)), record])[1])) == parts(record)


def test_records_of_both_formats_together_have_the_bytes_of_each_alone() -> None:
    records = [large(slots) for slots in (60, 3, 51, 50, 2, 70)]
    bodies = encode_each(records)
    assert bodies == [encode(record) for record in records]
    assert {format_of(body) for body in bodies} == {ROWS, COLUMNS}
    found = {}
    for block in decode_many(bodies):
        again = encode_each(
            [decode(body) for body in bodies if decode(body).student_id in block.student_ids.to_pylist()]
        )
        assert len(again) == len(block.student_ids)
        found.update(zip(block.student_ids.to_pylist(), again, strict=True))
        assert np.diff(block.slot_ptr).sum() == len(block.topic_codes)
    assert found == {record.student_id: body for record, body in zip(records, bodies, strict=True)}
    buffer = b"".join(encode_each(records))
    ends = np.cumsum([0, *map(len, bodies)]).tolist()
    assert [buffer[a:b] for a, b in pairwise(ends)] == bodies
    assert len(block_of(records).topics) == 70


class Rows(MemoryStore):
    """A store of these rows."""

    def __init__(self, rows: list[StoredRow]) -> None:
        super().__init__()
        self.rows = rows

    def get_rows(self, student_ids: Iterable[str], model_version: str) -> list[StoredRow]:
        return self.rows


def test_large_records_of_format_6_are_read_and_written_as_columns_from_then_on() -> None:
    old_large, old_small = (base64.b64decode(line) for line in OF_FORMAT_6.read_text().split())
    assert (format_of(old_large), format_of(old_small)) == (ROWS, ROWS)
    seen = Position(1, 3)
    assert parts(decode(old_large)) == parts(large(60, seen))
    assert parts(decode(old_small)) == parts(large(3, seen))
    assert encode(decode(old_small)) == old_small
    new_large = encode(decode(old_large))
    assert format_of(new_large) == COLUMNS
    assert seen_and_content(old_large) == seen_and_content(new_large)  # the same to who compares them
    assert seen_and_content(old_large) != seen_and_content(old_small)

    rows = [StoredRow(name, 4, None, body, seen, False) for name, body in (("s_3", old_small), ("s_60", old_large))]
    found = find_blocks(Rows(rows), ["s_3", "s_60"], "v1")
    assert found.current == {"s_3", "s_60"} and not found.outdated
    read = {name: block for block in found.blocks for name in block.student_ids.to_pylist()}
    np.testing.assert_array_equal(read["s_60"].slot_states["elo"][-60:], large(60).slot_states["elo"])
    mixed = decode_many([old_large, new_large])
    assert [block.student_ids.to_pylist() for block in mixed] == [["s_60"], ["s_60"]]
    for block in mixed:
        for scorer, state in large(60).slot_states.items():
            assert block.slot_states[scorer].tobytes() == state.tobytes()
