"""Where a process can be killed: before and after every file, commit, transaction and rename that it makes, and while
it gives space of the state store back to the disk.

Only for a child process: what is put around the writes stays around them.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mastery import disk
from mastery.lake.file_writer import FileWriter
from mastery.lake.handle import Handle
from mastery.lake.location import TableLocation
from mastery.streams.memory import MemorySink

STEPS = {"incremental_vacuum": 1, "VACUUM": 20}
"""After how many of its steps SQLite can be killed within a statement; a page that is given back takes a few."""


class Points:
    """Counts the points that the process passes, and ends it at one of them as a power cut would."""

    def __init__(self, kill_at: int | None) -> None:
        self.passed = 0
        self._kill_at = kill_at
        self._lock = threading.Lock()

    def reach(self) -> None:
        with self._lock:
            if self.passed == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.passed += 1

    def around(self, owner: Any, name: str) -> None:
        """Put a point before and one after each call."""
        real: Callable[..., Any] = getattr(owner, name)

        def counted(*given: Any, **named: Any) -> Any:
            self.reach()
            result = real(*given, **named)
            self.reach()
            return result

        setattr(owner, name, counted)


def install(kill_at: int | None) -> Points:
    """Put the points in; `kill_at` None only counts them."""
    points = Points(kill_at)
    for name in ("add", "finish"):
        points.around(FileWriter, name)
    for name in ("_make", "_try", "vacuum"):
        points.around(Handle, name)
    points.around(disk, "link")
    points.around(TableLocation, "discard")
    points.around(MemorySink, "flush")
    for name in ("replace", "unlink"):
        points.around(Path, name)
    connect = sqlite3.connect

    class Counted(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if not statement.startswith(("BEGIN", "COMMIT")):
                return super().execute(statement, *values)
            points.reach()
            done = super().execute(statement, *values)
            points.reach()
            return done

        def executescript(self, script: str) -> sqlite3.Cursor:
            points.reach()
            self.set_progress_handler(points.reach, next((n for name, n in STEPS.items() if name in script), 1))
            try:
                return super().executescript(script)
            finally:
                self.set_progress_handler(None, 0)
                points.reach()

    sqlite3.connect = lambda path, **options: connect(path, factory=Counted, **options)  # type: ignore[assignment]
    return points
