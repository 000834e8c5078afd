"""Which allocator Arrow uses while files are read, and afterwards."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pyarrow as pa

from mastery.pipelines.ingest.memory import SLOW, system_memory


def backend() -> str:
    return str(pa.default_memory_pool().backend_name)


def test_arrow_takes_memory_from_the_system_within_and_as_before_afterwards() -> None:
    before = backend()
    assert before == SLOW
    with system_memory():
        with system_memory():
            assert backend() == "system"
        assert backend() == "system"
    assert backend() == before


def test_the_last_thread_to_leave_puts_back_what_the_first_found() -> None:
    before, together = backend(), Barrier(4)

    def within() -> str:
        with system_memory():
            together.wait()
            return backend()

    with ThreadPoolExecutor(4) as pool:
        assert [job.result() for job in [pool.submit(within) for _ in range(4)]] == ["system"] * 4
    assert backend() == before


def test_an_allocator_that_somebody_has_chosen_stays() -> None:
    program = (
        "import pyarrow as pa; from mastery.pipelines.ingest.memory import system_memory as m\n"
        "with m(): print(pa.default_memory_pool().backend_name)"
    )
    chosen = subprocess.run(
        [sys.executable, "-c", program],
        env={"ARROW_DEFAULT_MEMORY_POOL": "jemalloc", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert chosen.stdout == "jemalloc\n"
