"""Requests understood together are what each is alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mastery.events.item_topics import NO_ITEMS
from mastery.pipelines.live import understand as module
from mastery.pipelines.live.rows import object_of, shape_of
from mastery.pipelines.live.understand import Door, Incoming, Request, understand, understand_all
from school import KEY, NOW
from stream import BROKEN, stream

DOOR = Door("default", "http", None, KEY, 4, NO_ITEMS)

Row = dict[str, Any]


def answer(student: str, number: int, **other: object) -> Row:
    return {
        "student_id": student,
        "question_id": f"q{number}",
        "topic_id": "t0",
        "is_correct": number % 2 == 0,
        "timestamp": f"2026-03-02T08:{number % 60:02}:00Z",
    } | other


def odd_requests() -> list[list[Row | bytes]]:
    """Rows that mean something to each other within a request, and must not across two."""
    return [
        [answer("S1", 0, attempt_id="a"), answer("S1", 0, attempt_id="a", topic_id="t1")],  # one answer, two topics
        [answer("S1", 0, attempt_id="a", topic_id="t2")],
        [answer("S2", 1), answer("S2", 1, question_id="q9")],  # one moment, in the order of the request
        [answer("S2", 1, question_id="q8")],
        [answer("S3", 2, order=1), answer("S3", 2, order=2)],
        [answer("S3", 2, order=3)],
        [answer("S4", 3, interaction_id="i"), answer("S4", 4, interaction_id="i")],
        [BROKEN[1].encode(), answer("S5", 5)],
        [BROKEN[1].encode(), BROKEN[1].encode()],
        [b"nonsense"],
        [],
        [answer("S6", 6)],
    ]


def per_request(found: Sequence[Incoming]) -> list[Any]:
    """What each request brings: its events by the row that each is of, and its rows that cannot be used."""
    requests: list[Any] = []
    for one in found:
        starts = np.cumsum((0, *one.sizes))
        events: list[Any] = [[] for _ in one.sizes]
        for piece, places in zip(one.pieces, one.places, strict=True):
            rows = piece.rows.slice(0, piece.rows.num_rows).to_pylist()
            for row, (place, event) in enumerate(zip(places.tolist(), rows, strict=True)):
                request = int(np.searchsorted(starts, place, side="right")) - 1
                flags = [bool(flag[row]) for flag in (piece.own, piece.unplaced, piece.numbered)]
                interaction = 0 if piece.interaction is None else int(piece.interaction[row])
                events[request].append((place - int(starts[request]), repr(event), flags, interaction))
        assert len(one.sizes) == 1 or not (one.refusals or one.rejected.num_rows)
        requests += [(sorted(theirs), one.refusals, one.rejected.to_pylist()) for theirs in events]
    return requests


def as_requests(rows: Sequence[Sequence[Row | bytes]]) -> list[Request]:
    return [Request([row if isinstance(row, bytes) else json.dumps(row).encode() for row in some]) for some in rows]


def check(requests: Sequence[Request]) -> list[Incoming]:
    together = understand_all(requests, DOOR, NOW)
    alone = [understand(request.rows, DOOR, NOW, request.table) for request in requests]
    assert per_request(together) == per_request(alone)
    return together


@pytest.mark.parametrize("seed", range(6))
def test_odd_requests_among_plain_ones_in_any_order_are_what_each_is_alone(seed):
    rng = np.random.default_rng(seed)
    rows = [*odd_requests(), *([answer(f"N{n}", n, attempt_id=f"N{n}")] for n in range(12))]
    check(as_requests([rows[place] for place in rng.permutation(len(rows))]))


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_in_small_requests_is_what_each_is_alone(seed):
    rows, rng = stream(seed, students=20, events=5), np.random.default_rng(seed)
    requests, first = [], 0
    while first < len(rows):
        size = int(rng.choice([1, 1, 1, 3]))
        named = rng.random() < 0.3
        requests.append(Request([row for _, row in rows[first : first + size]], rows[first][0] if named else None))
        first += size
    check(requests)


def test_plain_requests_of_different_students_are_understood_at_once(monkeypatch):
    calls = []
    real = module.understand
    monkeypatch.setattr(module, "understand", lambda *given: (calls.append(1), real(*given))[1])
    requests = as_requests([[answer(f"S{n}", n, attempt_id=f"S{n}")] for n in range(64)])
    (found,) = understand_all(requests, DOOR, NOW)
    assert found.sizes == (1,) * 64 and len(calls) == 1


@pytest.mark.parametrize("row", [
    b'{"a": 1, "table": "quiz_attempts", "b": [1, {"table": 2}]}',
    b'{"table": "x", "a": 1, "table": "y"}',
    b'{"table": "x", "a": 1, "\\u0074able": "y"}',
    b'{"\\u0074able": "y", "a": 1, "table": "x"}',
    b'{"a": 1, "b": 2, "a": 3}',
    b' {"a": 1} ',
    b'{"a": "table", "table": null}',
    b'\xef\xbb\xbf{"a": 1}',
    '{"a": "é"}'.encode(),
    '{"a": "é"}'.encode("utf-16"),
    b'{"a": "\xff"}',
    b'{"a": NaN}',
    b'{"a": 1} {"b": 2}',
    b'{"a": 1',
    b'[{"a": 1}]',
    b"7",
    b"",
    b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
])  # fmt: skip
def test_the_shape_of_a_row_is_that_of_its_object(row):
    whole = object_of(row)
    assert shape_of(row, "table") == (None if whole is None else (tuple(whole), whole.get("table")))
