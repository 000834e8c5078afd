"""How fast scorers are fitted, beside the peers' own code on the same answers."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path

from benchmarks.benchmark import Bar, Benchmark
from benchmarks.child import Measured
from benchmarks.parts import bkt_fit, command, irt_fit, linear_rnn
from benchmarks.run import Outcome, Run, outcome

NO_PEERS = "no ratio: the peers are not installed, `make bench-peers` installs them"

PYBKT = "pyBKT 1.4.3 on the same answers; times faster" if bkt_fit.PEERS.exists() else None


def _bkt_answers(run: Run, answers: int, topics: int) -> Path:
    file: Path = run.folder / f"answers-{answers}-{topics}.npz"
    run.once(str(file), lambda: run.child(bkt_fit.write_answers, file=file, answers=answers, topics=topics))
    return file


def _pybkt(run: Run, file: Path) -> Measured | None:
    """Return what pyBKT came to on these answers, once a run: it takes minutes. None where it is not installed."""
    if not bkt_fit.PEERS.exists():
        return None
    found: Measured = run.once(f"pyBKT {file}", lambda: run.child(bkt_fit.peer, file=file, fits=5))
    return found


def _bkt_fit(answers: int, topics: int, run: Run) -> Outcome:
    return _bkt_fit_of(_bkt_answers(run, run.scaled(answers), min(topics, run.scaled(topics * 100))), run)


def _bkt_fit_log(log: Path, run: Run) -> Outcome:
    file = run.folder / f"answers-{log.stem}.npz"
    run.child(bkt_fit.write_log, log=log, file=file)
    return _bkt_fit_of(file, run)


def _bkt_fit_of(file: Path, run: Run) -> Outcome:
    found = run.child(bkt_fit.fit, file=file, threads=run.workers, rounds=2 * run.rounds + 1)
    ours, theirs = found.result, _pybkt(run, file)
    note = f"log-likelihood {ours['log_likelihood']:.1f}; {ours['nodes']:,} nodes, {ours['passes']:.0f} passes a topic"
    if theirs is None:
        return outcome(ours["rate"], [found], note=f"{note}; {NO_PEERS}")
    theirs_s, answered = theirs.result["fit_s"], ours["rate"] * statistics.median(found.laps)
    note = (
        f"{note}; pyBKT ({theirs.result['core']} core, num_fits=5) {theirs_s:.1f} s, "
        f"{theirs.result['log_likelihood']:.1f}"
    )
    return outcome(ours["rate"], [found], ratio=ours["rate"] * theirs_s / answered, note=note)


def _bkt_predict(run: Run) -> Outcome:
    answers = run.scaled(1_000_000)
    file = _bkt_answers(run, answers, min(100, run.scaled(10_000)))
    found = run.child(bkt_fit.predict_all, file=file, rounds=2 * run.rounds + 1)
    theirs = _pybkt(run, file)
    if theirs is None:
        return outcome(found.result["rate"], [found], note=NO_PEERS)
    ratio = theirs.result["predict_s"] / statistics.median(found.laps)
    note = f"pyBKT ({theirs.result['core']} core) {theirs.result['predict_s']:.2f} s"
    return outcome(found.result["rate"], [found], ratio=ratio, note=note)


def _bkt_fits() -> list[Benchmark]:
    doc = "bkt: the four probabilities of every topic fitted to convergence, from grouped arrays;"
    sizes = (("1m", 1_000_000, 100, 60.0), ("5m", 5_000_000, 100, 90.0), ("1000_topics", 1_000_000, 1_000, 100.0))
    return [
        Benchmark(
            f"bkt_fit_{name}",
            "answers/s",
            f"{doc} {answers // 1_000_000} M answers over {topics} topics",
            partial(_bkt_fit, answers, topics),
            PYBKT,
            (Bar("ratio", "≥", times),),
        )
        for name, answers, topics, times in sizes
    ]


def _irt_2pl_1m(run: Run) -> Outcome:
    students = run.scaled(20_000)
    file = run.folder / f"irt-{students}.npz"
    run.child(irt_fit.write_answers, file=file, students=students)
    found = run.child(irt_fit.fit, file=file, threads=run.workers, rounds=2 * run.rounds + 1)
    ours = found.result
    note = (
        f"{ours['steps']} EM steps, the fit adds {ours['more_mb']:.0f} MiB; correlation with the truth "
        f"{ours['difficulty_r']:.4f} of difficulties, {ours['slope_r']:.4f} of discriminations"
    )
    if not irt_fit.PEERS.exists():
        return outcome(ours["seconds"], [found], note=f"{note}; {NO_PEERS}")
    times = []
    for name in ("mirt", "theta"):
        theirs = run.child(irt_fit.peer, file=file, name=name).result
        times.append(theirs["fit_s"])
        note += (
            f"; {name} {theirs['fit_s']:.1f} s, {theirs['peak_mb']:,.0f} MiB, "
            f"{theirs['difficulty_r']:.4f}, {theirs['slope_r']:.4f}"
        )
    return outcome(ours["seconds"], [found], ratio=ours["seconds"] / min(times), note=note)


def _linear_rnn(run: Run) -> Outcome:
    found = run.child(linear_rnn.train, students=run.scaled(20_000), rounds=2 * run.rounds + 1)
    note = f"{found.result['answers']:,} answers, best {found.result['best'] / 1e6:.2f} M/s"
    return outcome(found.result["rate"], [found], ratio=found.result["ratio"], note=note)


FEWEST_STUDENTS = 50
"""Of a log that is cut: some scorers have to learn something from fewer topics and students than there are."""


def _fit_all(file: Path, run: Run) -> Outcome:
    log = file if run.scale >= 1.0 else _some_students(file, run)
    found = run.child(command.fit, file=log, home=run.spare("fit") / file.stem)
    got = found.result
    if got["fitted"] != got["scorers"]:
        raise RuntimeError(f"only {got['fitted']} of {got['scorers']} scorers were fitted")
    note = (
        f"{got['answers']:,} answers of {got['students']:,} students, {got['scorers']} scorers; held-out AUC of "
        f"blend_unconstrained {got['auc']:.4f}"
    )
    return Outcome(found.wall_s, ratio=got["ratio"], cpu_s=got["cpu_s"], peak_mb=got["peak_mb"], note=note)


def _some_students(file: Path, run: Run) -> Path:
    """Return a file with the answers of the first students of a log, as large a share of them as the run's scale."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = pq.read_table(file)
    everybody = rows["student_id"].unique()
    some = everybody[: max(FEWEST_STUDENTS, run.scaled(len(everybody)))]
    cut = run.folder / f"{file.stem}-{run.scale:g}.parquet"
    pq.write_table(rows.filter(pc.is_in(rows["student_id"], some)), cut)
    return cut


def fits_of(data: Path) -> list[Benchmark]:
    """Return the fits to research logs, those that are there: of bkt, and of every scorer to the largest."""
    logs = {data / "assist2009_lpp.parquet": 28.0, data / "assist2015.parquet": 40.0}
    of_logs = [
        Benchmark(
            f"bkt_fit_{log.stem}",
            "answers/s",
            f"bkt: the four probabilities of every topic fitted to convergence, from grouped arrays; {log.name}",
            partial(_bkt_fit_log, log),
            PYBKT,
            (Bar("ratio", "≥", times),),
        )
        for log, times in logs.items()
        if log.exists()
    ]
    file = data / "assist2012.parquet"
    if not file.exists():
        return of_logs
    return [
        *of_logs,
        Benchmark(
            f"fit_all_{file.stem}",
            "s",
            f"`mastery fit` of every scorer to {file.name}, start of the process to its end",
            partial(_fit_all, file),
            "CPU seconds of `mastery ingest` of the same file, just before: times as many",
            (Bar("ratio", "≤", 800.0), Bar("peak_mb", "≤", 6 * 1024)),
        ),
    ]


FITS: tuple[Benchmark, ...] = (
    *_bkt_fits(),
    Benchmark(
        "bkt_predict",
        "answers/s",
        "bkt: 1 M answers over 100 topics, each predicted from those before, by one thread",
        _bkt_predict,
        PYBKT,
        (Bar("ratio", "≥", 60.0),),
    ),
    Benchmark(
        "irt_2pl_1m",
        "s",
        "irt: item curves (2PL) of 20,000 students with 50 of 500 items each, to convergence, with standard errors",
        _irt_2pl_1m,
        "the faster of mirt 1.2.0 and theta-irt 0.1.1 on the same answers, warm, without standard errors"
        if irt_fit.PEERS.exists()
        else None,
        (Bar("ratio", "≤", 0.12),),
    ),
    Benchmark(
        "linear_rnn_fit",
        "answers/s",
        "linear_rnn: an epoch of training of one start, monotone, by one thread",
        _linear_rnn,
        "CPU seconds: times as many as a bare compiled pass over the same observations, by turns",
        (Bar("ratio", "≤", 500.0),),
    ),
)
