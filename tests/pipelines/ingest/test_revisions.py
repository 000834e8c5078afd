"""Of the revisions of one event the one received later counts; the others are kept, and an old one again is known."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Known, Lake
from mastery.pipelines.ingest.dedupe import NEW, REVISED, SAME, judge
from mastery.pipelines.ingest.ingest import ingest
from mastery.pipelines.queries.tenants import counts_of
from mastery.tables import EVENTS, REJECTED, SUPERSEDED
from school import KEY as KEY_OF_SCHOOL
from school import NOW as SCHOOL_NOW
from school import NOW_US, Deployment

NOW = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = Pseudonyms(bytes(32))
HEADER = "student_id,question_id,topic_id,is_correct,timestamp,time_spent_sec,attempt_id\n"
THREE = [f"S1,Q1,T1,1,2024-05-06T07:08:09Z,{seconds},A1\n" for seconds in (10, 20, 30)]
OTHERS = [f"S1,Q{n},T1,1,2024-05-06T07:08:09Z,{n},B{n}\n" for n in range(5)]


class School:
    """A lake into which texts are read, a day between two of them."""

    def __init__(self, folder, name: str) -> None:
        self.folder, self.name = folder, name
        self.lake = Lake.open(str(folder / name), buckets=2)
        self.days = 0

    def read(self, text: str, *, now: datetime | None = None):
        self.days += 1
        file = self.folder / f"{self.name}-{self.days}.csv"
        file.write_text(HEADER + text)
        report = self.read_file(file, now=NOW + DAY * self.days if now is None else now)
        return report.read, report.accepted, report.revised, report.duplicates, report.rejected

    def read_file(self, file, *, now: datetime):
        report = ingest([file], lake=self.lake, pseudonyms=KEY, tenant="default", now=now)
        for one in (report, *report.files):
            assert one.read == one.accepted + one.revised + one.duplicates + one.rejected
        return report

    def counting(self) -> list[tuple[int, int]]:
        """What counts, by every way of reading it."""
        columns = ["event_id_hi", "duration_ms"]
        scanned = self.lake.scan(EVENTS, columns)
        buckets = [self.lake.read_bucket(EVENTS, bucket, columns) for bucket in range(self.lake.buckets)]
        students = [
            self.lake.read_student(EVENTS, one, columns)
            for one in self.lake.scan(EVENTS, ["student_id"])["student_id"].unique().to_pylist()
        ]
        found = [sorted(tuple(row.values()) for row in scanned.to_pylist())]
        found += [
            sorted(tuple(r.values()) for part in parts for r in part.to_pylist()) for parts in (buckets, students)
        ]
        assert found[0] == found[1] == found[2]
        assert counts_of(self.lake, "default").events == len(found[0])
        return found[0]

    def superseded(self) -> list[int]:
        return sorted(self.lake.superseded(["duration_ms"])["duration_ms"].to_pylist())

    def seconds(self) -> list[int]:
        return sorted(duration // 1000 for _, duration in self.counting())


@pytest.fixture
def school(tmp_path):
    def make(name: str = "lake") -> School:
        return School(tmp_path, name)

    return make


def test_the_revision_received_later_counts_and_the_earlier_is_kept(school):
    one = school()
    assert one.read(THREE[1] + "".join(OTHERS)) == (6, 6, 0, 0, 0)
    assert one.read(THREE[0]) == (1, 0, 1, 0, 0)
    assert (one.seconds(), one.superseded()) == ([0, 1, 2, 3, 4, 10], [20_000])
    assert one.read(THREE[2] + OTHERS[0]) == (2, 0, 1, 1, 0)
    assert (one.seconds(), one.superseded()) == ([0, 1, 2, 3, 4, 30], [10_000, 20_000])
    assert one.lake.count(REJECTED) == 0


@pytest.mark.parametrize("compacted", [False, True])
def test_an_old_body_seen_again_is_a_duplicate_and_does_not_come_back(school, compacted):
    one = school()
    for text in THREE:
        one.read(text)
    if compacted:
        one.lake.compact()
    for text in THREE:
        assert one.read(text) == (1, 0, 0, 1, 0)
    assert (one.seconds(), one.superseded()) == ([30], [10_000, 20_000])


@pytest.mark.slow
def test_of_revisions_received_at_one_moment_the_same_counts_in_every_order_and_cut(school):
    results = []
    for number, (order, cut) in enumerate(product(permutations(THREE), (1, 2, 3))):
        one = school(str(number))
        counts = [one.read(text, now=NOW) for text in ("".join(order[:cut]), "".join(order[cut:])) if text]
        assert np.sum(counts, axis=0).tolist() == [3, 1, 2, 0, 0]
        results.append((one.counting(), one.superseded()))
    assert all(result == results[0] for result in results)


def test_a_late_withdrawal_of_a_revised_event_and_a_revised_withdrawal_count_as_they_read(school):
    one = school()
    header = HEADER.replace("attempt_id", "attempt_id,replaces")
    file = one.folder / "withdrawals.csv"
    one.read("".join(OTHERS))
    one.read(OTHERS[0].replace(",0,B0", ",9,B0"))
    file.write_text(header + "S1,Q0,T1,,2024-05-06T07:08:09Z,,C0,B0\n")
    assert one.read_file(file, now=NOW + 5 * DAY).accepted == 1
    file.write_text(header + "S1,Q0,T1,0,2024-05-06T07:08:09Z,7,C0,B0\n")
    assert one.read_file(file, now=NOW + 6 * DAY).revised == 1
    rows = one.lake.scan(EVENTS, ["duration_ms", "success_ppm", "replaces_hi"]).to_pylist()
    (replacing,) = (row for row in rows if row["replaces_hi"] is not None)
    assert (replacing["duration_ms"], replacing["success_ppm"]) == (7_000, 0)


def test_the_newest_event_is_the_newest_that_counts(school):
    one = school()
    one.read("S1,Q1,T1,1,2024-08-01T00:00:00Z,1,A1\nS1,Q2,T1,1,2024-05-02T00:00:00Z,1,A2\n")
    one.read("S1,Q1,T1,1,2024-05-01T00:00:00Z,1,A1\n")  # the clock had been wrong
    moment = int(datetime(2024, 5, 2, tzinfo=UTC).timestamp()) * 1_000_000
    assert one.lake.newest(EVENTS, "occurred_at") == moment
    one.lake.compact()
    assert one.lake.newest(EVENTS, "occurred_at") == moment


def test_compaction_moves_what_does_not_count_and_changes_nothing_that_is_read(school):
    one = school()
    for text in (*THREE, OTHERS[0] + THREE[0]):
        one.read(text)
    before = one.counting(), one.superseded(), one.lake.newest(EVENTS, "occurred_at")
    version = one.lake.version(EVENTS)
    one.lake.compact()
    assert (one.counting(), one.superseded(), one.lake.newest(EVENTS, "occurred_at")) == before
    assert one.lake.count(EVENTS) == 2
    assert one.lake.count(SUPERSEDED) == 2
    assert one.lake.files_added(EVENTS, version, one.lake.version(EVENTS)) == []  # nobody is folded again for it
    again = one.lake.version(EVENTS), one.lake.version(SUPERSEDED)
    one.lake.compact()
    assert (one.lake.version(EVENTS), one.lake.version(SUPERSEDED)) == again


def test_a_compaction_killed_between_its_commits_leaves_each_row_once(school, monkeypatch):
    one = school()
    for text in THREE:
        one.read(text)
    before = one.counting(), one.superseded()

    class Killed(BaseException):
        pass

    def killed(*_given):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("mastery.lake.compaction.publish", killed)
        with pytest.raises(Killed):
            one.lake.compact()
    assert one.lake.count(SUPERSEDED) == 2
    assert (one.counting(), one.superseded()) == before
    assert one.read(THREE[0]) == (1, 0, 0, 1, 0)
    one.lake.compact()
    assert one.lake.count(SUPERSEDED) == 2
    assert (one.counting(), one.superseded()) == before


KEYS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=40)


@given(known=KEYS, incoming=KEYS)
def test_judging_is_that_of_a_dictionary(known, incoming):
    ids, bodies = (np.array(column, np.int64) for column in (zip(*known, strict=True) if known else ([], [])))
    new_ids = np.array([i for i, _ in incoming], np.int64)
    new_bodies = np.array([b for _, b in incoming], np.int64)
    found = judge(new_ids, -new_ids, new_bodies, Known(ids, -ids, bodies, ids)).verdicts

    seen, expected = set(known), []
    for key, body in incoming:
        if (key, body) in seen:
            expected.append(SAME)
        else:
            expected.append(REVISED if any(other == key for other, _ in seen) else NEW)
        seen.add((key, body))
    assert found.tolist() == expected


def test_many_events_of_one_body_and_many_bodies_of_one_event_are_judged_in_no_time():
    n = 200_000
    ids, one = np.random.default_rng(0).integers(-(2**62), 2**62, n), np.zeros(n, np.int64)
    nothing = Known(*[one[:0]] * 4)
    assert (judge(ids, ids, one, nothing).verdicts == NEW).all()
    assert (judge(one, one, ids, nothing).verdicts == np.array([NEW] + [REVISED] * (n - 1))).all()


@pytest.mark.slow
def test_corrections_are_taken_in_and_nothing_of_them_is_lost_while_compactions_run_beside(school):
    first = "".join(f"S{n % 9},Q{n},T1,1,2024-05-06T07:08:09Z,{50 + n % 7},A{n}\n" for n in range(400))
    again = [
        "".join(f"S{n % 9},Q{n},T1,1,2024-05-06T07:08:09Z,{seconds + n % 5},A{n}\n" for n in range(0, 400, 2))
        for seconds in (20, 30, 40)
    ]

    def run(name: str, beside: bool):
        one, done = school(name), threading.Event()
        compacted = 0

        def compact():
            nonlocal compacted
            other = Lake.open(one.lake.root)
            while not done.is_set():
                compacted += other.compact().buckets

        compacting = threading.Thread(target=compact)
        for number, text in enumerate([first, *again, first, again[0]]):
            counts = one.read(text)
            assert counts[3] == (counts[0] if number > 3 else 0)
            if beside and number == 0:
                compacting.start()
        done.set()
        if beside:
            compacting.join()
            assert compacted
        return one.counting(), one.superseded()

    assert run("beside", True) == run("alone", False)


GRADES = "submission_id,student_id,assignment_id,topic_ids,score_pct,timestamp\n"
TAGS = "attempt_id,student_id,question_id,topic_id,is_correct,timestamp"


def test_a_later_export_with_other_grades_replaces_all_of_the_earlier_ones(school, tmp_path):
    one, file = school(), tmp_path / "grades.csv"
    for day, least in enumerate((40, 80)):
        rows = [f"u{n},S{n % 4},a{n % 3},t1,{least + n},2026-03-02T09:{n:02d}:00Z\n" for n in range(20)]
        file.write_text(GRADES + "".join(rows))
        report = one.read_file(file, now=datetime(2026, 6, 1 + day, tzinfo=UTC))
        assert (report.accepted, report.revised) == ((20, 0), (0, 20))[day]
    grades = one.lake.scan(EVENTS, ["success_ppm"])["success_ppm"].to_pylist()
    assert sorted(grades) == [10_000 * (80 + n) for n in range(20)]


def test_a_later_export_with_another_topic_or_one_more_column_is_that_of_the_same_answers(school, tmp_path):
    one, file = school(), tmp_path / "answers.csv"
    exports = [
        (TAGS, [f"a{n},S1,q{n},old,{n % 2},2026-03-02T09:{n:02d}:00Z" for n in range(20)]),
        (f"{TAGS},time_spent_sec", [f"a{n},S1,q{n},old,{n % 2},2026-03-02T09:{n:02d}:00Z,10" for n in range(20)]),
        (f"{TAGS},time_spent_sec", [f"a{n},S1,q{n},new,{n % 2},2026-03-02T09:{n:02d}:00Z,10" for n in range(20)]),
    ]
    for day, (header, rows) in enumerate(exports):
        file.write_text("\n".join([header, *rows, ""]))
        report = one.read_file(file, now=datetime(2026, 6, 1 + day, tzinfo=UTC))
        assert (report.accepted, report.revised) == ((0, 20) if day else (20, 0))
    counting = one.lake.scan(EVENTS, ["topic_id", "duration_ms", "success_ppm"]).to_pylist()
    assert sorted(row["success_ppm"] for row in counting) == [0] * 10 + [1_000_000] * 10
    assert {(row["topic_id"], row["duration_ms"]) for row in counting} == {("new", 10_000)}


def test_a_revised_student_has_the_scores_of_one_whose_answers_were_always_so(tmp_path):
    def answers(folder, turned: bool):
        file = folder / f"{turned}.csv"
        rows = [
            f"S{n % 3},Q{n},T{n % 2},{n % 2 ^ (turned and n % 3 == 0)},2026-03-02T09:{n:02d}:00Z,5,A{n}"
            for n in range(30)
        ]
        file.write_text(HEADER + "\n".join(rows) + "\n")
        return file

    def shown(deployment: Deployment) -> list[str]:
        who = [KEY_OF_SCHOOL.student("default", f"S{number}") for number in range(3)]
        return [deployment.reader.student(one, tenant="default", as_of_us=NOW_US).model_dump_json() for one in who]

    revised, always = (Deployment.at(tmp_path / name) for name in ("revised", "always"))
    revised.ingest(answers(tmp_path, False))
    revised.recompute()
    before = shown(revised)
    revised.ingest(answers(tmp_path, True), now=SCHOOL_NOW + DAY)
    always.ingest(answers(tmp_path, True))
    after = shown(revised)
    assert after == shown(always)
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True]
    for deployment in (revised, always):
        assert deployment.recompute().events == 30
    assert shown(revised) == shown(always)
    assert revised.reader.class_scores(tenant="default") == always.reader.class_scores(tenant="default")
