"""The estimator of any scorer in the registry, also of one that has no class of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from mastery.errors import BadInput, did_you_mean
from mastery.estimators.estimator import Estimator
from mastery.estimators.scorers import ESTIMATORS
from mastery.given import text
from mastery.scorers import SPECS


class Registered(Estimator):
    """A scorer that was registered from outside: `estimator` makes it.

    Args:
        scorer: Its name in the registry.
        min_evidence, random_state, n_jobs: As in `BKT`.
    """

    name: ClassVar[str] = ""

    def __init__(self, scorer: str, *, min_evidence: int = 3, random_state: int = 0, n_jobs: int = 1) -> None:
        self.scorer = scorer
        self.min_evidence = min_evidence
        self.random_state = random_state
        self.n_jobs = n_jobs

    @property
    def scorer_name(self) -> str:
        """The scorer in the registry.

        Raises:
            BadInput: Nobody registered it.
        """
        if self.scorer not in SPECS:
            raise BadInput(
                f"there is no scorer {self.scorer!r}{did_you_mean(self.scorer, list(SPECS))}; there are: "
                f"{', '.join(SPECS)}. One from outside is registered first: mastery.scorers.register(SPEC)"
            )
        return self.scorer


def estimator(scorer: str, **settings: Any) -> Estimator:
    """Return the estimator of a scorer by its name in the registry: `estimator("bkt")` is `BKT()`.

    Args:
        scorer: As commands and data call it; one that was registered from outside too.
        settings: Those of its class, and for one from outside `min_evidence`, `random_state` and `n_jobs`.

    Raises:
        BadInput: There is no such scorer, or no such setting.

    >>> import mastery as ms
    >>> ms.estimator("elo", min_evidence=5)
    Elo(min_evidence=5)
    """
    text("scorer", scorer)
    kinds = {kind.name: kind for kind in ESTIMATORS.values()}
    if scorer in kinds:
        return kinds[scorer]().set_params(**settings)
    made = Registered(scorer).set_params(**settings)
    _ = made.scorer_name  # refused here, and not at the first fit
    return made
