from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from mastery.tables import EVENTS

Events = Callable[..., pa.Table]


def make_events(n: int, students: int = 5, seed: int = 0) -> pa.Table:
    """Return n quiz events of `s_0…` students in random order of time, half of them tied."""
    random = np.random.default_rng(seed)
    student = random.integers(0, students, n)
    columns: dict[str, pa.Array] = {
        "tenant": pa.array(["default"] * n),
        "student_id": pa.array([f"s_{k:032x}" for k in student]),
        "event_id_hi": pa.array(random.integers(-(2**62), 2**62, n)),
        "event_id_lo": pa.array(random.integers(-(2**62), 2**62, n)),
        "body_hash": pa.array(random.integers(-(2**62), 2**62, n)),
        "kind": pa.array(["quiz"] * n),
        "topic_id": pa.array([f"topic-{k}" for k in random.integers(0, 9, n)]),
        "item_id": pa.array([f"item-{k}" for k in random.integers(0, 90, n)]),
        "occurred_at": pa.array(
            1_700_000_000_000_000 + random.integers(0, max(n // 2, 1), n), pa.timestamp("us", "UTC")
        ),
        "sequence": pa.array(random.integers(1, 3, n)),
        "attempts": pa.array(np.ones(n, dtype=np.int32)),
        "success_ppm": pa.array(random.integers(0, 2, n) * 1_000_000),
        "duration_ms": pa.array(random.integers(1000, 90_000, n)),
    }
    for field in EVENTS.schema:
        if field.name not in columns and field.name != "bucket":
            columns[field.name] = pa.nulls(n, field.type)
    return pa.table(columns)


@pytest.fixture
def events() -> Events:
    return make_events
