"""Work that can wait takes a share of the time, and leaves the rest to what cannot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mastery.errors import BadInput


class Pace:
    """Rests after each piece of work, in proportion to how long it took. Used by one thread at a time.

    Of two threads of one process that compute, each takes processor and interpreter from the other, so that one which
    publishes 200,000 students doubles for a minute what a batch takes. With rests in between it slows few batches.

    >>> waited = []
    >>> times = iter([0.0, 3.0, 12.0])
    >>> pace = Pace(0.25, rest=waited.append, monotonic_s=lambda: next(times))
    >>> pace.begin()
    >>> pace.rest()
    >>> waited
    [9.0]
    """

    def __init__(
        self, share: float, rest: Callable[[float], object], monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the share of the time that is worked, above 0; with 1 there is no rest. `rest` takes seconds.

        Raises:
            BadInput: There is no such share.
        """
        if not 0.0 < share <= 1.0:
            raise BadInput(f"a share of the time is above 0 and at most 1; this one is {share}")
        self._rests = 1.0 / share - 1.0
        self._rest, self._monotonic_s = rest, monotonic_s
        self._since_s = 0.0

    def begin(self) -> None:
        """Begin the first piece."""
        self._since_s = self._monotonic_s()

    def rest(self) -> None:
        """Rest after a piece, and begin the next."""
        took_s = self._monotonic_s() - self._since_s
        if self._rests > 0.0:
            self._rest(took_s * self._rests)
        self.begin()


def paced(share: float, stop: threading.Event) -> Pace:
    """Return the pace of work that ends when `stop` is set: it wakes up then."""
    return Pace(share, stop.wait)
