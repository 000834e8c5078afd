"""Any sequence of ingests and undos leaves what ingesting only the files that were not undone does, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mastery.errors import NotFound
from mastery.pipelines.ingest.ingests import entries, named
from mastery.pipelines.ingest.undo import undo
from mastery.tables import EVENTS
from school import KEY, NOW, NOW_US, Deployment

HEADER = "attempt_id,student_id,question_id,topic_id,is_correct,timestamp,time_spent_sec\n"
STUDENTS, ROWS, FILES = 4, 12, 4

Step = tuple[str, int]
"""ingest or undo a file by its number; compact."""

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ingest"), st.integers(0, FILES - 1)),
        st.tuples(st.just("ingest"), st.integers(0, FILES - 1)),
        st.tuples(st.just("undo"), st.integers(0, FILES - 1)),
        st.tuples(st.just("compact"), st.just(0)),
        st.tuples(st.just("show"), st.just(0)),
    ),
    min_size=1,
    max_size=9,
)

CONTENTS = st.lists(st.sets(st.integers(0, ROWS - 1), min_size=1), min_size=FILES, max_size=FILES)
"""Of each file, which answers it has. Files agree on the ids of answers and on nothing else that they say of them."""


def content(number: int, rows: set[int]) -> str:
    return HEADER + "".join(
        f"A{n},S{n % STUDENTS},Q{n % 5},T{n % 3},{(n * 7 + number) % 3 // 2},2026-03-{1 + n:02d}T08:00Z,{10 + number}\n"
        for n in sorted(rows)
    )


def state_of(one: Deployment) -> dict[str, object]:
    """Everything that counts, everything that was replaced, and every score, with its reasons."""
    found: dict[str, object] = {}
    said = [name for name in EVENTS.schema.names if name != "ingest"]
    found["events"] = sorted(map(repr, one.lake.scan(EVENTS, said).to_pylist()))
    found["superseded"] = sorted(map(repr, one.lake.superseded(said).to_pylist()))
    for number in range(STUDENTS):
        try:
            shown = one.reader.student(KEY.student("default", f"S{number}"), tenant="default", as_of_us=NOW_US)
            found[f"S{number}"] = shown.model_dump_json()
        except NotFound:
            found[f"S{number}"] = None
    return found


def run(folder: Path, files: Sequence[str], steps: Sequence[tuple[str, int, int]]) -> dict[str, object]:
    """Do these steps, each on a day of its own, in a new deployment."""
    one = Deployment.at(folder, buckets=2)
    ids: dict[int, str] = {}
    for what, number, day in steps:
        now = NOW + timedelta(days=day)
        if what == "ingest":
            file = folder / f"{number}.csv"
            file.write_text(files[number])
            ids[number] = one.ingest(file, now=now).ingest
        elif what == "undo":
            undo(one.lake, named(entries(one.lake), ids[number]), now=now)
        elif what == "compact":
            one.lake.compact(EVENTS)
        else:
            state_of(one)
    return state_of(one)


def kept(steps: Sequence[Step]) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """Return the steps that can be done, with their days, and those of them that are left without what was undone."""
    done: list[tuple[str, int, int]] = []
    left: list[tuple[str, int, int]] = []
    for day, (what, number) in enumerate(steps):
        there = [step for step in left if step[1] == number]
        if (what == "ingest" and there) or (what == "undo" and not there):
            continue  # a file that is there is all duplicates; one that is not there has nothing to take back
        done.append((what, number, day))
        if what == "ingest":
            left.append((what, number, day))
        elif what == "undo":
            left.remove(there[0])
    return done, left


@pytest.mark.slow
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(contents=CONTENTS, steps=STEPS)
def test_what_was_undone_was_never_there(contents, steps):
    files = [content(number, rows) for number, rows in enumerate(contents)]
    done, left = kept(steps)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        assert run(Path(one), files, done) == run(Path(other), files, left)
