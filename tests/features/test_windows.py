"""Windows against the obvious way, and against SQL over the ledger."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from by_hand import windows_of
from folding import cells, places
from histories import DAY, START, Event, active_choice, histories, many, table
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import EventColumns, event_columns
from mastery.features.counters import fold_counters, initial_counters
from mastery.features.feedback import fold_feedback, initial_feedback
from mastery.features.ledger import daily_ledger
from mastery.features.windows import Windows, windows
from mastery.tables import LATEST_FEATURES, LEDGER_COUNTS, WINDOW_DAYS, WINDOWED_COUNTS, WINDOWED_RATES

COUNTS = [f"{name}_{days}" for name in WINDOWED_COUNTS for days in WINDOW_DAYS]
RATES = [f"{name}_{days}" for name in WINDOWED_RATES for days in WINDOW_DAYS]


def features(batch: Batch, as_of_us: int) -> Windows:
    slots = batch.slot_topic.size
    feedback = initial_feedback(slots)
    fold_feedback(batch, feedback)
    gaps, _ = fold_counters(batch, initial_counters(slots))
    return windows(batch, daily_ledger(batch), gaps, feedback[:, 0], batch.days.day_of(as_of_us))


def by_name(found: Windows, slot: int) -> dict[str, float]:
    values = [*found.counts[:, slot], *found.rates[:, slot], *found.latest[:, slot]]
    return dict(zip([*COUNTS, *RATES, *LATEST_FEATURES], map(float, values), strict=True))


@given(events=histories(), wait=st.sampled_from([0, 5, 6, 7, 29, 30, 89, 90, 1000]))
def test_every_feature_is_what_its_definition_says(events, wait):
    as_of = max(event.at_us for event in events) + wait * DAY
    batch = make_batch(event_columns(table(events)))
    found = features(batch, as_of)
    for slot, place in enumerate(places(batch)):
        for name, value in windows_of(active_choice(events), *place, as_of).items():
            assert by_name(found, slot)[name] == pytest.approx(value, rel=1e-5, abs=1e-5, nan_ok=True), name


SQL_RATES = {
    "q_accuracy": ("sum(q_success_ppm) / 1e6", "sum(q_attempts)"),
    "avg_time_per_question": ("sum(time_ms) / 1e3", "sum(timed_attempts)"),
    "practice_success_rate": ("sum(practice_success_ppm) / 1e6", "sum(practice_attempts)"),
    "assignment_score": ("sum(assignment_ppm) / 1e6", "sum(assignments)"),
    "video_watch_pct": ("sum(video_ppm) / 1e4", "sum(videos)"),
    "rewind_rate": ("sum(rewinds)", "sum(videos)"),
    "revisit_rate": ("count(*) FILTER (gap_days > 0)", "count(*)"),
    "hint_usage_rate": ("sum(hints + help_requests)", "sum(q_attempts + practice_attempts)"),
    "help_resolved_rate": ("sum(help_resolved_ppm) / 1e6", "sum(help_requests)"),
    "spaced_practice_success": (
        "sum(q_success_ppm + practice_success_ppm) FILTER (gap_days >= 3) / 1e6",
        "sum(q_attempts + practice_attempts) FILTER (gap_days >= 3)",
    ),
}
"""Numerator and denominator of each rate."""


@pytest.mark.parametrize("as_of_day", [8, 45])
def test_windowed_rates_agree_with_sql_over_the_ledger(as_of_day):
    as_of = START + as_of_day * DAY
    columns = many(np.random.default_rng(11), students=400, events=60, topics=20)
    batch = make_batch(_until(columns, as_of))
    gaps, _ = fold_counters(batch, initial_counters(batch.slot_topic.size))
    counts = daily_ledger(batch)
    ledger = pa.table(
        {"slot": batch.cell_slot, "day": batch.cell_day, "gap_days": gaps}
        | {name: counts[k] for k, name in enumerate(LEDGER_COUNTS)}
    )
    assert ledger.num_rows == len(cells(batch))
    found = features(batch, as_of)
    for days in WINDOW_DAYS:
        rates = ", ".join(f"{above} / nullif({below}, 0)" for above, below in SQL_RATES.values())
        rows = duckdb.sql(
            f"SELECT slot, {rates} FROM ledger WHERE day > {as_of // DAY - days} GROUP BY slot"
        ).fetchall()
        assert len(rows) > 100
        for slot, *values in rows:
            ours = by_name(found, slot)
            for name, value in zip(SQL_RATES, values, strict=True):
                expected = math.nan if value is None else value
                assert ours[f"{name}_{days}"] == pytest.approx(expected, rel=1e-5, nan_ok=True), (name, days)


def _until(columns: EventColumns, as_of_us: int) -> EventColumns:
    keep = columns.at_us <= as_of_us
    arrays = {f.name: getattr(columns, f.name) for f in fields(columns)}
    return replace(columns, **{name: value[keep] for name, value in arrays.items() if isinstance(value, np.ndarray)})


@pytest.mark.parametrize(
    ("days_ago", "inside"), [(6, {7, 30, 90}), (7, {30, 90}), (29, {30, 90}), (89, {90}), (90, set())]
)
def test_a_window_of_a_week_holds_seven_days_and_today_is_one_of_them(days_ago, inside):
    batch = make_batch(event_columns(table([Event(START - days_ago * DAY)])))
    found = by_name(features(batch, START + 5), 0)
    assert {days for days in WINDOW_DAYS if found[f"q_attempts_{days}"] == 1} == inside
    assert {days for days in WINDOW_DAYS if not math.isnan(found[f"q_accuracy_{days}"])} == inside


def test_a_trend_by_hand():
    # One answer a week, wrong, right, right: smoothed shares 1/3, 2/3, 2/3; slope (2/3 − 1/3) / 2 per week.
    events = [Event(START + 7 * k * DAY, number=k, share_ppm=1_000_000 * (k > 0)) for k in range(3)]
    batch = make_batch(event_columns(table(events)))
    assert by_name(features(batch, events[-1].at_us), 0)["rolling_mastery_trend"] == pytest.approx(1 / 6)
    assert math.isnan(by_name(features(batch, events[-1].at_us + 80 * DAY), 0)["rolling_mastery_trend"])


def test_a_slot_known_by_feedback_alone_has_nothing_but_the_feedback():
    batch = make_batch(event_columns(table([Event(START, kind="feedback", share_ppm=700_000)])))
    found = by_name(features(batch, START), 0)
    assert found.pop("teacher_feedback_score") == pytest.approx(0.7)
    assert all(math.isnan(value) for name, value in found.items() if name not in COUNTS)
