"""Student Mastery Score Engine: events in, explained mastery scores out.

>>> import mastery as ms
>>> answers, truth = ms.simulate(students=20, days=20, seed=1)
>>> model = ms.RuleBased().fit(answers)
>>> model.scores(answers).column_names
['student_id', 'topic_id', 'mastery_score', 'lower', 'upper', 'band', 'evidence_count']

Everything is loaded when it is first used: `import mastery` alone takes milliseconds. docs/python.md shows the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pathlib import Path

    from mastery.engine import Engine
    from mastery.errors import BadInput, Conflict, MasteryError, NotFitted, NotFound
    from mastery.estimators.answers import Answers, read_answers
    from mastery.estimators.cross_validation import cross_validate
    from mastery.estimators.estimator import Estimator
    from mastery.estimators.explained import Explained
    from mastery.estimators.load import load
    from mastery.estimators.registered import estimator
    from mastery.estimators.school import School, simulate
    from mastery.estimators.scorers import BKT, IRT, Blend, Boosting, Elo, LinearRNN, RuleBased
    from mastery.scorers.student_state import StudentState

_HOMES = {
    "Answers": "mastery.estimators.answers",
    "BKT": "mastery.estimators.scorers",
    "BadInput": "mastery.errors",
    "Blend": "mastery.estimators.scorers",
    "Boosting": "mastery.estimators.scorers",
    "Conflict": "mastery.errors",
    "Elo": "mastery.estimators.scorers",
    "Engine": "mastery.engine",
    "Estimator": "mastery.estimators.estimator",
    "Explained": "mastery.estimators.explained",
    "IRT": "mastery.estimators.scorers",
    "LinearRNN": "mastery.estimators.scorers",
    "MasteryError": "mastery.errors",
    "NotFitted": "mastery.errors",
    "NotFound": "mastery.errors",
    "RuleBased": "mastery.estimators.scorers",
    "School": "mastery.estimators.school",
    "StudentState": "mastery.scorers.student_state",
    "cross_validate": "mastery.estimators.cross_validation",
    "estimator": "mastery.estimators.registered",
    "load": "mastery.estimators.load",
    "read_answers": "mastery.estimators.answers",
    "simulate": "mastery.estimators.school",
}
"""Name → the module that has it."""

__all__ = [
    "BKT",
    "IRT",
    "Answers",
    "BadInput",
    "Blend",
    "Boosting",
    "Conflict",
    "Elo",
    "Engine",
    "Estimator",
    "Explained",
    "LinearRNN",
    "MasteryError",
    "NotFitted",
    "NotFound",
    "RuleBased",
    "School",
    "StudentState",
    "__version__",
    "cross_validate",
    "estimator",
    "load",
    "open",
    "read_answers",
    "simulate",
]


def open(home: str | Path | None = None, *, create: bool = True) -> Engine:  # noqa: A001 - `mastery.open` is its name
    """Return the engine of a deployment: what the command line and the API use too.

    Args:
        home: The folder that holds lake, state and keys; None: as the environment or `mastery.yaml` says.
        create: Whether to make a lake where there is none.

    Raises:
        NotFound: There is no lake yet and `create` is false.

    >>> import tempfile, mastery as ms
    >>> with tempfile.TemporaryDirectory() as home:
    ...     engine = ms.open(home)
    ...     counts = engine.ingest(ms.simulate(students=5, days=10).answers.frame.native, table="quiz_attempts")
    ...     engine.close()
    >>> counts.rejected
    0
    """
    from mastery.engine import Engine

    return Engine.open(home, create=create)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
