"""A fitted estimator from its file."""

from __future__ import annotations

from pathlib import Path

from mastery.errors import BadInput
from mastery.estimators.estimator import Estimator
from mastery.estimators.files import read
from mastery.estimators.registered import Registered
from mastery.estimators.scorers import ESTIMATORS
from mastery.scorers.model_set import ModelSet, version_of


def load(path: str | Path) -> Estimator:
    """Return the estimator that `save` wrote, with its settings and everything it learnt.

    Raises:
        NotFound: There is no such file.
        BadInput: It is no model, is damaged or changed, or was written by a version that means something else.
    """
    path = Path(path)
    model, scorers = read(path)
    kind, settings = model["estimator"], model["settings"]
    if kind not in ESTIMATORS and kind != Registered.__name__:
        raise BadInput(f"{path}: holds a {kind!r}; this version has {', '.join(ESTIMATORS)}")
    made = ESTIMATORS[kind]() if kind in ESTIMATORS else Registered(settings["scorer"])
    estimator = made.set_params(**settings)
    version = version_of(estimator.scorer_name, scorers)
    if version != model["model_version"]:
        raise BadInput(
            f"{path}: holds {version} and says {model['model_version']}: it was changed; copy it again, or fit the "
            "model again"
        )
    estimator.take(ModelSet(version, scorers), model["notes"], model["measures"])
    estimator.frames_, estimator.durations_are_gaps_ = model["frames"], model["durations_are_gaps"]
    return estimator
