"""Write a simulated school to files: one file per source table, topics, items and the truth."""

from __future__ import annotations

import gzip as gz
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Literal, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from mastery.errors import BadInput, did_you_mean, writing
from mastery.simulation import SchoolPlan, course, simulate
from mastery.simulation.delivery import Delivery, deliver, in_order, spoiled
from mastery.simulation.rows import KINDS
from mastery.simulation.text import TextFormat, header, lines

Format = Literal["csv", "parquet", "ndjson"]
Progress = Callable[[int, int], None]

FORMATS = ("csv", "parquet", "ndjson")
STUDENTS_PER_CHUNK = 2_000  # part of what the files are: rows are in order of time within a chunk
# In a folder of its own, so that every file beside school.json can be ingested.
TRUE_MASTERY, TRUE_STUDENTS = "truth/mastery", "truth/students"
ABOUT = "school.json"


@dataclass(frozen=True)
class Counts:
    """What was written of one table: `rows` in all, the late, the second copies and the broken among them."""

    rows: int = 0
    late: int = 0
    duplicates: int = 0
    broken: dict[str, int] = field(default_factory=dict)

    def plus(self, delivery: Delivery) -> Counts:
        """Return the counts with one more delivery in them."""
        more = delivery.broken
        return Counts(
            self.rows + delivery.rows.num_rows,
            self.late + delivery.late,
            self.duplicates + delivery.duplicates,
            {name: self.broken.get(name, 0) + more.get(name, 0) for name in sorted({*self.broken, *more})},
        )


@dataclass(frozen=True)
class Written:
    """What a simulated school became: the file and the counts of each table, by its name."""

    files: dict[str, Path]
    counts: dict[str, Counts]

    @property
    def events(self) -> int:
        """Rows of the source tables, second copies and broken ones among them."""
        return sum(self.counts[name].rows for name in KINDS)


def write_school(
    plan: SchoolPlan,
    out: Path,
    format: Format = "csv",  # noqa: A002 - the name of the command's option
    gzip: bool = False,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> Written:
    """Simulate the school into the folder `out` and return what was written.

    The files are the source tables, topics and items; with plan.truth, truth/mastery and
    truth/students, what nobody can see; and school.json, the plan and the counts. Equal plans give
    equal bytes. No file appears under its name before all of them are whole. `progress` is called with
    (students done, students in all).

    Raises:
        BadInput: An unknown format, or files that are there and may not be replaced.
        Unwritable: The disk is full, or the folder may not be written to; no file is left unfinished.
    """
    if format not in FORMATS:
        raise BadInput(f"unknown format {format!r}; known: {', '.join(FORMATS)}{did_you_mean(format, list(FORMATS))}")
    if gzip and format == "parquet":
        raise BadInput("Parquet files are compressed already; leave gzip out, or write csv or ndjson")
    ending = f".{format}.gz" if gzip else f".{format}"
    tables = [*KINDS, "topics", "items", *([TRUE_MASTERY, TRUE_STUDENTS] if plan.truth else [])]
    files = {name: out / f"{name}{ending}" for name in tables}
    parts = {name: path.with_name(f".{path.name}.part") for name, path in [*files.items(), (ABOUT, out / ABOUT)]}
    counts = dict.fromkeys(tables, Counts())
    with writing("the simulated school", out), _removed_unless_whole(parts.values()):
        _make_room(out, [*files.values(), out / ABOUT], overwrite)
        with ExitStack() as stack:
            sinks = {name: stack.enter_context(_sink(parts[name], format, gzip)) for name in tables}
            for name, delivery in _deliveries(plan, format == "parquet", progress):
                sinks[name].write(delivery)
                counts[name] = counts[name].plus(delivery)
        parts[ABOUT].write_text(_about(plan, counts), encoding="utf-8")
        for name, path in files.items():
            parts[name].replace(path)
        parts[ABOUT].replace(out / ABOUT)  # last: who finds it finds all the others
    return Written(files, counts)


@contextmanager
def _removed_unless_whole(parts: Iterable[Path]) -> Iterator[None]:
    """Remove what lies under these unfinished names when the body has ended, well or not."""
    try:
        yield
    finally:
        for path in parts:
            path.unlink(missing_ok=True)


def _deliveries(plan: SchoolPlan, typed: bool, progress: Progress | None) -> Iterator[tuple[str, Delivery]]:
    topics, items = course(plan)
    yield "topics", in_order(topics)
    yield "items", in_order(items)
    for chunk in simulate(plan, students_per_chunk=STUDENTS_PER_CHUNK):
        for name, table in chunk.tables.items():
            yield name, deliver(plan, name, table, chunk.first, typed=typed)
        if plan.truth:
            yield TRUE_MASTERY, in_order(chunk.truth)
            yield TRUE_STUDENTS, in_order(chunk.students)
        if progress is not None:
            progress(chunk.last, plan.students)


def _make_room(out: Path, files: list[Path], overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; expected a folder to write the simulated school to")
    there = [path.name for path in files if path.exists()]
    if there and not overwrite:
        raise BadInput(f"{out} already holds {', '.join(there)}; give another folder, or --overwrite to replace them")
    for folder in {path.parent for path in files}:
        folder.mkdir(parents=True, exist_ok=True)


class _Sink(Protocol):
    """A file that takes the rows of one table bit by bit."""

    def write(self, delivery: Delivery) -> None: ...


class _TextSink:
    def __init__(self, file: IO[bytes], form: TextFormat) -> None:
        self._file, self._form, self._begun = file, form, False

    def write(self, delivery: Delivery) -> None:
        if not self._begun:
            self._file.write(header(delivery.rows.schema, self._form))
            self._begun = True
        self._file.write(lines(delivery, self._form))


class _ParquetSink:
    def __init__(self, file: IO[bytes], stack: ExitStack) -> None:
        self._file, self._stack = file, stack
        self._writer: pq.ParquetWriter | None = None

    def write(self, delivery: Delivery) -> None:
        table = _plain(spoiled(delivery))
        if self._writer is None:
            self._writer = self._stack.enter_context(pq.ParquetWriter(self._file, table.schema))
        self._writer.write_table(table)


def _plain(table: pa.Table) -> pa.Table:
    # Ids as plain strings: a reader that asks for the schema need not know that they were coded here.
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


@contextmanager
def _sink(path: Path, format: Format, gzip: bool) -> Iterator[_Sink]:  # noqa: A002
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(path.open("wb"))
        if gzip:
            # Without a name or a time in its head, so that equal plans give equal bytes.
            packed = gz.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
            file = cast(IO[bytes], stack.enter_context(packed))
        yield _ParquetSink(file, stack) if format == "parquet" else _TextSink(file, format)


def _about(plan: SchoolPlan, counts: dict[str, Counts]) -> str:
    about = {
        "plan": asdict(plan) | {"start": plan.start.isoformat()},
        "counts": {name: asdict(count) for name, count in counts.items()},
    }
    return json.dumps(about, indent=1) + "\n"
