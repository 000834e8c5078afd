"""A measured part in a process of its own, so that memory and start-up are its own.

`python -m benchmarks.child MODULE FUNCTION ARGUMENTS RESULT STARTED` calls `FUNCTION(watch, **ARGUMENTS)`;
what it does inside of `with watch:` is measured. `run` is the other side of it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.line import ROOT


@dataclass
class Stopwatch:
    """Seconds inside of `with watch:`.

    Attributes:
        laps: Wall seconds of each time it was entered.
        cpu_s: Processor seconds of all threads, over all laps.
        ready_at: When it was first entered, on the monotonic clock.
    """

    laps: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    ready_at: float | None = None
    _began: tuple[float, float] = (0.0, 0.0)

    def __enter__(self) -> Stopwatch:
        """Start a lap."""
        self._began = time.monotonic(), time.process_time()
        if self.ready_at is None:
            self.ready_at = self._began[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the lap."""
        wall, cpu = self._began
        self.laps.append(time.monotonic() - wall)
        self.cpu_s += time.process_time() - cpu


@dataclass(frozen=True)
class Measured:
    """What a child process came to.

    Attributes:
        wall_s: Seconds inside of the watch; `laps` one by one.
        start_up_s: From the start of the process until the watch first ran: imports, kernels, opening tables.
        peak_mb: Most memory that the process ever held, MiB.
        result: What the function returned.
    """

    wall_s: float
    laps: list[float]
    cpu_s: float
    start_up_s: float
    peak_mb: float
    result: Any


Function = Callable[..., Any]


def run(function: Function, **arguments: Any) -> Measured:
    """Call `function(watch, **arguments)` in a new process and return what it came to. Arguments are JSON or paths.

    Raises:
        RuntimeError: It failed; the message ends with what it said.
    """
    # What earlier parts wrote is not to be written out at this one's cost.
    os.sync()
    plain = _plain(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.child", function.__module__, function.__qualname__]
        done = subprocess.run(
            [*command, json.dumps(plain), str(result), repr(time.monotonic())],
            cwd=ROOT,
            env=environment(),
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            said = "\n".join(done.stderr.strip().splitlines()[-12:])
            raise RuntimeError(f"{function.__module__}.{function.__qualname__} ended with {done.returncode}:\n{said}")
        return Measured(**json.loads(result.read_text()))


def here(function: Function, **arguments: Any) -> Measured:
    """Do as `run` does, but within this process: for a profiler, and for tests. The peak is this process's."""
    watch, began = Stopwatch(), time.monotonic()
    answer = json.loads(json.dumps(function(watch, **_plain(arguments))))
    return Measured(**_measured(watch, began, answer))


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}


def _measured(watch: Stopwatch, began: float, answer: Any) -> dict[str, Any]:
    ready_at = time.monotonic() if watch.ready_at is None else watch.ready_at
    return {
        "wall_s": sum(watch.laps),
        "laps": watch.laps,
        "cpu_s": watch.cpu_s,
        "start_up_s": ready_at - began,
        "peak_mb": peak_mb(),
        "result": answer,
    }


def example(watch: Stopwatch, sleep_s: float, fail: bool) -> dict[str, float]:
    """Sleep within the watch, or fail: the smallest thing that can be measured."""
    with watch:
        time.sleep(sleep_s)
    if fail:
        raise RuntimeError("asked to fail")
    return {"slept": sleep_s}


def environment() -> dict[str, str]:
    """Return the environment of a child: ours, and this checkout where it is looked for."""
    paths = [str(ROOT), str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def peak_mb() -> float:
    """Return the most memory that this process has held, MiB.

    `ru_maxrss` is that of the parent where it was larger: Linux carries it over into a new program. VmHWM is not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / 2**20 if sys.platform == "darwin" else highest / 1024


def main(module: str, function: str, arguments: str, result: str, started: str) -> None:
    """Be the child."""
    watch = Stopwatch()
    answer = getattr(importlib.import_module(module), function)(watch, **json.loads(arguments))
    Path(result).write_text(json.dumps(_measured(watch, float(started), answer)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
