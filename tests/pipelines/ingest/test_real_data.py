"""Published research logs: no row is lost, and each row that is no event has a reason.

The files lie in ../shared/data beside the repository; without them these tests are skipped.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
NOW = datetime(2025, 1, 1, tzinfo=UTC)
NORMAL = ("assist2009_lpp", "algebra2006_sample", "moodle_delfi22", "csedm2019_itap")
SLOW = (
    "assist2009",
    "assist2009_full_fields_sample",
    "assist2009_piech",
    "assist2009_pykt",
    "assist2012",
    "assist2012_skill_part",
    "assist2015",
    "assist2017",
    "assist2017_timed",
    "ednet_small",
    "mooc_lecture_quiz",
    "oulad_assessments",
    "spanish",
    "statics2011",
    "statics2011_akt",
)

NO_OUTCOME = {"oulad_assessments": 173}
"""Rows without an outcome, by file; every other row of every file is an event."""


def check(name: str, folder: Path) -> None:
    file = DATA / f"{name}.parquet"
    if not file.exists():
        pytest.skip(f"{file.name} is not in ../shared/data")
    rows = pq.read_metadata(file).num_rows
    lake = Lake.open(str(folder / "lake"), buckets=8)
    options = {"lake": lake, "pseudonyms": Pseudonyms(bytes(32)), "tenant": "default", "now": NOW}
    first = ingest([file], options=ReadOptions("responses"), **options)
    lost = NO_OUTCOME.get(name, 0)
    assert (first.read, first.accepted, first.duplicates, first.rejected) == (rows, rows - lost, 0, lost)
    topics = pc.add(pc.fill_null(pc.list_value_length(lake.scan(EVENTS, ["other_topic_ids"])["other_topic_ids"]), 0), 1)
    assert pc.sum(topics).as_py() == rows - lost, "a row for each topic of an answer"
    assert Counter(lake.scan(REJECTED, ["code"])["code"].to_pylist()) == ({"no_outcome": lost} if lost else {})
    again = ingest([file], **options)  # recognised without being named, too
    assert (again.read, again.accepted, again.duplicates, again.rejected) == (rows, 0, rows - lost, lost)
    right = pc.sum(pq.read_table(file, columns=["is_correct"])["is_correct"].cast("int64")).as_py()
    assert pc.sum(pc.multiply(lake.scan(EVENTS, ["success_ppm"])["success_ppm"], topics)).as_py() == right * 1_000_000


@pytest.mark.parametrize("name", NORMAL)
def test_no_row_is_lost(name, tmp_path):
    check(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_no_row_of_a_larger_file_is_lost(name, tmp_path):
    check(name, tmp_path)


def test_every_file_is_checked():
    if not DATA.exists():
        pytest.skip("no ../shared/data beside the repository")
    assert {file.stem for file in DATA.glob("*.parquet")} == {*NORMAL, *SLOW}
