"""What the rest of the engine knows of a scorer: one `ScorerSpec` for each name that a model set may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from typing import Any, NamedTuple

from mastery.arrays import Floats, Int64s
from mastery.scorers.base import Model, Parameter, Scorer
from mastery.scorers.derived import Derived
from mastery.scorers.interval import Numbers
from mastery.scorers.one_answer import Steps
from mastery.scorers.parameters import Parameters
from mastery.scorers.past_answers import PastAnswers


class Stage(IntEnum):
    """When a scorer is fitted, and with which arguments. Stages come in this order, and scorers of one stage in the
    order of the registry: each is given what the fits before it found.

    Attributes:
        ANSWERS: fit(batch, *, given, seed, threads, chosen) → Fit. Cross-fitted by student: its predictions of the
            training answers come from fits without the student.
        PROBABILITIES: fit(batch, probabilities, *, given, clock, seed, threads) → Fit. Learns from what the scorers it
            needs predict of each row; cross-fitted by student too.
        RULES: fit(batch, answers, cv_fold, rules, given) → (Fit, float64[n] predicted). People wrote its parameters.
        BLEND: fit(batch, answers, stacked, given, name) → (Fit, float64[m] predicted). Weighs the predictions of all
            others on held-out students.
    """

    ANSWERS = 0
    PROBABILITIES = 1
    RULES = 2
    BLEND = 3


class Intervals(NamedTuple):
    """Half widths of 90 % intervals as shipped: in the starter set (None for one that is not in it), and fitted."""

    unfitted: Numbers | None
    fitted: Numbers


class Starter(NamedTuple):
    """What every topic of a school that nobody knows is given, found on simulated schools by scripts/starter.py.

    Attributes:
        numbers: By parameter; one that is not named keeps its default.
        shared: What topics share, by name, for a scorer that has any such.
    """

    numbers: Mapping[str, float]
    shared: Mapping[str, Sequence[float]] = {}


class Writing(NamedTuple):
    """How people write the parameters of a scorer of Stage.RULES; "module:function" each.

    Attributes:
        parse: (text, source) → ScoringRules.
        text: (rules) → the text that `parse` reads back.
        tune: (rules, batches, held_out, progress=) → Tuned: better rules, searched on answers.
    """

    parse: str
    text: str
    tune: str


@dataclass(frozen=True, kw_only=True)
class ScorerSpec:
    """One scorer, as the others know it.

    Attributes:
        name: What data, settings and commands call it.
        label: What people call it.
        stage: When and how it is fitted.
        fit: "module:function". Loaded when something is fitted: fits bring optimisers with them that no reader needs.
        needs: Scorers that have to be fitted first, because the fit takes their parameters or predictions. Left out for
            a blend: it needs all that it may weigh, see `mastery.scorers.needs`.
        fit_arguments: What else the fit takes, of what a caller may know: "chapters".
        scorer: What folds and reads, for a scorer with a state of its own.
        derived: What reads the others, for a scorer without.
        predict: "module:function", (batch, parameters, probabilities, threads) → float64[n]: what it predicts of each
            row from the predictions of others. Of a scorer that folds, `scorer` predicts, and this is left out.
        check: "module:function", (Model): raises BadInput on parameters that the scorer's own code could not have made.
            Of a scorer that folds, `Scorer.check` does, and this is left out.
        one_answer: "module:function", a mastery.scorers.one_answer.Steps: folds single answers without a batch.
        monotone: Whether a right answer never lowers a score (law 6). One that is not monotone predicts answers, and
            nobody is shown a score of it.
        works_unfitted: Whether it has scores before anything is fitted.
        starter: What it starts with; the defaults of its parameters where it is left out.
        intervals: Half widths that are shipped; None leaves those that its parameters have.
        correct: "module:function", (parameters, score, answers up to the last right one, truth) → Parameters whose
            scores lie nearer to the truth of simulated students. None where nothing is corrected.
        tells: Parameters of a topic that other scorers take over from it; see `mastery.scorers.source_of`.
        past_answers: "module:function", (batch, model, slot) → mastery.scorers.past_answers.PastAnswers: takes the
            log-odds of a score apart into what each single answer adds. None where that cannot be done exactly.
        writing: How people write its parameters, at Stage.RULES.
        on_shared_scale: Whether its guess and slip are those of the scale that scorers share, and move with it; see
            `mastery.scorers.scale`.
        forgets_nothing: Whether its predictions leave out what is forgotten between answers: they tell how
            fast the scores of others fade; see `mastery.fitting.forgetting`.
        keeps_up: Whether its score goes with the share of right answers, and soon with a change of it, however many
            answers there are: a blend listens to it where there is more evidence than any that it was fitted on.
        steady: Whether, with nothing forgotten, a right answer never lowers a score of it, and a wrong one never raises
            one: scores of a blend are made of such members.
        shown_rank: Where nobody has chosen, the score of the highest rank in the model set is shown.
        item_rank: Likewise, for the probability of a right answer to a given item.
    """

    name: str
    label: str
    stage: Stage
    fit: str
    needs: tuple[str, ...] = ()
    fit_arguments: tuple[str, ...] = ()
    scorer: Scorer | None = None
    derived: Derived | None = None
    predict: str | None = None
    check: str | None = None
    one_answer: str | None = None
    monotone: bool = True
    works_unfitted: bool = False
    starter: Starter | None = None
    intervals: Intervals | None = None
    correct: str | None = None
    tells: tuple[str, ...] = ()
    past_answers: str | None = None
    writing: Writing | None = None
    on_shared_scale: bool = False
    forgets_nothing: bool = False
    keeps_up: bool = False
    steady: bool = False
    shown_rank: int = 0
    item_rank: int = 0

    @property
    def has_scores(self) -> bool:
        """Whether people may be shown its scores."""
        return self.monotone and (self.scorer is not None or self.derived is not None)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What its parameters of a topic are, in order; none for one whose parameters are arrays of other shapes."""
        if self.scorer is not None:
            return self.scorer.parameters
        return () if self.derived is None else self.derived.parameters

    def has(self, parameter: str) -> bool:
        """Whether topics have a parameter of this name."""
        return any(one.name == parameter for one in self.parameters)

    def load_fit(self) -> Callable[..., Any]:
        """Return what fits it; see `Stage`."""
        return load(self.fit)

    def load_predict(self) -> Callable[..., Any]:
        """Return what predicts from the predictions of others; see `predict`.

        Raises:
            TypeError: it folds, and predicts by its fold.
        """
        if self.predict is None:
            raise TypeError(f"{self.name} predicts by its own fold, not from the predictions of others")
        return load(self.predict)

    def load_correct(self) -> Callable[[Parameters, Floats, Int64s, Floats], Parameters] | None:
        """Return what corrects its scores; see `correct`. None where nothing does."""
        return None if self.correct is None else load(self.correct)

    def load_check(self) -> Callable[[Model], None] | None:
        """Return what checks its parameters; see `check`. None where nothing does."""
        if self.scorer is not None:
            return self.scorer.check
        return None if self.check is None else load(self.check)

    def load_steps(self) -> Steps:
        """Return what folds single answers; see `one_answer`.

        Raises:
            TypeError: nothing does.
        """
        if self.one_answer is None:
            raise TypeError(f"{self.name} folds no single answers")
        return load(self.one_answer)

    def load_past_answers(self) -> Callable[..., PastAnswers]:
        """Return what takes a score apart by answer; see `past_answers`.

        Raises:
            TypeError: nothing does.
        """
        if self.past_answers is None:
            raise TypeError(f"{self.name} does not tell past answers apart")
        return load(self.past_answers)


def load(path: str) -> Callable[..., Any]:
    """Return what "module:function" names."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
