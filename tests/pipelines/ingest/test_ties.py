"""Answers that share a moment: each is one where time stamps are coarse, in the order of the file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastery.errors import BadInput
from mastery.events import ties
from mastery.events.places import places
from mastery.events.read_options import ReadOptions
from mastery.events.ties import Sharing, Ties
from mastery.lake import Lake
from mastery.pipelines.ingest import files
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS
from school import KEY

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "student_id,question_id,topic_id,is_correct,timestamp\n"
DAY, SECOND = "2026-03-02", "2026-03-02T09:00:07Z"


class School:
    def __init__(self, folder) -> None:
        self.folder, self.files = folder, 0
        self.lake = Lake.open(str(folder / "lake"), buckets=2)

    def read(self, rows: list[str], header: str = HEADER, **said):
        self.files += 1
        file = self.folder / f"{self.files}.csv"
        file.write_text(header + "".join(f"{row}\n" for row in rows))
        now = NOW + timedelta(days=self.files)
        report = ingest([file], lake=self.lake, pseudonyms=KEY, tenant="default", now=now, options=ReadOptions(**said))
        assert report.read == report.accepted + report.revised + report.duplicates + report.rejected
        self.notes = [note for note in report.notes if "moment" in note]
        return report.accepted, report.revised, report.duplicates, report.rejected

    def outcomes(self) -> str:
        """The outcomes of all events in the order in which they are folded."""
        columns = ["occurred_at", "sequence", "event_id_hi", "event_id_lo", "success_ppm"]
        rows = self.lake.scan(EVENTS, columns).to_pylist()
        rows.sort(key=lambda row: [row[name] for name in columns[:4]])
        return "".join("1" if row["success_ppm"] else "0" for row in rows)


@pytest.fixture
def school(tmp_path):
    return School(tmp_path)


def answers(outcomes: str, at: str = DAY, item: str = "q{}", student: str = "S1") -> list[str]:
    return [f"{student},{item.format(n)},t1,{outcome},{at}" for n, outcome in enumerate(outcomes)]


@pytest.mark.parametrize("at", [DAY, "2026-03-02T09:00:00Z", "2026-03-02 09:00", "1772442000", SECOND])
def test_answers_of_one_moment_are_in_the_order_of_the_file(school, at):
    assert school.read(answers("1111100000", at)) == (10, 0, 0, 0)
    assert school.outcomes() == "1111100000"
    assert "10 events share their moment" in school.notes[0]
    assert school.read(answers("1111100000", at)) == (0, 0, 10, 0)


@pytest.mark.parametrize("block", [60, 1 << 20])
def test_answers_of_one_moment_are_in_the_order_of_the_file_wherever_they_stand_in_it(school, monkeypatch, block):
    monkeypatch.setattr(files, "HEAD_BYTES", 100)
    monkeypatch.setattr(files, "BLOCK_BYTES", block)
    mine = answers("1101000", SECOND)
    others = [f"S{n},q{n},t1,1,2026-03-02T{8 + n}:00:00Z" for n in range(2, 9)]  # each elsewhere, and at another time
    rows = [row for both in zip(mine, others, strict=True) for row in both]
    assert school.read(rows) == (14, 0, 0, 0)
    assert school.outcomes() == "1101000" + "1" * 7
    assert "7 events share their moment" in school.notes[0]
    assert school.read(rows) == (0, 0, 14, 0)
    path = school.folder / "1.csv"
    assert read_answers(path, now=NOW).batch().y.tolist()[:7] == [1, 1, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("item", ["q1", ""])
def test_equal_rows_are_answers_where_time_stamps_are_coarse(school, item):
    rows = answers("0011010011", item=item)
    assert school.read(rows) == (10, 0, 0, 0)
    assert school.outcomes() == "0011010011"
    assert "--repeats duplicates" in school.notes[0]
    assert school.read(rows) == (0, 0, 10, 0)


def test_equal_rows_are_repeats_where_time_stamps_are_precise(school):
    rows = answers("11", item="q1", at=SECOND)
    assert school.read(rows) == (1, 0, 1, 0)
    assert school.notes == []


def test_what_is_said_of_equal_rows_is_done(school, tmp_path):
    assert school.read(answers("11", item="q1", at=SECOND), repeats="answers") == (2, 0, 0, 0)
    other = School(tmp_path / "other")
    assert other.read(answers("11", item="q1"), repeats="duplicates") == (1, 0, 1, 0)
    with pytest.raises(BadInput, match="expected --repeats answers or duplicates"):
        other.read(answers("1"), repeats="twice")


def test_a_later_export_with_rows_in_between_leaves_the_others_as_they_are(school):
    before = answers("10", item="q1") + answers("1", item="q2")
    assert school.read(before) == (3, 0, 0, 0)
    more = ["S1,q0,t1,1,2026-03-02", "S2,q1,t1,1,2026-03-02", *before[:2], "S1,q7,t1,0,2026-03-02", before[2]]
    assert school.read(more) == (3, 0, 3, 0)


def test_an_order_of_the_source_is_kept_and_an_attempt_number_comes_before_the_place(school, tmp_path):
    header = HEADER.replace("\n", ",sequence\n")
    assert school.read([f"{row},{9 - n}" for n, row in enumerate(answers("1110000"))], header) == (7, 0, 0, 0)
    assert (school.outcomes(), school.notes) == ("0000111", [])
    other = School(tmp_path / "other")
    header = HEADER.replace("\n", ",attempt_number\n")
    assert other.read([f"{row},{n // 4 + 1}" for n, row in enumerate(answers("11000000"))], header) == (8, 0, 0, 0)
    assert other.read([f"S9,q,t1,{n % 2},{DAY},{2 - n % 2}" for n in range(2)], header) == (2, 0, 0, 0)
    assert other.outcomes().count("1") == 3


def test_rows_with_ids_of_their_own_are_in_the_order_of_the_file_and_equal_ones_repeats(school):
    header = HEADER.replace("\n", ",attempt_id\n")
    rows = [f"{row},a{n * 7 % 10}" for n, row in enumerate(answers("1111100000", item="q"))]
    assert school.read([*rows[:4], rows[0], *rows[4:]], header) == (10, 0, 1, 0)
    assert school.outcomes() == "1111100000"
    assert school.read(rows[6:], header) == (0, 0, 4, 0)  # with fewer rows around them they are the same


def test_answers_in_a_file_are_placed_as_they_are_in_the_lake(tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text(HEADER + "\n".join(answers("1111100000", item="q")) + "\n")
    read = read_answers(file, now=NOW)
    assert read.report.accepted == 10
    assert read.batch().y.tolist() == [1.0] * 5 + [0.0] * 5
    assert any("10 events share their moment" in note for note in read.notes())


@pytest.mark.slow
def test_neither_blocks_nor_threads_change_an_event(tmp_path, monkeypatch):
    rows = [
        f"S{n % 7},q{n % 3},t{n % 2},{n * n % 5 % 2},2026-03-{1 + n // 50:02d}{'' if n < 1200 else 'T09:00:07Z'}"
        for n in range(1500)
    ]
    found = []
    for number, size in enumerate((files.BLOCK_BYTES, 700, 64)):
        monkeypatch.setattr(files, "BLOCK_BYTES", size)
        monkeypatch.setattr(files, "HEAD_BYTES", 200)
        one = School(tmp_path / str(number))
        assert one.read(rows) == (1500, 0, 0, 0)
        events = one.lake.scan(EVENTS).drop_columns(["received_at"])
        found.append(events.sort_by([("event_id_hi", "ascending"), ("event_id_lo", "ascending")]))
    assert found[0].equals(found[1]) and found[0].equals(found[2])


ROWS = st.lists(
    st.tuples(*[st.integers(0, 2)] * 3, st.booleans(), st.booleans(), st.integers(0, 1), st.integers(0, 1)), max_size=60
)


def sharing_of(rows) -> Sharing:
    columns = (
        (np.array(column, np.int64) for column in zip(*rows, strict=True)) if rows else [np.zeros(0, np.int64)] * 7
    )
    student, item, at, own, ordered, apart, outcome = columns
    key = 1 + student * 100 + item * 10 + at * (1 - own) + 1000 * own
    return Sharing(student, key, at, own.astype(bool), ordered.astype(bool), apart, outcome)


@settings(max_examples=200)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_places_are_those_of_a_plain_count_however_the_file_is_cut(rows, cuts):
    whole = sharing_of(rows)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    found: Ties[int] = Ties("answers")
    place, nth = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for start, stop in pairwise(edges):
        part = Sharing(*(getattr(whole, name)[start:stop] for name in Sharing.__dataclass_fields__))
        for begin, placed in found.add(start, part):
            place[begin + placed.rows], nth[begin + placed.rows] = placed.place, placed.nth
    assert (place.tolist(), nth.tolist()) == _plain(whole)


def _plain(events: Sharing) -> tuple[list[int], list[int]]:
    places: dict[tuple, int] = {}
    equal: dict[tuple, int] = {}
    known: dict[tuple, int] = {}
    place, nth = [], []
    for student, id_lo, at, own, ordered, apart, outcome in zip(*vars(events).values(), strict=True):
        counted = not own and not ordered
        nth.append(equal.get((id_lo, apart), 0) if counted else 0)
        if counted:
            equal[id_lo, apart] = nth[-1] + 1
        one = (id_lo, outcome, nth[-1]) if counted else (id_lo,)
        if not ordered and one not in known:
            known[one] = places.setdefault((student, at), 0)
            places[student, at] += 1
        place.append(0 if ordered else known[one])
    return place, nth


@settings(max_examples=200)
@given(rows=ROWS, cut=st.integers(0, 60))
def test_places_in_files_with_precise_time_stamps_are_those_of_a_plain_count(rows, cut):
    events = sharing_of(rows)
    file = (np.arange(len(rows)) >= cut).astype(np.int64)
    found = places(file, events.student, events.at_us, events.id_lo, ~events.ordered, 2)
    met: dict[tuple, list[int]] = {}
    for place, *moment, id_lo, ordered in zip(
        found.place, file, events.student, events.at_us, events.id_lo, events.ordered, strict=True
    ):
        if ordered:
            assert place == 0
            continue
        of_moment = met.setdefault(tuple(moment), [])
        if id_lo not in of_moment:
            of_moment.append(id_lo)
        assert place == of_moment.index(id_lo)
    shared = [sum(len(ids) for (number, *_), ids in met.items() if number == k and len(ids) > 1) for k in range(2)]
    assert found.sharing.tolist() == shared
    nobody: Ties[int] = Ties("duplicates")
    assert all(not placed.rows.size for _, placed in nobody.add(0, events))


def test_what_is_remembered_is_bounded_and_reaches_as_far_as_it_says(monkeypatch):
    monkeypatch.setattr(ties, "REMEMBERED", 1000)
    found: Ties[int] = Ties("answers")
    for start in range(0, 20_000, 500):
        number = np.arange(start, start + 500, dtype=np.int64) // 2 if start else np.arange(500, dtype=np.int64)
        no = np.zeros(500, bool)
        found.add(start, Sharing(number, number + 1, number, no, no, number, number))
    assert all(table.size <= 4096 for one in (found._ids, found._answers, found._moments) for table in one.tables)
