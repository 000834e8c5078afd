"""Two rows under one id: a duplicate when they say the same, else the smaller body hash wins, whatever came first."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.ingest.dedupe import LOST, NEW, SAME, WON, judge
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED

NOW = datetime(2025, 1, 1, tzinfo=UTC)
KEY = Pseudonyms(bytes(32))
HEADER = "student_id,question_id,topic_id,is_correct,timestamp,time_spent_sec,attempt_id\n"
THREE = [f"S1,Q1,T1,1,2024-05-06T07:08:09Z,{seconds},A1\n" for seconds in (10, 20, 30)]
OTHERS = [f"S1,Q{n},T1,1,2024-05-06T07:08:09Z,{n},B{n}\n" for n in range(5)]


@pytest.fixture
def school(tmp_path):
    """Ingest texts one after the other into one lake; return the reports, the lake's rows and the refused."""

    def run(*texts: str, name: str = "lake"):
        lake = Lake.open(str(tmp_path / name), buckets=2)
        reports = []
        for number, text in enumerate(texts):
            file = tmp_path / f"{name}{number}.csv"
            file.write_text(HEADER + text)
            reports.append(ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW))
        # where it was read from depends on the order; what it says must not
        there = sorted((e["event_id_hi"], e["duration_ms"]) for e in lake.scan(EVENTS).to_pylist())
        refused = sorted((r["content_hash"], r["code"], r["value"]) for r in lake.scan(REJECTED).to_pylist())
        return reports, there, refused

    return run


def counts(report):
    return report.read, report.accepted, report.duplicates, report.rejected


def test_of_two_contradicting_rows_one_is_kept_whatever_came_first(school):
    first, second = THREE[:2]
    reports, there, refused = school(first, second, name="a")
    assert [counts(report) for report in reports] == [(1, 1, 0, 0), (1, 0, 0, 1)]
    assert len(there) == 1
    (entry,) = refused
    assert entry[1] == "conflict"
    assert "duration_ms" in entry[2]
    assert school(second, first, name="b")[1:] == (there, refused)
    assert school(first + second, name="c")[1:] == (there, refused)
    assert school(second + first, name="d")[1:] == (there, refused)


def test_three_contradicting_rows_leave_the_same_in_every_order_and_cut(school):
    results = []
    for number, order in enumerate(permutations(THREE)):
        for cut in (1, 2, 3):
            texts = ["".join(order[:cut]), "".join(order[cut:])]
            reports, there, _ = school(*[text for text in texts if text], name=f"{number}-{cut}")
            assert sum(report.accepted for report in reports) == 1
            assert sum(report.rejected for report in reports) == 2
            results.append(there)
    assert all(result == results[0] for result in results)


def test_reading_both_sides_of_a_conflict_again_changes_nothing(school):
    texts = [THREE[0] + "".join(OTHERS), THREE[1]]
    _, there, refused = school(*texts, name="once")
    reports, *again = school(*texts, *texts, name="twice")
    assert tuple(again) == (there, refused)
    assert sum(report.accepted for report in reports[2:]) == 0


def test_a_row_that_wins_over_the_lake_costs_no_other_row(school):
    for number, order in enumerate((THREE[:2], THREE[1::-1])):
        _, there, refused = school(order[0] + "".join(OTHERS), order[1] + OTHERS[0], name=str(number))
        assert len(there) == 6
        assert len(refused) == 1


KEYS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=40)


@given(known=KEYS, incoming=KEYS)
def test_judging_is_that_of_a_dictionary(known, incoming):
    lake = dict(known)
    ids = np.array(list(lake), np.int64)
    bodies = np.array(list(lake.values()), np.int64)
    new_ids = np.array([i for i, _ in incoming], np.int64)
    new_bodies = np.array([b for _, b in incoming], np.int64)
    found = judge(new_ids, -new_ids, new_bodies, ids, -ids, lambda: bodies)

    state, expected = dict(lake), []
    for key, body in incoming:
        if key not in state:
            expected.append(NEW)
        elif state[key] == body:
            expected.append(SAME)
        else:
            expected.append(LOST if body > state[key] else WON)
        state[key] = min(body, state.get(key, body))
    assert found.verdict.tolist() == expected

    after = {key: body for row, (key, body) in enumerate(lake.items()) if row not in set(found.replaced.tolist())}
    for row in found.kept.tolist():
        assert int(new_ids[row]) not in after
        after[int(new_ids[row])] = int(new_bodies[row])
    assert after == state
    conflicts = found.verdict >= LOST
    assert ((found.loser != -1) == conflicts).all()


def test_corrections_are_taken_in_and_nothing_of_them_is_lost_while_compactions_run_beside(tmp_path):
    first = "".join(f"S{n % 9},Q{n},T1,1,2024-05-06T07:08:09Z,{50 + n % 7},A{n}\n" for n in range(400))
    again = [
        "".join(f"S{n % 9},Q{n},T1,1,2024-05-06T07:08:09Z,{seconds + n % 5},A{n}\n" for n in range(0, 400, 2))
        for seconds in (20, 30, 40)
    ]

    def run(name: str, beside: bool):
        lake, done = Lake.open(str(tmp_path / name), buckets=2), threading.Event()
        compacted = 0

        def compact():
            nonlocal compacted
            other = Lake.open(str(tmp_path / name))
            while not done.is_set():
                compacted += other.compact().buckets

        compacting = threading.Thread(target=compact)
        for number, text in enumerate([first, *again]):
            file = tmp_path / f"{name}{number}.csv"
            file.write_text(HEADER + text)
            ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
            if beside and number == 0:
                compacting.start()
        done.set()
        if beside:
            compacting.join()
            assert compacted
        there = sorted((e["event_id_hi"], e["duration_ms"]) for e in lake.scan(EVENTS).to_pylist())
        return there, sorted((r["content_hash"], r["value"]) for r in lake.scan(REJECTED).to_pylist())

    assert run("beside", True) == run("alone", False)
