"""A progress bar for work that turns out to be long, and nothing at all for the rest.

A bar comes up after two seconds, on standard error, only where both outputs are terminals: a log file
or a pipe never sees one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET_S = 2.0


class Report(Protocol):
    """What work calls as it goes on, from any thread."""

    def advance(self, done: float = 1) -> None:
        """Say that this much more is done."""

    def update(self, *, done: float | None = None, total: float | None = None, title: str | None = None) -> None:
        """Say how much is done in all, how much there is, or what is going on now."""


class Silent:
    """Takes every report and shows nothing."""

    def advance(self, done: float = 1) -> None:
        """Show nothing."""

    def update(self, *, done: float | None = None, total: float | None = None, title: str | None = None) -> None:
        """Show nothing."""


class Bar:
    """One line: what, a bar, how much of how much, how long it has taken and how long it will.

    Reports that come before the line is up are counted in it.
    """

    def __init__(self, title: str, total: float | None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._lock = Lock()
        self._ended = False
        self._progress: Progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(title, total=total)

    def advance(self, done: float = 1) -> None:
        """Say that this much more is done."""
        self._progress.advance(self._task, done)

    def update(self, *, done: float | None = None, total: float | None = None, title: str | None = None) -> None:
        """Say how much is done in all, how much there is, or what is going on now."""
        self._progress.update(self._task, completed=done, total=total, description=title)

    def show(self) -> None:
        """Bring the line up, unless the work has ended."""
        with self._lock:
            if not self._ended:
                self._progress.start()

    def end(self) -> None:
        """Take the line away."""
        with self._lock:
            self._ended = True
            self._progress.stop()


@contextmanager
def progress(title: str, total: float | None = None, *, quiet_s: float = QUIET_S) -> Iterator[Report]:
    """Yield what work reports to. A bar comes up after ``quiet_s`` seconds and goes when the work ends.

    Without a ``total`` the bar only moves; `update(total=…)` may name it later.
    """
    if not (sys.stderr.isatty() and sys.stdout.isatty()):
        yield Silent()
        return
    bar = Bar(title, total)
    timer = Timer(quiet_s, bar.show)
    timer.daemon = True
    timer.start()
    try:
        yield bar
    finally:
        timer.cancel()
        bar.end()
