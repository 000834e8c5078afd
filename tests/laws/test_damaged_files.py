"""A damaged file costs what was damaged: no more, and nothing without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from any_answers import styles
from damaged_files import Damaged, damages
from mastery.errors import BadInput
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.report import IngestReport
from mastery.tables import EVENTS, REJECTED
from school import NOW, Deployment
from written_files import ASSIGNMENTS, QUIZ, Row, Style, Table, file_name, said, written
from written_values import SECOND

pytestmark = pytest.mark.slow  # files of every kind are written and read

QUIETLY = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
WORDS = ["fractions", "Brüche", "area; volume", "a, b", '5" ruler', "x | y", "tab"]
NOTES = [None, "well done", "two\nlines", 'said "no"', "a, b; c", "{1}", "[2]"]


@st.composite
def sturdy_tables(draw: Callable[..., Any]) -> Table:
    """Draw tables whose rows have nothing to do with each other: own ids and questions that no damage turns into
    another's, and moments of their own.
    """
    source = draw(st.sampled_from([QUIZ, ASSIGNMENTS]))
    numbers = range(draw(st.integers(10, 14)))
    start = draw(st.integers(1_300_000_000, 1_700_000_000)) * SECOND
    return Table(
        source,
        tuple(
            Row(
                student=f"Ada Lovelace {number % 4}",
                item=f"q{number:02d}{number:02d}",
                topics=(draw(st.sampled_from(WORDS)),),
                share=draw(st.sampled_from([0, 1000])),
                at_us=start + number * 86_461 * SECOND,
                duration_ms=draw(st.sampled_from([None, 12_000, 1_500])),
                attempt=1,
                own_id=f"{(number + 1) * 0x9E3779B97F4A7C15 % 2**64:016x}-{number}",
                note=draw(st.sampled_from(NOTES)),
            )
            for number in numbers
        ),
    )


@st.composite
def damaged(draw: Callable[..., Any], most: int = 4) -> tuple[Table, Style, list[Damaged]]:
    table = draw(sturdy_tables())
    style = draw(styles(table))
    return table, style, draw(st.lists(damages(table, style), min_size=1, max_size=most))


Read = tuple[list[int], dict[str, str]]
"""Counts, and the event of each question."""

Reader = Callable[[Path, Table, Style], Read]


def read(file: Path, table: Table, style: Style) -> Read:
    """Return what the file says, read as `mastery evaluate` reads it."""
    found = read_answers(file, now=NOW, options=said(table, style))
    note(f"{found.report.as_dict()}, rejected {found.rejected.to_pylist()}")
    assert found.rejected.num_rows == found.report.rejected
    return counts(found.report), by_item(found.events.drop("source").to_pylist())


def ingested(file: Path, table: Table, style: Style) -> Read:
    """Return what an empty deployment holds once it has read the file, once or twice."""
    with TemporaryDirectory() as folder:
        one = Deployment.at(Path(folder), buckets=1)
        first = one.ingest(file, options=said(table, style))
        rejected = one.lake.scan(REJECTED).num_rows
        again = one.ingest(file, options=said(table, style))
        assert (again.read, again.accepted, again.revised) == (first.read, 0, 0)
        assert rejected == one.lake.scan(REJECTED).num_rows == first.rejected
        columns = [name for name in EVENTS.schema.names if name not in ("source", "ingest")]
        return counts(first), by_item(one.lake.scan(EVENTS, columns).to_pylist())


def or_why_not(by: Reader, file: Path, table: Table, style: Style) -> Read | BadInput:
    """Return what the file says, or why it is refused."""
    try:
        return by(file, table, style)
    except BadInput as error:
        return error


def counts(report: IngestReport) -> list[int]:
    found = [getattr(report, name) for name in ("read", "accepted", "revised", "duplicates", "rejected")]
    assert found[0] == sum(found[1:])
    return found


def by_item(events: list[dict[str, Any]]) -> dict[str, str]:
    return {str(event["item_id"]): repr(event) for event in events}


def check(given: tuple[Table, Style, list[Damaged]], by: Reader) -> None:
    table, style, files = given
    with TemporaryDirectory() as folder:
        file = Path(folder) / file_name(style)
        file.write_bytes(written(table, style))
        _, whole = by(file, table, style)
        assert list(whole) == [row.item for row in table.rows]
        for one in files:
            note(f"{one.what}: {one.content[:3000]!r}")
            file.write_bytes(one.content)
            found = or_why_not(by, file, table, style)
            if isinstance(found, BadInput):
                assert not one.readable, f"{one.what}: {found}"
                assert "\n" not in str(found)
                assert "Lovelace" not in str(found) or one.what.startswith("header")
                continue
            _, events = found
            if one.noticed:
                assert set(events.values()) <= set(whole.values()), one.what
            untouched = (table.rows[row].item for row in sorted(one.untouched or ()))
            lost = [item for item in untouched if events.get(item) != whole[item]]
            assert not lost, f"{one.what}: {', '.join(lost)} of {len(table.rows)} are lost"


@settings(max_examples=60, deadline=None, suppress_health_check=QUIETLY)
@given(damaged())
def test_damage_costs_what_was_damaged(given):
    check(given, read)


@settings(max_examples=8, deadline=None, suppress_health_check=QUIETLY)
@given(damaged(most=1))
def test_a_lake_keeps_what_was_not_damaged(given):
    check(given, ingested)


@pytest.mark.soak
@settings(max_examples=5_000, deadline=None, suppress_health_check=QUIETLY)
@given(damaged())
def test_ten_thousand_damages_cost_what_was_damaged(given):
    check(given, read)


@pytest.mark.soak
@settings(max_examples=500, deadline=None, suppress_health_check=QUIETLY)
@given(damaged(most=1))
def test_a_lake_keeps_what_was_not_damaged_of_five_hundred_files(given):
    check(given, ingested)
