"""Model sets that are fed beside the active one: those that an activation is folding everybody into.

Nobody says that an activation runs: it has put records of a set that is not active, nor was. One that was killed has
put some, too; they are fed until the next recompute drops them. Nothing depends on it: a record that is not fed is not
current, and its student is folded from the lake. But without it all who work during an activation would be, after it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from mastery.errors import Conflict, NotFound, Unwritable
from mastery.lake import Lake
from mastery.pipelines.models.activations import DEFAULT, active_choice
from mastery.pipelines.models.store import load_model_set
from mastery.scorers.model_set import ModelSet
from mastery.state import StateStore, StateUnusable

log = logging.getLogger(__name__)

LOOKED_EVERY_S = 1.0
"""How often the state store is asked of which sets it has records."""


class SetsBeside:
    """The sets to be fed, looked for now and then. Used by one thread."""

    def __init__(self, lake: Lake, state: StateStore) -> None:
        """Take where the sets are, and where their records."""
        self._lake, self._state = lake, state
        self._looked_s: float | None = None
        self._found: tuple[str, ...] = ()
        self._loaded: dict[str, ModelSet | None] = {}

    def of(self, active: ModelSet) -> list[ModelSet]:
        """Return the sets beside the active one, by the days of which they are folded."""
        now_s = time.monotonic()
        if self._looked_s is None or now_s - self._looked_s >= LOOKED_EVERY_S:
            self._looked_s, self._found = now_s, self._look()
        sets = (self._loaded[version] for version in self._found if version != active.version)
        return [replace(one, days=active.days) for one in sets if one is not None]

    def _look(self) -> tuple[str, ...]:
        try:
            there = self._state.model_versions()
        except (StateUnusable, Unwritable):  # the batch says so
            return ()
        if len(there) < 2:
            return ()
        choice = active_choice(self._lake)
        once_active = {choice.active, *choice.before}
        found = [one for one in there if one not in once_active and not one.startswith(f"{DEFAULT}-")]
        self._loaded = {one: self._loaded[one] if one in self._loaded else self._load(one) for one in found}
        return tuple(found)

    def _load(self, version: str) -> ModelSet | None:
        try:
            return load_model_set(self._lake, version)
        except (Conflict, NotFound) as error:
            log.info("records of model set %s are not updated beside the active one: %s", version, error)
            return None
