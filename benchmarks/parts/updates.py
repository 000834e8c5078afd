"""One answer at a time through the pipeline of the doors, into a small home and a large one by turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts.answer_message import answer_message
from mastery.engine import Engine
from mastery.instants import instant
from mastery.pipelines.live.batch import ACCEPTED
from mastery.settings import load_settings
from mastery.tables import ITEMS

WARM = 20
"""Before the watch starts: kernels are loaded, and tables opened."""


def measure(watch: Stopwatch, small: str, large: str, folder: str, updates: int) -> dict[str, Any]:
    """Update one student at random after the other, in copies of both homes by turns.

    Returns:
        Milliseconds at the median and the 99th percentile, of both: an answer understood, in the lake, in the record.
    """
    with ExitStack() as until:
        update = {
            name: _updating(Path(home), Path(folder) / name, WARM + updates, until)
            for name, home in (("small", small), ("large", large))
        }
        for n in range(WARM):
            for one in update.values():
                one(n)
        times_ms: dict[str, list[float]] = {name: [] for name in update}
        with watch:
            for n in range(WARM, WARM + updates):
                for name, one in update.items():
                    began = time.perf_counter()
                    one(n)
                    times_ms[name].append(1e3 * (time.perf_counter() - began))
    shutil.rmtree(folder)
    return {
        f"{name}_p{percent}_ms": float(np.percentile(times, percent))
        for name, times in times_ms.items()
        for percent in (50, 99)
    }


def _updating(home: Path, copy: Path, updates: int, until: ExitStack) -> Callable[[int], None]:
    """Return what updates a student of a copy of a home with the answer of a number.

    Raises:
        RuntimeError: It was not built to its end.
    """
    built = school.built_in(home)
    if built is None:
        raise RuntimeError(f"{home} was not built to its end; delete it")
    shutil.rmtree(copy, ignore_errors=True)
    school.link_tree(home, copy)
    engine = until.enter_context(Engine.connect(load_settings(home=copy).settings, create=False))
    intake = engine.intake(door="bench", active_days=engine.settings.active_days)
    items = engine.lake.scan(ITEMS, ["item_id", "topic_id"]).to_pylist()
    rng, start = np.random.default_rng(19), instant(built.newest_us)
    who, which = rng.integers(built.students, size=updates).tolist(), rng.integers(len(items), size=updates).tolist()

    def update(n: int) -> None:
        at = start + timedelta(seconds=n + 1)
        _, row = answer_message(who[n], items[which[n]], right=n % 3 > 0, at=at, own_id=f"update-{n}")
        taken = intake.submit(intake.understand([row])).result()
        if taken.count(ACCEPTED) != 1 or len(taken.changed) != 1:
            raise RuntimeError(f"answer {n} of {copy.name} was not taken: {taken}")

    return update
