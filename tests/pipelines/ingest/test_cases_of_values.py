"""Files as schools export them, with odd values in them: what each comes to.

They lie in ../shared/cases/ingest beside the repository; without them these tests are skipped.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.events.read_options import NOTHING_SAID, ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "ingest"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
KEY = Pseudonyms(bytes(32))

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the repository")


@pytest.fixture
def read(tmp_path):
    """Ingest one case; return the report, with the lake."""
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)

    def one(name: str, options=NOTHING_SAID):
        report = ingest([CASES / name], lake=lake, pseudonyms=KEY, tenant="default", now=NOW, options=options)
        assert report.read == report.accepted + report.revised + report.duplicates + report.rejected
        return report

    one.lake = lake
    return one


def test_a_frame_with_float_ids_gives_the_same_events_in_every_format(read):
    first, second = read("p_float_id.parquet"), read("p_float_id.csv")
    assert (first.accepted, second.accepted, second.revised) == (first.read - first.rejected, 0, 0)
    assert second.duplicates == first.accepted > 0
    students = set(read.lake.scan(EVENTS)["student_id"].to_pylist())
    assert KEY.student("default", "101") in students


def test_ids_that_a_spreadsheet_rounded_are_refused_and_marked_ones_noted(read):
    report = read("ids_sci.csv")
    codes = read.lake.scan(REJECTED)["code"].to_pylist()
    assert codes == ["rounded_id"] * report.rejected
    assert report.rejected >= 3
    assert any(note.startswith("ids_sci.csv: student_id: 1 value with an apostrophe in front") for note in report.notes)


@pytest.mark.parametrize("name", ["opt_na.csv", "r_na.csv"])
def test_values_that_nobody_needs_cost_no_answer(read, name):
    report = read(name)
    assert (report.accepted, report.rejected) == (report.read, 0)
    assert any("cannot be used" in note for note in report.notes)


@pytest.mark.parametrize(
    ("name", "million"),
    [("noise100.csv", [0, 1, 1, 1]), ("pct.csv", [0, 0.85, 0.9, 1]), ("ratio.csv", [0, 0.7, 0.9, 1])],
)
def test_shares_as_people_write_them(read, name, million):
    report = read(name)
    assert report.accepted == report.read
    found = sorted(read.lake.scan(EVENTS)["success_ppm"].to_pylist())
    assert sorted(set(found)) == sorted({round(share * 1_000_000) for share in million})


def test_a_decimal_comma_is_read_and_said(read):
    report = read("deccomma.csv")
    assert (report.read, report.accepted) == (5, 4)
    assert sorted(read.lake.scan(EVENTS)["success_ppm"].to_pylist()) == [75_000, 855_000, 902_500, 1_000_000]
    assert any("decimal comma" in note for note in report.notes)
    assert read("deccomma.csv", ReadOptions(decimal=",")).duplicates == 4


def test_feedback_from_1_to_5_is_refused_until_its_scale_is_declared(read):
    with pytest.raises(BadInput, match="a scale from 1 to 5"):
        read("fb_1to5.csv")
    report = read("fb_1to5.csv", ReadOptions(units={"score": "1-5"}))
    assert report.accepted == report.read
    assert {0, 250_000, 500_000, 750_000, 1_000_000} == set(read.lake.scan(EVENTS)["success_ppm"].to_pylist())
