"""The reference store, and records to put into stores."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mastery.state import (
    RECORD_LEDGER,
    STORES,
    EncodedBlock,
    Overtaken,
    Record,
    RecordBlock,
    StateStore,
    connect,
    decode,
    encode,
    encode_block,
)
from mastery.tables import COUNTERS


class MemoryStore:
    """What a store does, in obvious lines; never fast."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.versions: dict[tuple[str, str], int] = {}
        self.stale: set[tuple[str, str]] = set()
        self.floors: dict[str, int] = {}
        self.floor = 0
        self.mark: int | None = None

    def _write(self, student_id: str, model_version: str, body: bytes) -> int:
        key = (student_id, model_version)
        self.versions[key] = self.version(student_id, model_version) + 1
        self.bodies[key] = body
        self.stale.discard(key)
        return self.versions[key]

    def get(self, student_id: str, model_version: str) -> Record | None:
        key = (student_id, model_version)
        return decode(self.bodies[key], self.versions[key]) if key in self.bodies.keys() - self.stale else None

    def version(self, student_id: str, model_version: str) -> int:
        floor = self.floors.setdefault(model_version, self.floor)
        return self.versions.get((student_id, model_version), floor)

    def put(self, record: Record, expected_version: int) -> int:
        found = self.version(record.student_id, record.model_version)
        if found != expected_version:
            raise Overtaken(record.student_id, expected_version, found)
        return self._write(record.student_id, record.model_version, encode(record))

    def put_many(self, block: RecordBlock | EncodedBlock, folded_at: int | None = None) -> int:
        if folded_at is not None and self.mark is not None:
            self.mark = min(self.mark, folded_at)
        encoded = encode_block(block) if isinstance(block, RecordBlock) else block
        for s, student_id in enumerate(encoded.student_ids):
            body = encoded.buffer[encoded.ptr[s] : encoded.ptr[s + 1]].tobytes()
            self._write(student_id, encoded.model_version, body)
        return len(encoded.student_ids)

    def note_events(self, version: int, student_ids: Iterable[str], *, after: int | None) -> bool:
        if self.mark != after:
            return False
        for key in [(student_id, model) for student_id in set(student_ids) for model in self.floors]:
            self.versions[key] = self.version(*key) + 1
            self.stale.add(key)
        self.mark = version
        return True

    def watermark(self) -> int | None:
        return self.mark

    def count(self, model_version: str | None = None) -> int:
        return sum(1 for _, model in self.bodies if model_version in (None, model))

    def model_versions(self) -> list[str]:
        return list(self.floors)

    def drop_model_versions(self, model_versions: Iterable[str]) -> int:
        gone = set(model_versions)
        dropped = sum(1 for _, model in self.bodies if model in gone)
        self.floor = max([self.floor, *(n for (_, model), n in self.versions.items() if model in gone)]) + 1
        self.bodies = {key: body for key, body in self.bodies.items() if key[1] not in gone}
        self.versions = {key: version for key, version in self.versions.items() if key[1] not in gone}
        self.stale = {key for key in self.stale if key[1] not in gone}
        self.floors = {model: floor for model, floor in self.floors.items() if model not in gone}
        return dropped

    def close(self) -> None:
        pass


def make_block(
    students: int, model_version: str = "v1", seed: int = 0, slots: int = 3, days: int = 4, recent: int = 2
) -> RecordBlock:
    """Return random records of students `s_0…`, each with at most that many slots, days and recent events."""
    random = np.random.default_rng(seed)

    def pointers(most: int) -> np.ndarray:
        return np.concatenate(([0], np.cumsum(random.integers(0, most + 1, students)))).astype(np.int64)

    slot_ptr, ledger_ptr, recent_ptr = pointers(slots), pointers(days), pointers(recent)
    n_slots, n_days, n_recent = slot_ptr[-1], ledger_ptr[-1], recent_ptr[-1]
    override = np.full((n_slots, 2), np.nan)
    override[::2] = (0.25, 1.7e15)
    bkt = random.random((n_slots, 3)) * random.integers(0, 2, (n_slots, 3))
    return RecordBlock(
        model_version=model_version,
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
        last_event_us=random.integers(0, 2**51, students),
        events_folded=random.integers(0, 2**20, students),
    )


@pytest.fixture
def block() -> Callable[..., RecordBlock]:
    return make_block


@pytest.fixture(params=[*STORES, "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterable[StateStore]:
    opened = MemoryStore() if request.param == "memory" else connect(f"{request.param}:{tmp_path / 'state.db'}")
    yield opened
    opened.close()
