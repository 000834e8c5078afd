"""Rows as they come in: in order of time, but some late, twice, broken, said again, replaced or withdrawn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from mastery.events.registry import SOURCES

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
BROKEN = (
    '{"student_id": "S1", "question_id"',
    '{"student_id": "S1", "question_id": "q00", "topic_id": "t0", "is_correct": "perhaps", "timestamp": 1772438400}',
    '{"student_id": "S1", "question_id": "q00", "is_correct": true, "timestamp": "2036-03-02T08:00:00Z"}',
    '{"student_id": null, "question_id": "q00", "is_correct": 1, "timestamp": "2026-03-02T08:00:00Z"}',
    '["S1", "q00", 1]',
)
"""Each is rejected, as a quiz attempt and on its own."""


def stream(seed: int, students: int = 6, events: int = 60) -> list[tuple[str, bytes]]:
    """Return (source table, row as JSON) in the order of arrival; about `events` for each student."""
    rng = np.random.default_rng(seed)
    arrivals: list[tuple[float, str, bytes]] = []
    for student in range(students):
        hours = np.cumsum(rng.exponential(12.0, events))
        for n, hour in enumerate(hours.tolist()):
            for late, table, row in _deliveries(rng, f"S{student}", n, START + timedelta(hours=hour)):
                arrivals.append((hour + late, table, row if isinstance(row, bytes) else json.dumps(row).encode()))
    arrivals.sort(key=lambda arrival: arrival[0])
    return [(table, row) for _, table, row in arrivals]


def _deliveries(rng: np.random.Generator, student: str, n: int, at: datetime) -> Iterator[tuple[float, str, Any]]:
    """Yield (hours until it arrives, source table, row) of one event, and of all that is said of it."""
    late = float(rng.uniform(0, 240)) if rng.random() < 0.05 else 0.0
    table, row = _event(rng, student, n, at)
    yield late, table, row
    if rng.random() < 0.05:
        yield late + float(rng.exponential(30.0)), table, row
    if rng.random() < 0.01:
        yield late, "quiz_attempts", BROKEN[rng.integers(len(BROKEN))].encode()
    if table != "quiz_attempts":
        return
    kind, after = rng.random(), late + float(rng.exponential(20.0))
    other = row | {"is_correct": not row["is_correct"]}
    if kind < 0.02:
        yield after, table, other | {"version": 2}
    elif kind < 0.04:  # of two without a version counts the one with the smaller body hash, received at one moment
        yield after, table, other
    elif kind < 0.06:
        yield after, table, other | _correction(row)
    elif kind < 0.08:
        yield after, table, row | _correction(row) | {"is_correct": None}
    elif kind < 0.09:  # said to have been later than all that is known of the student
        yield after, table, row | {"timestamp": (at + timedelta(days=20)).isoformat(), "version": 3}


def _correction(row: dict[str, Any]) -> dict[str, Any]:
    """Of the same moment, so it needs an order: whether it came in the same request must not matter."""
    return {"attempt_id": row["attempt_id"] + "-c", "replaces": row["attempt_id"], "order": row["order"] + 1}


def _event(rng: np.random.Generator, student: str, n: int, at: datetime) -> tuple[str, dict[str, Any]]:
    topic, kind = f"t{rng.integers(4)}", rng.random()
    common = {"student_id": student, "topic_id": topic, "timestamp": at.isoformat()}
    if kind < 0.75:
        return "quiz_attempts", common | {
            "question_id": f"q{topic[1]}{rng.integers(10)}",
            "is_correct": bool(rng.random() < 0.6),
            "time_spent_sec": round(float(rng.uniform(3, 90)), 1),
            "attempt_id": f"{student}-{n}",
            "hints_used": int(rng.integers(3)),
            "order": 2 * n,
        }
    if kind < 0.85:
        attempts = int(rng.integers(1, 12))
        return "practice_sessions", common | {
            "attempts": attempts,
            "correct_count": int(rng.integers(attempts + 1)),
            "session_id": f"{student}-p{n}",
        }
    if kind < 0.92:
        return "video_events", common | {"video_id": f"v{n}", "watch_pct": 80, "watch_duration": 120, "rewind_count": 1}
    if kind < 0.96:
        row = common | {"assignment_id": f"a{n}", "topic_ids": ["t0", topic, "t9"], "score_pct": int(rng.integers(101))}
        del row["topic_id"]
        return "assignments", row
    return "teacher_feedback", common | {"teacher_id": "T1", "score": 0.7, "reason": "spoke with them"}


def files(rows: Sequence[tuple[str, bytes]], folder: Any) -> list[Any]:
    """Write the rows as one file for each source table, in the order of arrival, and return the files."""
    folder.mkdir()
    found = []
    for table in SOURCES:
        mine = [row for of, row in rows if of == table]
        if mine:
            found.append(folder / f"{table}.ndjson")
            found[-1].write_bytes(b"\n".join(mine) + b"\n")
    return found
