"""Day and month of a whole file: said by all of it or declared, and never guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.events.read_options import NOTHING_SAID, ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.ingest import ingest
from mastery.pipelines.ingest.preview import preview
from mastery.tables import EVENTS, REJECTED

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def read(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)

    def one(stamps, options=NOTHING_SAID):
        file = tmp_path / "file.csv"
        rows = [f'S{i},Q{i},T1,1,"{stamp}"' for i, stamp in enumerate(stamps)]
        file.write_text("\n".join(["student_id,question_id,topic_id,is_correct,timestamp", *rows]) + "\n")
        one.file = file
        report = ingest([file], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW, options=options)
        found = sorted(lake.scan(EVENTS).to_pylist(), key=lambda event: event["item_id"])
        return report, [event["occurred_at"].date() for event in found]

    one.lake = lake
    return one


@pytest.mark.parametrize(
    ("stamps", "days"),
    [
        (["3/4/2026 14:30", "25/4/2026 14:30"], [date(2026, 4, 3), date(2026, 4, 25)]),
        (["3/4/2026 2:30 PM", "4/25/2026 2:30 AM"], [date(2026, 3, 4), date(2026, 4, 25)]),
        (["2026-04-03", "03-04-2026", "25-04-2026"], [date(2026, 4, 3), date(2026, 4, 3), date(2026, 4, 25)]),
    ],
)
@pytest.mark.parametrize("block", [None, 40])
def test_the_whole_file_says_it(read, monkeypatch, stamps, days, block):
    if block is not None and "2026-04-03" not in stamps:
        monkeypatch.setattr("mastery.pipelines.ingest.files.BLOCK_BYTES", block)
        monkeypatch.setattr("mastery.pipelines.ingest.files.HEAD_BYTES", 60)
    report, found = read(stamps)
    assert found == days
    order = "M/D/Y" if days[0] == date(2026, 3, 4) else "D/M/Y"
    assert any(f"dates were read as {order}" in note for note in report.notes)
    answers = read_answers(read.file, now=NOW)
    assert [at.date() for at in answers.events["occurred_at"].to_pylist()] == days
    (looked, *_), _ = preview([read.file], now=NOW, options=NOTHING_SAID, zone="UTC", tenant="default", rows=3)
    assert (looked.read, looked.usable) == (len(stamps), len(stamps))


@pytest.mark.parametrize(
    ("stamps", "why"),
    [
        (["3/4/2026", "5/6/2026"], "may be 3 April or 4 March"),
        (["3/4/2026", "25/4/2026", "4/25/2026"], "1 of its dates can only be D/M/Y, and 1 only M/D/Y"),
    ],
)
def test_a_file_that_does_not_say_it_is_refused_until_somebody_does(read, stamps, why):
    with pytest.raises(BadInput, match=why):
        read(stamps)
    assert read.lake.count(EVENTS) == read.lake.count(REJECTED) == 0
    report, found = read(stamps, ReadOptions(dates="D/M/Y"))
    assert found[0] == date(2026, 4, 3)
    assert report.rejected == ("4/25/2026" in stamps)


def test_dates_that_begin_late_in_a_file_are_asked_for_and_not_lost(read, monkeypatch):
    monkeypatch.setattr("mastery.pipelines.ingest.files.BLOCK_BYTES", 40)
    monkeypatch.setattr("mastery.pipelines.ingest.files.HEAD_BYTES", 60)
    with pytest.raises(BadInput, match="--dates D/M/Y"):
        read(["2026-04-03", "2026-04-04", "2026-04-05", "25/4/2026"])
    assert read.lake.count(EVENTS) == 0


def test_serial_days_and_days_since_a_day(read):
    assert read(["46115", "46115.5"], ReadOptions(dates="serial"))[1] == [date(2026, 4, 3)] * 2


def test_days_since_a_day(read):
    assert read(["0", "-1"], ReadOptions(day_zero=date(2013, 10, 1)))[1] == [date(2013, 10, 1), date(2013, 9, 30)]


def test_rows_in_the_future_suggest_a_zone(read):
    report, _ = read(["2026-11-30 12:00", "2026-12-01 01:30"])
    assert report.rejected == 1
    assert any("1 row in the future" in note and "--timezone" in note for note in report.notes)
    assert "--timezone" in read.lake.scan(REJECTED)["reason"].to_pylist()[0]
    again, _ = read(["2026-12-01 01:30"], ReadOptions(timezone="Asia/Tokyo"))
    assert (again.accepted, [note for note in again.notes if "future" in note]) == (1, [])
