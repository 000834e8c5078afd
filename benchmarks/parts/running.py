"""A command of the engine that goes on, as a process, and what that process has used so far."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.child import environment
from benchmarks.line import ROOT


@contextmanager
def running(home: Path, *words: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the engine on a home until the body ends; its log is `COMMAND.log` in that home.

    Raises:
        RuntimeError: It has ended before.
    """
    command = [str(Path(sys.executable).with_name("mastery")), "--home", str(home), *words]
    with (home / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment() | variables, stdout=log, stderr=log)
    try:
        yield process
        require(process, home, words[0])
    finally:
        process.terminate()
        process.wait()


def require(process: subprocess.Popen[bytes], home: Path, command: str) -> None:
    """Raise RuntimeError, with the end of its log, where a command has ended."""
    if process.poll() is not None:
        raise RuntimeError(f"mastery {command} has ended: {(home / f'{command}.log').read_text()[-500:]}")


def spent_s(process: int) -> float:
    """Return the seconds of processor time that all threads of a process have used so far."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    user, system = after_name[11:13]  # fields 14 and 15 of the line
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int, field: str = "VmRSS") -> float:
    """Return the memory that a process holds, MiB; `VmHWM` for the most that it has ever held."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(f"{field}:"))
