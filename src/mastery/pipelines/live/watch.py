"""Who is told what a worker or the API does with what comes in: its steps, its batches, and what is left to do.

They know nothing of how that is counted or shown; `mastery.apps.metrics` shows it to Prometheus.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from mastery.arrays import Floats

NO_RECORD, OVERTAKEN = "no_record", "overtaken"
"""Why students are folded from the lake, besides the members of `Refold`: they have no current record, or another
writer of it was faster."""


class Watch:
    """Is told what happens, from any thread. This one listens to nothing."""

    def step(self, name: str, seconds: float) -> None:
        """Hear that one numbered step of a batch took so long (`understand`, `lake`, `fold`, `records`,
        `dead_letters`, `places`), or one run of what is done beside the batches (`publish`, `compact`).
        """

    def rows(self, outcomes: Mapping[str, int]) -> None:
        """Hear what became of the rows of a batch: outcome → rows."""

    def continued(self, students: int) -> None:
        """Hear of how many students the record was continued."""

    def refolded(self, why: str, students: int) -> None:
        """Hear how many students were folded from the lake, and why."""

    def other_tenants(self, messages: int) -> None:
        """Hear how many messages are another tenant's, and left to its worker."""

    def unknown_tenants(self, messages: int) -> None:
        """Hear how many messages name a tenant that does not exist."""

    def dead_letters(self, messages: int) -> None:
        """Hear how many messages were sent to the dead letters."""

    def readable(self, delays_s: Floats) -> None:
        """Hear of each message of a batch after how many seconds in the stream it was readable."""

    def lag(self, behind: Mapping[str, int]) -> None:
        """Hear how much of each partition that this worker has is still to be dealt with."""

    def published(self, students: int, rows: int) -> None:
        """Hear that all changes are published: of how many students since the last time, in how many rows."""

    def recomputed(self, at_s: float, seconds: float) -> None:
        """Hear when the recompute that people see began (seconds since 1970), and how long it took."""

    def inactive(self, students: int) -> None:
        """Hear how many students with new events are not active, so that their records wait for a reader."""

    def retried(self) -> None:
        """Hear that something could not be written, and is tried again."""

    def progressed(self) -> None:
        """Hear that a batch is done, or that there was nothing to do."""

    @contextmanager
    def taking(self, name: str) -> Iterator[None]:
        """Measure one numbered step, also where it fails."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.step(name, time.perf_counter() - began)


UNWATCHED = Watch()


def delays_s(received_us: np.ndarray[tuple[int], np.dtype[np.int64]], now_us: int) -> Floats:
    """Return float64[n], seconds since messages were received; none is negative, where clocks differ."""
    return np.maximum(now_us - received_us, 0) / 1e6
