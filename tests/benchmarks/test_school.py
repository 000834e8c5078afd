"""The homes that benchmarks are run on hold what they say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import school
from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.identity import buckets
from mastery.simulation import simulate
from mastery.simulation.chunk import student_id
from mastery.tables import EVENTS, ITEMS, TOPICS

STUDENTS = 30


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("homes") / "school"
    school.build(folder, STUDENTS, progress=lambda _: None)
    return folder


def test_no_simulated_event_is_lost_on_the_way_into_the_lake(home):
    simulated = sum(chunk.events for chunk in simulate(school.plan_of(STUDENTS)))
    built, lake = school.built_in(home), school.lake_of(home)
    assert built.events == lake.count(EVENTS) == simulated
    assert lake.count(TOPICS) == 300
    assert lake.count(ITEMS) == 6_000
    assert len(set(lake.scan(EVENTS, ["kind"])["kind"].to_pylist())) == 6


def test_a_bucket_is_one_file_of_its_own_students_in_order_of_arrival(home):
    lake = school.lake_of(home)
    for bucket in range(lake.buckets):
        rows = lake.read_bucket(EVENTS, bucket, ["student_id", "occurred_at"])
        assert len(lake.snapshot(EVENTS).bucket(bucket)) <= 1
        assert set(buckets(rows["student_id"], lake.buckets).tolist()) <= {bucket}
        at_us = rows["occurred_at"].cast(pa.int64()).to_numpy()
        assert (np.diff(at_us) >= 0).all()


def test_a_student_is_found_under_the_pseudonym_of_the_key(home):
    lake, pseudonyms = school.lake_of(home), Pseudonyms(school.KEY)
    rows = sum(
        lake.read_student(EVENTS, pseudonyms.student(school.TENANT, student_id(number))).num_rows
        for number in range(STUDENTS)
    )
    assert rows == lake.count(EVENTS)


def test_a_home_that_is_there_is_not_built_again(home):
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    school.build(home, STUDENTS, progress=lambda _: None)
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before


def test_a_home_of_other_events_is_built_again(home, tmp_path):
    school.copy(home, tmp_path / "old")
    said = tmp_path / "old" / "built.json"
    said.write_text(said.read_text().replace(school.built_in(home).made_of, "of old"))
    assert school.build(tmp_path / "old", STUDENTS, progress=lambda _: None) == school.built_in(home)


def test_compacting_a_copy_leaves_the_home_as_it_was(home, tmp_path):
    before = school.lake_of(home).scan(EVENTS)
    school.copy(home, tmp_path / "copy")
    lake = school.lake_of(tmp_path / "copy")
    assert lake.scan(EVENTS).equals(before)
    lake.compact(EVENTS)
    lake.append(EVENTS, before.slice(0, 5))
    assert lake.count(EVENTS) == before.num_rows + 5
    assert school.lake_of(home).scan(EVENTS).equals(before)
