import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mastery.errors import BadInput
from mastery.state import (
    RECORD_LEDGER,
    CorruptRecord,
    OtherFormat,
    Position,
    Record,
    RecordBlock,
    StoredRow,
    block_of,
    decode,
    decode_many,
    encode,
    encode_each,
    encode_many,
    find_blocks,
    taken_records,
)
from mastery.state.encoding import HEAD, MAGIC, ROWS, stream_text
from mastery.tables import COUNTERS
from state.conftest import FIRST, MemoryStore

Block = Callable[..., RecordBlock]
INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(width=64) | st.sampled_from([0.0, -0.0, float("nan"), 5e-324])


def matrix(rows: int, columns: int, elements: st.SearchStrategy[object], kind: type) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(kind, (rows, columns), elements=elements, fill=st.nothing())


@st.composite
def any_record(draw: st.DrawFn) -> Record:
    slots, days, recent = draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.integers(0, 2))
    widths = draw(st.dictionaries(st.text(max_size=4), st.integers(0, 9), max_size=2))
    return Record(
        student_id=draw(st.text(max_size=5)),
        tenant=draw(st.text(max_size=5)),
        model_version=draw(st.text(max_size=200)),
        timezone="Europe/Berlin",
        topics=tuple(draw(st.lists(st.text(max_size=5), min_size=slots, max_size=slots))),
        slot_states={name: draw(matrix(slots, width, FLOAT, np.float64)) for name, width in widths.items()},
        student_states={name: draw(matrix(1, width, FLOAT, np.float64))[0] for name, width in widths.items()},
        counters=draw(matrix(slots, len(COUNTERS), INT64, np.int64)),
        ledger=draw(matrix(days, len(RECORD_LEDGER), INT64, np.int64)),
        override=draw(matrix(slots, 2, st.floats(allow_nan=False) | st.just(float("nan")), np.float64)),
        recent=draw(matrix(recent, 3, INT64, np.int64)),
        newest=draw(matrix(1, 5, INT64, np.int64))[0],
        missing=draw(matrix(draw(st.integers(0, 2)), 2, INT64, np.int64)),
        last_event_us=draw(INT64),
        events_folded=draw(INT64),
        seen=Position(draw(st.integers(0, 2**40)), draw(st.integers(-1, 2**40))),
        offsets=draw(st.dictionaries(st.text(max_size=4), INT64, max_size=2)),
        outbox=tuple(draw(st.lists(st.text(max_size=4), max_size=2))),
    )


def words(array: np.ndarray) -> list[int]:
    return np.ascontiguousarray(array).view(np.uint64).ravel().tolist()


@given(any_record())
def test_every_bit_of_a_record_comes_back(record: Record) -> None:
    back = decode(encode(record), version=7, stream=stream_text(record))
    assert back.version == 7
    for name in ("student_id", "tenant", "model_version", "topics", "last_event_us", "events_folded", "seen", "outbox"):
        assert getattr(back, name) == getattr(record, name)
    assert back.offsets == record.offsets
    for name in ("counters", "ledger", "recent", "newest", "missing"):
        np.testing.assert_array_equal(getattr(back, name), getattr(record, name))
    np.testing.assert_array_equal(back.override, record.override)
    for one, other in ((back.slot_states, record.slot_states), (back.student_states, record.student_states)):
        assert {scorer: words(state) for scorer, state in one.items()} == {
            scorer: words(state) for scorer, state in other.items()
        }
    assert encode(back) == encode(record)


@given(students=st.integers(0, 12), seed=st.integers(0, 99))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_has_the_same_bytes_alone_and_in_a_block(block: Block, students: int, seed: int) -> None:
    made = block(students, seed=seed)
    buffer, ptr = encode_many(made)
    assert ptr[0] == 0
    assert ptr[-1] == len(buffer)
    for s in range(students):
        data = buffer[ptr[s] : ptr[s + 1]].tobytes()
        record = decode(data)
        assert encode(record) == data
        own = slice(made.slot_ptr[s], made.slot_ptr[s + 1])
        np.testing.assert_array_equal(record.slot_states["bkt"], made.slot_states["bkt"][own])
        np.testing.assert_array_equal(record.counters, made.counters[own])
        np.testing.assert_array_equal(record.override, made.override[own])
        np.testing.assert_array_equal(record.ledger, made.ledger[made.ledger_ptr[s] : made.ledger_ptr[s + 1]])
        np.testing.assert_array_equal(record.recent, made.recent[made.recent_ptr[s] : made.recent_ptr[s + 1]])
        np.testing.assert_array_equal(record.missing, made.missing[made.missing_ptr[s] : made.missing_ptr[s + 1]])
        np.testing.assert_array_equal(record.newest, made.newest[s])
        assert record.seen == made.seen
        assert record.topics == tuple(made.topics[code] for code in made.topic_codes[own])
        assert record.tenant == made.tenants[s].as_py()


@pytest.mark.parametrize("place", [0, 4, 5, 8, 9, 60, -1])
def test_one_changed_byte_anywhere_is_noticed(block: Block, place: int) -> None:
    buffer, ptr = encode_many(block(1, slots=3))
    data = bytearray(buffer[: ptr[1]].tobytes())
    data[place] ^= 0x40
    with pytest.raises(CorruptRecord, match="it is made again when the student is next shown"):
        decode(bytes(data))


@pytest.mark.parametrize("size", [0, 3, 9, 40])
def test_a_record_cut_short_is_noticed(block: Block, size: int) -> None:
    with pytest.raises(CorruptRecord):
        decode(encode_many(block(1))[0].tobytes()[:size])


def test_a_format_of_the_future_is_named(block: Block) -> None:
    data = bytearray(encode_many(block(1))[0].tobytes())
    data[4] = 9
    with pytest.raises(CorruptRecord, match="its format is 9 and this version knows 6 and 7"):
        decode(bytes(data))


def test_the_first_bytes_are_as_documented() -> None:
    empty = np.zeros((0, 2))
    record = Record(
        "s_1", "a", "m", "UTC", (), {}, {}, np.zeros((0, len(COUNTERS)), np.int64),
        np.zeros((0, len(RECORD_LEDGER)), np.int64), empty, np.zeros((0, 3), np.int64),
        np.array([-3, 1, 5, 2, -1]), np.array([[3, 4]]), -1, 64, Position(1, 70),
    )  # fmt: skip
    body = (
        b"\x01m\x03UTC\x02\x8c\x01"
        b"\x00\x00"
        + bytes([len(COUNTERS), len(RECORD_LEDGER)])
        + b"\x03s_1\x01a"
        + b"\x00\x00\x00\x01"
        + b"\x01\x80\x01"
        + b"\x03\x02"
        + b"".join(number.to_bytes(8, "little", signed=True) for number in (5, 2, -1, 3, 4))
    )
    assert encode(record) == HEAD.pack(b"MREC", 6, zlib.crc32(body)) + body


def test_arrays_that_do_not_belong_together_are_refused(block: Block) -> None:
    good = block(3)
    for wrong in (
        {"counters": good.counters[1:]},
        {"slot_ptr": good.slot_ptr[:-1]},
        {"ledger_ptr": good.ledger_ptr + 1},
        {"missing_ptr": good.missing_ptr[:-1]},
        {"newest": good.newest[:, :4]},
        {"topics": ()},
        {"tenants": good.tenants[1:]},
        {"slot_states": {"bkt": np.zeros((99, 2))}},
    ):
        with pytest.raises(BadInput, match="records"):
            replace(good, **wrong)


def test_records_encoded_together_have_the_bytes_of_each_alone(block: Callable[..., RecordBlock]) -> None:
    def records(some: RecordBlock) -> list[Record]:
        buffer, ptr = encode_many(some)
        return [decode(buffer[start:end].tobytes()) for start, end in pairwise(ptr.tolist())]

    each = records(block(30)) + records(block(5, seed=1, slots=0)) + records(block(5, "v2", seed=2))
    other_day = [replace(one, seen=Position(1, 9)) for one in records(block(3, seed=3))]
    other_zone = [replace(one, timezone="UTC") for one in records(block(3, seed=4))]
    one_scorer = [
        replace(one, slot_states={"elo": one.slot_states["elo"]}, student_states={"elo": one.student_states["elo"]})
        for one in records(block(3, seed=5))
    ]
    mixed = [*each, *other_day, *other_zone, *one_scorer][::-1]
    assert encode_each(mixed) == [encode(one) for one in mixed]
    assert encode_each([]) == []


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(some=st.lists(any_record(), max_size=4), again=st.lists(st.integers(0, 3), max_size=3))
def test_records_decoded_together_are_those_of_each_alone(some: list[Record], again: list[int]) -> None:
    some += [replace(some[k], student_id=f"again{n}") for n, k in enumerate(again) if k < len(some)]
    bodies = [encode(one) for one in some]
    blocks = decode_many(bodies)
    seen = Position(3, 4)
    found: dict[str, list[bytes]] = {}
    for block in blocks:
        buffer, ptr = encode_many(replace(block, seen=seen))
        for student, (start, end) in zip(block.student_ids.to_pylist(), pairwise(ptr.tolist()), strict=True):
            found.setdefault(student, []).append(buffer[start:end].tobytes())
        assert block.seen <= max(one.seen for one in some)
    expected: dict[str, list[bytes]] = {}
    for one in some:
        expected.setdefault(one.student_id, []).append(encode(replace(one, seen=seen)))
    assert {student: sorted(each) for student, each in found.items()} == {
        student: sorted(each) for student, each in expected.items()
    }


def test_some_records_of_a_block_are_taken_in_any_order(block: Block) -> None:
    whole = block(20)
    which = np.array([7, 0, 19, 7], np.int64)
    buffer, ptr = encode_many(whole)
    taken, places = encode_many(taken_records(whole, which))
    each = [taken[start:end].tobytes() for start, end in pairwise(places.tolist())]
    assert each == [buffer[ptr[s] : ptr[s + 1]].tobytes() for s in which]
    assert decode_many([]) == [] and len(decode_many(each)) == 1
    assert encode_many(block_of([decode(body) for body in each]))[0].tobytes() == b"".join(each)


class Rows(MemoryStore):
    """A store of these rows."""

    def __init__(self, rows: list[StoredRow]) -> None:
        super().__init__()
        self.rows = rows

    def get_rows(self, student_ids: Iterable[str], model_version: str) -> list[StoredRow]:
        return self.rows


def test_a_record_with_other_counters_or_damaged_bytes_costs_those_beside_it_nothing(block: Block) -> None:
    buffer, ptr = encode_many(block(4))
    one, two, three, four = block(4).student_ids.to_pylist()
    bodies = [buffer[start:end].tobytes() for start, end in pairwise(ptr.tolist())]
    counts, fewer = (bytes([len(COUNTERS) - less, len(RECORD_LEDGER)]) for less in (0, 1))
    rest = bodies[1][HEAD.size :].replace(counts, fewer, 1)
    bodies[1] = HEAD.pack(MAGIC, ROWS, zlib.crc32(rest)) + rest
    bodies[2] = bodies[2][:-1]
    rows = [
        StoredRow(student, 1, None, body, FIRST, ahead=False)
        for student, body in zip((one, two, three, four), bodies, strict=True)
    ]
    found = find_blocks(Rows(rows[::-1]), [], "v1")
    assert [student for each in found.blocks for student in each.student_ids.to_pylist()] == [one, four]
    assert found.current == {one, four} and found.versions == dict.fromkeys((one, two, three, four), 1)
    assert isinstance(found.outdated[two].damaged, OtherFormat)
    assert "checksum" in str(found.outdated[three].damaged)
