"""The reference store, and records to put into stores."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest

from mastery.state import (
    NOWHERE,
    RECORD_LEDGER,
    STORES,
    EncodedBlock,
    FoundRecords,
    KnownLake,
    Overtaken,
    Position,
    Record,
    RecordBlock,
    StateStore,
    StoredRecord,
    StoredRow,
    connect,
    decode,
    encode,
    encode_block,
    found_records,
    stream_text,
    url_of,
)
from mastery.state.store import one_model_version, record_of, writes_of_block
from mastery.tables import COUNTERS
from stored_fields import BODY, LINEAGE, NEWS

LAKE = KnownLake(1, "a-table", 99, "its-last-commit")
"""What stores know of the lake when a test begins."""

FIRST = Position(LAKE.lineage, 0)
"""What records of tests have seen, unless they say otherwise."""


class MemoryStore:
    """What a store does, in obvious lines; never fast."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.heads: dict[tuple[str, str], Position] = {}
        self.versions: dict[tuple[str, str], int] = {}
        self.streams: dict[tuple[str, str], str] = {}
        self.news: dict[str, Position] = {}
        self.offsets: dict[tuple[int, str], int] = {}
        self.lake: KnownLake | None = None

    def _seen(self, key: tuple[str, str]) -> Position:
        return self.heads.get(key, NOWHERE)

    def _ahead(self, key: tuple[str, str]) -> bool:
        return self.lake is not None and self._seen(key) > self.lake.position

    def _write(self, key: tuple[str, str], body: bytes, stream: str | None = None) -> int:
        if stream is not None:
            self.streams[key] = stream
        elif self._seen(key).lineage != decode(body).seen.lineage:
            self.streams.pop(key, None)
        self.versions[key] = self.version(*key) + 1
        self.bodies[key] = body
        self.heads[key] = decode(body).seen
        return self.versions[key]

    def get(self, student_id: str, model_version: str) -> Record | None:
        return next(map(record_of, self.get_rows([student_id], model_version)), None)

    def get_many(self, student_ids: Iterable[str], model_version: str) -> FoundRecords:
        return found_records(self.get_rows(student_ids, model_version))

    def get_rows(self, student_ids: Iterable[str], model_version: str) -> list[StoredRow]:
        rows: list[StoredRow] = []
        for student_id in sorted(set(student_ids)):
            key = (student_id, model_version)
            if key in self.versions:
                lake, seen, stream, body = self.lake, self._seen(key), None, None
                if lake is not None and seen.lineage == lake.lineage:
                    stream = self.streams.get(key)
                    if seen >= min(self.news.get(student_id, NOWHERE), lake.position):
                        body = self.bodies.get(key, b"")
                rows.append(StoredRow(student_id, self.versions[key], stream, body, seen, self._ahead(key)))
        return rows

    def version(self, student_id: str, model_version: str) -> int:
        return self.versions.get((student_id, model_version), 0)

    def put(self, record: Record, expected_version: int) -> int:
        key = (record.student_id, record.model_version)
        more = record.seen < self._seen(key) and not self._ahead(key)
        if self.version(*key) != expected_version or more:
            raise Overtaken(record.student_id, expected_version, self.version(*key))
        return self._write(key, encode(record), stream_text(record))

    def put_each(self, records: Sequence[Record]) -> list[str]:
        if records:
            one_model_version(records)
        overtaken = []
        for record in records:
            try:
                self.put(record, record.version)
            except Overtaken as error:
                overtaken.append(error.student_id)
        return overtaken

    def put_encoded(self, block: EncodedBlock, versions: Sequence[int]) -> list[str]:
        writes = writes_of_block(block, versions)
        return self.put_each([decode(bytes(one.body), one.version) for one in writes])

    def put_many(self, block: RecordBlock | EncodedBlock) -> int:
        encoded = encode_block(block) if isinstance(block, RecordBlock) else block
        written = 0
        for s, student_id in enumerate(encoded.student_ids):
            key = (student_id, encoded.model_version)
            if encoded.seen >= self._seen(key) or self._ahead(key):
                self._write(key, encoded.buffer[encoded.ptr[s] : encoded.ptr[s + 1]].tobytes())
                written += 1
        return written

    def stored(self, model_version: str) -> Iterator[list[StoredRecord]]:
        page = []
        for key, number in sorted(self.versions.items()):
            (student_id, model), news, seen = key, self.news.get(key[0]), self._seen(key)
            if model == model_version and self.lake is not None and seen.lineage >= self.lake.lineage:
                version = None if news is None or news.lineage != seen.lineage else news.version
                body = self.bodies.get(key, b"")
                page.append(StoredRecord(student_id, number, self.streams.get(key), body, version))
        if page:
            yield page

    def note_events(self, student_ids: Iterable[str], at: Position) -> None:
        for student_id in student_ids:
            self.news[student_id] = max(at, self.news.get(student_id, NOWHERE))

    def stream_offsets(self) -> Mapping[str, int]:
        return {source: place for (of, source), place in self.offsets.items() if self.lake and of == self.lake.lineage}

    def raise_stream_offsets(self, offsets: Mapping[str, int], lineage: int) -> None:
        for source, place in offsets.items():
            self.offsets[lineage, source] = max(place, self.offsets.get((lineage, source), 0))

    def known_lake(self) -> KnownLake | None:
        return self.lake

    def know_lake(self, now: KnownLake, before: KnownLake | None) -> bool:
        if self.lake != before:
            return False
        if before is None or before.lineage != now.lineage:
            self.drop_model_versions(self.model_versions())
            self.news = {student: at for student, at in self.news.items() if at.lineage >= now.lineage}
        self.lake = now
        return True

    def count(self, model_version: str | None = None) -> int:
        return sum(1 for _, model in self.versions if model_version in (None, model))

    def model_versions(self) -> list[str]:
        return list(dict.fromkeys(model for _, model in self.versions))

    def drop_model_versions(self, model_versions: Iterable[str]) -> int:
        return self._drop([key for key in self.versions if key[1] in set(model_versions)])

    def _drop(self, gone: Sequence[tuple[str, str]]) -> int:
        for key in gone:
            del self.versions[key], self.heads[key]
            self.bodies.pop(key, None)
            self.streams.pop(key, None)
        return len(gone)

    def drop_students(self, student_ids: Iterable[str], before: Position) -> int:
        wanted = set(student_ids)
        mine = [key for key in self.versions if key[0] in wanted and key not in self.streams]
        return self._drop([key for key in mine if self._seen(key) < before or self._ahead(key)])

    def change(self, student_id: str, field: str, value: int) -> None:
        """As `stored_fields.change` says."""
        if field == NEWS:
            self.news[student_id] = Position(LAKE.lineage, value)
            return
        for key in [key for key in self.versions if key[0] == student_id]:
            if field == BODY:
                del self.bodies[key]
            else:
                self.heads[key] = self.heads[key]._replace(**{"lineage" if field == LINEAGE else "version": value})

    def close(self) -> None:
        pass


def make_block(
    students: int,
    model_version: str = "v1",
    seed: int = 0,
    slots: int = 3,
    days: int = 4,
    recent: int = 2,
    seen: Position = FIRST,
) -> RecordBlock:
    """Return random records of students `s_0…`, each with at most that many slots, days, recent and missing events."""
    random = np.random.default_rng(seed)

    def pointers(most: int) -> np.ndarray:
        return np.concatenate(([0], np.cumsum(random.integers(0, most + 1, students)))).astype(np.int64)

    slot_ptr, ledger_ptr, recent_ptr, missing_ptr = (pointers(most) for most in (slots, days, recent, recent))
    n_slots, n_days, n_recent = slot_ptr[-1], ledger_ptr[-1], recent_ptr[-1]
    override = np.full((n_slots, 2), np.nan)
    override[::2] = (0.25, 1.7e15)
    bkt = random.random((n_slots, 3)) * random.integers(0, 2, (n_slots, 3))
    return RecordBlock(
        model_version=model_version,
        timezone="Europe/Berlin",
        student_ids=pa.array([f"s_{s:032x}" for s in range(students)]),
        tenants=pa.array(["north" if s % 2 else "südwärts" for s in range(students)]),
        slot_ptr=slot_ptr,
        topic_codes=random.integers(0, 5, n_slots).astype(np.int32),
        topics=[f"topic-{k}" for k in range(5)],
        slot_states={"bkt": bkt, "elo": random.normal(size=(n_slots, 2))},
        student_states={"bkt": np.zeros((students, 0)), "elo": random.normal(size=(students, 2))},
        counters=random.integers(-3, 2**50, (n_slots, len(COUNTERS))) * random.integers(0, 2, (n_slots, len(COUNTERS))),
        ledger_ptr=ledger_ptr,
        ledger=random.integers(0, 10**6, (n_days, len(RECORD_LEDGER))),
        override=override,
        recent_ptr=recent_ptr,
        recent=random.integers(-(2**63), 2**63 - 1, (n_recent, 3)),
        newest=random.integers(-(2**51), 2**51, (students, 5)),
        missing_ptr=missing_ptr,
        missing=random.integers(-(2**63), 2**63 - 1, (missing_ptr[-1], 2)),
        last_event_us=random.integers(0, 2**51, students),
        events_folded=random.integers(0, 2**20, students),
        seen=seen,
    )


@pytest.fixture
def block() -> Callable[..., RecordBlock]:
    return make_block


@pytest.fixture(params=[*STORES, "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterable[StateStore]:
    opened: StateStore
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = connect(f"sqlite:{tmp_path / 'state.db'}")
    else:
        opened = connect(url_of(request.getfixturevalue("server")(request.param), uuid4().hex))
    assert opened.know_lake(LAKE, None)
    yield opened
    opened.close()
