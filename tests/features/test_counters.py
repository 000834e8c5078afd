"""Counters of a student-topic against the obvious way; feedback, the last events, and going on from stored topics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from by_hand import topics_of
from folding import places
from histories import DAY, START, Event, active_choice, histories, table
from mastery.errors import BadInput
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import NEVER, RECENT, fold_counters, initial_counters
from mastery.features.feedback import fold_feedback, initial_feedback
from mastery.features.resume import resume
from mastery.tables import COUNTERS


def expected(mine: list[Event], topic: str) -> dict[str, int]:
    acts = [event for event in mine if event.kind != "feedback"]
    by = {kind: [e for e in acts if e.kind == kind] for kind in ("quiz", "practice", "assignment", "video", "tutor")}
    right = [int(event.success_ppm >= 1_000_000) for event in by["quiz"]]
    timed = [event.duration_ms for event in by["quiz"] if event.duration_ms is not None]
    refreshing = [e for e in acts if e.kind in ("video", "tutor") or 2 * e.success_ppm >= 1_000_000 * e.attempts]
    weighing = len(by["quiz"]) + len(by["practice"]) + len(by["assignment"])
    return {
        "evidence": weighing if topic != "unassigned" else 0,
        "answers": len(right),
        "right": sum(right),
        "recent_answers": min(RECENT, len(right)),
        "recent_bits": sum(bit << k for k, bit in enumerate(reversed(right[-RECENT:]))),
        "hints": sum(event.hints or 0 for event in by["quiz"] + by["practice"]),
        "timed": len(timed),
        "time_ms": sum(timed),
        "practice_attempts": sum(event.attempts for event in by["practice"]),
        "practice_right_ppm": sum(event.success_ppm for event in by["practice"]),
        "assignments": len(by["assignment"]),
        "assignment_ppm": sum(event.success_ppm for event in by["assignment"]),
        "videos": len(by["video"]),
        "video_ppm": sum(event.success_ppm for event in by["video"]),
        "help_requests": sum(event.attempts for event in by["tutor"]),
        "active_days": len({event.at_us // DAY for event in acts}),
        "first_at_us": acts[0].at_us if acts else int(NEVER),
        "last_at_us": acts[-1].at_us if acts else int(NEVER),
        "last_practice_us": by["practice"][-1].at_us if by["practice"] else int(NEVER),
        "refreshed_at_us": (refreshing[-1:] + acts[:1])[0].at_us if acts else int(NEVER),
        "refreshed_day": sorted({e.at_us // DAY for e in acts}).index(refreshing[-1].at_us // DAY) + 1
        if refreshing
        else 0,
        "refreshed_days": len({event.at_us // DAY for event in refreshing}),
        "answers_to_right": max([k + 1 for k, bit in enumerate(right) if bit], default=0),
    }


@given(events=histories())
def test_counters_count_what_happened(events):
    batch = make_batch(event_columns(table(events)))
    counters = initial_counters(batch.slot_topic.size)
    fold_counters(batch, counters)
    for slot, (student, topic) in enumerate(places(batch)):
        mine = [e for e in active_choice(events) if e.student == student and topic in topics_of(e)]
        assert dict(zip(COUNTERS, counters[slot].tolist(), strict=True)) == expected(mine, topic)


@given(events=histories())
def test_the_last_feedback_wins(events):
    batch = make_batch(event_columns(table(events)))
    feedback = initial_feedback(batch.slot_topic.size)
    fold_feedback(batch, feedback)
    for slot, (student, topic) in enumerate(places(batch)):
        said = [
            e for e in active_choice(events) if e.kind == "feedback" and e.student == student and topic in topics_of(e)
        ]
        last = [said[-1].success_ppm / 1e6, said[-1].at_us] if said else [np.nan, np.nan]
        np.testing.assert_array_equal(feedback[slot], last)


def test_known_topics_keep_their_place_and_new_ones_follow():
    columns = event_columns(table([Event(START, topics=("t5",)), Event(START, topics=("t1",), number=1)]))
    batch = resume(columns, {"s_a0": [(topic, 7) for topic in ("t9", "t1", "t3")], "s_gone": [("t0", 7)]})
    assert [topic for _, topic in places(batch)] == ["t9", "t1", "t3", "t5"]
    assert list(batch.topics) == sorted(batch.topics)


def test_a_stored_topic_named_twice_is_refused():
    with pytest.raises(BadInput, match="student s_a0: a stored topic is named twice"):
        resume(event_columns(table([Event(START)])), {"s_a0": [("t1", 7), ("t1", 7)]})
