"""Memory that was freed goes back to the system, though pieces in between are still used."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from school import ROOT

FREED_IN_BETWEEN = """
from mastery.memory import give_back

def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))

before = resident_mb()
pieces = [bytearray(100_000) for _ in range(2_000)]
kept = pieces[::50]
del pieces
freed = resident_mb()
give_back()
print(before, freed, resident_mb())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc gives back when it is told to")
def test_what_was_freed_between_pieces_that_are_used_is_given_back():
    line = [sys.executable, "-c", FREED_IN_BETWEEN]
    done = subprocess.run(line, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True)
    before, freed, after = map(float, done.stdout.split())
    assert freed - before > 150, "glibc has kept it"
    assert after - before < 50
