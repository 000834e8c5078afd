"""The machine in words: what a number depends on, and nothing that names somebody's computer."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numpy", "numba", "pyarrow", "deltalake", "duckdb")


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Return the bytes of memory of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def free_bytes() -> int:
    """Return the bytes of memory that may be used without anything being moved out; all of it where nobody says."""
    found = _line_of(Path("/proc/meminfo"), "MemAvailable")
    return memory_bytes() if found is None else int(found.split()[0]) * 1024


def machine() -> str:
    """Return one line: cores, processor, memory, system, Python and the libraries that matter."""
    processor = _line_of(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{cores()} cores of {processor}, {memory_bytes() / 2**30:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {libraries}"
    )


def _line_of(path: Path, name: str) -> str | None:
    if not path.exists():
        return None
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
