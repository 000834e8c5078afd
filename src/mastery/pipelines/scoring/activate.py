"""Another model set becomes active: everybody is folded into it, everything is published, then all is switched.

    activate   fold everybody into the new set: records beside those of the old one, files nobody reads yet
               commit the published tables; people still see the versions before
               append to PUBLICATIONS: from here on everything is of the new set, a student's scores and reports alike
    rollback   the same with the set that was active before

Until the row is in PUBLICATIONS the old set is active, and a switch that was broken off starts again from the
beginning. How readers know which version of a table they are shown: `mastery.lake.publication`. Nobody is notified of
scores that differ because the model does.
"""

from __future__ import annotations

from typing import Protocol

from mastery.arrays import Floats
from mastery.errors import Conflict, NotFound
from mastery.lake import Lake
from mastery.pipelines.models.activations import (
    ACTIVATE,
    DEFAULT,
    ROLLBACK,
    SHADOWED,
    ActiveChoice,
    Switch,
    active_choice,
    choose,
)
from mastery.pipelines.models.active import named_model_set, shadow_model_set
from mastery.pipelines.models.store import load_model_set, store_model_set
from mastery.pipelines.scoring.recompute import RecomputeReport
from mastery.scorers.model_set import ModelSet


class Publish(Protocol):
    """Folds everybody into a set and publishes; see `mastery.pipelines.scoring.recompute.recompute`."""

    def __call__(self, model_set: ModelSet, *, shadow: ModelSet | None, switch: Switch | None) -> RecomputeReport: ...


def activate(lake: Lake, rules: Floats, version: str, now_us: int, publish: Publish) -> RecomputeReport:
    """Activate a stored set; `default` stands for the default set of today and all days to come.

    Raises:
        NotFound: no set has this version.
        Conflict: it is active already, this engine cannot use it, or somebody else has switched meanwhile.
    """
    before = active_choice(lake)
    wanted = None if version == DEFAULT else version
    if wanted == before.active:
        raise Conflict(f"{version} is active already; 'mastery recompute' publishes its scores again")
    model_set = named_model_set(lake, rules, wanted)
    return publish(model_set, shadow=shadow_model_set(lake), switch=Switch(lake, ACTIVATE, wanted, now_us, before))


def rollback(lake: Lake, rules: Floats, now_us: int, publish: Publish) -> RecomputeReport:
    """Switch back to the set that was active before the one that is, as `activate` switches to one.

    Raises:
        NotFound: the set before has been removed.
        Conflict: nothing has been activated, this engine cannot use the set before, or somebody else has switched.
    """
    before = active_choice(lake)
    if not before.before:
        raise Conflict(
            f"there is nothing to go back to: before the {DEFAULT} set, which is active, there was no other; "
            "'mastery models list' lists what can be activated"
        )
    target = before.before[0]
    try:
        model_set = named_model_set(lake, rules, target)
    except NotFound as error:
        raise NotFound(
            f"{target}, which was active before {before.active or DEFAULT}, has been removed (models prune); "
            "activate one that 'mastery models list' lists"
        ) from error
    return publish(model_set, shadow=shadow_model_set(lake), switch=Switch(lake, ROLLBACK, target, now_us, before))


def set_shadow(lake: Lake, rules: Floats, version: str | None, now_us: int) -> ActiveChoice:
    """Let a set run beside the active one from the next recompute on; None ends it.

    Raises:
        NotFound: no set has this version.
        Conflict: this engine cannot use it, or somebody else has switched.
    """
    before = active_choice(lake)
    if version == DEFAULT:  # the one of today: a shadow does not follow the metadata
        model_set = named_model_set(lake, rules, None)
        store_model_set(lake, model_set, now_us)
        version = model_set.version
    elif version is not None:
        load_model_set(lake, version)
    return before if version == before.shadow else choose(lake, SHADOWED, version, now_us, before)
