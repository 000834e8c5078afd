"""A disk that fills, or may not be written to: one sentence, nothing half written, and all well once there is room."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from crash.commands import COMMANDS, answers, base, everything, ingest, school
from mastery.apps.export import export
from mastery.engine import Engine
from mastery.errors import Unwritable
from mastery.events.identity import buckets as bucket_of
from mastery.lake import Lake
from mastery.pipelines.simulation.simulate import write_school
from mastery.settings import load_settings
from mastery.simulation import SchoolPlan
from mastery.tables import EVENTS, GOLD, TABLES

ROOT = Path(__file__).parents[2]
MIB = 1 << 20

pytestmark = pytest.mark.slow


SIZES = [0, *(4096 * k for k in (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64)), 20 * MIB]
FEW = [0, 32 << 10, 128 << 10, 20 * MIB]


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A small disk of its own, of which nothing is held open in the end: else it could not be unmounted."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root, with mount")
    line = ["mount", "-t", "tmpfs", "-o", f"size={48 * MIB}", "tmpfs", folder]
    if subprocess.run(line, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield folder
        gc.collect()
        assert held(folder) == []
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def held(folder: Path) -> list[str]:
    """Return what any process holds of a disk: open files, and those in its memory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            links = [str(link.readlink()) for link in (process / "fd").iterdir()]
            maps = [line for line in (process / "maps").read_text().splitlines() if f"{folder}/" in line]
            found += [*(f"{process.name}: {name}" for name in links if name.startswith(f"{folder}/")), *maps]
    return found


@pytest.fixture(scope="module")
def whole_disk(tmp_path_factory) -> Iterator[Path]:
    with mounted(tmp_path_factory.mktemp("disk")) as folder:
        yield folder


@pytest.fixture
def disk(whole_disk: Path) -> Path:
    """The disk, empty, and no file of it open."""
    gc.collect()
    for path in whole_disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return whole_disk


def leave(disk: Path, free: int) -> Path:
    """Fill the disk up to that many bytes, and return the file that fills it."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    there = os.statvfs(disk)
    with filler.open("wb") as file:
        file.write(bytes(there.f_bavail * there.f_frsize - free))
    return filler


def nameless(home: Path) -> list[Path]:
    """Return the data files that no commit has ever named."""
    found: list[Path] = []
    for name in TABLES:
        folder = home / "lake" / name
        lines = [line for log in folder.glob("_delta_log/*.json") for line in log.read_text().splitlines()]
        named = {action["add"]["path"] for action in map(json.loads, lines) if "add" in action}
        found += [path for path in folder.rglob("*.parquet") if str(path.relative_to(folder)) not in named]
    return found


def refused(run: Callable[[], Any]) -> bool:
    """Run it; tell whether the disk was full, which is told in one sentence."""
    said = None
    try:
        run()
    except Unwritable as error:
        said = str(error)
    if said is None:
        return False
    assert "no space left to write" in said and "free some space" in said
    assert "\n" not in said and len(said) < 400
    return True


def test_an_ingest_on_a_disk_of_twenty_sizes_says_so_leaves_nothing_and_ends_when_there_is_room(disk, tmp_path):
    ingest(tmp_path / "whole", "first", answers(0, 240, 0))
    expected = sorted(map(repr, school(tmp_path / "whole").lake.scan(EVENTS).to_pylist()))
    outcomes = []
    for size in SIZES:
        home = disk / "home"
        home.mkdir()
        (home / "first.csv").write_text("")
        filler = leave(disk, size)
        outcomes.append(refused(lambda home=home: ingest_from(tmp_path / "first.csv", home)))
        filler.unlink()
        if outcomes[-1]:
            assert nameless(home) == [], size
        ingest_from(tmp_path / "first.csv", home)
        assert sorted(map(repr, school(home).lake.scan(EVENTS).to_pylist())) == expected, size
        shutil.rmtree(home)
    assert len(outcomes) == 20
    assert outcomes[0] and outcomes[2] and not outcomes[-1]


def test_rows_that_a_full_disk_keeps_from_being_distributed_leave_no_file(disk):
    """Of sizes some have room for the files of the buckets and none for the commit that names them."""
    home, outcomes = disk / "home", []
    lake = school(home).lake
    ingest(home, "first", answers(0, 240, 0))
    rows = lake.scan(EVENTS)
    bucket = bucket_of(rows["student_id"], lake.buckets)
    ordered = rows.take(pa.array(np.argsort(bucket, kind="stable")))
    lake.commit(EVENTS, [lake.write_file(EVENTS, ordered, np.unique(bucket).tolist())], mode="overwrite")
    for pages in range(64):
        filler = leave(disk, 4096 * pages)
        outcomes.append(refused(lake.distribute))
        filler.unlink()
        if not outcomes[-1]:
            break
        assert nameless(home) == [], pages
    assert outcomes[0] and not outcomes[-1]
    assert sorted(map(repr, lake.scan(EVENTS).to_pylist())) == sorted(map(repr, rows.to_pylist()))


def ingest_from(file: Path, home: Path) -> None:
    deployment = school(home)
    try:
        deployment.ingest(file)
    finally:
        deployment.state.close()


@pytest.mark.parametrize("sizes", [FEW, pytest.param(SIZES, marks=pytest.mark.soak)], ids=len)
@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.shows])
def test_a_command_on_a_full_disk_says_so_leaves_nothing_and_ends_when_there_is_room(disk, name, sizes):
    command = COMMANDS[name]
    prepared = disk / "prepared"  # files lie beside the home, and are the same when they are read again
    prepared.mkdir()
    command.prepare(prepared)
    shutil.copytree(prepared, disk / "whole")
    command.run(disk / "whole")
    expected = everything(school(disk / "whole"))
    shutil.rmtree(disk / "whole")
    outcomes = []
    for size in sizes:
        home = disk / "home"
        shutil.copytree(prepared, home)
        if name == "ingest":
            (home / "second.csv").write_text(" " * 20_000)  # its place is there: what fails is the lake
        filler = leave(disk, size)
        outcomes.append(refused(lambda home=home: command.run(home)))
        filler.unlink()
        if outcomes[-1]:
            assert nameless(home) == [], size
        command.run(home)
        found = everything(school(home))
        assert [part for part in expected if found[part] != expected[part]] == [], size
        shutil.rmtree(home)
    assert outcomes[0] and not outcomes[-1]


def test_an_export_and_a_simulated_school_on_a_full_disk_leave_no_file(disk, tmp_path):
    base(tmp_path)
    lake = school(tmp_path).lake
    leave(disk, 0)
    assert refused(lambda: export(lake, GOLD, disk / "gold.csv", "csv"))
    assert refused(lambda: export(lake, GOLD, disk / "gold.parquet", "parquet"))
    for form in ("csv", "parquet", "ndjson"):
        assert refused(lambda form=form: write_school(SchoolPlan(students=20, days=30), disk / form, form))
    assert [path for path in disk.rglob("*") if path.is_file() and path.name != "filler"] == []


def test_a_home_that_may_not_be_written_to_is_named_in_one_sentence(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "read-only").mkdir()
    base(tmp_path / "home")
    with mounted(tmp_path / "read-only") as disk:
        shutil.copytree(tmp_path / "home", disk, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        lake = school_lake(disk)
        recompute = COMMANDS["recompute"].run
        for run in (lambda: lake.append(EVENTS, lake.scan(EVENTS)), lake.compact, lambda: recompute(disk)):
            with pytest.raises(Unwritable, match=r"not allowed to write .*read-only") as told:
                run()
            assert "\n" not in str(told.value)


def school_lake(home: Path) -> Lake:
    return Lake.open(str(home / "lake"), create=False)


MAIN = "from mastery.apps.cli import main; main()"


def command_line(disk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MASTERY_")}
    return subprocess.run(
        [sys.executable, "-c", MAIN, "--home", "home", *arguments],
        cwd=disk,
        env=environment | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("with_records", [True, False])
def test_a_home_that_may_not_be_written_to_is_read_and_ready(tmp_path, with_records, caplog):
    for name in ("quiz_attempts.csv", "practice_sessions.csv"):  # the second is news that records have not seen
        assert command_line(tmp_path, "ingest", str(ROOT / "data" / "sample" / name)).returncode == 0
        if name.startswith("quiz"):
            assert command_line(tmp_path, "recompute", "--as-of", "latest").returncode == 0
    if not with_records:
        shutil.rmtree(tmp_path / "home" / "state")
    (tmp_path / "read-only").mkdir()
    with mounted(tmp_path / "read-only") as disk:
        shutil.copytree(tmp_path / "home", disk / "home")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        shown = []
        for folder in (tmp_path, disk):
            engine = Engine.connect(load_settings(home=folder / "home", environ={}).settings, create=False)
            for check in engine.checks().values():
                check()
            students = [engine.student(f"S{number:06d}", as_of="latest") for number in range(1, 6)]
            shown.append([*students, engine.class_report(in_need=3)])
            engine.close()
        assert shown[0] == shown[1]
        assert not caplog.messages  # there is nothing that a reader could do about it


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of this test alone: one of which anything is open for writing cannot be made read-only."""
    (tmp_path / "own").mkdir()
    with mounted(tmp_path / "own") as folder:
        yield folder


@pytest.mark.parametrize("free", [0, 64 << 10, None])
def test_a_student_is_shown_on_a_disk_that_can_keep_no_record(own_disk, free):
    disk, sample = own_disk, ROOT / "data" / "sample"
    assert command_line(disk, "ingest", str(sample / "quiz_attempts.csv")).returncode == 0
    assert command_line(disk, "recompute", "--as-of", "latest").returncode == 0
    assert command_line(disk, "ingest", str(sample / "practice_sessions.csv")).returncode == 0  # records are stale now
    show = ("show", "S000014", "--as-of", "latest", "--json")
    if free is None:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    else:
        filler = leave(disk, free)
    shown = command_line(disk, *show)
    if free is None:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    else:
        filler.unlink()
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout) == json.loads(command_line(disk, *show).stdout)


@pytest.mark.parametrize(
    "line",
    [
        ["ingest", str(ROOT / "data" / "sample")],
        ["recompute"],
        ["compact"],
        ["simulate", "--out", "school", "--students", "20"],
        ["export", "events", "--format", "csv", "--out", "events.csv"],
    ],
    ids=lambda line: line[0],
)
def test_the_command_line_tells_a_full_disk_in_one_line_with_exit_code_5(disk, line):
    if line[0] not in ("ingest", "simulate"):
        for part in ("quiz_attempts.csv", "practice_sessions.csv"):
            assert command_line(disk, "ingest", str(ROOT / "data" / "sample" / part)).returncode == 0
    leave(disk, 8 << 10)
    done = command_line(disk, *line)
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert done.stderr.startswith("error: no space left to write") and done.stderr.count("\n") == 1
