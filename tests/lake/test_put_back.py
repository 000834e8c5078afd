"""A lake that is put back, moved or removed at any moment of what is done with it: done, or told in one sentence."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from mastery.errors import MasteryError
from mastery.lake import Lake
from mastery.lake.handle import Handle
from mastery.lake.location import TableLocation
from mastery.lake.log import UNDO
from mastery.lake.undo import Brought
from mastery.tables import EVENTS, GOLD, SUPERSEDED

pytestmark = pytest.mark.slow  # a lake of its own for each moment

Events = Callable[..., pa.Table]

DONE: dict[str, Callable[[Lake, pa.Table], object]] = {
    "scan": lambda lake, _: lake.scan(EVENTS),
    "gold": lambda lake, _: lake.scan(GOLD),
    "student": lambda lake, _: lake.read_student(EVENTS, f"s_{1:032x}"),
    "newest": lambda lake, _: lake.newest(EVENTS, "occurred_at"),
    "identified": lambda lake, _: lake.holds(EVENTS, lake.identified(EVENTS)[1]),
    "number": lambda lake, _: lake._handle(EVENTS).number(f"{UNDO}.1"),
    "earlier": lambda lake, _: lake._handle(EVENTS).at(1),
    "append": lambda lake, rows: lake.append(EVENTS, rows),
    "replace": lambda lake, rows: lake.replace(GOLD, GOLD.schema.empty_table()),
    "missing": lambda lake, rows: lake.append_missing(SUPERSEDED, rows),
    "compact": lambda lake, _: lake.compact(EVENTS),
    "vacuum": lambda lake, _: lake.vacuum(EVENTS),
    "undo": lambda lake, _: lake.undo([Brought(1)]),
    "publishing": lambda lake, _: lake.begin_publishing(),
    "open": lambda lake, _: Lake.open(lake.root, create=False).scan(EVENTS),
}
DO = pytest.mark.parametrize("do", DONE.values(), ids=DONE)


@pytest.fixture
def lake(tmp_path: Path, events: Events) -> Lake:
    """A lake with a copy beside it from when it had fewer commits."""
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    lake.append(EVENTS, events(10))
    lake.begin_publishing()
    shutil.copytree(lake.root, tmp_path / "copy")
    for seed in (1, 2):
        lake.append(EVENTS, events(10, seed=seed))
    return lake


class Moved:
    """Counts the looks at a log, and puts the copy in its place, or nothing, after one of them."""

    def __init__(self, lake: Lake, after: int, put_back: bool) -> None:
        self.looks, self._after, self._put_back, self._root = 0, after, put_back, Path(lake.root)
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.looks += 1
            if self.looks == self._after:
                self._root.rename(self._root.with_name("away"))
                if self._put_back:  # another thread may have made a folder of it meanwhile
                    shutil.copytree(self._root.with_name("copy"), self._root, dirs_exist_ok=True)


POINTS = [
    (Handle, "_look"),
    (Handle, "settle"),
    (Handle, "_try"),
    (TableLocation, "make_folder"),
    (TableLocation, "size"),
]


@DO
@pytest.mark.parametrize("put_back", [True, False], ids=["put back", "gone"])
def test_it_is_done_or_told_in_one_sentence(lake, events, monkeypatch, tmp_path, do, put_back):
    for warm in (True, False):
        after, moved = 0, None
        while moved is None or moved.looks >= after:
            after += 1
            opened = Lake.open(lake.root)
            if warm:
                opened.scan(EVENTS)
            moved = Moved(opened, after, put_back)
            with monkeypatch.context() as patched:
                for owner, name in POINTS:
                    around(patched, owner, name, moved)
                told_or_done(do, opened, events(5, seed=9))
            if (tmp_path / "away").exists():
                shutil.rmtree(opened.root, ignore_errors=True)
                (tmp_path / "away").rename(opened.root)
        assert after < 100


def around(patched: pytest.MonkeyPatch, owner: type, name: str, moved: Moved) -> None:
    real = getattr(owner, name)

    def before_and_after(*given: object, **named: object) -> object:
        moved()
        found = real(*given, **named)
        moved()
        return found

    patched.setattr(owner, name, before_and_after)


def told_or_done(do: Callable[[Lake, pa.Table], object], lake: Lake, rows: pa.Table) -> None:
    said = ""
    try:
        do(lake, rows)
    except MasteryError as error:
        said = str(error)
    assert "\n" not in said and len(said) < 700


@pytest.mark.soak
@DO
def test_it_is_done_or_told_while_a_lake_is_put_back_all_the_time(lake, events, tmp_path, do):
    ended, root = threading.Event(), Path(lake.root)

    def put_back() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            root.rename(tmp_path / f"old-{number}")
            with suppress(OSError, shutil.Error):  # who writes makes folders of its own meanwhile
                shutil.copytree(tmp_path / "copy", root, dirs_exist_ok=True)
            root.mkdir(exist_ok=True)
            time.sleep(0.01)

    thread = threading.Thread(target=put_back)
    thread.start()
    try:
        for _ in range(100):
            told_or_done(do, lake, events(5, seed=9))
    finally:
        ended.set()
        thread.join()
