"""How fast a worker takes what lies in a topic, and whether one answer costs more where there are more students."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks import school
from benchmarks.benchmark import Bar, Benchmark
from benchmarks.child import Measured
from benchmarks.parts import backlog, updates
from benchmarks.run import Outcome, Run, Skip, outcome
from benchmarks.servers import broker, empty_store, new_topic

STUDENTS, MESSAGES, BATCH, PARTITIONS = 20_000, 200_000, 10_000, 4

WARM_BATCHES = 2
"""Not timed: kernels are loaded, and partitions dealt out."""

LATE_SHARE = 0.05

STORES = ("sqlite", "postgresql", "redis")

COUNTS = (
    "quixstreams 3.28.1, which only keeps a count per student in its state store, from the same topic; times as fast"
)

SMALL, LARGE, UPDATES = 2_000, school.STUDENTS, 1_000


def _topic(run: Run, at: str, late_share: float) -> str:
    stream = new_topic(at, PARTITIONS)
    home, messages = run.compacted(run.scaled(STUDENTS)), run.scaled(MESSAGES)
    run.child(backlog.fill, home=home, stream=stream, messages=messages, late_share=late_share)
    return stream


def _worked(run: Run, stream: str, store: str) -> Measured:
    batch = run.scaled(BATCH)
    with ExitStack() as until:
        return run.child(
            backlog.work,
            home=run.compacted(run.scaled(STUDENTS)),
            folder=run.spare("worker"),
            stream=stream,
            store=store if store == "sqlite" else empty_store(until, store),
            messages=run.scaled(MESSAGES),
            batch=batch,
            warm=WARM_BATCHES * batch,
        )


def _rate(one: Measured) -> float:
    return float(one.result["timed"]) / one.wall_s


def _told(one: Measured) -> str:
    got = one.result
    return f"{_rate(one):,.0f}/s, {1e6 * got['cpu_s'] / got['timed']:.0f} µs of CPU each, {got['peak_mb']:,.0f} MiB"


def _worker_throughput(run: Run) -> Outcome:
    messages, batch = run.scaled(MESSAGES), run.scaled(BATCH)
    timed = {"messages": messages, "warm": WARM_BATCHES * batch}
    by_store: dict[str, Measured] = {}
    notes: list[str] = []
    with ExitStack() as until:
        at = broker(until)
        stream = _topic(run, at, 0.0)
        bare = run.child(backlog.consume, stream=stream, batch=batch, **timed)
        theirs = None
        if backlog.PEERS.exists():
            theirs = run.child(backlog.count_students, stream=stream, folder=run.spare("peer"), **timed).result
        for store in STORES:
            try:
                by_store[store] = _worked(run, stream, store)
                notes.append(f"{store} {_told(by_store[store])}")
            except Skip as missing:
                notes.append(f"{store} left out: {missing}")
        late = _worked(run, _topic(run, at, LATE_SHARE), "sqlite")
    notes.append(f"with {LATE_SHARE:.0%} late (sqlite) {_told(late)}")
    slowest = min(by_store.values(), key=_rate)
    ratio = None
    if theirs is None:
        notes.append("no ratio: quixstreams is not installed, `make bench-peers` installs it")
    else:
        counted = messages - WARM_BATCHES * batch
        ratio = _rate(slowest) * theirs["seconds"] / counted
        each_us = 1e6 * theirs["cpu_s"] / counted
        notes.append(
            f"quixstreams {counted / theirs['seconds']:,.0f}/s, {each_us:.0f} µs of CPU, {theirs['peak_mb']:,.0f} MiB"
        )
    notes.append(f"polled and parsed alone {_rate(bare):,.0f}/s")
    return Outcome(
        _rate(slowest),
        ratio=ratio,
        start_up_s=slowest.start_up_s,
        cpu_s=slowest.result["cpu_s"],
        peak_mb=max(one.result["peak_mb"] for one in by_store.values()),
        note="; ".join(notes),
    )


def _update_p99_by_size(run: Run) -> Outcome:
    small, large = run.compacted(run.scaled(SMALL)), run.compacted(run.scaled(LARGE))
    found = run.child(
        updates.measure, small=small, large=large, folder=run.spare("updates"), updates=run.scaled(UPDATES)
    )
    got = found.result
    note = (
        f"{run.scaled(UPDATES):,} answers each, by turns; p50 {got['large_p50_ms']:.1f} ms with {run.scaled(LARGE):,} "
        f"students, {got['small_p50_ms']:.1f} with {run.scaled(SMALL):,}; p99 {got['small_p99_ms']:.1f} with these"
    )
    return outcome(got["large_p99_ms"], [found], ratio=got["large_p99_ms"] / got["small_p99_ms"], note=note)


LIVE: tuple[Benchmark, ...] = (
    Benchmark(
        "worker_throughput",
        "events/s",
        "`mastery work` reads a topic of Kafka that is full, 20,000 students with records; the slowest of the stores",
        _worker_throughput,
        COUNTS if backlog.PEERS.exists() else None,
        bars=(Bar("value", "≥", 10_000), Bar("ratio", "≥", 1.0)),
    ),
    Benchmark(
        "update_p99_by_size",
        "ms",
        "one answer into lake and record of its student, 200,000 of them in the store, 99th percentile",
        _update_p99_by_size,
        "the same with 2,000 students, by turns",
        bars=(Bar("ratio", "≤", 1.5),),
    ),
)
