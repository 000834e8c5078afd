"""How far work has come, for work that turns out to be long, and nothing at all for the rest.

On standard error: a bar after two seconds where both outputs are terminals, otherwise (a log file, a pipe) a plain line
every ten seconds.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread, Timer
from typing import TYPE_CHECKING, Protocol

from mastery.apps.interrupt import ends_on_ctrl_c

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET_S = 2.0
"""A bar comes up after this long."""

LINE_S = 10.0
"""Between two lines where there is no terminal."""

NUMBERS_WIDTH = 44
"""Columns of a terminal that a bar keeps for itself and its numbers: how much of how much, and two times."""


COMPILING = ", compiling kernels (once)"
"""Stands after the title from where a kernel is compiled until the work goes on."""


class Report(Protocol):
    """What work calls as it goes on, from any thread. More may be done than there was when it began: others write
    meanwhile. The total grows with it then.
    """

    def advance(self, done: float = 1) -> None:
        """Say that this much more is done."""

    def update(self, *, done: float | None = None, total: float | None = None, title: str | None = None) -> None:
        """Say how much is done in all, how much there is, or what is going on now."""


class Shown(Report, Protocol):
    """What is shown of it."""

    def compiling(self) -> None:
        """Say that the work waits for a kernel to be compiled."""


class Lines:
    """A line every `every_s` seconds: what, how much of how much, and for how long."""

    def __init__(self, title: str, total: float | None, every_s: float) -> None:
        self._title, self._done, self._total = title, 0.0, total
        self._waits = ""
        self._every_s = every_s
        self._began = time.monotonic()
        self._lock, self._ended = Lock(), Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def advance(self, done: float = 1) -> None:
        """Say that this much more is done."""
        with self._lock:
            self._done += done
            self._total = _at_least(self._done, self._total)
            self._waits = ""

    def update(self, *, done: float | None = None, total: float | None = None, title: str | None = None) -> None:
        """Say how much is done in all, how much there is, or what is going on now."""
        with self._lock:
            self._waits = ""
            self._done = self._done if done is None else done
            self._total = _at_least(self._done, self._total if total is None else total)
            self._title = self._title if title is None else title

    def compiling(self) -> None:
        """Say that the work waits for a kernel to be compiled."""
        with self._lock:
            self._waits = COMPILING

    def end(self) -> None:
        """Write no more lines."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                sys.stderr.write(f"{self._line()}\n")
                sys.stderr.flush()
            except OSError:  # whoever read them has gone; the work goes on
                return

    def _line(self) -> str:
        with self._lock:
            much = "" if self._total is None else f" {self._done:,.0f} of {self._total:,.0f},"
            return f"{self._title}{self._waits}:{much} {time.monotonic() - self._began:.0f} s so far"


def _at_least(done: float, total: float | None) -> float | None:
    return None if total is None else max(done, total)


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
        from rich.table import Column

        self._lock = Lock()
        self._ended = False
        console = Console(stderr=True)
        room = max(16, console.width - NUMBERS_WIDTH)
        self._progress: Progress = Progress(
            SpinnerColumn(),
            # a long title is cut, so that the numbers are not
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", max_width=room)),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._title = title
        self._task = self._progress.add_task(title, total=total)

    def advance(self, done: float = 1) -> None:
        """Say that this much more is done."""
        self._progress.update(self._task, advance=done, description=self._title)
        self._grow()

    def update(self, *, done: float | None = None, total: float | None = None, title: str | None = None) -> None:
        """Say how much is done in all, how much there is, or what is going on now."""
        self._title = self._title if title is None else title
        self._progress.update(self._task, completed=done, total=total, description=self._title)
        self._grow()

    def _grow(self) -> None:
        task = self._progress.tasks[0]
        self._progress.update(self._task, total=_at_least(task.completed, task.total))

    def compiling(self) -> None:
        """Say that the work waits for a kernel to be compiled."""
        self._progress.update(self._task, description=self._title + COMPILING)

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
def progress(
    title: str, total: float | None = None, *, quiet_s: float = QUIET_S, line_s: float = LINE_S
) -> Iterator[Report]:
    """Yield what work reports to. Ctrl-C ends the work; see `mastery.apps.interrupt`.

    A bar comes up after `quiet_s` seconds and goes when the work ends; without a terminal a line is written every
    `line_s` seconds. Without a `total` the bar only moves; `update(total=…)` may name it later. While the work waits
    for kernels to be compiled, it says so.
    """
    on_terminal = sys.stderr.isatty() and sys.stdout.isatty()
    shown = _bar(title, total, quiet_s) if on_terminal else _lines(title, total, line_s)
    with ends_on_ctrl_c(), shown as report, _hearing_of_kernels(report):
        yield report


class _Kernels(logging.Handler):
    """Hears of each kernel that begins to be compiled."""

    def __init__(self, report: Shown) -> None:
        super().__init__(logging.INFO)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - which kernel it is does not matter
        self._report.compiling()


@contextmanager
def _hearing_of_kernels(report: Shown) -> Iterator[None]:
    logger, handler = logging.getLogger("mastery.kernels"), _Kernels(report)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _bar(title: str, total: float | None, quiet_s: float) -> Iterator[Shown]:
    bar = Bar(title, total)
    timer = Timer(quiet_s, bar.show)
    timer.daemon = True
    timer.start()
    try:
        yield bar
    finally:
        timer.cancel()
        bar.end()


@contextmanager
def _lines(title: str, total: float | None, line_s: float) -> Iterator[Shown]:
    lines = Lines(title, total, line_s)
    try:
        yield lines
    finally:
        lines.end()
