"""Every benchmark by name: what it measures, against what, and where its bar lies.

Adding one: a function of (watch, …) in `parts/`, one that makes an `Outcome` of it here, and a line in `_FIXED`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import school
from benchmarks.benchmark import Bar, Benchmark
from benchmarks.child import Measured
from benchmarks.line import ROOT
from benchmarks.parts import (
    bkt_fit,
    command,
    dedupe,
    duck,
    fold,
    ingest,
    irt_fit,
    linear_rnn,
    recompute,
    records,
    student,
)
from benchmarks.run import Outcome, Run, Skip, median, outcome

DATA = ROOT.parent / "shared" / "data"
"""Research logs, which the repository does not hold."""

ANSWERS = 5_000_000
INCOMING = 1_000_000
READS = 500
FOLDED_STUDENTS = 12_500
"""Four batches of a bucket's size: 64 buckets of 200,000 students hold 3,125 each."""


def benchmarks(data: Path = DATA) -> dict[str, Benchmark]:
    """Return every benchmark by name; one for each research log that is there."""
    return {one.name: one for one in (*_FIXED, *_responses(data))}


def _fold(scorer: str, history: bool, run: Run) -> Outcome:
    students = run.scaled(FOLDED_STUDENTS)
    found = run.child(fold.measure, students=students, scorer=scorer, history=history, rounds=5 * run.rounds)
    note = f"{found.result['events']:,} events in {fold.BATCHES} batches, best {found.result['best'] / 1e6:.1f} M/s"
    return outcome(found.result["rate"], [found], note=note)


def _linear_rnn(which: str, run: Run) -> Outcome:
    measure, students = (linear_rnn.train, 20_000) if which == "fit" else (linear_rnn.measure_fold, FOLDED_STUDENTS)
    found = run.child(measure, students=run.scaled(students), rounds=2 * run.rounds + 1)
    counted = f"{found.result['answers']:,} answers" if which == "fit" else f"{found.result['events']:,} events"
    return outcome(found.result["rate"], [found], note=f"{counted}, best {found.result['best'] / 1e6:.2f} M/s")


def _recompute(run: Run, students: int) -> Callable[[], Measured]:
    home, warm = run.home(students), run.warm_home()
    return partial(run.child, recompute.measure, home=home, warm_home=warm, workers=run.workers)


def _recompute_20m(run: Run) -> Outcome:
    students = run.scaled(school.STUDENTS)
    files = f"{run.home(students)}/lake/events/*/*.parquet"
    ours, theirs = run.by_turns(
        _recompute(run, students),
        partial(run.child, duck.read_sort_write, files=files, folder=run.spare("duckdb"), threads=run.workers),
    )
    note = (
        f"{_counted(ours[-1])}; {run.workers} workers; DuckDB {median(theirs):.1f} s, "
        f"{median(theirs, 'cpu_s'):.1f} s of CPU, {max(one.peak_mb for one in theirs):,.0f} MiB"
    )
    return outcome(median(ours), ours, ratio=median(ours) / median(theirs), note=note)


def _recompute_40m(run: Run) -> Outcome:
    students = run.scaled(school.STUDENTS)
    # Measured anew and by turns: minutes apart a disk may be twice as fast.
    twice, once = run.by_turns(_recompute(run, 2 * students), _recompute(run, students))
    note = (
        f"{_counted(twice[-1])}; half of it {median(once):.1f} s; "
        f"CPU seconds {median(twice, 'cpu_s') / median(once, 'cpu_s'):.2f} times those of half of it"
    )
    return outcome(median(twice), twice, ratio=median(twice) / median(once), note=note)


def _counted(one: Measured) -> str:
    rows = {name: f"{one.result[name]:,}" for name in ("events", "students", "student_topics", "ledger", "history")}
    return (
        f"{rows['events']} events, {rows['students']} students, {rows['student_topics']} student-topics, "
        f"{rows['ledger']} student-topic-days, {rows['history']} rows of history"
    )


def _ingest_5m(run: Run) -> Outcome:
    rows = run.scaled(ANSWERS)
    file, warm = (run.folder / f"answers-{count}.csv" for count in (rows, 1_000))
    run.child(ingest.write_csv, file=file, rows=rows)
    run.child(ingest.write_csv, file=warm, rows=1_000)
    ours, theirs = run.by_turns(
        partial(run.child, ingest.measure, file=file, warm_file=warm, folder=run.spare("ingest")),
        partial(run.child, duck.csv_to_parquet, file=file, folder=run.spare("duckdb"), threads=run.workers),
    )
    counts = ours[-1].result
    if counts["read"] != rows or counts["accepted"] != rows or counts["in the lake"] != rows:
        raise RuntimeError(f"of {rows} answers, all of them different, the ingest counts {counts}")
    note = f"{rows:,} rows, {file.stat().st_size / 2**20:.0f} MiB of CSV; DuckDB {rows / median(theirs):,.0f} rows/s"
    return outcome(rows / median(ours), ours, ratio=median(ours) / median(theirs), note=note)


def _dedupe_1m(run: Run) -> Outcome:
    home, rows = run.home(run.scaled(school.STUDENTS)), run.scaled(INCOMING)
    file = run.spare("dedupe") / f"incoming-{rows}.parquet"
    known = run.child(dedupe.write_incoming, home=home, file=file, rows=rows).result["known"]
    ours, theirs = run.by_turns(
        partial(run.child, dedupe.measure, home=home, incoming=file),
        partial(
            run.child,
            duck.anti_join,
            files=f"{home}/lake/events/*/*.parquet",
            incoming=file,
            folder=run.spare("duckdb"),
            threads=run.workers,
        ),
    )
    for found in (ours[-1].result, {"same": known, **theirs[-1].result}):
        if (found["new"], found["same"]) != (rows - known, known):
            raise RuntimeError(f"of {rows} rows {known} are known, but these were found: {found}")
    note = f"{rows:,} rows, {known:,} of them known; DuckDB {median(theirs):.2f} s"
    return outcome(median(ours), ours, ratio=median(ours) / median(theirs), note=note)


def _reads(run: Run) -> Measured:
    home = run.compacted(run.scaled(school.STUDENTS))
    found: Measured = run.once("reads", lambda: run.child(student.measure, home=home, reads=READS))
    return found


def _read_one_student(run: Run) -> Outcome:
    found = _reads(run)
    note = f"median of {found.result['reads']} students, about {found.result['rows']} events each"
    return outcome(found.result["p50_ms"], [found], note=note)


def _read_one_student_p99(run: Run) -> Outcome:
    found = _reads(run)
    note = f"of the same reads; the first of a bucket, whose footer is not known yet, {found.result['first_ms']:.1f} ms"
    return outcome(found.result["p99_ms"], [found], note=note)


def _seed_state(run: Run) -> Outcome:
    home, warm = run.home(run.scaled(school.STUDENTS)), run.warm_home()
    arguments = {"home": home, "warm_home": warm, "workers": run.workers}
    without, with_state, alone = run.by_turns(
        _recompute(run, run.scaled(school.STUDENTS)),
        partial(run.child, recompute.measure, **arguments, with_state=True),
        partial(run.child, records.measure, **arguments),
    )
    count, more_s, alone_s = with_state[-1].result["records"], median(with_state) - median(without), median(alone)
    note = (
        f"{count:,} records of {alone[-1].result['bytes'] / count:,.0f} bytes; recompute {median(without):.1f} s, with "
        f"records {median(with_state):.1f} s; making, encoding and storing them alone {alone_s:.1f} s"
    )
    if more_s < alone_s / 10:  # of a few students the difference is noise
        more_s, note = alone_s, f"{note}, which is what counts here"
    return outcome(count / more_s, with_state, note=note)


def _show(run: Run) -> Outcome:
    students = run.scaled(school.STUDENTS)
    home = run.compacted(students)
    found = run.child(command.show, home=home, students=students, runs=2 * run.rounds + 1)
    note = f"median of {len(found.laps)}; the first of all {found.result['first_s']:.2f} s"
    return Outcome(
        statistics.median(found.laps), cpu_s=found.result["cpu_s"], peak_mb=found.result["peak_mb"], note=note
    )


def _response(file: Path, run: Run) -> Outcome:
    import pyarrow.parquet as pq

    who = pq.read_table(file, columns=["student_id"])["student_id"][0].as_py()
    home = run.spare("responses") / file.stem
    found = run.child(command.responses, file=file, student=who, home=home)
    counts = found.result["counts"]
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    rows = pq.read_metadata(file).num_rows
    if not rows == counts["read"] == counts["accepted"] + counts["duplicates"] + counts["rejected"]:
        raise RuntimeError(f"{file.name} has {rows} rows, which do not add up to what ingest says: {told}")
    steps = ", ".join(f"{name} {s:.1f} s" for name, s in zip(("ingest", "recompute", "show"), found.laps, strict=True))
    return Outcome(found.wall_s, cpu_s=found.result["cpu_s"], peak_mb=found.result["peak_mb"], note=f"{told}; {steps}")


def _responses(data: Path) -> list[Benchmark]:
    doc = "ingest, recompute and show, a process each, of"
    files = sorted(data.glob("*.parquet"))
    if not files:
        return [Benchmark("responses", "s", f"{doc} the research logs", partial(_no_logs, data))]
    return [Benchmark(f"responses_{file.stem}", "s", f"{doc} {file.name}", partial(_response, file)) for file in files]


def _no_logs(data: Path, _: Run) -> Outcome:
    raise Skip(f"there are no research logs in {data}; put Parquet files with the columns of `responses` there")


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
    file = _bkt_answers(run, run.scaled(answers), min(topics, run.scaled(topics * 100)))
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
    found = run.child(bkt_fit.predict, file=file, rounds=2 * run.rounds + 1)
    theirs = _pybkt(run, file)
    if theirs is None:
        return outcome(found.result["rate"], [found], note=NO_PEERS)
    ratio = theirs.result["predict_s"] / statistics.median(found.laps)
    note = f"pyBKT ({theirs.result['core']} core) {theirs.result['predict_s']:.2f} s"
    return outcome(found.result["rate"], [found], ratio=ratio, note=note)


def _bkt_update(which: str, run: Run) -> Outcome:
    found: Measured = run.once("bkt updates", lambda: run.child(bkt_fit.update, answers=run.scaled(200_000)))
    return outcome(found.result[which], [found])


NO_PEERS = "no ratio: the peers are not installed, `make bench-peers` installs them"

PYBKT = "pyBKT 1.4.3 on the same answers; times faster" if bkt_fit.PEERS.exists() else None


def _bkt_fits() -> list[Benchmark]:
    doc = "bkt: the four chances of every topic fitted to convergence, from grouped arrays;"
    bars = (Bar("value", "≥", 2.5e6), Bar("ratio", "≥", 15.0))
    sizes = (("1m", 1_000_000, 100), ("5m", 5_000_000, 100), ("1000_topics", 1_000_000, 1_000))
    return [
        Benchmark(
            f"bkt_fit_{name}",
            "answers/s",
            f"{doc} {answers // 1_000_000} M answers over {topics} topics",
            partial(_bkt_fit, answers, topics),
            PYBKT,
            bars,
        )
        for name, answers, topics in sizes
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


def _folds(scorer: str, *bars: Bar) -> list[Benchmark]:
    doc = f"{scorer}: observations on grouped arrays folded by one thread"
    return [
        Benchmark(f"fold_{scorer}", "events/s", doc, partial(_fold, scorer, False), None, bars),
        Benchmark(f"fold_{scorer}_history", "events/s", f"{doc}, history emitted", partial(_fold, scorer, True)),
    ]


_FIXED: tuple[Benchmark, ...] = (
    *_folds("bkt", Bar("value", "≥", 60e6)),
    *_bkt_fits(),
    Benchmark(
        "bkt_predict",
        "answers/s",
        "bkt: 1 M answers over 100 topics, each foretold from those before, by one thread",
        _bkt_predict,
        PYBKT,
        (Bar("ratio", "≥", 50.0),),
    ),
    Benchmark(
        "bkt_update",
        "µs",
        "bkt: one answer folded into a loaded state, in the kernel",
        partial(_bkt_update, "kernel_us"),
        None,
        (Bar("value", "≤", 5.0),),
    ),
    Benchmark(
        "bkt_update_call",
        "µs",
        "the same through the Python call",
        partial(_bkt_update, "call_us"),
        None,
        (Bar("value", "≤", 50.0),),
    ),
    *_folds("elo", Bar("value", "≥", 30e6)),
    Benchmark(
        "irt_2pl_1m",
        "s",
        "irt: item curves (2PL) of 20,000 students with 50 of 500 items each, to convergence, with standard errors",
        _irt_2pl_1m,
        "the faster of mirt 1.2.0 and theta-irt 0.1.1 on the same answers, warm, without standard errors"
        if irt_fit.PEERS.exists()
        else None,
        (Bar("ratio", "≤", 1 / 3),),
    ),
    Benchmark(
        "linear_rnn_fit",
        "answers/s",
        "linear_rnn: an epoch of training of one start, lawful, by one thread",
        partial(_linear_rnn, "fit"),
        None,
        (Bar("value", "≥", 500e3),),
    ),
    Benchmark(
        "linear_rnn_fold",
        "events/s",
        "linear_rnn: observations on grouped arrays folded by one thread, two starts side by side",
        partial(_linear_rnn, "fold"),
        None,
        (Bar("value", "≥", 5e6),),
    ),
    *_folds("rule_based"),
    Benchmark(
        "recompute_20m",
        "s",
        "events in order of arrival → ledger, features, gold and history of three scorers, with contributions",
        _recompute_20m,
        "DuckDB: read the same files, sort by student and time, write one Parquet file",
        (Bar("ratio", "≤", 1.0), Bar("peak_mb", "≤", 1024)),
    ),
    Benchmark(
        "recompute_40m",
        "s",
        "the same of twice as many students",
        _recompute_40m,
        "recompute_20m",
        (Bar("ratio", "≤", 2.1),),
    ),
    Benchmark(
        "ingest_5m",
        "rows/s",
        "quiz_attempts as CSV → lake, validated, pseudonymised, deduplicated",
        _ingest_5m,
        "DuckDB: the same CSV → Parquet",
        (Bar("value", "≥", 500e3), Bar("ratio", "≤", 3.0)),
    ),
    Benchmark(
        "dedupe_1m",
        "s",
        "which of a million rows are among 20 million, exactly, by the function that ingest uses",
        _dedupe_1m,
        "DuckDB: anti join on the event id",
        (Bar("value", "≤", 1.0),),
    ),
    Benchmark(
        "read_one_student",
        "ms",
        "all columns of all events of one student from the compacted lake, table open, median",
        _read_one_student,
        None,
        (Bar("value", "≤", 3.0),),
    ),
    Benchmark(
        "read_one_student_p99",
        "ms",
        "the same, 99th percentile",
        _read_one_student_p99,
        None,
        (Bar("value", "≤", 15.0),),
    ),
    Benchmark(
        "seed_state",
        "records/s",
        "records of all students into the SQLite state store: what recompute takes longer with it than without",
        _seed_state,
        None,
        (Bar("value", "≥", 40e3),),
    ),
    Benchmark(
        "show",
        "s",
        "`mastery show STUDENT`: start of the process to its end, scores printed",
        _show,
        None,
        (Bar("value", "≤", 1.5),),
    ),
)
