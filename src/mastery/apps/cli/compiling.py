"""What people hear of kernels being compiled: after an update a command may take a minute longer, once."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

from mastery.apps.cli.console import say
from mastery.apps.progress import LINE_S, QUIET_S

KERNELS = logging.getLogger("mastery.kernels")


class Notice(logging.Handler):
    """Says once that kernels are being compiled, when that takes longer than `quiet_s`; as soon as progress is shown
    where it is left out.
    """

    def __init__(self, quiet_s: float | None = None) -> None:
        super().__init__(logging.INFO)
        self._first_s: float | None = None
        self._quiet_s = quiet_s if quiet_s is not None else QUIET_S if sys.stderr.isatty() else LINE_S

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - which kernel it is does not matter
        """Hear of one kernel."""
        now_s = time.monotonic()
        if self._first_s is None:
            self._first_s = now_s
        if now_s - self._first_s > self._quiet_s:
            KERNELS.removeHandler(self)
            say("compiling kernels, once for this version; `mastery warm-up` does it beforehand")


def tell_of_compiling() -> None:
    """Let long compiling be told from now on."""
    KERNELS.setLevel(logging.INFO)
    KERNELS.addHandler(Notice())


class Compiled(logging.Handler):
    """Counts the kernels that are compiled within a `with`, and keeps them from being told otherwise.

    Attributes:
        count: How many there were.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - which kernel it is does not matter
        """Hear of one kernel."""
        self.count += 1

    def __enter__(self) -> Compiled:
        """Begin to count."""
        self._others, KERNELS.handlers = KERNELS.handlers, [self]
        self._level = KERNELS.level
        KERNELS.setLevel(logging.INFO)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End counting."""
        KERNELS.handlers = self._others
        KERNELS.setLevel(self._level)
