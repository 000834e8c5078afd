"""A fitted estimator from its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mastery.errors import BadInput
from mastery.estimators.estimator import Estimator
from mastery.estimators.registered import Registered
from mastery.estimators.scorers import ESTIMATORS
from mastery.pipelines.models.files import AGAIN, ESTIMATOR_KINDS, check_version, model_path, read, shown
from mastery.scorers.model_set import ModelSet


def load(path: str | Path) -> Estimator:
    """Return the estimator that `save` wrote, with its settings and everything it learnt.

    Raises:
        NotFound: There is no such file.
        BadInput: It is no model, is damaged or changed, or was written by a version that means something else.

    >>> import tempfile
    >>> import mastery as ms
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ms.load(ms.RuleBased().save(f"{folder}/rules.mastery")).scorer_name
    'rule_based'
    """
    path = model_path(path)
    model, scorers = read(path, ESTIMATOR_KINDS)
    kind, settings = model["estimator"], model["settings"]
    if kind not in ESTIMATORS and kind != Registered.__name__:
        raise BadInput(f"{path}: holds a {kind!r}; this version has {', '.join(ESTIMATORS)}")
    made = ESTIMATORS[kind]() if kind in ESTIMATORS else Registered(str(settings.get("scorer")))
    _check_settings(path, made, settings)
    estimator = made.set_params(**settings)
    if estimator.scorer_name not in scorers:
        raise BadInput(f"{path}: {kind} needs the parameters of {estimator.scorer_name}, which are not in it. {AGAIN}")
    version = check_version(path, estimator.scorer_name, model["model_version"], scorers)
    estimator.take(ModelSet(version, scorers), model["notes"], model["measures"])
    estimator.frames_, estimator.durations_are_gaps_ = model["frames"], model["durations_are_gaps"]
    return estimator


def _check_settings(path: Path, made: Estimator, settings: Mapping[str, Any]) -> None:
    """Check that each setting is of the kind of its default; one whose default is None is checked by the fit."""
    for name, default in made.get_params().items():
        value = settings.get(name, default)
        if isinstance(default, bool | int | str) and type(value) is not type(default):
            raise BadInput(
                f"{path}: the setting {name} is {shown(value)}; expected one like {default!r}, its default. {AGAIN}"
            )
