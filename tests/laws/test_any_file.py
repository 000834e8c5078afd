"""A table of answers gives the same events, bit for bit, in whatever file it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import mastery as ms
from any_answers import styles, tables
from mastery.apps.cli import build
from mastery.apps.cli.reading import typed_options
from mastery.errors import BadInput
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.report import IngestReport
from mastery.tables import EVENTS, REJECTED
from school import NOW, Deployment
from written_files import PLAIN, Style, Table, file_name, said, written

pytestmark = pytest.mark.slow  # files of every kind are written and read

QUIETLY = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
COUNTS = ("read", "accepted", "revised", "duplicates", "rejected")
REFUSED = "refused"

Read = tuple[list[int], list[str], list[str]] | str
"""Counts, events and the reasons of what was rejected; or that the file was refused."""


@st.composite
def tables_in_styles(draw: Callable[..., Any], most: int = 3) -> tuple[Table, list[Style]]:
    table = draw(tables())
    return table, draw(st.lists(styles(table), min_size=1, max_size=most))


def read(table: Table, style: Style) -> Read:
    """Return what the file says, read as `mastery evaluate` reads it."""
    with TemporaryDirectory() as folder:
        try:
            found = read_answers(_file(folder, table, style), now=NOW, options=said(table, style))
        except BadInput as error:
            note(f"{file_name(style)}: {error}")
            return REFUSED
    note(f"{file_name(style)}: {found.report.as_dict()}, rejected {found.rejected.to_pylist()}")
    return _counts(found.report), _rows(found.events.drop("source")), _reasons(found.rejected)


def ingested(table: Table, style: Style) -> Read:
    """Return what an empty deployment holds once it has read the file."""
    with TemporaryDirectory() as folder:
        one = Deployment.at(Path(folder), buckets=1)
        try:
            report = one.ingest(_file(folder, table, style), options=said(table, style))
        except BadInput as error:
            note(f"{file_name(style)}: {error}")
            return REFUSED
        events = one.lake.scan(EVENTS, [name for name in EVENTS.schema.names if name not in ("source", "ingest")])
        return _counts(report), _rows(events), _reasons(one.lake.scan(REJECTED))


def _file(folder: str, table: Table, style: Style) -> Path:
    content = written(table, style)
    note(f"{file_name(style)}: {content!r}, {said(table, style)}")
    file = Path(folder) / file_name(style)
    file.write_bytes(content)
    return file


def _counts(report: IngestReport) -> list[int]:
    counts = [int(getattr(report, name)) for name in COUNTS]
    assert counts[0] == sum(counts[1:])
    return counts


def _rows(events: Any) -> list[str]:
    return sorted(map(repr, events.to_pylist()))


def _reasons(rejected: Any) -> list[str]:
    return sorted(f"{row['column']} {row['code']}" for row in rejected.select(["column", "code"]).to_pylist())


def check(given: tuple[Table, list[Style]], by: Callable[[Table, Style], Read]) -> None:
    table, in_styles = given
    reference = by(table, PLAIN)
    for style in in_styles:
        assert by(table, style) == reference, style


@settings(max_examples=100, deadline=None, suppress_health_check=QUIETLY)
@given(tables_in_styles())
def test_a_table_of_answers_gives_the_same_events_in_any_file(given):
    check(given, read)


@settings(max_examples=8, deadline=None, suppress_health_check=QUIETLY)
@given(tables_in_styles(most=1))
def test_a_lake_gets_the_same_events_from_any_file(given):
    check(given, ingested)


@settings(max_examples=5, deadline=None, suppress_health_check=QUIETLY)
@given(tables_in_styles(most=1))
def test_every_door_knows_the_events_of_any_file_again(given):
    table, (style,) = given
    with TemporaryDirectory() as folder:
        engine = ms.open(Path(folder) / "home")
        plain, file = _file(folder, table, PLAIN), Path(folder) / f"other.{file_name(style)}"
        try:
            first = engine.ingest(plain, **vars(said(table, PLAIN)))
        except BadInput:
            return  # nothing in it can be used, whatever the file
        file.write_bytes(written(table, style))
        how = said(table, style)
        known = [first.read, 0, 0, first.read - first.rejected, first.rejected]
        assert _counts(engine.ingest(file, **vars(how))) == known
        typed = ["--home", f"{folder}/home", "ingest", str(file), "--json", *typed_options(how)]
        done = CliRunner().invoke(build(), typed, catch_exceptions=False)
        assert [json.loads(done.stdout)[name] for name in COUNTS] == known


@pytest.mark.soak
@settings(max_examples=5_000, deadline=None, suppress_health_check=QUIETLY)
@given(tables_in_styles())
def test_ten_thousand_files_give_the_events_of_their_tables(given):
    check(given, read)


@pytest.mark.soak
@settings(max_examples=500, deadline=None, suppress_health_check=QUIETLY)
@given(tables_in_styles(most=1))
def test_a_lake_gets_the_same_events_from_five_hundred_files(given):
    check(given, ingested)
