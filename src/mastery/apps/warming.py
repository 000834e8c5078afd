"""What takes events as they come has its kernels compiled before the first of them: that takes about a minute, once for
a version of the engine.
"""

from __future__ import annotations

import logging
import threading
import time

from mastery.engine.warm_up import warm_up_live
from mastery.errors import Stopped

log = logging.getLogger(__name__)


class Warming:
    """Compiles what is missing; in a thread of its own by `start`. What goes wrong is logged: then kernels are compiled
    when they are used first.
    """

    def __init__(self, stop: threading.Event) -> None:
        """Take what ends it at the next step."""
        self._stop = stop
        self._done = threading.Event()

    @property
    def done(self) -> bool:
        """Whether nothing more is compiled beforehand."""
        return self._done.is_set()

    def start(self) -> None:
        """Begin in a thread that keeps no process from ending."""
        threading.Thread(target=self.run, name="warm-up", daemon=True).start()

    def run(self) -> None:
        """Compile what is missing, and say in the log how long that took."""
        began, steps = time.monotonic(), 0

        def step(_name: str, done: int, _of: int) -> None:
            nonlocal steps
            if self._stop.is_set():
                raise Stopped
            if not done:
                log.info("compiling kernels, once for this version; `mastery warm-up` does it beforehand")
            steps += 1

        try:
            warm_up_live(step)
        except Stopped:
            return
        except Exception:  # such as no place for temporary files: nothing of the deployment depends on it
            log.exception("kernels are compiled when they are used first")
        finally:
            self._done.set()
        if steps:
            log.info("kernels are compiled", extra={"seconds": round(time.monotonic() - began, 1)})
