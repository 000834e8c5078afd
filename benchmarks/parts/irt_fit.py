"""Item curves fitted to a million sparse answers, beside mirt and theta-irt on the same ones."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import Stopwatch, peak_mb
from benchmarks.line import ROOT
from mastery.scorers.irt.em import Answers
from mastery.scorers.irt.mml import fit_curves

PEERS = ROOT / ".venv-peers" / "bin" / "python"
"""What `make bench-peers` makes."""

ITEMS, ANSWERED = 500, 50
"""Of each student; the peers fill the other 450 with nothing."""


def write_answers(_: Stopwatch, file: str, students: int) -> dict[str, int]:
    """Write simulated 2PL answers: θ, b ~ N(0, 1), ln a ~ N(0, 0.3²), 50 random items for each student."""
    rng = np.random.default_rng(1)
    slope, difficulty = np.exp(rng.normal(0.0, 0.3, ITEMS)), rng.normal(0.0, 1.0, ITEMS)
    item = np.argsort(rng.random((students, ITEMS)), axis=1)[:, :ANSWERED].astype(np.int32).reshape(-1)
    student = np.repeat(np.arange(students, dtype=np.int32), ANSWERED)
    probability = 1.0 / (1.0 + np.exp(-slope[item] * (rng.normal(size=students)[student] - difficulty[item])))
    correct = (rng.random(item.size) < probability).astype(np.int8)
    np.savez(file, student=student, item=item, correct=correct, slope=slope, difficulty=difficulty)
    return {"answers": item.size}


def fit(watch: Stopwatch, file: str, threads: int, rounds: int) -> dict[str, Any]:
    """Fit to convergence, with standard errors; return what came of it beside the truth."""
    held = np.load(file)
    students = int(held["student"].max()) + 1
    none = np.zeros(ITEMS)
    answers = Answers(
        student_ptr=np.arange(0, held["item"].size + 1, held["item"].size // students, dtype=np.int64),
        item=held["item"],
        y=held["correct"].astype(np.float64),
        weight=np.ones(held["item"].size),
        group=np.zeros(ITEMS, np.int32),
        guess=none,
        slip=none,
    )
    few = Answers(answers.student_ptr[:3], *(v[:100] for v in (answers.item, answers.y, answers.weight)),
                  answers.group, none, none)  # fmt: skip
    fit_curves(few, groups=1, threads=threads)
    before_mb, curves = peak_mb(), None
    for _ in range(rounds):
        with watch:
            curves = fit_curves(answers, groups=1, threads=threads)
    assert curves is not None
    return {
        "seconds": statistics.median(watch.laps),
        "more_mb": peak_mb() - before_mb,
        "steps": curves.steps,
        **beside_truth(file, curves.slope, curves.difficulty),
    }


def peer(_: Stopwatch, file: str, name: str) -> dict[str, Any]:
    """Fit with a peer in its own environment; return its seconds, its memory and what came of it."""
    result = Path(file).with_suffix(f".{name}.json")
    script = ROOT / "benchmarks" / "peers" / "irt.py"
    done = subprocess.run(
        [str(PEERS), str(script), name, file, str(result)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found = json.loads(result.read_text())
    truth = beside_truth(file, np.array(found["slope"]), np.array(found["difficulty"]))
    return {"fit_s": found["fit_s"], "peak_mb": found["peak_mb"], **truth}


def beside_truth(file: str, slope: np.ndarray[Any, Any], difficulty: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return the correlations of slopes and difficulties with the true ones."""
    held = np.load(file)
    return {
        "slope_r": float(np.corrcoef(slope, held["slope"])[0, 1]),
        "difficulty_r": float(np.corrcoef(difficulty, held["difficulty"])[0, 1]),
    }
