"""A process that lives long keeps its memory in a few arenas."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mastery.apps.memory import ARENAS
from school import ROOT

TWELVE_THREADS = """
import ctypes, sys, threading
from mastery.apps.memory import share_arenas

print(share_arenas())
there, done = threading.Barrier(13), threading.Barrier(13)

def work():
    kept = [bytearray(1_000) for _ in range(100)]
    there.wait()
    done.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
there.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
said = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, said)
libc.fclose(said)
done.wait()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="arenas are glibc's")
@pytest.mark.parametrize("most", [None, "5"])
def test_threads_share_a_few_arenas_unless_the_environment_says_how_many(tmp_path: Path, most: str | None) -> None:
    others = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    environment = others | {"PYTHONPATH": str(ROOT / "src")} | ({} if most is None else {"MALLOC_ARENA_MAX": most})
    run = [sys.executable, "-c", TWELVE_THREADS, str(tmp_path / "arenas.xml")]
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{most is None}\n"), done.stderr
    arenas = (tmp_path / "arenas.xml").read_text().count("<heap nr=")
    assert arenas == (ARENAS if most is None else int(most))
