"""What is done every so often beside the batches, in a thread of its own: publishing what has changed, compacting."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from mastery.errors import Conflict, Stopped, Unwritable
from mastery.memory import give_back
from mastery.pipelines.live.watch import UNWATCHED, Watch

log = logging.getLogger(__name__)


class Background:
    """Does one thing again and again until it is closed; what goes wrong is logged, and tried again the next time.

    The first time is a period after the beginning: a worker that is started again and again does not begin with it.
    """

    def __init__(
        self, what: str, every_s: float, work: Callable[[], object], stop: threading.Event, watch: Watch = UNWATCHED
    ) -> None:
        """Take what is done.

        Args:
            what: What it is called in the log, and as a step.
            every_s: Seconds from the end of one to the beginning of the next.
            work: Does it once. Raises Stopped where `stop` is set meanwhile.
            stop: Set by `close`.
            watch: Is told how long each took.
        """
        self._what, self._every_s, self._work, self._stop, self._watch = what, every_s, work, stop, watch
        self._thread = threading.Thread(target=self._run, name=what)

    def start(self) -> Background:
        """Begin; `close` ends it."""
        self._thread.start()
        return self

    def __enter__(self) -> Background:
        """Begin."""
        return self.start()

    def __exit__(self, *_error: object) -> None:
        """End, after what is being done."""
        self.close()

    def close(self) -> None:
        """End, after what is being done."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                with self._watch.taking(self._what):
                    self._work()
            except Stopped:
                return
            except (Conflict, Unwritable) as error:
                log.warning("%s: tried again in %g s. %s", self._what, self._every_s, error)
                self._watch.retried()
            except Exception:
                log.exception("%s: tried again in %g s", self._what, self._every_s)
                self._watch.retried()
            give_back()
