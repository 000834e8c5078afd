"""The metrics, read from a real worker and from a real API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from urllib.request import Request, urlopen

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from apps.working import LINE, SRC, begun, row, until_written
from mastery.apps.metrics import DELAY, DELAY_BOUNDS, Metrics, served
from mastery.errors import Conflict
from services import answers, free_port


def read(port: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Sample and its labels, without the tenant → value."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, tuple(sorted((name, of) for name, of in sample.labels.items() if name != "tenant"))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.slow
def test_a_running_worker_says_what_it_does(school):
    home, folder = school
    sent = [row(1), row(2), row(2), "{", row(0).replace("true", "false").replace("a0", "a9"), row(3)]
    (folder / "a.ndjson").write_text("".join(one + "\n" for one in sent))
    port = free_port()
    worker = begun(home, folder, "--metrics-port", str(port))
    until_written(worker, 4)
    (folder / "b.ndjson").write_text(row(4) + "\n")
    until_written(worker, 1)
    found = read(port)

    def of(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

    outcomes = {name: of("mastery_rows_total", outcome=name) for name in ("accepted", "revised", "duplicates")}
    assert outcomes == {"accepted": 5, "revised": 0, "duplicates": 1}
    assert of("mastery_rows_total", outcome="rejected") == 1
    assert of("mastery_batch_rows_sum") == 7
    assert of("mastery_batch_rows_count") == 2
    steps = ("understand", "lake", "fold", "records", "places")
    assert all(of("mastery_step_seconds_count", step=step) == 2 for step in steps)
    assert all(of("mastery_step_seconds_sum", step=step) > 0 for step in steps)
    assert of("mastery_refolded_students_total", reason="no_record") == 1
    assert of("mastery_continued_students_total") == 1
    lags = {dict(labels)["partition"].partition("#")[0]: lag for (name, labels), lag in found.items()
            if name == "mastery_partition_lag"}  # fmt: skip
    assert lags[f"folder:{folder / 'a.ndjson'}"] == 0
    assert of("mastery_readable_delay_seconds_count") == 7
    assert of("mastery_readable_delay_seconds_bucket", le="+Inf") == 7
    assert 0 < time.time() - of("mastery_progress_timestamp_seconds") < 60
    assert of("process_resident_memory_bytes") > 1e7

    worker.send_signal(signal.SIGTERM)
    worker.communicate()
    assert worker.returncode == 0
    assert not answers(port)


@pytest.mark.slow
def test_the_api_says_what_its_intake_does_on_a_port_of_its_own(school):
    home, _ = school
    api, port = free_port(), free_port()
    served_by = subprocess.Popen(
        [sys.executable, "-c", LINE, "--home", str(home), "serve", "--no-dashboard"],
        env=os.environ
        | {"PYTHONPATH": str(SRC), "MASTERY_API__PORT": str(api), "MASTERY_METRICS__API_PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert "API" in served_by.stdout.readline()
        body = f"[{row(1)}, {row(1)}]".encode()
        with urlopen(Request(f"http://127.0.0.1:{api}/v1/events", body, {"content-type": "application/json"})) as said:
            assert said.status == 200
        found = read(port)
        assert found["mastery_rows_total", (("outcome", "accepted"),)] == 1
        assert found["mastery_rows_total", (("outcome", "duplicates"),)] == 1
        assert found["mastery_step_seconds_count", (("step", "lake"),)] == 1
    finally:
        served_by.terminate()
        served_by.communicate()


def test_a_port_that_is_taken_is_named_with_the_setting():
    with (
        served("127.0.0.1", port := free_port(), "FIRST"),
        pytest.raises(Conflict, match=f"127.0.0.1:{port} .*another port: SECOND"),
        served("127.0.0.1", port, "SECOND"),
    ):
        pass


def test_delays_are_counted_where_they_belong():
    metrics = Metrics()
    watch = metrics.of("north")
    watch.readable(np.array([0.01, 0.05, 0.2, 7_200.0]))
    watch.readable(np.array([0.2]))
    (family,) = (one for one in metrics.registry.collect() if one.name == DELAY)
    counts = {sample.labels["le"]: sample.value for sample in family.samples if sample.name == f"{DELAY}_bucket"}
    assert counts["0.05"] == 2
    assert counts["0.25"] == counts[str(DELAY_BOUNDS[-1])] == 4
    assert counts["+Inf"] == 5


def test_partitions_that_went_to_another_worker_are_not_shown():
    metrics = Metrics()
    watch = metrics.of("north")
    watch.lag({"a": 1, "b": 2})
    watch.lag({"b": 3})
    (family,) = (one for one in metrics.registry.collect() if one.name == "mastery_partition_lag")
    assert [(sample.labels["partition"], sample.value) for sample in family.samples] == [("b", 3)]
