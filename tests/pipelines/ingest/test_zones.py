"""A file whose clocks name no zone is not read twice, under two zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.pipelines.ingest.ingests import entries
from mastery.pipelines.ingest.preview import preview
from mastery.tables import EVENTS
from school import KEY

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "student_id,question_id,topic_id,is_correct,timestamp{}\n"


class School:
    def __init__(self, folder) -> None:
        self.folder, self.files = folder, 0
        self.lake = Lake.open(str(folder / "lake"), buckets=64)

    def read(self, rows: list[str], more: str = "", header: str = HEADER, **said) -> int:
        self.files += 1
        file = self.folder / f"{self.files}.csv"
        file.write_text(header.format(more) + "".join(f"{row}\n" for row in rows))
        report = ingest(
            [file],
            lake=self.lake,
            pseudonyms=KEY,
            tenant="default",
            now=NOW + timedelta(days=self.files),
            options=ReadOptions(**said),
        )
        self.notes = [note for note in report.notes if "--timezone" in note]
        return report.accepted


@pytest.fixture
def school(tmp_path):
    return School(tmp_path)


def answers(day: str = "2026-03-02", hour: int = 9, second: str = ":07", end: str = "", n: int = 10) -> list[str]:
    return [f"S1,q{k},t1,{k % 2},{day} {hour:02d}:{k:02d}{second}{end}" for k in range(n)]


ZONES = [
    (None, "Europe/Berlin", "1 h later"),
    ("Asia/Kathmandu", "UTC", "5.75 h earlier"),
    ("UTC", "America/Lima", "5"),
]


@pytest.mark.slow
@pytest.mark.parametrize("second", [":07", ":00", ""])
@pytest.mark.parametrize(("first", "then", "words"), ZONES)
def test_a_second_reading_under_another_zone_is_refused(school, second, first, then, words):
    assert school.read(answers(second=second), timezone=first) == 10
    with pytest.raises(BadInput, match=r"mastery ingests undo ID") as refused:
        school.read(answers(second=second), timezone=then)
    assert words in str(refused.value) and "10 of 10" in str(refused.value)
    assert school.lake.count(EVENTS) == 10
    assert len(entries(school.lake)) == 1  # the one to undo
    assert school.read(answers(second=second), timezone=first) == 0


@pytest.mark.parametrize("more", [",attempt_number", ",sequence"])
def test_also_where_the_source_has_an_order_and_more_rows_came(school, more):
    rows = [f"{row},{n + 1}" for n, row in enumerate(answers())]
    assert school.read(rows, more) == 10
    late = [f"{row},3" for row in answers(day="2026-03-20", n=6)]
    with pytest.raises(BadInput, match="another --timezone"):
        school.read([*rows, *late], more, timezone="Europe/Berlin")


def test_also_over_the_change_to_summer_time(school):
    rows = [*answers(day="2026-03-02"), *answers(day="2026-04-02")]
    assert school.read(rows) == 20
    with pytest.raises(BadInput, match="20 of 20"):
        school.read(rows, timezone="Europe/Berlin")


def test_dates_alone_are_noticed_too(school):
    rows = [f"S1,q{n},t1,{n % 2},2026-03-02" for n in range(8)]
    assert school.read(rows) == 8
    with pytest.raises(BadInput, match="1 h later"):
        school.read(rows, timezone="Europe/Berlin")


SCORES = "student_id,assignment_id,topic_ids,score_pct,timestamp\n"
CLASSES = {
    "a quiz of two questions": [f"S{n},q{k},t1,{n % 2},2026-03-02 09:00:{n:02d}" for n in range(25) for k in (1, 2)],
    "a question": [f"S{n},q1,t1,{n % 2},2026-03-02 09:{n:02d}:07" for n in range(30)],
    "a month apart": [f"S{n % 5},q{n},t1,1,2025-{n + 1:02d}-15 09:00" for n in range(10)],
    "dates alone": [f"S{n},q1,t1,{n % 2},2026-03-02" for n in range(40)],
}


@pytest.mark.parametrize("rows", CLASSES.values(), ids=list(CLASSES))
def test_also_where_each_student_has_a_few_answers(school, rows):
    assert school.read(rows, timezone="Europe/Berlin") == len(rows)
    assert school.read(rows[::2], timezone="Europe/Berlin") == 0
    with pytest.raises(BadInput, match="6 h earlier"):
        school.read(rows, timezone="America/New_York")
    assert school.lake.count(EVENTS) == len(rows)


def test_also_where_each_student_has_one_assignment(school):
    rows = [f"S{n},essay,t1,{50 + n},2026-03-02 09:00" for n in range(8)]
    assert school.read(rows, header=SCORES, timezone="Europe/Berlin") == 8
    with pytest.raises(BadInput, match="8 of 8"):
        school.read(rows, header=SCORES, timezone="America/New_York")


def test_a_few_answers_under_another_zone_get_a_note(school):
    rows = [f"S1,q{month},t1,1,2025-{month:02d}-15 09:00" for month in (1, 4, 7, 8)]
    assert (school.read(rows), school.notes) == (4, [])
    assert school.read(rows, timezone="Europe/Berlin") == 4
    assert "4 of 4" in school.notes[0] and "2 h later" in school.notes[0] and "`mastery ingests`" in school.notes[0]
    assert (school.read(rows, timezone="Europe/Berlin"), school.notes) == (0, [])


def test_other_answers_are_read(school):
    assert school.read(answers()) == 10
    assert school.read(answers(day="2026-03-03")) == 10  # the same, a day later
    wrong = [row.replace(",1,", ",x,").replace(",0,", ",1,").replace(",x,", ",0,") for row in answers(hour=11)]
    assert school.read(wrong) == 10  # two hours later, with other outcomes
    assert school.read(answers(hour=14, n=4)) == 4  # few
    assert school.read(answers(hour=16, end="Z")) == 10  # clocks that name their zone are right
    assert school.read(answers(hour=18), repeats="answers") == 10  # somebody says so
    own = [f"{row},a{n}" for n, row in enumerate(answers(hour=20))]
    assert school.read(own, ",attempt_id") == 10
    assert school.read(own, ",attempt_id", timezone="Europe/Berlin") == 0  # revisions of the same events


def test_a_preview_says_what_an_ingest_would_refuse_or_note(school):
    def look(rows, **said):
        file = school.folder / "looked.csv"
        file.write_text(HEADER.format("") + "".join(f"{row}\n" for row in rows))
        options = ReadOptions(**said)
        (found,), _ = preview([file], now=NOW, options=options, zone="UTC", tenant="default", beside=(school.lake, KEY))
        return [note for note in found.notes if "--timezone" in note]

    school.read(answers())
    assert look(answers()) == look(answers(day="2026-03-03"), timezone="Europe/Berlin") == []
    with pytest.raises(BadInput, match="10 of 10"):
        look(answers(), timezone="Europe/Berlin")
    assert look(answers(), timezone="Europe/Berlin", repeats="answers") == []
    (note,) = look(answers(n=3), timezone="Europe/Berlin")
    assert "3 of 3" in note


@pytest.mark.parametrize("end", ["Z", ""])
def test_of_many_files_those_are_looked_at_that_may_have_been_read_before_from_the_first_to_the_last(school, end):
    def written(folder: str, first: int, last: int, **form) -> None:
        for n in range(first, last):
            file = school.folder / folder / f"{n:02d}.csv"
            file.parent.mkdir(exist_ok=True)
            rows = [row.replace("S1,", f"S{n},") for row in answers(**form)]
            file.write_text(HEADER.format("") + "".join(f"{row}\n" for row in rows))

    def read(folder: str, day: int, **said) -> int:
        now, options = NOW + timedelta(days=day), ReadOptions(**said)
        given = {"lake": school.lake, "pseudonyms": KEY, "tenant": "default", "now": now, "options": options}
        return ingest([school.folder / folder], **given).accepted

    written("one", 30, 40)
    assert read("one", 1) == 100
    written("two", 0, 22, day="2026-03-09", end=end)
    written("two", 30, 40)
    with pytest.raises(BadInput, match=r"were read before under another --timezone"):
        read("two", 2, timezone="Europe/Berlin")
    assert school.lake.count(EVENTS) == 100
