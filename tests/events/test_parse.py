from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.errors import BadInput
from mastery.events.metadata import prerequisite_notes
from mastery.events.parse import FIELDS, Parsed, check_units, parse
from mastery.events.read_options import ReadOptions
from mastery.events.registry import SOURCES

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def read(source: str, rows: list[dict], **options) -> Parsed:
    names = list(dict.fromkeys(name for row in rows for name in row))
    raw = pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})
    others = {"now": NOW} | {name: options.pop(name) for name in ("now", "known_topics") if name in options}
    return parse(SOURCES[source], raw, tenant="default", options=ReadOptions(**options), **others)


LOG = {"student_id": "S1", "is_correct": "1", "order": "3", "question_id": "Q1"}


def test_a_log_without_time_stamps_is_placed_in_time_by_its_order():
    parsed = read("responses", [LOG, LOG | {"order": "38309982"}])
    assert parsed.rows["occurred_at"].to_pylist() == [
        datetime(2000, 1, 1, 0, 0, 30, tzinfo=UTC),
        datetime(2012, 2, 21, 0, 37, tzinfo=UTC),
    ]
    assert parsed.rows["sequence"].to_pylist() == [3, 38309982]
    assert parsed.tally.untimed == 2
    assert any("2 rows without a time stamp" in note for note in parsed.tally.notes(SOURCES["responses"]))


def test_each_row_of_a_log_is_placed_from_itself():
    parsed = read("responses", [LOG | {"timestamp": "2024-01-01"}, LOG])
    assert [at.year for at in parsed.rows["occurred_at"].to_pylist()] == [2024, 2000]


@pytest.mark.parametrize("order", [None, "-1", "100000001"])
def test_a_row_of_a_log_without_time_or_usable_order_is_refused(order):
    parsed = read("responses", [LOG, LOG | {"order": order}])
    assert parsed.rejected["row"].to_pylist() == [1]


def test_a_row_of_a_log_without_an_outcome_is_refused():
    parsed = read("responses", [LOG | {"is_correct": None}, LOG])
    assert parsed.rejected["code"].to_pylist() == ["no_outcome"]


CELLS = {
    "student_id": st.sampled_from(["S1", "", "x\x07"]),
    "question_id": st.sampled_from(["Q1", ""]),
    "topic_id": st.sampled_from(["T1", "", "y" * 2000]),
    "is_correct": st.sampled_from(["1", "", "?"]),
    "timestamp": st.sampled_from(["2024-01-01", "", "soon", "2030-01-01"]),
    "time_spent_sec": st.sampled_from(["1", "-1", "nan", ""]),
}


@given(st.lists(st.fixed_dictionaries(CELLS), max_size=12))
def test_every_row_is_an_event_or_refused_and_by_itself_it_would_be_the_same(rows):
    parsed = read("quiz_attempts", rows) if rows else None
    if parsed is None:
        return
    assert sorted(parsed.places.tolist() + parsed.rejected["row"].to_pylist()) == list(range(len(rows)))
    assert parsed.rows.schema == FIELDS
    events = dict(zip(parsed.places.tolist(), parsed.rows.to_pylist(), strict=True))
    refused = {row.pop("row"): row for row in parsed.rejected.to_pylist()}
    for number, row in enumerate(rows):
        alone = read("quiz_attempts", [row])
        assert alone.rows.to_pylist() == ([events[number]] if number in events else [])
        assert [{**one, "row": None} for one in alone.rejected.to_pylist()] == (
            [{"row": None, **refused[number]}] if number in refused else []
        )


def test_counts_of_chunks_add_up_to_those_of_the_whole():
    rows = [LOG, LOG | {"is_correct": "?"}, LOG | {"topic_id": "T1"}]
    whole = read("responses", rows, known_topics=frozenset()).tally
    parts = [read("responses", [row], known_topics=frozenset()).tally for row in rows]
    assert sum(parts[1:], parts[0]) == whole
    assert whole.unknown_topics == {"T1": 1}
    assert whole.unassigned == 1


def test_units_that_no_column_knows_are_refused_with_the_nearest_one():
    with pytest.raises(BadInput, match="did you mean 'watch_pct'"):
        check_units([SOURCES["video_events"]], {"watch_pc": "fraction"})
    check_units([SOURCES["video_events"]], {"watch_pct": "fraction", "timestamp": "epoch_ms"})


def test_prerequisites_in_good_order_need_no_note():
    assert prerequisite_notes({"A": [], "B": ["A"], "C": ["A", "B"]}) == []


def test_a_topic_that_needs_itself_is_a_circle():
    assert prerequisite_notes({"A": ["A"]}) == [
        "prerequisites form a cycle: A → A; none of these topics can come first"
    ]


@given(st.dictionaries(st.sampled_from("ABCDEF"), st.lists(st.sampled_from("ABCDEF"), max_size=3)))
def test_a_circle_is_found_when_there_is_one(needs):
    reach = {topic: set(many) for topic, many in needs.items()}
    for _ in needs:
        reach = {topic: many | {far for near in many for far in reach.get(near, ())} for topic, many in reach.items()}
    circular = any(topic in many for topic, many in reach.items())
    assert any("form a cycle" in note for note in prerequisite_notes(needs)) == circular
