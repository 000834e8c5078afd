"""What the worker and the intake of the API do, as metrics for Prometheus, on a port of their own.

docs/operations.md lists them all, and a test compares. Nothing in them is about a person: labels are tenants,
partitions, steps and outcomes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from mastery import __version__
from mastery.arrays import Floats
from mastery.errors import BadInput, Conflict
from mastery.pipelines.live.watch import Watch

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

STEP_BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
ROWS_BOUNDS = (1, 10, 100, 1_000, 5_000, 10_000)
DELAY_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0)

DELAY = "mastery_readable_delay_seconds"


class Metrics:
    """All metrics of one process.

    Raises:
        BadInput: prometheus-client is not installed.
    """

    def __init__(self) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise BadInput("metrics need prometheus-client: pip install 'student-mastery-engine[metrics]'") from None
        self.registry = registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        build = prometheus.Gauge(
            "mastery_build", "Always 1; the label version is the engine's.", ["version"], registry=registry
        )
        build.labels(__version__).set(1)

        def counter(name: str, doc: str, *labels: str) -> prometheus.Counter:
            return prometheus.Counter(name, doc, ["tenant", *labels], registry=registry)

        self.rows = counter("mastery_rows", "Rows taken, by what became of them.", "outcome")
        self.continued = counter("mastery_continued_students", "Students whose record was continued with new events.")
        self.refolded = counter(
            "mastery_refolded_students", "Students folded from the lake instead, by reason.", "reason"
        )
        self.inactive = counter("mastery_inactive_students", "Inactive students with new events, whose records wait.")
        self.other_tenants = counter(
            "mastery_other_tenants_messages", "Messages of another tenant, left to its worker."
        )
        self.unknown_tenants = counter(
            "mastery_unknown_tenants_messages", "Messages whose key names a tenant that does not exist."
        )
        self.dead_letters = counter("mastery_dead_letters", "Messages sent to the dead letters.")
        self.retries = counter("mastery_retries", "Failed attempts to write, publish or compact, each tried again.")
        self.batch_rows = prometheus.Histogram(
            "mastery_batch_rows", "Rows of a batch.", ["tenant"], buckets=ROWS_BOUNDS, registry=registry
        )
        self.steps = prometheus.Histogram(
            "mastery_step_seconds",
            "Seconds of one step of a batch, or of publishing or compacting beside the batches.",
            ["tenant", "step"],
            buckets=STEP_BOUNDS,
            registry=registry,
        )
        self.lag = prometheus.Gauge(
            "mastery_partition_lag",
            "How much of a partition is still to be dealt with: messages, or bytes of a file.",
            ["tenant", "partition"],
            registry=registry,
        )
        self.progress = prometheus.Gauge(
            "mastery_progress_timestamp_seconds",
            "When the worker last finished a batch, or found nothing to do.",
            ["tenant"],
            registry=registry,
        )
        self.published = counter("mastery_published_students", "Students published between two recomputes.")
        self.written = counter("mastery_published_rows", "Rows written to publish them.")

        def gauge(name: str, doc: str) -> prometheus.Gauge:
            return prometheus.Gauge(name, doc, ["tenant"], registry=registry)

        self.published_at = gauge("mastery_published_timestamp_seconds", "When all changes were last published.")
        self.recompute_at = gauge("mastery_recompute_timestamp_seconds", "When the recompute that people see began.")
        self.recompute_s = gauge("mastery_recompute_seconds", "How long that recompute took until people saw it.")
        self.delays = _Delays()
        registry.register(self.delays)

    def of(self, tenant: str) -> Watch:
        """Return what counts what is done for a tenant."""
        return _OfTenant(self, tenant)


@contextmanager
def served(host: str, port: int | None, setting: str) -> Iterator[Metrics | None]:
    """Give metrics that can be read at `http://HOST:PORT/metrics` for as long as the body takes; None without a port.

    Raises:
        BadInput: prometheus-client is not installed.
        Conflict: The port cannot be listened on; `setting` names what says which.
    """
    if port is None:
        yield None
        return
    metrics = Metrics()
    import prometheus_client as prometheus

    try:
        server, thread = prometheus.start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise Conflict(
            f"the metrics cannot be served on {host}:{port} ({error.strerror}); end what uses it, or choose another "
            f"port: {setting}"
        ) from None
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _OfTenant(Watch):
    """Counts for one tenant."""

    def __init__(self, metrics: Metrics, tenant: str) -> None:
        self._metrics, self._tenant = metrics, tenant
        self._partitions: set[str] = set()

    def step(self, name: str, seconds: float) -> None:
        self._metrics.steps.labels(self._tenant, name).observe(seconds)

    def rows(self, outcomes: Mapping[str, int]) -> None:
        for outcome, rows in outcomes.items():
            self._metrics.rows.labels(self._tenant, outcome).inc(rows)
        self._metrics.batch_rows.labels(self._tenant).observe(sum(outcomes.values()))

    def continued(self, students: int) -> None:
        self._metrics.continued.labels(self._tenant).inc(students)

    def refolded(self, why: str, students: int) -> None:
        self._metrics.refolded.labels(self._tenant, why).inc(students)

    def inactive(self, students: int) -> None:
        self._metrics.inactive.labels(self._tenant).inc(students)

    def other_tenants(self, messages: int) -> None:
        self._metrics.other_tenants.labels(self._tenant).inc(messages)

    def unknown_tenants(self, messages: int) -> None:
        self._metrics.unknown_tenants.labels(self._tenant).inc(messages)

    def dead_letters(self, messages: int) -> None:
        self._metrics.dead_letters.labels(self._tenant).inc(messages)

    def readable(self, delays_s: Floats) -> None:
        self._metrics.delays.add(self._tenant, delays_s)

    def lag(self, behind: Mapping[str, int]) -> None:
        for partition in self._partitions - behind.keys():
            self._metrics.lag.remove(self._tenant, partition)
        self._partitions = set(behind)
        for partition, left in behind.items():
            self._metrics.lag.labels(self._tenant, partition).set(left)

    def published(self, students: int, rows: int) -> None:
        self._metrics.published.labels(self._tenant).inc(students)
        self._metrics.written.labels(self._tenant).inc(rows)
        self._metrics.published_at.labels(self._tenant).set(time.time())

    def recomputed(self, at_s: float, seconds: float) -> None:
        self._metrics.recompute_at.labels(self._tenant).set(at_s)
        self._metrics.recompute_s.labels(self._tenant).set(seconds)

    def retried(self) -> None:
        self._metrics.retries.labels(self._tenant).inc()

    def progressed(self) -> None:
        self._metrics.progress.labels(self._tenant).set(time.time())


class _Delays:
    """The histogram of delays, added to by whole batches: one by one, 10,000 of them would take 20 ms."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, tuple[np.ndarray[tuple[int], np.dtype[np.int64]], float]] = {}

    def add(self, tenant: str, delays_s: Floats) -> None:
        counts = np.bincount(np.searchsorted(DELAY_BOUNDS, delays_s), minlength=len(DELAY_BOUNDS) + 1)
        with self._lock:
            before, total_s = self._found.get(tenant, (np.zeros(len(DELAY_BOUNDS) + 1, np.int64), 0.0))
            self._found[tenant] = before + counts, total_s + float(delays_s.sum())

    def collect(self) -> Iterator[Metric]:
        """Yield the histogram, as the registry asks for it."""
        from prometheus_client.metrics_core import HistogramMetricFamily

        family = HistogramMetricFamily(
            DELAY, "Seconds from when the stream took a message in until its scores could be read.", labels=["tenant"]
        )
        with self._lock:
            for tenant, (counts, total_s) in self._found.items():
                bounds = [*map(str, DELAY_BOUNDS), "+Inf"]
                family.add_metric([tenant], [*zip(bounds, np.cumsum(counts).tolist(), strict=True)], total_s)
        yield family
