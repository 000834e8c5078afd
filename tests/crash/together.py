"""Everything at once on one home, killed at random, and put back from a copy in between; one JSON document at the end.

    python -m crash.together FOLDER SECONDS FILES KILLS ACTOR,ACTOR,… [ACTOR,ACTOR,…]…

Each actor is a fork of this process, which touches neither Delta nor SQLite. It does one thing again and again, and
where it is killed another takes its place; those of one word are at work together for SECONDS, then those of the next.
KILLS 0 kills nobody and copies nothing. What goes wrong in an actor is written down, and comes out at the end; so does
whatever is read and is no score of this home at that moment.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from typer.testing import CliRunner

from crash.one_home import (
    STUDENT_IDS,
    WRITERS,
    Expected,
    class_essence,
    done_or_overtaken,
    files_in,
    files_of,
    make_home,
    run_fit,
    run_ingest,
    run_recompute,
    run_to_the_end,
    student_essence,
)
from crash.server import forked
from mastery.apps.api.server import server_of
from mastery.apps.cli import build
from mastery.engine import Engine
from mastery.errors import MasteryError
from mastery.settings import load_settings
from school import NOW

AS_OF = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
COPIED = ("lake", "state", "done")
"""What a copy of the home has: the key and the files that come in are where they were."""


class WrongAnswer(Exception):
    """Something was shown that was not so at that moment."""


class Shown:
    """Compares what is read with what it may be."""

    def __init__(self, folder: Path, expected: Expected) -> None:
        self._folder, self._expected = folder, expected
        self._put_back, self.last_class = "", [0]

    @contextmanager
    def reading(self, who: str) -> Iterator[Callable[[str], None]]:
        """Take what is read of a student (a class: "") within."""
        put_back, before = self.put_back, files_in(self._folder)
        found: list[str] = []
        try:
            yield found.append
        except (MasteryError, HTTPError) as error:
            if self.put_back == put_back:
                said = error.read().decode() if isinstance(error, HTTPError) else ""
                raise WrongAnswer(f"{who or 'class'}: {error} {said}") from error
            return  # a file of the home that was there before is gone while it was read
        after = files_in(self._folder)
        at = self._expected.shown[who].get(found[0])
        if at is None:
            raise WrongAnswer(f"{who or 'class'}: never so, after {before} to {after} files: {found[0]}")
        if self.put_back != put_back:
            return  # another home while it was read: it may be of either
        if put_back != self._put_back:
            self._put_back, self.last_class = put_back, [0]
        # Of a student as many files as had come in, or the one that comes; of a class what is published, never earlier.
        least = before if who else self.last_class[0]
        right = [files for files in at if least <= files <= after + 1]
        if not right:
            raise WrongAnswer(f"{who or 'class'}: as after {at} files, when {least} to {after} had come in")
        if not who:
            self.last_class = right

    @property
    def put_back(self) -> str:
        return (self._folder / "put-back").read_text()


def read_by_command(folder: Path, shown: Shown) -> None:
    """Read a class and a student with a command each, as new processes do."""
    student = random.choice(STUDENT_IDS)
    with shown.reading(student) as found:
        found(student_essence(said(folder, "show", student, "--as-of", AS_OF, "--json")))
    with shown.reading("") as found:
        found(class_essence(said(folder, "class-report", "--json")))


def said(folder: Path, *line: str) -> Any:
    done = CliRunner().invoke(build(), ["--home", str(folder), *line], catch_exceptions=False)
    return json.loads(done.stdout)


def read_over_http(folder: Path, shown: Shown) -> None:
    """Start the API, and read classes and students from it until the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {"MASTERY_API__PORT": str(port), "MASTERY_LOG_LEVEL": "warning"}
    server = server_of(Engine.connect(load_settings(home=folder, environ=environ).settings, create=False))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    while True:
        student = random.choice(STUDENT_IDS)
        for who, path in ((student, f"/mastery/{student}?as_of={AS_OF}"), ("", "/mastery")):
            with (
                shown.reading(who) as found,
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer,
            ):
                found((student_essence if who else class_essence)(json.load(answer)))


READERS = {"cli": read_by_command, "http": read_over_http}


class Actors:
    """The processes that are at work."""

    def __init__(self, folder: Path, expected: Expected, names: list[str]) -> None:
        self._folder, self._expected = folder, expected
        self._names: dict[int, str] = {}
        self.failures: list[str] = []
        self.began: dict[str, int] = {}
        for name in names:
            self.start(name)

    def start(self, name: str) -> None:
        self.began[name] = self.began.get(name, 0) + 1
        child = os.fork()
        if child:
            self._names[child] = name
            return
        try:
            random.seed(os.getpid())
            self._work(name)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
            (self._folder / "wrong" / str(os.getpid())).write_text(f"{name}: {traceback.format_exc()}")
        os._exit(1)

    def _work(self, name: str) -> None:
        shown = Shown(self._folder, self._expected)
        while True:
            if name in WRITERS:
                done_or_overtaken(WRITERS[name], self._folder)
            else:
                READERS[name](self._folder, shown)

    def look(self) -> None:
        """Put another in the place of each that has ended by itself."""
        for child in list(self._names):
            if os.waitpid(child, os.WNOHANG)[0]:
                self.start(self._names.pop(child))

    def kill_one(self) -> None:
        child = random.choice(list(self._names))
        self.start(self.kill(child))

    def kill(self, child: int) -> str:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return self._names.pop(child)

    def kill_all(self, names: tuple[str, ...]) -> list[str]:
        return [self.kill(child) for child, name in list(self._names.items()) if name in names]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Nobody does anything meanwhile, wherever they are: what is copied is of one moment."""
        ended = []
        for child in list(self._names):
            os.kill(child, signal.SIGSTOP)
            if not os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1]):
                ended.append(self._names.pop(child))
        yield
        for child in self._names:
            os.kill(child, signal.SIGCONT)
        for name in ended:
            self.start(name)


def copy(folder: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    for name in COPIED:
        shutil.copytree(folder / name, to / name)


def put_back(folder: Path, copied: Path, number: int, names: tuple[str, ...]) -> None:
    """Put some of a copy in the place of what is there, whose files stay for who has them open."""
    for name in names:
        (folder / name).rename(folder / f"{name}-{number}")
        shutil.copytree(copied / name, folder / name)
    (folder / "put-back").write_text(str(number))


def check_beside(folder: Path, copied: Path, expected: Expected) -> None:
    """Read a copy beside the home, as it is and after a recompute, which is of what had come in by then."""
    for name in ("keys", "files"):
        (copied / name).symlink_to(folder / name)
    (copied / "put-back").write_text("")
    shown = Shown(copied, expected)
    for recomputed in (False, True):
        if recomputed:
            run_recompute(copied)
        for who in ("", *STUDENT_IDS):
            with shown.reading(who) as found:
                line = ("show", who, "--as-of", AS_OF, "--json") if who else ("class-report", "--json")
                found((student_essence if who else class_essence)(said(copied, *line)))
    assert max(shown.last_class) >= files_in(copied), shown.last_class


class Times:
    """The home of all that is done: it is killed in, copied and put back as time goes on."""

    def __init__(self, folder: Path, home: Path, expected: Expected) -> None:
        self._folder, self._home, self._expected = folder, home, expected
        self.kills = 0
        self.copies: list[Path] = []
        self.put_back = 0
        self.began: dict[str, int] = {}

    def together(self, names: list[str], seconds: float, kills: bool) -> None:
        """Let some actors be at work at once, for seconds at least."""
        actors = Actors(self._home, self._expected, names)
        copy_at, back_at = seconds / 6, seconds / 4
        began, files = time.monotonic(), files_in(self._home)
        while (now := time.monotonic() - began) < seconds or not self._something_happened(names, files, kills):
            time.sleep(random.uniform(0.0, 0.3))
            actors.look()
            if not kills:
                continue
            actors.kill_one()
            self.kills += 1
            if now > copy_at:
                self._copy(actors)
                copy_at += seconds / 4
            if now > back_at:
                self._put_back(actors)
                back_at += seconds / 4
        actors.kill_all((*WRITERS, *READERS))
        for name, count in actors.began.items():
            self.began[name] = self.began.get(name, 0) + count

    def _something_happened(self, names: list[str], files: int, kills: bool) -> bool:
        """Tell whether what this is for has happened at all: on a slow machine it may take longer than was thought."""
        if kills:
            return bool(self.kills and self.copies and self.put_back)
        return "ingest" not in names or files_in(self._home) > files or files == files_of(self._home)

    def _copy(self, actors: Actors) -> None:
        to = self._folder / f"copy-{len(self.copies)}"
        with actors.stopped():
            for name in COPIED:
                shutil.copytree(self._home / name, to / name)
        self.copies.append(to)

    def _put_back(self, actors: Actors) -> None:
        """Put the last copy in the place of what is there, whose files stay for who has them open; its lake alone, or
        all of it.
        """
        writers = actors.kill_all(tuple(WRITERS))
        with actors.stopped():
            for name in COPIED:
                if name == "state" and self.put_back % 2 == 0:
                    continue
                (self._home / name).rename(self._home / f"{name}-{self.put_back}")
                shutil.copytree(self.copies[-1] / name, self._home / name)
            self.put_back += 1
            (self._home / "put-back").write_text(str(self.put_back))
        for name in writers:
            actors.start(name)


def main(folder: Path, seconds: float, files: int, kills: bool, groups: list[list[str]]) -> None:
    whole, home, answer = (folder / name for name in ("whole", "home", "answer.json"))

    def done(work: Callable[[], Any]) -> Any:
        if forked(work, answer) != 0:
            raise SystemExit("a run beside the others failed")
        return json.loads(answer.read_text())

    def uninterrupted() -> list[Any]:
        expected, found = Expected.of(whole)
        return [expected.shown, found]

    def begun() -> None:
        run_ingest(home, 0)
        run_fit(home)
        run_recompute(home)

    for one in (whole, home):
        one.mkdir()
        make_home(one, files)
        for name in ("done", "wrong"):
            (one / name).mkdir()
        (one / "put-back").write_text("")
    shown, wanted = done(uninterrupted)
    expected = Expected(shown)
    done(begun)
    times = Times(folder, home, expected)
    for names in groups:
        times.together(names, seconds, kills)
    for copied in times.copies:
        done(lambda copied=copied: check_beside(home, copied, expected))  # type: ignore[misc]
    came_in = files_in(home)
    found = done(lambda: run_to_the_end(home))
    print(
        json.dumps(
            {
                "wrong": [one.read_text() for one in sorted((home / "wrong").iterdir())],
                "differs": {part: [wanted[part], found[part]] for part in wanted if wanted[part] != found[part]},
                "files": came_in,
                "kills": times.kills,
                "copies": len(times.copies),
                "put_back": times.put_back,
                "began": times.began,
            }
        )
    )


if __name__ == "__main__":
    _, where, seconds_, files_, kills_, *groups_ = sys.argv
    main(Path(where), float(seconds_), int(files_), kills_ != "0", [group.split(",") for group in groups_])
