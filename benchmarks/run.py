"""One run of benchmarks: where its files lie, at which size, and what has been measured already."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import child
from benchmarks.child import Measured
from benchmarks.line import ROOT
from benchmarks.machine import cores

WORK = ROOT / "benchmarks" / ".work"
"""Where the big files lie during a run; git does not see it."""

WARM_STUDENTS = 40
"""A school to load the kernels with."""


class Skip(Exception):
    """What a benchmark needs is not there; the message says what."""


@dataclass(frozen=True)
class Outcome:
    """What a benchmark measured; see `benchmarks.line.Line`."""

    value: float
    ratio: float | None = None
    start_up_s: float | None = None
    cpu_s: float | None = None
    peak_mb: float | None = None
    note: str = ""


@dataclass
class Run:
    """A run. Homes are built when first asked for, and what two benchmarks share is measured once.

    Attributes:
        folder: Holds homes and files of this run, and of earlier ones with the same folder.
        scale: Share of the full size.
        workers: Of a recompute, and threads of DuckDB.
        rounds: How often each time is taken; ours and theirs by turns. The median counts.
        say: Told what is going on.
        call: Calls what is measured: `child.run`, or `child.here` for a profiler.
    """

    folder: Path
    scale: float = 1.0
    workers: int = field(default_factory=cores)
    rounds: int = 3
    say: Callable[[str], None] = print
    call: Callable[..., Measured] = child.run
    _known: dict[str, Any] = field(default_factory=dict)

    def scaled(self, full: int) -> int:
        """Return a number of rows or students at the scale of this run, at least 1."""
        return max(1, round(full * self.scale))

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` returned the first time that this name was asked for."""
        if name not in self._known:
            self._known[name] = make()
        return self._known[name]

    def home(self, students: int) -> Path:
        """Return the home of the school with that many students, in order of arrival."""
        from benchmarks.parts import homes

        folder = self.folder / f"school-{students}"
        self.once(str(folder), lambda: self.child(homes.build, home=folder, students=students))
        return folder

    def warm_home(self) -> Path:
        """Return the home of a handful of students."""
        return self.home(WARM_STUDENTS)

    def compacted(self, students: int) -> Path:
        """Return the home of the school compacted and recomputed, with its state store."""
        from benchmarks.parts import homes

        arrival, folder = self.home(students), self.folder / f"school-{students}-compacted"
        self.once(str(folder), lambda: self.child(homes.compact, home=arrival, to=folder, workers=self.workers))
        return folder

    def spare(self, name: str) -> Path:
        """Return a folder for what is written and thrown away."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def child(self, function: Callable[..., Any], **arguments: Any) -> Measured:
        """Measure one part in a process of its own."""
        words = f"{function.__module__.removeprefix('benchmarks.')}.{function.__name__}"
        told = " ".join(str(value.name if isinstance(value, Path) else value) for value in arguments.values())
        self.say(f"{words} {told}")
        measured = self.call(function, **arguments)
        times = "" if not measured.laps else f", {measured.wall_s:.3g} s, {measured.cpu_s:.3g} s of CPU"
        self.say(f"  ready after {measured.start_up_s:.2f} s{times}, at most {measured.peak_mb:.0f} MiB")
        return measured

    def by_turns(self, *parts: Callable[[], Measured]) -> list[list[Measured]]:
        """Measure each part `rounds` times, one after the other in each round; return them by part.

        What else the machine does meets both sides of a comparison alike.
        """
        found: list[list[Measured]] = [[] for _ in parts]
        for _ in range(self.rounds):
            for place, part in enumerate(parts):
                found[place].append(part())
        return found


def median(found: Sequence[Measured], what: str = "wall_s") -> float:
    """Return the median of one number of repeated measurements."""
    return float(statistics.median(getattr(one, what) for one in found))


def outcome(value: float, found: Sequence[Measured], **more: Any) -> Outcome:
    """Return an outcome with the medians of start-up and CPU seconds and the highest peak."""
    return Outcome(
        value,
        start_up_s=median(found, "start_up_s"),
        cpu_s=median(found, "cpu_s"),
        peak_mb=max(one.peak_mb for one in found),
        **more,
    )


def temporary() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for the big files that goes away with them."""
    WORK.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=WORK, prefix="run-")
