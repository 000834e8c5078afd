"""The estimators: one class for each scorer, with the settings that its fit leaves to the caller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from mastery.errors import BadInput
from mastery.estimators.answers import TENANT
from mastery.estimators.estimator import DEFAULT_RULES, Estimator
from mastery.given import flag, mapping, text
from mastery.pipelines.models.rules import load_rules
from mastery.scorers.model_set import ModelSet, default_model_set, version_of

Forgetting = Literal["auto", "none", "answers", "days", "both"]


class BKT(Estimator):
    """Bayesian Knowledge Tracing: each topic is known or not, and answers tell which (Corbett & Anderson 1995).

    With what later work added: forgetting, guess and slip of single items, and students who start and learn at their
    own pace. docs/scorers/bkt.md has the equations.

    Args:
        forgetting: What lets a student forget. `auto` chooses on students held out; `none` is the classic model;
            `answers` (a probability with each answer), `days` (a half-life in time) or `both` are taken as they are.
        items: Whether questions may have a guess and a slip of their own, where that predicts held-out students
            better; False gives every question those of its topic.
        bounds: What a fit may find: `{"guess": [0.05, 0.3], "slip": 0.1}` keeps every topic's guess between two numbers
            and fixes slip; `{"topics": {"fractions": {"guess": 0.2}}}` says it of one topic. None allows everything.
        min_evidence: With fewer graded answers on a topic the band is not_enough_evidence.
        random_state: Seed of what is drawn.
        n_jobs: Threads; -1 for as many as there are processors.

    >>> import mastery as ms
    >>> school = ms.simulate(students=40, days=30, seed=1)
    >>> model = ms.BKT(forgetting="none", items=False).fit(school.answers)
    >>> state = model.state(student="new")
    >>> before = model.p_correct(state, topic="frac-equiv")
    >>> state = model.update(state, topic="frac-equiv", correct=True)
    >>> model.p_correct(state, topic="frac-equiv") > before
    True
    """

    name: ClassVar[str] = "bkt"

    def __init__(
        self,
        *,
        forgetting: Forgetting = "auto",
        items: bool = True,
        bounds: Mapping[str, Any] | None = None,
        min_evidence: int = 3,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.forgetting = forgetting
        self.items = items
        self.bounds = bounds
        self.min_evidence = min_evidence
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _check_settings(self) -> None:
        super()._check_settings()
        text("forgetting", self.forgetting)
        flag("items", self.items)

    def _fit_settings(self) -> dict[str, Any]:
        return {"forgetting": self.forgetting, "items": self.items, "bounds": self.bounds}


class Elo(Estimator):
    """Elo: a student's ability, by chapter and topic too, against the difficulty of items; every answer moves it.

    After Pelánek (2016), Applications of the Elo rating system in adaptive educational systems. docs/scorers/elo.md.

    Args:
        chapters: Chapter of each topic id, so that topics of one chapter move together; None gathers topics by how
            alike students do on them, where that predicts better.
        min_evidence, random_state, n_jobs: As in `BKT`.

    >>> import mastery as ms
    >>> answers = ms.simulate(students=40, days=30, seed=1).answers
    >>> model = ms.Elo().fit(answers)
    >>> model.explain(answers, student=answers.students[0], topic="frac-equiv").factors[0].text
    '7 of the last 8 answers right'
    """

    name: ClassVar[str] = "elo"

    def __init__(
        self,
        *,
        chapters: Mapping[str, str] | None = None,
        min_evidence: int = 3,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.chapters = chapters
        self.min_evidence = min_evidence
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.chapters is not None:
            for topic, chapter in mapping("chapters", self.chapters, '{"fractions": "numbers"}').items():
                text(f"the chapter of topic {topic!r}", chapter)

    def _chapters(self) -> Mapping[tuple[str, str], str] | None:
        if self.chapters is None:
            return None
        return {(TENANT, topic): chapter for topic, chapter in self.chapters.items()}


class IRT(Estimator):
    """Item response theory, online: abilities that drift, items with a difficulty and, where it helps, a slope.

    docs/scorers/irt.md.

    Args:
        discrimination: Whether items differ in how steeply their probability rises with ability (2PL) or not (1PL);
            `auto` chooses on students held out.
        min_evidence, random_state, n_jobs: As in `BKT`.

    >>> import mastery as ms
    >>> answers = ms.simulate(students=40, days=30, seed=1).answers
    >>> ms.IRT(discrimination=False).fit(answers).predict(answers).column_names[-1]
    'p_correct'
    """

    name: ClassVar[str] = "irt"

    def __init__(
        self,
        *,
        discrimination: Literal["auto"] | bool = "auto",
        min_evidence: int = 3,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.discrimination = discrimination
        self.min_evidence = min_evidence
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _fit_settings(self) -> dict[str, Any]:
        if self.discrimination == "auto":
            return {}
        if not isinstance(self.discrimination, bool):
            raise BadInput(f"discrimination is {self.discrimination!r}; expected 'auto', True or False")
        return {"two_parameters": self.discrimination}


class _TwoForms(Estimator):
    """A scorer with a monotone form, which gives scores, and an unconstrained one, which only predicts."""

    monotone: bool

    @property
    def scorer_name(self) -> str:
        """The form in the registry."""
        return self.name if self.monotone else f"{self.name}_unconstrained"

    def __init__(
        self,
        *,
        monotone: bool = True,
        min_evidence: int = 3,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.monotone = monotone
        self.min_evidence = min_evidence
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _check_settings(self) -> None:
        super()._check_settings()
        flag("monotone", self.monotone)


class LinearRNN(_TwoForms):
    """A linear recurrent model: what each answer on each question tells about every topic, learnt from all students.

    docs/scorers/linear_rnn.md.

    Args:
        monotone: Whether a right answer may never lower a score. False predicts a little better, and gives no scores.
        min_evidence, random_state, n_jobs: As in `BKT`.

    >>> import mastery as ms
    >>> answers = ms.simulate(students=40, days=30, seed=1).answers
    >>> ms.LinearRNN().fit(answers).predict(answers).column_names[-1]
    'p_correct'
    """

    name: ClassVar[str] = "linear_rnn"


class Boosting(_TwoForms):
    """Boosted trees on what was known before each answer, the other scorers' predictions included (score source `ml`).

    Fits BKT, Elo, IRT and LinearRNN first, each without a fifth of the students in turn. docs/scorers/ml.md.

    Args:
        monotone: As in `LinearRNN`.
        min_evidence, random_state, n_jobs: As in `BKT`.

    >>> import mastery as ms
    >>> answers = ms.simulate(students=40, days=30, seed=1).answers
    >>> ms.Boosting().fit(answers).scores(answers).num_rows > 0
    True
    """

    name: ClassVar[str] = "ml"


class Blend(_TwoForms):
    """All scorers, weighed and calibrated on students that none of them has seen. The best of them, and the slowest.

    docs/scorers/blend.md.

    Args:
        monotone: As in `LinearRNN`.
        min_evidence, random_state, n_jobs: As in `BKT`.

    >>> import mastery as ms
    >>> ms.Blend().get_params()["random_state"]
    0
    """

    name: ClassVar[str] = "blend"


class RuleBased(Estimator):
    """A weighted sum of factors that anyone can read off. It needs no fit.

    Without one, its score is the index that the rules add up to. `fit` keeps the rules and learns which mastery each
    index stands for. docs/scorers/rule_based.md.

    Args:
        rules: `classic`, `spaced`, or the path of a YAML file.
        min_evidence, random_state, n_jobs: As in `BKT`.

    >>> import mastery as ms
    >>> import pyarrow as pa
    >>> answers = ms.read_answers(
    ...     pa.table({"student_id": ["S1"] * 4, "topic_id": ["fractions"] * 4, "is_correct": [0, 1, 1, 1]})
    ... )
    >>> ms.RuleBased().explain(answers, student="S1", topic="fractions").factors[0].text
    '3 of 4 answers right'
    """

    name: ClassVar[str] = "rule_based"

    def __init__(
        self,
        *,
        rules: str | Path = DEFAULT_RULES,
        min_evidence: int = 3,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.rules = rules
        self.min_evidence = min_evidence
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _rules(self) -> str:
        return str(self.rules)

    def _without_fit(self) -> ModelSet:
        whole = default_model_set(load_rules(str(self.rules)).params, {}, {})
        mine = {self.name: whole.scorers[self.name]}
        return ModelSet(version_of(self.name, mine), mine)


ESTIMATORS: dict[str, type[Estimator]] = {
    kind.__name__: kind for kind in (RuleBased, BKT, Elo, IRT, LinearRNN, Boosting, Blend)
}
"""By name of the class."""
