"""Model sets of one deployment: fit, list, compare, activate. What `mastery fit` and `mastery models` call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mastery import __version__
from mastery.errors import Conflict

if TYPE_CHECKING:
    from mastery.apps.engine import Engine
    from mastery.pipelines.models.activations import ActiveChoice
    from mastery.pipelines.models.compare import Comparison
    from mastery.pipelines.models.fit import Progress, Stored
    from mastery.pipelines.models.listing import VersionDetail, VersionDocument
    from mastery.pipelines.scoring.recompute import RecomputeReport

Bar = Callable[[int], None]


@dataclass(frozen=True)
class Models:
    """The model sets of one engine."""

    engine: Engine

    def fit(
        self,
        scorer: str,
        *,
        since: str | None,
        until: str | None,
        seed: int,
        most_events: int | None,
        now_us: int,
        progress: Progress | None = None,
    ) -> Stored:
        """Fit one scorer, or `all` of them, to the lake's events and store the new version."""
        from mastery.pipelines.models.active import current_model_set
        from mastery.pipelines.models.fit import ENOUGH_EVENTS, fit

        engine = self.engine
        try:
            base = engine.reader.metadata().model_set
        except Conflict:  # this engine cannot use the active set: a fit is the way out
            base = current_model_set(engine.lake, engine.rules.params)
        return fit(
            engine.lake,
            base,
            engine.rules.params,
            now_us=now_us,
            code_version=__version__,
            scorers=None if scorer == "all" else [scorer],
            since_us=None if since is None else engine.moment_us(since, now_us),
            until_us=None if until is None else engine.moment_us(until, now_us),
            seed=seed,
            threads=engine.settings.workers,
            most_events=ENOUGH_EVENTS if most_events is None else most_events,
            progress=progress,
        )

    def all_of_them(self) -> list[VersionDocument]:
        """Return every model set."""
        from mastery.pipelines.models.listing import list_versions

        return list_versions(self.engine.lake, self.engine.rules.params)

    def show(self, version: str) -> VersionDetail:
        """Return what is known of one."""
        from mastery.pipelines.models.listing import show_version

        return show_version(self.engine.lake, self.engine.rules.params, version)

    def compare(self, old: str, new: str) -> Comparison:
        """Return how two differ."""
        from mastery.pipelines.models.active import named_model_set
        from mastery.pipelines.models.card import cards
        from mastery.pipelines.models.compare import compare

        lake, rules = self.engine.lake, self.engine.rules.params
        return compare(lake, named_model_set(lake, rules, old), named_model_set(lake, rules, new), cards(lake))

    def activate(
        self, version: str, as_of: str, *, now_us: int, workers: int | None, progress: Bar | None = None
    ) -> RecomputeReport:
        """Fold everybody into a set, publish, and switch to it."""
        from mastery.pipelines.scoring.activate import activate

        engine = self.engine
        publish = engine.publisher(as_of, now_us, workers=workers, progress=progress)
        return activate(engine.lake, engine.rules.params, version, now_us, publish)

    def rollback(self, as_of: str, *, now_us: int, workers: int | None, progress: Bar | None = None) -> RecomputeReport:
        """Switch to the set before, at once, and publish."""
        from mastery.pipelines.scoring.activate import rollback

        engine = self.engine
        publish = engine.publisher(as_of, now_us, workers=workers, progress=progress)
        return rollback(engine.lake, engine.rules.params, now_us, publish)

    def shadow(self, version: str | None, now_us: int) -> ActiveChoice:
        """Let a set run in shadow from the next recompute on; None: none."""
        from mastery.pipelines.scoring.activate import set_shadow

        return set_shadow(self.engine.lake, self.engine.rules.params, version, now_us)
