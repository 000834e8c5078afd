"""Ctrl-C in long work: the process ends within seconds, whatever its threads are at.

Ctrl-C raises KeyboardInterrupt in the main thread alone. A fit runs scorers side by side in threads, and a pool of
threads waits for what they have begun: 13 s on 285,000 events, minutes on more. Nothing can tell a compiled kernel to
stop, so after a while the process ends without it. That leaves nothing half written: a process that is killed at any
write is repaired by running the command again (tests/crash).
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""Exit code: what a shell says of a program that SIGINT has ended."""

GRACE_S = 3.0
"""How long work may take to end by itself, and to take away the files that it has begun."""

AGAIN_S = 0.02
"""When Ctrl-C comes at a moment in which it would be lost, it is raised again after this time."""

ERASE_LINE, SHOW_CURSOR = "\r\x1b[2K", "\x1b[?25h"


@contextmanager
def ends_on_ctrl_c(grace_s: float = GRACE_S) -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt, and end the process when the work goes on for `grace_s` seconds after it."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread hears of signals
        yield
        return
    timer = threading.Timer(grace_s, _end)
    timer.daemon = True

    def interrupt(_signal: int, frame: FrameType | None) -> None:
        if not timer.is_alive():
            timer.start()
        if _would_be_lost(frame):
            again = threading.Timer(AGAIN_S, _thread.interrupt_main)
            again.daemon = True
            again.start()
            return
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        timer.cancel()


def _would_be_lost(frame: FrameType | None) -> bool:
    """Tell whether an exception that is raised here goes nowhere, or leaves something half made.

    While a kernel is loaded, LLVM calls functions of llvmlite, and what they raise is printed and forgotten: one
    simulation in ten that was interrupted went on.
    """
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("llvmlite."):
            return True
        frame = frame.f_back
    return False


def _end() -> None:
    if sys.stderr.isatty():
        sys.stderr.write(ERASE_LINE + SHOW_CURSOR)
    sys.stderr.write("interrupted\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)
