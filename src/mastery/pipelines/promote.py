"""Another model set comes into force: everybody is folded into it, everything is published, then all is switched.

    promote    fold everybody into the new set: records beside those of the old one, files nobody reads yet
               commit the published tables
               append to PROMOTIONS: from here on readers answer from the new set
    rollback   append to PROMOTIONS: the records of the set before are still there; then publish again

Until the row is in PROMOTIONS the old set is in force, and a promotion that was broken off is begun again from the
start. Nobody is notified of scores that differ because the model does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mastery.arrays import Floats
from mastery.errors import Conflict
from mastery.lake import Lake
from mastery.pipelines.model_store import load_model_set, store_model_set
from mastery.pipelines.models import named_model_set, shadow_model_set
from mastery.pipelines.promotions import DEFAULT, PROMOTE, ROLLBACK, SHADOWED, InForce, choose, in_force
from mastery.pipelines.recompute import RecomputeReport
from mastery.scorers.model_set import ModelSet


class Publish(Protocol):
    """Folds everybody into a set and publishes; see `mastery.pipelines.recompute.recompute`."""

    def __call__(
        self, model_set: ModelSet, *, shadow: ModelSet | None, switch: Callable[[], object] | None
    ) -> RecomputeReport: ...


def promote(lake: Lake, rules: Floats, version: str, now_us: int, publish: Publish) -> RecomputeReport:
    """Bring a stored set into force; `default` stands for the default set of today and all days to come.

    Raises:
        NotFound: no set has this version.
        Conflict: it is in force already, this engine cannot use it, or somebody else has switched meanwhile.
    """
    before = in_force(lake)
    wanted = None if version == DEFAULT else version
    if wanted == before.active:
        raise Conflict(f"{version} is in force already; 'mastery recompute' publishes its scores anew")
    model_set = named_model_set(lake, rules, wanted)
    return publish(
        model_set, shadow=shadow_model_set(lake), switch=lambda: choose(lake, PROMOTE, wanted, now_us, before)
    )


def rollback(lake: Lake, rules: Floats, now_us: int, publish: Publish) -> RecomputeReport:
    """Switch back to the set that was in force before the one that is, at once, and publish its scores.

    Raises:
        Conflict: nothing has been promoted, this engine cannot use the set before, or somebody else has switched.
    """
    before = in_force(lake)
    if not before.before:
        raise Conflict(
            f"the {DEFAULT} set is in force and nothing was before it; 'mastery models list' lists the others"
        )
    target = before.before[0]
    model_set = named_model_set(lake, rules, target)  # before the switch: it may be one that cannot be used
    choose(lake, ROLLBACK, target, now_us, before)
    return publish(model_set, shadow=shadow_model_set(lake), switch=None)


def set_shadow(lake: Lake, rules: Floats, version: str | None, now_us: int) -> InForce:
    """Let a set run beside the one in force from the next recompute on; None: none.

    Raises:
        NotFound: no set has this version.
        Conflict: this engine cannot use it, or somebody else has switched.
    """
    before = in_force(lake)
    if version == DEFAULT:  # the one of today: a shadow is to stand still
        model_set = named_model_set(lake, rules, None)
        store_model_set(lake, model_set, now_us)
        version = model_set.version
    elif version is not None:
        load_model_set(lake, version)
    return before if version == before.shadow else choose(lake, SHADOWED, version, now_us, before)
