"""How fast the kernels of scorers fold, and how fast trees score."""

from __future__ import annotations

from functools import partial

from benchmarks.benchmark import Bar, Benchmark
from benchmarks.child import Measured
from benchmarks.parts import bkt_fit, fold, linear_rnn, ml_score
from benchmarks.run import Outcome, Run, outcome

BARE = "CPU seconds: times as many as a bare compiled pass over the same observations, by turns"
ONE_BARE = "CPU seconds: times as many as a compiled loop that changes one number for each answer"
CALL_BARE = "CPU seconds: times as many as a Python call of a compiled function that does nothing"
TREES_BARE = "CPU seconds of a student-topic: times as many as a bare compiled pass takes for an observation"

FOLDED_STUDENTS = 12_500
"""Four batches of a bucket's size: 64 buckets of 200,000 students hold 3,125 each."""


def _fold(scorer: str, history: bool, run: Run) -> Outcome:
    students = run.scaled(FOLDED_STUDENTS)
    found = run.child(fold.measure, students=students, scorer=scorer, history=history, rounds=5 * run.rounds)
    note = f"{found.result['events']:,} events in {fold.BATCHES} batches, best {found.result['best'] / 1e6:.1f} M/s"
    return outcome(found.result["rate"], [found], ratio=found.result["ratio"], note=note)


def _bkt_update(which: str, run: Run) -> Outcome:
    found: Measured = run.once("bkt updates", lambda: run.child(bkt_fit.update, answers=run.scaled(200_000)))
    return outcome(found.result[which], [found], ratio=found.result[f"{which}_ratio"])


def _linear_rnn(run: Run) -> Outcome:
    found = run.child(linear_rnn.measure_fold, students=run.scaled(FOLDED_STUDENTS), rounds=2 * run.rounds + 1)
    note = f"{found.result['events']:,} events, best {found.result['best'] / 1e6:.2f} M/s"
    return outcome(found.result["rate"], [found], ratio=found.result["ratio"], note=note)


def _ml_score(which: str, run: Run) -> Outcome:
    found: Measured = run.once(
        "ml scores",
        lambda: run.child(
            ml_score.measure, students=run.scaled(FOLDED_STUDENTS), threads=run.workers, rounds=2 * run.rounds + 1
        ),
    )
    got = found.result
    note = f"{got['trees']} trees of {got['nodes']:,} nodes together"
    if which == "rate":
        note += f", {got['slots']:,} student-topics; {got['rate_alone'] / 1e6:.2f} M/s by one thread"
    return outcome(got[which], [found], ratio=got[f"{which}_ratio"], note=note)


def _folds(scorer: str, bar: float, with_history: float) -> list[Benchmark]:
    bars, history = (Bar("ratio", "≤", bar),), (Bar("ratio", "≤", with_history),)
    doc = f"{scorer}: observations on grouped arrays folded by one thread"
    return [
        Benchmark(f"fold_{scorer}", "events/s", doc, partial(_fold, scorer, False), BARE, bars),
        Benchmark(
            f"fold_{scorer}_history", "events/s", f"{doc}, history emitted", partial(_fold, scorer, True), BARE, history
        ),
    ]


FOLDS: tuple[Benchmark, ...] = (
    *_folds("bkt", 8.0, 21.0),
    Benchmark(
        "bkt_update",
        "µs",
        "bkt: one answer folded into a loaded state, in the kernel",
        partial(_bkt_update, "kernel_us"),
        ONE_BARE,
        (Bar("ratio", "≤", 200.0),),
    ),
    Benchmark(
        "bkt_update_call",
        "µs",
        "the same through the Python call",
        partial(_bkt_update, "call_us"),
        CALL_BARE,
        (Bar("ratio", "≤", 3.0),),
    ),
    *_folds("elo", 20.0, 33.0),
    Benchmark(
        "linear_rnn_fold",
        "events/s",
        "linear_rnn: observations on grouped arrays folded by one thread, two starts side by side",
        _linear_rnn,
        BARE,
        (Bar("ratio", "≤", 90.0),),
    ),
    *_folds("rule_based", 20.0, 36.0),
    Benchmark(
        "ml_score",
        "student-topics/s",
        "ml: scores of folded student-topics, contributions left out, trees as a fit on 400 students finds them",
        partial(_ml_score, "rate"),
        TREES_BARE,
        (Bar("ratio", "≤", 600.0),),
    ),
    Benchmark(
        "ml_contributions",
        "student-topics/s",
        "ml: the same with exact contributions, in bulk by one thread",
        partial(_ml_score, "explained"),
        TREES_BARE,
        (Bar("ratio", "≤", 6_500.0),),
    ),
    Benchmark(
        "ml_contributions_50",
        "ms",
        "ml: scores and contributions of 50 student-topics at once",
        partial(_ml_score, "few_ms"),
        TREES_BARE,
        (Bar("ratio", "≤", 24_000.0),),
    ),
)
