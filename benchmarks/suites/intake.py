"""How fast the API takes events, each on the disk and in the scores of its student when the answer comes."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from benchmarks import school
from benchmarks.benchmark import Bar, Benchmark
from benchmarks.child import Measured
from benchmarks.parts import intake, readable
from benchmarks.run import Outcome, Run, outcome
from benchmarks.servers import broker, new_topic

ONE, MANY, CLIENTS = 1_000, 20_000, 64
BATCHES, BATCH_ROWS, BATCH_CLIENTS = 200, 1_000, 4


def _posted(run: Run, requests: int, rows: int, connections: int, query: str) -> Measured:
    home = run.compacted(run.scaled(school.STUDENTS))
    measured = run.child(
        intake.measure,
        home=home,
        folder=run.spare("intake"),
        requests=requests,
        rows=rows,
        connections=connections,
        query=query,
    )
    got = measured.result
    if got["kept"] != got["posted"]:
        raise RuntimeError(f"of {got['posted']} events posted, all of them new, {got['kept']} are in the lake")
    return measured


def _one(run: Run) -> Measured:
    found: Measured = run.once("intake_one", lambda: _posted(run, run.scaled(ONE), 1, 1, "?return=scores"))
    return found


def _intake_one(run: Run, percentile: str) -> Outcome:
    found = _one(run)
    each_ms = 1e3 * found.cpu_s / run.scaled(ONE)
    asked, there = f"{run.scaled(ONE):,}", f"{found.result['events']:,}"
    note = f"one client, {asked} answers, into {there} events; {each_ms:.1f} ms of CPU each"
    return outcome(found.result[percentile], [found], note=note)


def _per_second(run: Run, requests: int, rows: int, clients: int) -> Outcome:
    found = _posted(run, run.scaled(requests), rows, clients, "")
    got = found.result
    ours_ms, client_ms = (1e3 * cpu_s / run.scaled(requests) for cpu_s in (found.cpu_s, got["client_cpu_s"]))
    note = (
        f"{clients} clients, {run.scaled(requests):,} requests, into {got['events']:,} events; p50 {got['p50_ms']:.0f} "
        f"ms, p99 {got['p99_ms']:.0f} ms; {ours_ms:.2f} ms of CPU each, and {client_ms:.2f} of the client"
    )
    return outcome(run.scaled(requests) * rows / got["seconds"], [found], note=note)


RATE, MINUTES = 2_000, 10
PARTITIONS = 4


def _readable(run: Run) -> Measured:
    def measured() -> Measured:
        with ExitStack() as until:
            return run.child(
                readable.measure,
                home=run.compacted(run.scaled(school.STUDENTS)),
                folder=run.spare("readable"),
                stream=new_topic(broker(until), PARTITIONS),
                rate=RATE,
                seconds=max(5.0, MINUTES * 60 * run.scale),
            )

    found: Measured = run.once("readable", measured)
    return found


def _event_to_readable(run: Run, percentile: str) -> Outcome:
    found = _readable(run)
    got = found.result
    if got["lost"]:
        raise RuntimeError(f"of {got['asked']} events that the API was asked for, it never had {got['lost']}")
    each = ", ".join(
        f"the {'API' if name == 'api' else name} {got['cpu_s'][name] / got['seconds']:.2f} of a core, "
        f"{got['first_mb'][name]:,.0f} MiB in the first quarter and {got['last_mb'][name]:,.0f} in the last"
        for name in got["cpu_s"]
    )
    note = (
        f"{got['per_second']:,.0f} events/s for {got['seconds']:,.0f} s, {got['asked']:,} of them asked for in "
        f"{got['questions']:,} questions; {each}"
    )
    return outcome(got[percentile], [found], note=note)


INTAKE: tuple[Benchmark, ...] = (
    Benchmark(
        "intake_one",
        "ms",
        "one answer posted by one client → 200 with its new scores, on a lake of 20 million events, median",
        partial(_intake_one, percentile="p50_ms"),
        bars=(Bar("value", "≤", 20),),
    ),
    Benchmark(
        "intake_one_p99",
        "ms",
        "the same, 99th percentile",
        partial(_intake_one, percentile="p99_ms"),
        bars=(Bar("value", "≤", 80),),
    ),
    Benchmark(
        "intake_many",
        "requests/s",
        "64 clients at once, a single answer in each request, each durable when it is answered",
        partial(_per_second, requests=MANY, rows=1, clients=CLIENTS),
        bars=(Bar("value", "≥", 1_500),),
    ),
    Benchmark(
        "intake_batches",
        "events/s",
        "requests of 1,000 answers of as many students, four at once",
        partial(_per_second, requests=BATCHES, rows=BATCH_ROWS, clients=BATCH_CLIENTS),
        bars=(Bar("value", "≥", 50_000),),
    ),
    Benchmark(
        "event_to_readable",
        "s",
        "an event sent to Kafka → readable through the API, at 2,000 events a second for 10 minutes, median",
        partial(_event_to_readable, percentile="p50_s"),
        bars=(Bar("value", "≤", 1),),
    ),
    Benchmark(
        "event_to_readable_p99",
        "s",
        "the same, 99th percentile",
        partial(_event_to_readable, percentile="p99_s"),
        bars=(Bar("value", "≤", 5),),
    ),
)
