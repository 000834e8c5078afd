"""bkt fitted, predicting and updated, beside pyBKT on the same answers."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.child import Stopwatch
from benchmarks.line import ROOT
from benchmarks.parts import bare
from mastery.arrays import Floats
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import ABSENT, QUIZ, EventColumns
from mastery.kernels import kernel
from mastery.scorers.base import Model, defaults, predict, start
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.bkt.fit_topics import fit_topics
from mastery.scorers.bkt.histories import make_histories
from mastery.scorers.bkt.kernels import fold_answer
from mastery.scorers.bkt.passes import GUESS, INIT, LEARN, SLIP

PEERS = ROOT / ".venv-peers" / "bin" / "python"
"""What `make bench-peers` makes."""

LENGTH = 10
"""Answers of one student on one topic."""


def write_answers(_: Stopwatch, file: str, answers: int, topics: int) -> dict[str, int]:
    """Write simulated answers, ten of each student on each topic: students who know, learn, guess and slip."""
    rng = np.random.default_rng(1)
    students = max(2, round(answers / (topics * LENGTH)))
    probabilities = rng.uniform([0.1, 0.05, 0.1, 0.03], [0.6, 0.3, 0.3, 0.15], (topics, 4))
    known = rng.random((students, topics)) < probabilities[:, 0]
    correct = np.empty((students, topics, LENGTH), np.int8)
    for k in range(LENGTH):
        right = np.where(known, 1.0 - probabilities[:, 3], probabilities[:, 2])
        correct[:, :, k] = rng.random(known.shape) < right
        known |= rng.random(known.shape) < probabilities[:, 1]
    np.savez(
        file,
        student=np.repeat(np.arange(students, dtype=np.int32), topics * LENGTH),
        topic=np.tile(np.repeat(np.arange(topics, dtype=np.int32), LENGTH), students),
        correct=correct.reshape(-1),
    )
    return {"answers": correct.size}


def write_log(_: Stopwatch, log: str, file: str) -> dict[str, int]:
    """Write the answers of a research log that have a topic, student by student in the order of the log."""
    rows = pq.read_table(log, columns=["student_id", "topic_id", "is_correct"]).drop_null()
    student, topic = (
        rows[name].combine_chunks().cast(pa.string()).dictionary_encode().indices.to_numpy()
        for name in ("student_id", "topic_id")
    )
    order = np.argsort(student, kind="stable")
    correct = rows["is_correct"].to_numpy().astype(np.int8)
    np.savez(file, student=student[order], topic=topic[order], correct=correct[order])
    return {"answers": correct.size}


def fit(watch: Stopwatch, file: str, threads: int, rounds: int) -> dict[str, Any]:
    """Fit the answers from grouped arrays to probabilities; return the median rate and the log-likelihood."""
    batch = _batch(file)
    fit_topics(make_histories(batch), threads=threads)
    rates, fitted, histories = [], None, None
    for _ in range(rounds):
        with watch:
            histories = make_histories(batch)
            fitted = fit_topics(histories, threads=threads)
        rates.append(batch.y.size / watch.laps[-1])
    assert fitted is not None
    assert histories is not None
    return {
        "rate": statistics.median(rates),
        "log_likelihood": log_likelihood(batch, fitted.theta[:, [INIT, GUESS, SLIP, LEARN]]),
        "passes": float(fitted.passes.mean()),
        "nodes": int(histories.parent.size),
    }


def predict_all(watch: Stopwatch, file: str, rounds: int) -> dict[str, Any]:
    """Predict every answer from those before; return the median rate."""
    batch = _batch(file)
    model = Model(defaults(bkt.SCORER, len(batch.topics)), np.zeros((0, 2)))
    rates = []
    for number in range(rounds + 1):
        states = start(bkt.SCORER, model, batch)
        if number == 0:
            predict(bkt.SCORER, model, batch, states)
            continue
        with watch:
            predict(bkt.SCORER, model, batch, states)
        rates.append(batch.y.size / watch.laps[-1])
    return {"rate": statistics.median(rates)}


def peer(watch: Stopwatch, file: str, fits: int) -> dict[str, Any]:
    """Fit and predict with pyBKT in its own environment; return its seconds and its log-likelihood, by our measure."""
    result = Path(file).with_suffix(".json")
    script = ROOT / "benchmarks" / "peers" / "pybkt.py"
    with watch:
        done = subprocess.run(
            [str(PEERS), str(script), file, str(result), str(fits)], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise RuntimeError(f"pyBKT ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found = json.loads(result.read_text())
    batch = _batch(file)
    theirs = np.array([found["params"][str(t)][:4] for t in range(len(batch.topics))])
    return {
        "fit_s": found["fit_s"],
        "predict_s": found["predict_s"],
        "core": found["core"],
        "log_likelihood": log_likelihood(batch, theirs),
    }


def update(watch: Stopwatch, answers: int) -> dict[str, float]:
    """Fold single answers into a loaded state; return µs each, in the kernel and through the Python call."""
    model = Model(defaults(bkt.SCORER, 50), np.full((1, 2), np.nan))
    topics = np.arange(50, dtype=np.int32)
    slots, students = bkt.start_slots(model.params, topics), bkt.start_students(model.params, 1)
    _loop(slots, students, model.params, model.items, 10)
    with watch:
        _loop(slots, students, model.params, model.items, answers)
    bkt.update(model, slots, students, slot=0, student=0, topic=0, item=-1, at_us=answers * 1_000_000, y=1.0)
    began, spent_s = time.perf_counter(), time.process_time()
    for k in range(answers, 2 * answers):
        bkt.update(model, slots, students, slot=k % 50, student=0, topic=k % 50, item=-1, at_us=k * 1_000_000, y=1.0)
    call_us = (time.perf_counter() - began) / answers * 1e6
    call_cpu_us = (time.process_time() - spent_s) / answers * 1e6
    sums = np.zeros(50)
    _bare_loop(sums, 10)
    return {
        "kernel_us": watch.laps[-1] / answers * 1e6,
        "kernel_us_ratio": watch.cpu_s / bare.cpu_s(lambda: _bare_loop(sums, answers)),
        "call_us": call_us,
        "call_us_ratio": call_cpu_us / bare.call_us(),
    }


@kernel
def _bare_loop(sums: Floats, answers: int) -> None:
    """Change one number of a slot for each answer."""
    for k in range(answers):
        sums[k % 50] = 0.5 * sums[k % 50] + float(k % 2)


@kernel
def _loop(slots: Floats, students: Floats, params: Floats, items: Floats, answers: int) -> None:
    for k in range(answers):
        fold_answer(slots, k % 50, students, 0, params, items, k % 50, -1, k * 1_000_000, float(k % 2), 1.0)


def log_likelihood(batch: Batch, probabilities: Floats) -> float:
    """Return the log-likelihood of a batch's answers. probabilities: float64[T, 4], p_init, guess, slip, p_learn by
    topic."""
    params = defaults(bkt.SCORER, len(batch.topics))
    for name, column in zip(("p_init", "guess", "slip", "p_learn"), probabilities.T, strict=True):
        params[:, bkt.SCORER.column(name)] = np.clip(column, 1e-9, 1.0 - 1e-9)
    model = Model(params, np.full((0, 2), np.nan))
    probability = predict(bkt.SCORER, model, batch, start(bkt.SCORER, model, batch))
    return float(np.sum(np.log(np.where(batch.y > 0.5, probability, 1.0 - probability))))


def _batch(file: str) -> Batch:
    held = np.load(file)
    n = held["correct"].size
    absent = np.full(n, ABSENT, np.int64)
    students, topics = int(held["student"].max()) + 1, int(held["topic"].max()) + 1
    return make_batch(
        EventColumns(
            students=[f"s_{s:07d}" for s in range(students)],
            tenants=["default"] * students,
            topics=[("default", f"t{t:05d}") for t in range(topics)],
            items=[],
            row=np.arange(n),
            student=held["student"],
            topic=held["topic"],
            item=np.full(n, ABSENT, np.int32),
            kind=np.full(n, QUIZ, np.int8),
            topics_of_event=np.ones(n, np.int32),
            at_us=np.zeros(n, np.int64),
            sequence=np.arange(n),
            about=np.zeros(n, np.int64),
            id_hi=np.arange(n),
            id_lo=np.zeros(n, np.int64),
            attempts=np.ones(n, np.int64),
            success_ppm=held["correct"].astype(np.int64) * 1_000_000,
            duration_ms=absent,
            attempt_number=absent,
            hints=absent,
            rewinds=absent,
        )
    )
