"""The bytes of a record. There is one encoder: a single record is a block of one student.

Little-endian. A number is an unsigned varint (seven bits a byte, least first, high bit: more follows);
a signed number is zig-zag first; a text is its length as a number and its utf-8 bytes. In this order:

    4 bytes   magic, `MREC`
    1 byte    format version
    4 bytes   crc32 of all that follows
    text      model version, then time zone of the school days
    signed    what the record has seen: lineage, then version
    number    count of scorers with slot states, and of each: text name, number K
    number    count of scorers with student states, and of each: text name, number K
    number    count of counters, then of ledger columns
    text      student id, then tenant
    number    P slots, then H ledger rows, then R recent events
    P texts   topic ids
    signed    last_event_us, then events_folded
    rows      of format 6: `mastery.state.rows`
    R times   3 × 8 bytes
    signed    newest event: at_us less last_event_us, then sequence; 8 bytes of what it is about, 2 × 8 of its id
    Q times   2 × 8 bytes
    columns   of format 7, up to the end, filled up to a byte: `mastery.state.columns`. Those of
              P words: counters, then slot states of all scorers side by side, then overrides;
              one of the student states of all scorers, one behind the other;
              H words: the ledger, whose days are each less the day before

Small records are written as rows, format 6, and those of more than `mastery.state.kernels.MOST_IN_ROWS` floats as
columns, format 7; all of either are read. Every bit of every float survives. Not among the bytes are the version, which
is the store's own, and offsets and outbox: no fold makes them, and they stay where a record is made again
(`stream_text`).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Floats, Int64s
from mastery.state.kernels import (
    MOST_IN_ROWS,
    BlockArrays,
    Texts,
    column_bytes,
    decode_student,
    encode_students,
    make_sheets,
)
from mastery.state.position import Position
from mastery.state.record import (
    MISSING,
    ORDER,
    OVERRIDE,
    RECENT,
    RECORD_LEDGER,
    CorruptRecord,
    OtherFormat,
    Record,
    RecordBlock,
)
from mastery.tables import COUNTERS

MAGIC = b"MREC"
ROWS, COLUMNS = FORMATS = (6, 7)
"""How the numbers of a record are written: large ones as columns (`mastery.state.kernels.MOST_IN_ROWS`)."""

HEAD = struct.Struct("<4sBI")

RECORDS_A_BLOCK = 1_000
"""Records that `encode_each` puts into one buffer, which is some 60 KB large for each."""

Bytes = npt.NDArray[np.uint8]


def encode(record: Record) -> bytes:
    """Return the record's bytes: those that `encode_many` gives it in any block."""
    buffer, _ = encode_many(block_of([record]))
    return buffer.tobytes()


def encode_each(records: Sequence[Record]) -> list[bytes]:
    """Return the bytes of each record, as `encode` does, at a fraction of its cost: those alike go in one block."""
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        alike[_shared(record)].append(place)
    found = [b""] * len(records)
    for several in alike.values():
        for first in range(0, len(several), RECORDS_A_BLOCK):
            places = several[first : first + RECORDS_A_BLOCK]
            buffer, ptr = encode_many(block_of([records[place] for place in places]))
            for place, (start, end) in zip(places, pairwise(ptr.tolist()), strict=True):
                found[place] = buffer[start:end].tobytes()
    return found


def encode_many(block: RecordBlock) -> tuple[Bytes, Int64s]:
    """Return (uint8 buffer, int64[S + 1]): student s has the bytes buffer[ptr[s]:ptr[s + 1]]."""
    ids = _texts(block.student_ids)
    tenants = _texts(block.tenants, len(block.student_ids))
    topics = _joined([topic.encode() for topic in block.topics])
    preamble = np.frombuffer(_preamble(block), dtype=np.uint8)
    slot_words = np.concatenate([np.zeros(0), *map(np.ravel, block.slot_states.values())])
    widths = np.array([state.shape[1] for state in block.slot_states.values()], dtype=np.int64)
    student_words = _side_by_side(block.student_states, len(block.student_ids))
    codes = np.ascontiguousarray(block.topic_codes, dtype=np.int64)
    topic_bytes = int(np.diff(topics.ptr)[codes].sum())
    size = capacity(block, len(preamble), len(ids.data) + len(tenants.data) + topic_bytes)
    buffer = np.empty(size, dtype=np.uint8)
    ptr = np.zeros(len(block.student_ids) + 1, dtype=np.int64)
    arrays = BlockArrays(
        preamble=preamble,
        ids=ids,
        tenants=tenants,
        topics=topics,
        slot_ptr=_ints(block.slot_ptr),
        topic_codes=codes,
        slot_words=slot_words.view(np.uint64),
        widths=widths,
        student_words=student_words,
        counters=_ints(block.counters),
        ledger_ptr=_ints(block.ledger_ptr),
        ledger=_ints(block.ledger),
        override=np.ascontiguousarray(block.override, dtype=np.float64),
        recent_ptr=_ints(block.recent_ptr),
        recent=_ints(block.recent),
        newest=_ints(block.newest),
        missing_ptr=_ints(block.missing_ptr),
        missing=_ints(block.missing),
        last_event_us=_ints(block.last_event_us),
        events_folded=_ints(block.events_folded),
    )
    encode_students(buffer, ptr, HEAD.size, arrays)
    view = buffer.data
    places, floats = ptr.tolist(), int(widths.sum())
    for (start, end), slots in zip(pairwise(places), np.diff(arrays.slot_ptr).tolist(), strict=True):
        written = COLUMNS if slots * floats > MOST_IN_ROWS else ROWS
        HEAD.pack_into(view, start, MAGIC, written, zlib.crc32(view[start + HEAD.size : end]))
    return buffer[: places[-1]], ptr


def capacity(block: RecordBlock, preamble_bytes: int, text_bytes: int) -> int:
    """Return bytes that the block cannot exceed, a number taking at most ten; pages not used cost nothing."""
    n_students, n_slots = len(block.student_ids), len(block.topic_codes)
    slot_floats = sum(state.shape[1] for state in block.slot_states.values())
    student_floats = sum(state.shape[1] for state in block.student_states.values())
    columns = len(COUNTERS) + slot_floats + len(OVERRIDE) + 1 + len(RECORD_LEDGER)
    per_student = HEAD.size + preamble_bytes + 11 * 10 + 24 + 9 * student_floats + 1 + column_bytes(columns, 0)
    per_slot = 10 + 9 * slot_floats + 1 + 10 * (len(COUNTERS) + 1) + 1 + 9 * len(OVERRIDE)
    per_day = 10 * (len(RECORD_LEDGER) + 1)
    return (
        n_students * per_student
        + n_slots * per_slot
        + len(block.ledger) * per_day
        + len(block.recent) * 8 * len(RECENT)
        + len(block.missing) * 8 * len(MISSING)
        + text_bytes
    )


def decode(data: bytes, version: int = 0, stream: str | None = None) -> Record:
    """Return the record that these bytes are; `version` and `stream` (see `stream_text`) are what the store says of it.

    Raises:
        CorruptRecord: They are not a record, of a format that this version does not know, or damaged.
    """
    check_head(data)
    reader = _Reader(data, HEAD.size)
    model_version, timezone, seen = reader.text(), reader.text(), Position(reader.signed(), reader.signed())
    slot_widths, student_widths = _widths(reader)
    student_id, tenant = reader.text(), reader.text()
    n_slots, n_days, n_recent, n_missing = (reader.number() for _ in range(4))
    topics = tuple(reader.text() for _ in range(n_slots))
    rest = {} if stream is None else json.loads(stream)
    slot_words = np.empty(n_slots * sum(slot_widths.values()), dtype=np.uint64)
    widths = np.array([*slot_widths.values()], dtype=np.int64)
    student_words = np.zeros((1, sum(student_widths.values())), dtype=np.uint64)
    counters = np.zeros((n_slots, len(COUNTERS)), dtype=np.int64)
    ledger = np.zeros((n_days, len(RECORD_LEDGER)), dtype=np.int64)
    override = np.full((n_slots, len(OVERRIDE)), np.nan)
    recent = np.empty((n_recent, len(RECENT)), dtype=np.int64)
    newest = np.empty(len(ORDER), dtype=np.int64)
    missing = np.empty((n_missing, len(MISSING)), dtype=np.int64)
    columns, ptr = format_of(data) == COLUMNS, (np.array([0, n_slots]), np.array([0, n_days]))
    last_event_us, events_folded = decode_student(
        np.frombuffer(data, dtype=np.uint8),
        reader.at,
        len(data),
        columns,
        make_sheets(*ptr, len(COUNTERS), widths.sum(), student_words.size, len(RECORD_LEDGER)),
        slot_words,
        0,
        n_slots,
        widths,
        student_words,
        counters,
        ledger,
        override.view(np.uint64),
        recent,
        newest,
        missing,
    )
    return Record(
        student_id=student_id,
        tenant=tenant,
        model_version=model_version,
        timezone=timezone,
        topics=topics,
        slot_states=slot_states_of(slot_words, n_slots, slot_widths),
        student_states={scorer: state[0] for scorer, state in apart(student_words, student_widths).items()},
        counters=counters,
        ledger=ledger,
        override=override,
        recent=recent,
        newest=newest,
        missing=missing,
        last_event_us=int(last_event_us),
        events_folded=int(events_folded),
        seen=seen,
        offsets=rest.get("offsets", {}),
        outbox=tuple(rest.get("outbox", ())),
        version=version,
    )


def seen_and_content(data: bytes | memoryview) -> tuple[Position, bytes]:
    """Return what a record has seen, and its bytes but for that, the head and the checksum.

    Two records of one student are the same, bit for bit, where these are, whichever versions of the lake they have
    seen, and in whichever format they were written. Costs a tenth of `decode`.

    Raises:
        CorruptRecord: As of `decode`.
    """
    data = bytes(data)
    check_head(data)
    reader = _Reader(data, HEAD.size)
    reader.text()
    reader.text()
    start = reader.at
    seen = Position(reader.signed(), reader.signed())
    end = reader.at
    if format_of(data) == ROWS and _in_columns(reader):
        return seen_and_content(encode(decode(data)))
    return seen, data[HEAD.size : start] + data[end:]


def _in_columns(reader: _Reader) -> bool:
    """Tell of a record read up to its widths whether this version writes it as columns; others wrote all as rows."""
    floats = sum(_widths(reader)[0].values())
    reader.text()
    reader.text()
    return reader.number() * floats > MOST_IN_ROWS


def check_head(data: bytes) -> None:
    """Do nothing where these bytes are a record of this version's format, as it was written.

    Raises:
        CorruptRecord: They are not.
    """
    if len(data) < HEAD.size or not data.startswith(MAGIC):
        raise CorruptRecord(f"{len(data)} bytes that do not begin with {MAGIC.decode()}")
    _, written_format, checksum = HEAD.unpack_from(data)
    if written_format not in FORMATS:
        raise OtherFormat(f"its format is {written_format} and this version knows {ROWS} and {COLUMNS}")
    found = zlib.crc32(memoryview(data)[HEAD.size :])
    if found != checksum:
        raise CorruptRecord(f"its checksum is {checksum:08x} and its bytes give {found:08x}")


def format_of(data: bytes) -> int:
    """Return the format of a record that `check_head` has nothing against."""
    return data[len(MAGIC)]


def preamble_of(names: bytes, widths: bytes) -> tuple[str, str, dict[str, int], dict[str, int]]:
    """Return model version, time zone, and the widths of slot and student states, as the parts of a record's bytes
    before and behind what it has seen say them.

    Raises:
        CorruptRecord: It holds other counters or columns of the ledger than this version.
    """
    reader = _Reader(names, 0)
    return reader.text(), reader.text(), *_widths(_Reader(widths, 0))


def _widths(reader: _Reader) -> tuple[dict[str, int], dict[str, int]]:
    slot_widths = {reader.text(): reader.number() for _ in range(reader.number())}
    student_widths = {reader.text(): reader.number() for _ in range(reader.number())}
    n_counters, n_ledger = reader.number(), reader.number()
    if (n_counters, n_ledger) != (len(COUNTERS), len(RECORD_LEDGER)):
        raise OtherFormat(
            f"it holds {n_counters} counters and {n_ledger} ledger columns, "
            f"this version expects {len(COUNTERS)} and {len(RECORD_LEDGER)}"
        )
    return slot_widths, student_widths


def stream_text(record: Record) -> str | None:
    """Return a record's offsets and outbox as a store keeps them beside its bytes: JSON, None where it has neither."""
    if not record.offsets and not record.outbox:
        return None
    return json.dumps({"offsets": dict(record.offsets), "outbox": list(record.outbox)}, sort_keys=True)


class _Reader:
    """Reads the few numbers and texts before the arrays, in Python."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def signed(self) -> int:
        value = self.number()
        return value >> 1 ^ -(value & 1)

    def text(self) -> str:
        size = self.number()
        self.at += size
        return self.data[self.at - size : self.at].decode()


def _shared(record: Record) -> tuple[object, ...]:
    """Return what records of one block have in common."""
    slot = tuple((scorer, state.shape[1]) for scorer, state in record.slot_states.items())
    student = tuple((scorer, state.size) for scorer, state in record.student_states.items())
    return record.model_version, record.timezone, record.seen, slot, student


def block_of(records: Sequence[Record]) -> RecordBlock:
    """Return records that share what a block shares as one; there is at least one."""
    first = records[0]
    codes: dict[str, int] = {}
    topic_codes = [codes.setdefault(topic, len(codes)) for record in records for topic in record.topics]

    def pointers(rows: Iterable[int]) -> Int64s:
        return np.cumsum([0, *rows], dtype=np.int64)

    return RecordBlock(
        model_version=first.model_version,
        timezone=first.timezone,
        student_ids=pa.array([record.student_id for record in records]),
        tenants=pa.array([record.tenant for record in records]),
        slot_ptr=pointers(len(record.topics) for record in records),
        topic_codes=np.array(topic_codes, dtype=np.int32),
        topics=list(codes),
        slot_states={
            name: np.concatenate([record.slot_states[name] for record in records]) for name in first.slot_states
        },
        student_states={
            name: np.stack([record.student_states[name] for record in records]) for name in first.student_states
        },
        counters=np.concatenate([record.counters for record in records]),
        ledger_ptr=pointers(len(record.ledger) for record in records),
        ledger=np.concatenate([record.ledger for record in records]),
        override=np.concatenate([record.override for record in records]),
        recent_ptr=pointers(len(record.recent) for record in records),
        recent=np.concatenate([record.recent for record in records]),
        newest=np.stack([record.newest for record in records]),
        missing_ptr=pointers(len(record.missing) for record in records),
        missing=np.concatenate([record.missing for record in records]),
        last_event_us=np.array([record.last_event_us for record in records], dtype=np.int64),
        events_folded=np.array([record.events_folded for record in records], dtype=np.int64),
        seen=first.seen,
    )


def _preamble(block: RecordBlock) -> bytes:
    """Return what all records of a block begin with: model set, time zone, what they have seen, scorers and widths."""
    parts = [_text(block.model_version), _text(block.timezone), *(_signed(number) for number in block.seen)]
    for states in (block.slot_states, block.student_states):
        parts.append(_number(len(states)))
        parts.extend(_text(scorer) + _number(state.shape[1]) for scorer, state in states.items())
    return b"".join([*parts, _number(len(COUNTERS)), _number(len(RECORD_LEDGER))])


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _signed(value: int) -> bytes:
    return _number(value << 1 ^ value >> 63)


def _text(text: str) -> bytes:
    data = text.encode()
    return _number(len(data)) + data


def _texts(texts: pa.Array | str, count: int = 0) -> Texts:
    """Return Arrow strings, or `count` times the same text, one behind the other."""
    if isinstance(texts, str):
        return _joined([texts.encode()] * count)
    return _joined([text.encode() for text in texts.to_pylist()])


def _joined(texts: Sequence[bytes]) -> Texts:
    places = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in texts], out=places[1:])
    return Texts(np.frombuffer(b"".join(texts), dtype=np.uint8), places)


def _side_by_side(states: Mapping[str, Floats], rows: int) -> npt.NDArray[np.uint64]:
    """Return uint64[rows, sum of K]: the bits of all scorers' states."""
    if not states:
        return np.zeros((rows, 0), dtype=np.uint64)
    matrix = np.concatenate([np.asarray(state, dtype=np.float64) for state in states.values()], axis=1)
    return matrix.view(np.uint64)


def apart(words: npt.NDArray[np.uint64], widths: Mapping[str, int]) -> dict[str, Floats]:
    """Return each scorer's columns as its own float64 matrix."""
    ends = np.cumsum(list(widths.values()), dtype=np.int64)
    return {
        scorer: np.ascontiguousarray(words[:, end - width : end]).view(np.float64)
        for (scorer, width), end in zip(widths.items(), ends, strict=True)
    }


def slot_states_of(words: npt.NDArray[np.uint64], slots: int, widths: Mapping[str, int]) -> dict[str, Floats]:
    """Return each scorer's float64[slots, K] of words that lie one scorer behind the other; nothing is copied."""
    places = pairwise(np.cumsum([0, *widths.values()], dtype=np.int64) * slots)
    return {
        scorer: words[begin:end].view(np.float64).reshape(slots, width)
        for (scorer, width), (begin, end) in zip(widths.items(), places, strict=True)
    }


def _ints(values: Int64s) -> Int64s:
    return np.ascontiguousarray(values, dtype=np.int64)
