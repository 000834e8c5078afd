"""Model sets of one deployment: fit, list, compare, activate. What `mastery fit` and `mastery models` call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mastery import __version__
from mastery.as_of import Moment
from mastery.engine import clock
from mastery.engine.deployment import Deployment
from mastery.errors import Conflict, NotFound
from mastery.given import flag, text, whole

if TYPE_CHECKING:
    from mastery.pipelines.models.activations import ActiveChoice
    from mastery.pipelines.models.compare import Comparison
    from mastery.pipelines.models.exchange import Imported
    from mastery.pipelines.models.fit import Progress, Stored
    from mastery.pipelines.models.gate import Gate
    from mastery.pipelines.models.listing import VersionDetail, VersionDocument
    from mastery.pipelines.models.prune import Pruning
    from mastery.pipelines.scoring.recompute import RecomputeReport

Bar = Callable[[int], None]


@dataclass(frozen=True)
class Models:
    """The model sets of one deployment. `now_us` is the time of the call where none is given."""

    deployment: Deployment

    def fit(
        self,
        scorer: str = "all",
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        seed: int = 0,
        most_events: int | None = None,
        bounds: Mapping[str, object] | None = None,
        simulate: bool = True,
        now_us: int | None = None,
        progress: Progress | None = None,
    ) -> Stored:
        """Fit one scorer, or `all` of them, to the lake's events and store the new version.

        Args:
            since, until: Moments as `Engine.student` takes them; all events where left out.
            most_events: Buckets of students are read until there are this many events; 2 million when left out.
            bounds: What the fit may find of parameters, such as `{"guess": [0.05, 0.3], "slip": 0.1}`, or of those of
                one topic, `{"topics": {"fractions": {"guess": 0.2}}}`; what the setting `bounds` says when left out.
            simulate: Whether to find half widths of intervals, and how far scores are off, on simulated schools like
                this one; without, half widths are those that are shipped, and scores stay as they are.
            progress: Called with what has been done, the steps done and the steps in all.
        """
        from mastery.pipelines.evaluation.deployment_intervals import fit_deployment
        from mastery.pipelines.models.active import current_model_set
        from mastery.pipelines.models.fit import fit
        from mastery.pipelines.models.sample import ENOUGH_EVENTS

        deployment, at = self.deployment, clock.now_us() if now_us is None else now_us
        try:
            base = deployment.reader.metadata().model_set
        except Conflict:  # this engine cannot use the active set: a fit is the way out
            base = replace(current_model_set(deployment.lake, deployment.rules.params), days=deployment.days)
        return fit(
            deployment.lake,
            base,
            deployment.rules.params,
            now_us=at,
            code_version=__version__,
            scorers=None if scorer == "all" else [text("scorer", scorer)],
            since_us=None if since is None else deployment.moment_us(since, at, "since"),
            until_us=None if until is None else deployment.moment_us(until, at, "until"),
            seed=whole("seed", seed, 0),
            threads=deployment.settings.workers,
            most_events=ENOUGH_EVENTS if most_events is None else most_events,
            bounds=deployment.settings.bounds if bounds is None else bounds,
            fit_intervals=fit_deployment if flag("simulate", simulate) else None,
            progress=progress,
        )

    def versions(self) -> list[VersionDocument]:
        """Return every model set: the default one of today, then the oldest first."""
        from mastery.pipelines.models.listing import list_versions

        return list_versions(self.deployment.lake, self.deployment.rules.params)

    def show(self, version: str) -> VersionDetail:
        """Return what is known of one, and whether it may be activated without force."""
        from mastery.pipelines.models.listing import show_version

        found = show_version(self.deployment.lake, self.deployment.rules.params, version)
        return found.model_copy(update={"gate": None if found.card is None else self.gate(version)})

    def gate(self, version: str) -> Gate:
        """Return what a fitted set has to pass before it is activated without force; see the settings `gate`.

        Raises:
            NotFound: No set has this version, or it has no card: nothing is known of what it was fitted to.
            Conflict: This engine cannot use it.
        """
        from mastery.pipelines.models.active import active_model_set, named_model_set
        from mastery.pipelines.models.card import cards
        from mastery.pipelines.models.gate import judge
        from mastery.pipelines.scoring.drift import drift

        deployment, settings = self.deployment, self.deployment.settings
        lake, rules = deployment.lake, deployment.rules.params
        model_set = replace(named_model_set(lake, rules, text("version", version)), days=deployment.days)
        card = cards(lake).get(version)
        if card is None:
            raise NotFound(f"{version} has no card: nothing is known of what it was fitted to; 'mastery fit' makes one")
        try:
            active = active_model_set(lake, rules)
        except Conflict:  # scores of a set that this engine cannot use are compared with nothing
            active = None
        changes, unknown = drift(lake, active, model_set, settings.scorer, settings.min_evidence)
        return judge(card, settings.gate, settings.scorer, changes, unknown)

    def export(self, version: str, path: str | Path) -> Path:
        """Write a set and its card to one file, and return its path; `import_file` reads it.

        The file holds numbers and texts, no code: topics, items and their parameters, and nothing of any student.

        Raises:
            NotFound: No set has this version.
            BadInput: It is no path, or cannot be written to.
        """
        from mastery.pipelines.models.active import named_model_set
        from mastery.pipelines.models.exchange import export_set

        lake = self.deployment.lake
        return export_set(lake, named_model_set(lake, self.deployment.rules.params, text("version", version)), path)

    def import_file(self, path: str | Path, *, now_us: int | None = None) -> Imported:
        """Store the set in a file that `export` wrote, under the version it had. It becomes active nowhere.

        Raises:
            NotFound: There is no such file.
            BadInput: It is something else, damaged, changed, of another tenant, or of a version of the engine that
                means something else by the same numbers.
        """
        from mastery.pipelines.models.exchange import import_set

        at = clock.now_us() if now_us is None else now_us
        return import_set(self.deployment.lake, path, self.deployment.settings.tenant, at)

    def compare(self, old: str, new: str) -> Comparison:
        """Return how two differ."""
        from mastery.pipelines.models.active import named_model_set
        from mastery.pipelines.models.card import cards
        from mastery.pipelines.models.compare import compare

        lake, rules = self.deployment.lake, self.deployment.rules.params
        return compare(lake, named_model_set(lake, rules, old), named_model_set(lake, rules, new), cards(lake))

    def activate(
        self,
        version: str,
        as_of: Moment = "now",
        *,
        now_us: int | None = None,
        workers: int | None = None,
        progress: Bar | None = None,
        force: bool = False,
    ) -> RecomputeReport:
        """Fold every student into a set, publish, and switch to it; `progress` is called with each bucket's events.

        Args:
            force: Activate a fitted set also where it fails a check of `gate`.

        Raises:
            NotFound: No set has this version.
            Conflict: It fails a check, is active already, or cannot be used; or somebody else has switched meanwhile.
        """
        from mastery.pipelines.models.activations import DEFAULT, active_choice
        from mastery.pipelines.models.gate import refuse
        from mastery.pipelines.scoring.activate import activate

        unfitted = text("version", version).partition("-")[0] == DEFAULT
        if not flag("force", force) and not unfitted and version != active_choice(self.deployment.lake).active:
            refuse(self.gate(version))
        deployment, at = self.deployment, clock.now_us() if now_us is None else now_us
        publish = deployment.publisher(as_of, at, workers=workers, progress=progress)
        return activate(deployment.lake, deployment.rules.params, text("version", version), at, publish)

    def rollback(
        self,
        as_of: Moment = "now",
        *,
        now_us: int | None = None,
        workers: int | None = None,
        progress: Bar | None = None,
    ) -> RecomputeReport:
        """Fold every student into the previous set, publish, and switch back to it; see `activate`."""
        from mastery.pipelines.scoring.activate import rollback

        deployment, at = self.deployment, clock.now_us() if now_us is None else now_us
        publish = deployment.publisher(as_of, at, workers=workers, progress=progress)
        return rollback(deployment.lake, deployment.rules.params, at, publish)

    def prune(self, days: int = 90, *, delete: bool = False, now_us: int | None = None) -> Pruning:
        """Return the sets that nothing uses and that are older, and why the others stay; `delete` removes them."""
        from mastery.pipelines.models.prune import prunable, prune

        at = clock.now_us() if now_us is None else now_us
        return (prune if delete else prunable)(self.deployment.lake, self.deployment.rules.params, at, days)

    def shadow(self, version: str | None, now_us: int | None = None) -> ActiveChoice:
        """Let a set run in shadow from the next recompute on; None ends it."""
        from mastery.pipelines.scoring.activate import set_shadow

        at = clock.now_us() if now_us is None else now_us
        return set_shadow(self.deployment.lake, self.deployment.rules.params, version, at)
