"""What a worker or an API publishes every few minutes: the students of whom something has come in, by whatever door.

Any number of them may do it for one lake: one at a time, and whoever finds another at it leaves it at that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from mastery.lake import Lake
from mastery.lake.publication import last_of_everybody
from mastery.pipelines.live.watch import UNWATCHED, Watch
from mastery.pipelines.models.active import shadow_model_set
from mastery.pipelines.scoring.publish_changed import ChangesPublisher
from mastery.scorers.model_set import ModelSet
from mastery.tables import PUBLICATIONS

log = logging.getLogger(__name__)


class Publishing:
    """Publishes once each time it is called, and says in the log what it has published, or why it could not."""

    def __init__(
        self,
        lake: Lake,
        model_set: Callable[[], ModelSet],
        now_us: Callable[[], int],
        *,
        min_evidence: int,
        derived_history: bool,
        stop: threading.Event,
        share: float = 1.0,
        watch: Watch = UNWATCHED,
    ) -> None:
        """Take the lake and what is asked each time: the active set, and the time. `share`: see `ChangesPublisher`."""
        self._lake, self._model_set, self._now_us, self._watch = lake, model_set, now_us, watch
        self._publisher = ChangesPublisher(
            lake, min_evidence=min_evidence, derived_history=derived_history, stop=stop, share=share
        )
        self._told: str | None = None

    def __call__(self) -> None:
        """Publish, unless another process is publishing; see `ChangesPublisher.publish`."""
        with self._lake.publishing_changes() as alone:
            if alone:
                self._publish()

    def _publish(self) -> None:
        now_us = self._now_us()
        done = self._publisher.publish(
            self._model_set(), as_of_us=now_us, now_us=now_us, shadow=shadow_model_set(self._lake)
        )
        if done.left is None:
            self._watch.published(done.students, done.written)
        elif done.left != self._told:
            log.warning("%s: changes are published again after the next 'mastery recompute'", done.left)
        self._told = done.left
        if done.generation is not None:
            log.info("published", extra={"students": done.students, "rows": done.rows, "written": done.written})
        whole = last_of_everybody(self._lake.scan(PUBLICATIONS))
        if whole is not None:
            self._watch.recomputed(*whole)
