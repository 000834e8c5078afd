"""How fast events come into the lake, are recomputed and read again."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

from benchmarks import school
from benchmarks.benchmark import Bar, Benchmark
from benchmarks.child import Measured
from benchmarks.parts import (
    activate,
    batches,
    dedupe,
    duck,
    ingest,
    pages,
    recompute,
    reconcile,
    records,
    small_files,
    student,
    workbook,
)
from benchmarks.run import Outcome, Run, median, outcome

ANSWERS = 5_000_000
FILES = 10_000
SHEET_ROWS = 100_000
INCOMING = 1_000_000
READS = 500
ALREADY, BATCHES = 3_000_000, 1_000
ENDS = "CPU seconds of the last batches: times as many as of the first, taken again by turns with them"
ROW_GROUP = "CPU seconds: times as many as pyarrow to read one row group of such a file, all columns"
PAGE = "CPU seconds: times as many as pyarrow to read a row group of gold for each student of the page"
RECOMPUTE = "CPU seconds: times as many as a recompute with records into an empty state store, just before"
INSERTS = "CPU seconds: making, encoding and storing alone, times as many as sqlite3 alone to insert such blobs"


def _recompute(run: Run, students: int, derived_history: bool = False) -> Callable[[], Measured]:
    home, warm = run.home(students), run.warm_home()
    return partial(
        run.child,
        recompute.measure,
        home=home,
        warm_home=warm,
        workers=run.workers,
        derived_history=derived_history,
    )


def _recompute_20m(run: Run) -> Outcome:
    students = run.scaled(school.STUDENTS)
    files = f"{run.home(students)}/{school.LAKE}/events/*/*.parquet"
    ours, theirs = run.by_turns(
        _recompute(run, students),
        partial(run.child, duck.read_sort_write, files=files, folder=run.spare("duckdb"), threads=run.workers),
    )
    note = (
        f"{_counted(ours[-1])}; {run.workers} workers; DuckDB {median(theirs):.1f} s, "
        f"{median(theirs, 'cpu_s'):.1f} s of CPU, {max(one.peak_mb for one in theirs):,.0f} MiB"
    )
    return outcome(median(ours), ours, ratio=median(ours) / median(theirs), note=note)


def _recompute_20m_history(run: Run) -> Outcome:
    students = run.scaled(school.STUDENTS)
    whole, without = run.by_turns(_recompute(run, students, derived_history=True), _recompute(run, students))
    note = f"{_counted(whole[-1])}; without it {median(without):.1f} s, {median(without, 'cpu_s'):.1f} s of CPU"
    return outcome(median(whole), whole, ratio=median(whole, "cpu_s") / median(without, "cpu_s"), note=note)


def _reconcile_20m(run: Run) -> Outcome:
    students = run.scaled(school.STUDENTS)
    arguments = {"home": run.home(students), "warm_home": run.warm_home(), "workers": run.workers}
    ours, whole = run.by_turns(partial(run.child, reconcile.measure, **arguments), _recompute(run, students))
    got = ours[-1].result
    if got["causes"] or not got["same"] == got["students"] == whole[-1].result["students"]:
        raise RuntimeError(f"of {got['students']} states that were just made {got['same']} are right: {got['causes']}")
    note = (
        f"{got['events']:,} events, {got['students']:,} states; recompute {median(whole):.1f} s; "
        f"CPU seconds {median(ours, 'cpu_s') / median(whole, 'cpu_s'):.2f} times its own"
    )
    return outcome(median(ours), ours, ratio=median(ours) / median(whole), note=note)


def _recompute_40m(run: Run) -> Outcome:
    students = run.scaled(school.STUDENTS)
    # Measured again and by turns: minutes apart a disk may be twice as fast.
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


def _ingest_10k_files(run: Run) -> Outcome:
    count = run.scaled(FILES)
    rows = count * small_files.ROWS
    file, warm = (run.folder / f"answers-{number}.csv" for number in (rows, 1_000))
    files = run.folder / f"answers-in-{count}-files"
    run.child(ingest.write_csv, file=file, rows=rows)
    run.child(ingest.write_csv, file=warm, rows=1_000)
    run.child(small_files.write_files, file=file, folder=files)
    ours, theirs = run.by_turns(
        partial(run.child, small_files.measure, files=files, warm_file=warm, folder=run.spare("ingest")),
        partial(run.child, small_files.read_alone, files=files),
    )
    counts = ours[-1].result
    if counts["accepted"] != rows or counts["in the lake"] != rows or theirs[-1].result["rows"] != rows:
        raise RuntimeError(f"of {rows} answers, all of them different, the ingest counts {counts}")
    note = (
        f"{count:,} files of {small_files.ROWS} answers, {1e3 * median(ours, 'cpu_s') / count:.1f} ms of CPU each; "
        f"pyarrow alone {median(theirs, 'cpu_s'):.1f} s"
    )
    return outcome(median(ours), ours, ratio=median(ours, "cpu_s") / median(theirs, "cpu_s"), note=note)


def _read_workbook(run: Run) -> Outcome:
    rows = run.scaled(SHEET_ROWS)
    file, sheet = run.folder / f"answers-{rows}.csv", run.folder / f"answers-{rows}.xlsx"
    run.child(ingest.write_csv, file=file, rows=rows)
    run.child(workbook.write_workbook, file=file, workbook=sheet)
    ours, theirs = run.by_turns(
        partial(run.child, workbook.measure, workbook=sheet), partial(run.child, workbook.read_alone, workbook=sheet)
    )
    got = ours[-1].result
    if got["rows"] != rows or theirs[-1].result["rows"] != rows:
        raise RuntimeError(f"the workbook has {rows} rows; we read {got}, python-calamine {theirs[-1].result}")
    cells = rows * got["columns"]
    note = f"{rows:,} rows, {cells:,} cells; python-calamine {cells / median(theirs):,.0f} cells/s"
    return outcome(cells / median(ours), ours, ratio=median(ours, "cpu_s") / median(theirs, "cpu_s"), note=note)


def _small_batches(run: Run) -> Outcome:
    rows, count = run.scaled(ALREADY), max(3 * batches.ENDS, run.scaled(BATCHES))
    file = run.folder / f"answers-{rows}-and-{count}-batches.csv"
    run.child(ingest.write_csv, file=file, rows=rows + (count + batches.ENDS) * batches.BATCH)
    found = run.child(batches.measure, file=file, rows=rows, batches=count, folder=run.spare("batches"))
    got = found.result
    if got["events"] != got["expected"]:
        raise RuntimeError(f"{got['events']} events are in the lake; expected {got['expected']}")
    note = (
        f"{count:,} batches of {batches.BATCH} events into {rows:,}; CPU of the first {batches.ENDS} "
        f"{got['first_ms']:.0f} ms, of the last {got['last_ms']:.0f} ms, {got['files']:,} files at the end"
    )
    return outcome(got["mean_ms"], [found], ratio=got["last_ms"] / got["first_ms"], note=note)


def _dedupe_1m(run: Run) -> Outcome:
    home, rows = run.home(run.scaled(school.STUDENTS)), run.scaled(INCOMING)
    file = run.spare("dedupe") / f"incoming-{rows}.parquet"
    known = run.child(dedupe.write_incoming, home=home, file=file, rows=rows).result["known"]
    ours, theirs = run.by_turns(
        partial(run.child, dedupe.measure, home=home, incoming=file),
        partial(
            run.child,
            duck.anti_join,
            files=f"{home}/{school.LAKE}/events/*/*.parquet",
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
    return outcome(found.result["p50_ms"], [found], ratio=found.result["p50_ratio"], note=note)


def _read_one_student_p99(run: Run) -> Outcome:
    found = _reads(run)
    note = f"of the same reads; the first of a bucket, whose footer is not known yet, {found.result['first_ms']:.1f} ms"
    return outcome(found.result["p99_ms"], [found], ratio=found.result["p99_ratio"], note=note)


def _one_page(run: Run) -> Outcome:
    home = run.compacted(run.scaled(school.STUDENTS))
    found = run.child(pages.measure, home=home)
    got = found.result
    note = f"{pages.STUDENTS} of {got['students']:,} students; the first page, with the index, {got['first_ms']:.0f} ms"
    return outcome(got["ms"], [found], ratio=got["ratio"], note=note)


def _seed_state(run: Run) -> Outcome:
    home, warm = run.home(run.scaled(school.STUDENTS)), run.warm_home()
    arguments = {"home": home, "warm_home": warm, "workers": run.workers}
    without, with_state, alone = run.by_turns(
        _recompute(run, run.scaled(school.STUDENTS)),
        partial(run.child, recompute.measure, **arguments, with_state=True),
        partial(run.child, records.measure, **arguments),
    )
    count, more_s, alone_s = with_state[-1].result["records"], median(with_state) - median(without), median(alone)
    size = round(alone[-1].result["bytes"] / count)
    note = (
        f"{count:,} records of {alone[-1].result['bytes'] / count:,.0f} bytes; recompute {median(without):.1f} s, with "
        f"records {median(with_state):.1f} s; making, encoding and storing them alone {alone_s:.1f} s"
    )
    if more_s < alone_s / 10:  # of a few students the difference is noise
        more_s, note = alone_s, f"{note}, which is what counts here"
    bare = [run.child(records.insert_blobs, folder=run.spare("blobs"), count=count, size=size) for _ in range(3)]
    ratio = median(alone, "cpu_s") / median(bare, "cpu_s")
    return outcome(count / more_s, with_state, ratio=ratio, note=f"{note}; sqlite3 alone {median(bare):.1f} s")


def _activate_200k(run: Run) -> Outcome:
    arguments = {"home": run.home(run.scaled(school.STUDENTS)), "warm_home": run.warm_home(), "workers": run.workers}
    found = [run.child(activate.measure, **arguments) for _ in range(run.rounds)]
    got = found[-1].result
    if got["sets"] != 2:
        raise RuntimeError(
            f"records of {got['sets']} model sets are left; expected 2, the active one and the one before"
        )
    note = (
        f"{got['records']:,} students, {got['events']:,} events; recompute with records {got['recompute_s']:.1f} s; "
        f"state store of two sets {got['before_mb']:,.0f} MiB before, {got['after_mb']:,.0f} after"
    )
    ratio = statistics.median(one.cpu_s / one.result["recompute_cpu_s"] for one in found)
    return outcome(median(found), found, ratio=ratio, note=note)


LAKE: tuple[Benchmark, ...] = (
    Benchmark(
        "recompute_20m",
        "s",
        "events in order of arrival → ledger, features, gold of the starter set and history of those that fold",
        _recompute_20m,
        "DuckDB: read the same files, sort by student and time, write one Parquet file",
        (Bar("ratio", "≤", 0.85), Bar("peak_mb", "≤", 1024)),
    ),
    Benchmark(
        "recompute_20m_history",
        "s",
        "the same with the blend's score of every past day",
        _recompute_20m_history,
        "CPU seconds of `recompute_20m`, by turns with it",
    ),
    Benchmark(
        "reconcile_20m",
        "s",
        "everybody folded again, and every record in the state store compared with the fold, bit for bit",
        _reconcile_20m,
        "recompute_20m, by turns with it",
        (Bar("ratio", "≤", 1.5), Bar("peak_mb", "≤", 1024)),
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
        (Bar("ratio", "≤", 3.0), Bar("peak_mb", "≤", 1024)),
    ),
    Benchmark(
        "ingest_10k_files",
        "s",
        "10,000 CSV files of 50 answers each → lake, as one ingest",
        _ingest_10k_files,
        "CPU seconds: times as many as pyarrow to read each of the files as a table",
        (Bar("ratio", "≤", 20),),
    ),
    Benchmark(
        "read_workbook",
        "cells/s",
        "a sheet of 100,000 answers, .xlsx → columns of text",
        _read_workbook,
        "CPU seconds: times as many as python-calamine alone to read its rows",
        (Bar("ratio", "≤", 4),),
    ),
    Benchmark(
        "small_batches",
        "ms",
        "CPU of an ingest of 500 events, mean of 1,000 one after the other into a lake of 3 million",
        _small_batches,
        ENDS,
        (Bar("ratio", "≤", 1.3),),
    ),
    Benchmark(
        "dedupe_1m",
        "s",
        "which of a million rows are among 20 million, exactly, by the function that ingest uses",
        _dedupe_1m,
        "DuckDB: anti join on the event id",
        (Bar("ratio", "≤", 0.85),),
    ),
    Benchmark(
        "read_one_student",
        "ms",
        "all columns of all events of one student from the compacted lake, table open, median",
        _read_one_student,
        ROW_GROUP,
        (Bar("ratio", "≤", 1.3),),
    ),
    Benchmark(
        "read_one_student_p99",
        "ms",
        "the same, 99th percentile",
        _read_one_student_p99,
        ROW_GROUP,
        (Bar("ratio", "≤", 2.5),),
    ),
    Benchmark(
        "one_page_200k",
        "ms",
        "a page of 100 students of a published class of 200,000, lowest mean first, median of pages at random places",
        _one_page,
        PAGE,
        (Bar("ratio", "≤", 3), Bar("peak_mb", "≤", 600)),
    ),
    Benchmark(
        "seed_state",
        "records/s",
        "records of all students into the SQLite state store: what recompute takes longer with it than without",
        _seed_state,
        INSERTS,
        (Bar("ratio", "≤", 1.7),),
    ),
    Benchmark(
        "activate_200k",
        "s",
        "another model set activated: records of everybody beside those of two sets, of which one is dropped",
        _activate_200k,
        RECOMPUTE,
        (Bar("ratio", "≤", 1.4), Bar("peak_mb", "≤", 1_100)),
    ),
)
