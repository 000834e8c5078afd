"""What is done beside the batches, again and again, leaves no memory behind that nobody uses."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from school import ROOT

TWICE = """
import threading
from mastery.pipelines.live.background import Background

def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))

began, freed, kept, second = [], [], [], threading.Event()

def work():
    began.append(resident_mb())
    if len(began) == 2:
        second.set()
    pieces = [bytearray(100_000) for _ in range(2_000)]
    kept.append(pieces[::50])
    del pieces
    freed.append(resident_mb())

with Background("test", 0.01, work, threading.Event()):
    assert second.wait(60)
print(began[0], freed[0], began[1])
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc gives back when it is told to")
def test_memory_that_it_has_freed_is_given_back_each_time():
    line = [sys.executable, "-c", TWICE]
    done = subprocess.run(line, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True)
    began, freed, second = map(float, done.stdout.split())
    assert freed - began > 150, "glibc has kept it"
    assert second - began < 50
