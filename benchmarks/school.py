"""The school that the benchmarks use, as homes of the engine: built once, then only read or copied.

Events go the way they go in an ingest (parse, pseudonymise, identify) but for the files: simulated chunks
are handed on in memory. A bucket's rows lie in order of arrival, in one file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake.transaction import AddAction

from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.arrangement import Arrangement
from mastery.events.read_options import NOTHING_SAID
from mastery.events.registry import SOURCES
from mastery.lake import Lake
from mastery.lake.snapshot import Snapshot
from mastery.lake.tenants import root_of
from mastery.pipelines.ingest import course_metadata as courses
from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, Chunk
from mastery.pipelines.ingest.files import Block
from mastery.pipelines.ingest.held_rows import Held
from mastery.pipelines.ingest.prepare import ParseOptions, prepare
from mastery.simulation import SchoolPlan, course, simulate
from mastery.tables import EVENTS, ITEMS, TOPICS, Table

TENANT = "default"
LAKE = root_of("lake", TENANT)
"""The root of its tables, in its home."""

BUCKETS = 64

KEY = bytes(range(32))
"""Not a secret: nobody in this school exists. The same pseudonyms, and so the same buckets, everywhere."""

STUDENTS = 200_000
"""Students of the full school; they come to about 20 million events and 4 million student-topics."""

STUDENTS_PER_WRITE = 10_000
"""The number held at a time while a home is built: 1 million events, about 200 MB, in each of two threads."""


@dataclass(frozen=True)
class Built:
    """What a home of the school holds.

    Attributes:
        newest_us: Time of the newest event, the `as_of` of everything that is computed from it.
        made_of: Digest of the plan and of the columns of events; where it differs the home is built again.
    """

    students: int
    events: int
    newest_us: int
    made_of: str


def plan_of(students: int) -> SchoolPlan:
    """Return the school with that many students. Student n is the same however many there are."""
    return SchoolPlan.benchmark(students=max(students, 1))


def received(plan: SchoolPlan) -> datetime:
    """Return when the school's events are read: the day after its last one."""
    return datetime.combine(plan.start, time(), UTC) + timedelta(days=plan.days)


def lake_of(home: Path) -> Lake:
    """Return the lake of a home."""
    return Lake.open(str(home / LAKE), buckets=BUCKETS)


def prepared(
    plan: SchoolPlan, pseudonyms: Pseudonyms, buckets: int, first: int, last: int, students_per_chunk: int = 1_000
) -> Iterator[Held]:
    """Yield the events of students first to last − 1, a table of a chunk at a time, as an ingest prepares them."""
    topics = frozenset(course(plan)[0]["topic_id"].to_pylist())
    now = received(plan)
    for chunk in simulate(plan, first=first, last=last, students_per_chunk=students_per_chunk):
        for name, rows in chunk.tables.items():
            how = ParseOptions(SOURCES[name], name, _as_named(rows), TENANT, NOTHING_SAID, now, topics)
            ready = prepare(_block(rows), how, pseudonyms, buckets)
            if ready.rejected.num_rows:
                raise RuntimeError(f"{ready.rejected.num_rows} simulated {name} were rejected: {ready.rejected[:1]}")
            if ready.events is not None and ready.order.size:
                yield ready.events


def events_of(plan: SchoolPlan, first: int, last: int) -> pa.Table:
    """Return the events of students first to last − 1 in columns of EVENTS, without `bucket`."""
    pieces = [piece.rows.slice(0, piece.rows.num_rows) for piece in prepared(plan, Pseudonyms(KEY), 1, first, last)]
    return pa.concat_tables(pieces).unify_dictionaries().combine_chunks()


def built_in(home: Path) -> Built | None:
    """Return what a home holds; None where none has been built to its end."""
    said = home / "built.json"
    return Built(**json.loads(said.read_text())) if said.exists() else None


def build(home: Path, students: int, progress: Callable[[str], None] = print) -> Built:
    """Make the home of a school with that many students, unless it is there, and return what it holds."""
    there = built_in(home)
    plan, scratch = plan_of(students), home / "scratch"
    if there is not None and there.made_of == made_of(plan):
        return there
    shutil.rmtree(home, ignore_errors=True)
    (home / "keys").mkdir(parents=True)
    key = home / "keys" / "pseudonym.key"
    key.touch(mode=0o600)
    key.write_text(KEY.hex() + "\n")
    lake, arriving = lake_of(home), Lake.open(str(scratch), buckets=BUCKETS)
    _put_course(lake, plan)

    def land(first: int) -> int:
        last = min(first + STUDENTS_PER_WRITE, students)
        pieces = prepared(plan, Pseudonyms(KEY), BUCKETS, first, last)
        rows = pa.concat_tables([piece.rows.slice(0, piece.rows.num_rows) for piece in pieces])
        arriving.append(EVENTS, rows)
        progress(f"simulated students {first + 1:,} to {last:,}: {rows.num_rows:,} events")
        return int(rows.num_rows)

    with ThreadPoolExecutor(2) as pool:
        events = sum(pool.map(land, range(0, students, STUDENTS_PER_WRITE)))
        at = arriving.snapshot(EVENTS)
        parts = list(pool.map(lambda bucket: _in_order_of_arrival(arriving, lake, bucket, at), range(BUCKETS)))
    lake.commit(EVENTS, [add for add, _ in parts if add is not None])
    shutil.rmtree(scratch)
    built = Built(students, events, max(newest for _, newest in parts), made_of(plan))
    (home / "built.json").write_text(json.dumps(asdict(built)) + "\n")
    os.sync()
    return built


def made_of(plan: SchoolPlan) -> str:
    """Return a digest of what the events of a home depend on, as far as it can be told from outside."""
    return hashlib.sha256(f"{plan}\n{LAKE}\n{EVENTS.schema}".encode()).hexdigest()[:16]


def copy(home: Path, to: Path, tables: tuple[Table, ...] = (EVENTS, TOPICS, ITEMS)) -> None:
    """Make a second home of the same events. Parquet files never change, so they are linked and not copied."""
    shutil.rmtree(to, ignore_errors=True)
    for table in tables:
        if (home / LAKE / table.name).exists():
            link_tree(home / LAKE / table.name, to / LAKE / table.name)
    shutil.copytree(home / "keys", to / "keys")
    shutil.copy(home / "built.json", to / "built.json")


def link_tree(folder: Path, to: Path) -> None:
    """Copy a folder of tables; Parquet files are linked."""
    shutil.copytree(folder, to, copy_function=_link)


def quiz_only(plan: SchoolPlan) -> SchoolPlan:
    """Return the same school in which nothing is done but answering questions."""
    return replace(
        plan,
        quiz_share=1.0,
        practice_share=0.0,
        assignment_share=0.0,
        video_share=0.0,
        chatbot_share=0.0,
        feedback_share=0.0,
    )


def _put_course(lake: Lake, plan: SchoolPlan) -> None:
    for table, source, rows in zip((TOPICS, ITEMS), ("topics", "items"), course(plan), strict=True):
        how = ParseOptions(SOURCES[source], source, _as_named(rows), TENANT, NOTHING_SAID, received(plan), frozenset())
        ready = prepare(_block(rows), how, Pseudonyms(KEY), BUCKETS)
        courses.merge(lake, table, [(0, ready.metadata)], [frozenset(rows.column_names)])


def _in_order_of_arrival(arriving: Lake, lake: Lake, bucket: int, at: Snapshot) -> tuple[AddAction | None, int]:
    rows = arriving.read_bucket(EVENTS, bucket, at=at)
    if not rows.num_rows:
        return None, 0
    at_us = rows["occurred_at"].cast(pa.int64()).to_numpy()
    rows = rows.take(pa.array(np.argsort(at_us, kind="stable")))
    return lake.write_file(EVENTS, rows, bucket), int(at_us.max())


def _as_named(rows: pa.Table) -> Arrangement:
    return Arrangement({name: name for name in rows.column_names})


def _block(rows: pa.Table) -> Block:
    chunk = Chunk(rows, np.arange(1, rows.num_rows + 1, dtype=np.int64), NOTHING_BROKEN)
    return Block(lambda: chunk, 0)


def _link(source: str, to: str) -> None:
    if source.endswith(".parquet"):
        os.link(source, to)
    else:
        shutil.copy2(source, to)
