"""Every scorer, by name. Adding one: a room of its own beside these, and its spec in the list below."""

from __future__ import annotations

from collections.abc import Iterable

from mastery.scorers.base import Scorer
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.blend import scorer as blend
from mastery.scorers.boosting import scorer as ml
from mastery.scorers.derived import Derived
from mastery.scorers.elo import scorer as elo
from mastery.scorers.irt import scorer as irt
from mastery.scorers.linear_rnn import scorer as linear_rnn
from mastery.scorers.rule_based import scorer as rule_based
from mastery.scorers.spec import ScorerSpec, Stage, Writing

SPECS: dict[str, ScorerSpec] = {}
"""All that a model set may hold: first those with scores, each after the ones that it reads."""

SCORERS: dict[str, Scorer] = {}
"""Those with scores that fold."""

DERIVED: dict[str, Derived] = {}
"""Those with scores that fold nothing and read the others."""


def register(spec: ScorerSpec) -> None:
    """Make a scorer known to everything that folds, fits, evaluates, publishes and shows."""
    SPECS[spec.name] = spec
    if spec.has_scores and spec.scorer is not None:
        SCORERS[spec.name] = spec.scorer
    if spec.has_scores and spec.derived is not None:
        DERIVED[spec.name] = spec.derived


for _spec in (
    rule_based.SPEC,
    bkt.SPEC,
    elo.SPEC,
    irt.SPEC,
    linear_rnn.SPEC,
    ml.SPEC,
    blend.SPEC,
    linear_rnn.UNCONSTRAINED_SPEC,
    ml.UNCONSTRAINED_SPEC,
    blend.UNCONSTRAINED_SPEC,
):
    register(_spec)


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in the order of the registry, and behind them by name those that it does not have."""
    place = {name: number for number, name in enumerate(SPECS)}
    return sorted(names, key=lambda name: (place.get(name, len(place)), name))


def with_scores() -> tuple[str, ...]:
    """Return the scorers whose scores people may be shown: the values of `score_source`."""
    return tuple(name for name, spec in SPECS.items() if spec.has_scores)


def unfitted() -> tuple[str, ...]:
    """Return the scorers that have scores before anything is fitted: those of the starter set."""
    return tuple(name for name, spec in SPECS.items() if spec.works_unfitted)


def of_stage(*stages: Stage) -> dict[str, ScorerSpec]:
    """Return the scorers that are fitted at these stages, in the order in which they are fitted."""
    mine = [spec for spec in SPECS.values() if spec.stage in stages]
    return {spec.name: spec for spec in sorted(mine, key=lambda spec: spec.stage)}


def folding() -> dict[str, Scorer]:
    """Return all that fold, also those whose scores nobody is shown."""
    return {name: spec.scorer for name, spec in SPECS.items() if spec.scorer is not None}


def needs(name: str) -> tuple[str, ...]:
    """Return the scorers that have to be fitted before one can be.

    A blend weighs every other scorer that learns from answers; a monotone blend every one that is monotone itself.
    """
    spec = SPECS[name]
    if spec.stage != Stage.BLEND:
        return spec.needs
    learning = of_stage(Stage.ANSWERS, Stage.PROBABILITIES).values()
    return tuple(other.name for other in learning if other.monotone or not spec.monotone)


def source_of(parameter: str) -> ScorerSpec:
    """Return the scorer from which others take over what it finds of this parameter; see `ScorerSpec.tells`."""
    return next(spec for spec in SPECS.values() if parameter in spec.tells)


def written() -> tuple[ScorerSpec, Writing]:
    """Return the scorer whose parameters people write, and how: the rules of the settings are its."""
    return next((spec, spec.writing) for spec in SPECS.values() if spec.writing is not None)


def shown_by_default(names: Iterable[str]) -> str:
    """Return whose score is shown where nobody has chosen: the best of these. `unfitted()` has one."""
    return best_first(names)[0]


def best_first(names: Iterable[str]) -> list[str]:
    """Return those with scores, the one that is shown where nobody has chosen first."""
    return sorted((name for name in names if SPECS[name].has_scores), key=lambda name: -SPECS[name].shown_rank)


def telling_items(names: Iterable[str]) -> str:
    """Return the best of these for the probability of a right answer to a given item."""
    return max((name for name in names if name in SPECS), key=lambda name: SPECS[name].item_rank)
