"""What all estimators share: settings, fit, predictions, scores, explanations, and one student's state.

scikit-learn's conventions where they fit: the constructor only stores settings, `fit` returns the estimator, what was
learnt ends with an underscore, `get_params` and `set_params` serve `clone` and searches. scikit-learn is not needed.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from propcache import cached_property

from mastery.arrays import Floats
from mastery.as_of import Moment
from mastery.errors import BadInput, NotFitted, NotFound, did_you_mean
from mastery.estimators.answers import TENANT, as_answers, at_us
from mastery.estimators.explained import Explained, explained
from mastery.events.one_id import id_of
from mastery.features.answer_log import Clock
from mastery.features.batch import ON, Batch
from mastery.features.counters import EVIDENCE
from mastery.features.subset import take_students
from mastery.frames import frame_of
from mastery.given import text, whole
from mastery.insight.bands import BANDS, band_codes
from mastery.pipelines.evaluation.predictors import with_needs
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import Folded, fold_batch
from mastery.school_days import school_days
from mastery.scorers import SPECS
from mastery.scorers.base import Parameter
from mastery.scorers.model_set import ModelSet, version_of
from mastery.scorers.predictions import predict_all
from mastery.scorers.student_state import OneByOne, StudentState
from mastery.time_zones import UTC_NAME

DEFAULT_RULES = "classic"

ALL_PROCESSORS = -1
"""As `n_jobs`, in scikit-learn too: as many threads as there are processors."""
MOST_THREADS = 1_024
LARGEST_SEED = 2**32 - 1
"""Also of scikit-learn and numpy's older generators."""


class Estimator:
    """One scorer, with its settings and, once fitted, its parameters.

    Attributes:
        name: The scorer, as commands and data call it.
        model_set_: What was learnt: parameters of the scorer and of those that it reads, under a version.
        notes_: Sentences about the fit: what was pooled, left out or fell back, and why.
        measures_: What was chosen and how well it fits, by name.
        frames_: The kind of frame that it was fitted to.
        durations_are_gaps_: Whether an answer was taken to have lasted since the student's answer before, because the
            answers it was fitted to had time stamps and no durations.
    """

    name: ClassVar[str]
    min_evidence: int
    random_state: int
    n_jobs: int
    model_set_: ModelSet
    notes_: tuple[str, ...]
    measures_: Mapping[str, float | str]
    frames_: str
    durations_are_gaps_: bool

    # settings

    @classmethod
    def _settings(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn gives it
        """Return the settings by name. Nothing is nested, so `deep` makes no difference."""
        return {name: getattr(self, name) for name in self._settings()}

    def set_params(self, **settings: Any) -> Self:
        """Change settings and return the estimator; what was learnt stays until the next `fit`.

        Raises:
            BadInput: There is no such setting.
        """
        known = self._settings()
        for name, value in settings.items():
            if name not in known:
                raise BadInput(
                    f"{type(self).__name__} has no setting {name!r}{did_you_mean(name, known)}; "
                    f"it has {', '.join(known)}"
                )
            setattr(self, name, value)
        self.__dict__.pop("_one_by_one", None)
        return self

    def __repr__(self) -> str:
        """Return the call that makes it; settings at their defaults are left out."""
        signature = inspect.signature(type(self).__init__).parameters
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if value != signature[name].default]
        return f"{type(self).__name__}({', '.join(changed)})"

    def unfitted(self) -> Self:
        """Return a new estimator with the same settings and nothing learnt."""
        return type(self)(**self.get_params())

    # what subclasses say

    @property
    def scorer_name(self) -> str:
        """The scorer in the registry."""
        return self.name

    def _fit_settings(self) -> dict[str, Any]:
        """Return this estimator's settings as arguments of the scorer's fit."""
        return {}

    def _check_settings(self) -> None:
        """Raise BadInput for a setting of another type, or out of bounds: the constructor only stores them."""
        whole("min_evidence", self.min_evidence, 0)
        whole("random_state", self.random_state, 0, LARGEST_SEED)
        if self.n_jobs != ALL_PROCESSORS:
            whole(f"n_jobs ({ALL_PROCESSORS} for all processors)", self.n_jobs, 1, MOST_THREADS)

    def _threads(self) -> int:
        return (os.cpu_count() or 1) if self.n_jobs == ALL_PROCESSORS else self.n_jobs

    def _chapters(self) -> Mapping[tuple[str, str], str] | None:
        return None

    def _rules(self) -> str:
        return DEFAULT_RULES

    def _without_fit(self) -> ModelSet | None:
        """Return what predicts before a fit; None where a fit is needed."""
        return None

    # learning

    def fit(self, answers: Any, y: object = None) -> Self:
        """Learn the scorer's parameters from answers, and return the estimator.

        Settings that a constructor leaves open are chosen on students held out. The same answers and settings give the
        same parameters, bit for bit, whatever `n_jobs` is and, where answers have time stamps, in whatever order the
        rows are.

        Args:
            answers: What `read_answers` returns, or what it takes.
            y: Left out, or None, which tools of scikit-learn give: outcomes are a column of the answers.

        Raises:
            BadInput: There is nothing to learn from, a setting cannot be used, or `y` is given.

        >>> import mastery as ms
        >>> answers = ms.simulate(students=40, days=30, seed=1).answers
        >>> ms.Elo().fit(answers).params_.num_rows > 0
        True
        """
        if y is not None:
            raise BadInput(
                "fit takes answers alone; their column is_correct says which are right. Put y there: fit(answers)"
            )
        known = as_answers(answers)
        self.fit_batch(known.batch, known.clock)
        self.frames_, self.durations_are_gaps_ = known.frame.kind, known.durations_are_gaps
        return self

    def fit_batch(self, batch: Batch, clock: Clock) -> Self:
        """Learn from a batch, as `fit` does from a frame."""
        self._check_settings()
        # Only who fits waits until what fits is loaded.
        from mastery.fitting.fit_all import fit_all

        scorer = self.scorer_name
        found = fit_all(
            batch,
            rules=load_rules(self._rules()).params,
            seed=self.random_state,
            threads=self._threads(),
            scorers=with_needs([scorer]),
            clock=clock,
            held_out=False,
            chapters=self._chapters(),
            settings={scorer: self._fit_settings()},
        )
        mine = {name: found.scorers[name] for name in with_needs([scorer]) or () if name in found.scorers}
        self.take(ModelSet(version_of(scorer, mine), mine), found.notes.get(scorer, ()), found.measures.get(scorer, {}))
        return self

    def take(self, model_set: ModelSet, notes: Sequence[str], measures: Mapping[str, float | str]) -> None:
        """Take over what was learnt: by a fit, or in a file."""
        self.model_set_, self.notes_, self.measures_ = model_set, tuple(notes), dict(measures)
        self.frames_, self.durations_are_gaps_ = "pyarrow", False
        self.__dict__.pop("_one_by_one", None)

    def fitted_model_set(self) -> ModelSet:
        """Return what was learnt, or what serves without.

        Raises:
            NotFitted: Nothing was learnt, and the scorer cannot do without.
        """
        self._check_settings()
        found = getattr(self, "model_set_", None)
        if found is None:
            found = self._without_fit()
        if found is None:
            raise NotFitted(
                f"this {type(self).__name__} has not learnt anything yet; call fit(answers) first, or load a file"
            )
        if self.scorer_name not in found.scorers:
            raise NotFitted(
                f"{self!r} was fitted with other settings, which made another model; call fit(answers) again"
            )
        return found

    # answers as a whole

    def predict(self, answers: Any) -> Any:
        """Return the frame that came in with `p_correct`: the probability of a right answer, each before its answer.

        Rows, their order and all other columns stay as they are; a `p_correct` that is there already is replaced. A row
        that is no answer has null. Of answers that the
        model has learnt from, its parameters know the outcome: `cross_validate` measures on students it has not seen.

        >>> import mastery as ms
        >>> answers = ms.simulate(students=40, days=30, seed=1).answers
        >>> ms.Elo().fit(answers).predict(answers).column_names[-1]
        'p_correct'
        """
        known = as_answers(answers)
        return known.frame_with("p_correct", self.predict_batch(known.batch))

    def predict_batch(self, batch: Batch) -> Floats:
        """Return float64[n]: the probability of a right answer before each row, NaN where a row is no answer."""
        probabilities = predict_all(self.fitted_model_set().scorers, batch, threads=self._threads())
        return probabilities[self.scorer_name]

    def scores(self, answers: Any, as_of: Moment = "latest") -> Any:
        """Return every student's score of every topic they have met, in a frame of the kind that came in.

        Columns: student_id, topic_id, mastery_score, lower, upper (a 90 % interval), band, evidence_count; rows by
        student and topic, in the order of their ids as texts.

        Args:
            answers: Answers, or one `StudentState`.
            as_of: `latest` (the newest answer), `now`, a date (its end), a time in ISO 8601, or a datetime. Later
                answers are left out, and scores have faded up to then.

        >>> import mastery as ms
        >>> answers = ms.simulate(students=40, days=30, seed=1).answers
        >>> ms.Elo().fit(answers).scores(answers).column_names
        ['student_id', 'topic_id', 'mastery_score', 'lower', 'upper', 'band', 'evidence_count']
        """
        if isinstance(answers, StudentState):
            return self._scores_of_state(answers, as_of)
        known = as_answers(answers)
        as_of_us = known.moment_us(as_of)
        folded = self._folded(known.until(as_of_us), as_of_us)
        found, batch = folded.scores()[self.scorer_name], folded.batch
        order = np.lexsort((batch.slot_topic, batch.slot_student))
        table = self._score_table(
            known.ids("student_id", [batch.students[s] for s in batch.slot_student[order]]),
            known.ids("topic_id", [batch.topics[t][1] for t in batch.slot_topic[order]]),
            (found.score[order], found.lower[order], found.upper[order]),
            folded.counters[order, EVIDENCE],
        )
        return frame_of(table, known.frame.kind)

    def explain(self, answers: Any, student: object, topic: object, as_of: Moment = "latest") -> Explained:
        """Return why a student's score of a topic is what it is: `.summary`, `.factors`, `.points`.

        Raises:
            NotFound: The student has no answer on the topic by then.

        >>> import mastery as ms
        >>> answers = ms.simulate(students=40, days=30, seed=1).answers
        >>> ms.Elo().fit(answers).explain(answers, student=answers.students[0], topic="frac-equiv").factors[0].text
        '7 of the last 8 answers right'
        """
        known = as_answers(answers)
        as_of_us = known.moment_us(as_of)
        wanted = id_of("topic", topic)
        batch = self._only(known.until(as_of_us), id_of("student", student))
        folded = self._folded(batch, as_of_us)
        topics = [batch.topics[t][1] for t in batch.slot_topic]
        if wanted not in topics:
            raise NotFound(
                f"student {student} has no answer on topic {topic!r}{did_you_mean(wanted, topics)}; "
                f"there are answers on {', '.join(sorted(topics))}"
            )
        return explained(self.scorer_name, folded, topics.index(wanted), as_of_us, self.min_evidence)

    # one answer at a time

    def state(self, answers: Any = None, *, student: object, school_timezone: str = UTC_NAME) -> StudentState:
        """Return what the model knows of one student after these answers; without answers, of a new student of a
        school in that time zone.

        Raises:
            NotFound: The student is not among those who answered.

        >>> import mastery as ms
        >>> ms.RuleBased().state(student="new").student
        'new'
        """
        one_by_one, name = self._one_by_one, id_of("student", student)
        if answers is None:
            days = school_days(text("school_timezone", school_timezone))
            return one_by_one.nothing_known(name, getattr(self, "durations_are_gaps_", False), days)
        known = as_answers(answers)
        self._place(known.batch, name)
        return one_by_one.folded(known.batch, name, known.durations_are_gaps)

    def update(
        self,
        state: StudentState,
        *,
        topic: object,
        correct: bool,
        item: object = None,
        at: Moment | None = None,
        seconds: float | None = None,
        hints: int | None = None,
        attempt: int | None = None,
    ) -> StudentState:
        """Return the state after one more answer; the one given stays as it is.

        Law: updating a state answer by answer gives the bits of `state` on all of the answers.

        Args:
            topic: Its id; None for an answer on no topic in particular.
            item: Its id; None where it is unknown.
            at: When it was given; at the time of the student's newest answer when left out, or `latest`.
            seconds: How long it took. Left out it is unknown; or the time since the answer before, where the model's
                answers had no durations either.
            hints, attempt: Hints used, and which try it is; see docs/features.md.

        Raises:
            BadInput: The answer comes before the newest one, it is no state or another model made it, or a value is
                none that a row of answers could have.
        """
        return self._one_by_one.after(
            state,
            None if topic is None else id_of("topic", topic),
            None if item is None else id_of("item", item),
            _outcome(correct),
            self._at_us(state, at),
            None if seconds is None else int(_number("seconds", seconds) * 1_000.0),
            None if hints is None else _whole("hints", hints),
            None if attempt is None else _whole("attempt", attempt),
        )[0]

    def p_correct(self, state: StudentState, *, topic: object, item: object = None, at: Moment | None = None) -> float:
        """Return the probability that the student's next answer is right, on an item or the topic's mean item.

        Args:
            at: When it would be given; at the time of the student's newest answer when left out.

        >>> import mastery as ms
        >>> model = ms.RuleBased()
        >>> 0.0 < model.p_correct(model.state(student="new"), topic="ratios") < 1.0
        True
        """
        return self._one_by_one.after(
            state,
            None if topic is None else id_of("topic", topic),
            None if item is None else id_of("item", item),
            True,
            self._at_us(state, at),
            None,
            None,
            None,
        )[1]

    # what was learnt

    @property
    def params_(self) -> Any:
        """What was learnt, as a tidy frame: level (default, topic or item), id, parameter, value.

        An item that was asked on several topics has its own numbers, and those on each topic: `item on topic`.

        The default stands for topics that no answer was learnt from.
        """
        spec, mine = SPECS[self.scorer_name], self.fitted_model_set().scorers[self.scorer_name]
        names = _columns(spec.parameters)
        item_names = [] if spec.scorer is None else _columns(spec.scorer.item_parameters)
        tables = [
            _tidy("default", [None], names, mine.default[None, :]),
            _tidy("topic", [topic for _, topic in mine.topics.keys], names, mine.topics.values),
            _tidy("item", [item.replace(ON, " on ") for _, item in mine.items.keys], item_names, mine.items.values),
        ]
        return frame_of(pa.concat_tables(tables), getattr(self, "frames_", "pyarrow"))

    def save(self, path: str | Path) -> Path:
        """Write settings and parameters to one file, and return its path; `mastery.load` reads it.

        The file holds numbers and texts, no code: it can be sent to others.

        Raises:
            BadInput: It is no path, or cannot be written to.
            NotFitted: Nothing was learnt.

        >>> import tempfile
        >>> import mastery as ms
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ms.load(ms.RuleBased().save(f"{folder}/rules.mastery")).scorer_name
        'rule_based'
        """
        from mastery.pipelines.models.files import model_path, write

        model_set = self.fitted_model_set()
        about = {
            "estimator": type(self).__name__,
            "settings": self.get_params(),
            "notes": list(getattr(self, "notes_", ())),  # RuleBased needs no fit
            "measures": dict(getattr(self, "measures_", {})),
            "frames": getattr(self, "frames_", "pyarrow"),
            "durations_are_gaps": getattr(self, "durations_are_gaps_", False),
        }
        return write(model_path(path), about, model_set)

    # within

    @cached_property
    def _one_by_one(self) -> OneByOne:
        spec = SPECS[self.scorer_name]
        if spec.scorer is not None and spec.one_answer is None:
            raise BadInput(
                f"{self!r} folds no single answers: its ScorerSpec names no one_answer; use predict, scores or explain"
            )
        if spec.scorer is None:
            raise BadInput(
                f"{type(self).__name__} keeps no state of a student: it reads what others make of all answers; use "
                "predict, scores or explain, or BKT, Elo, IRT, LinearRNN or RuleBased for one answer at a time"
            )
        model_set = self.fitted_model_set()
        return OneByOne(spec.scorer, spec.load_steps(), model_set.scorers[self.scorer_name], model_set.version, TENANT)

    def _at_us(self, state: StudentState, at: Moment | None) -> int | None:
        """Return when an answer is given; None, for the time of the student's newest one, stays None."""
        if at is None:
            return None
        self._one_by_one.check(state)
        return at_us(at, "at", state.last_at_us, school_days(state.timezone))

    def _folded(self, batch: Batch, as_of_us: int) -> Folded:
        if not SPECS[self.scorer_name].has_scores:
            raise BadInput(
                f"{self!r} only predicts answers: a right answer may lower its estimate, so it gives no scores; "
                "leave monotone at True for scores"
            )
        return fold_batch(batch, self.fitted_model_set(), as_of_us, history=False)

    def _place(self, batch: Batch, student: str) -> int:
        names = list(batch.students)
        if student not in names:
            raise NotFound(
                f"there is no answer of student {student!r}{did_you_mean(student, names)}; for somebody new leave the "
                "answers out: model.state(student=…)"
            )
        return names.index(student)

    def _only(self, batch: Batch, student: str) -> Batch:
        keep = np.zeros(len(batch.students), bool)
        keep[self._place(batch, student)] = True
        return take_students(batch, keep)

    def _scores_of_state(self, state: StudentState, as_of: Moment) -> Any:
        one_by_one = self._one_by_one
        one_by_one.check(state)
        newest = 0 if state.last_at_us is None else state.last_at_us
        as_of_us = newest if as_of == "latest" else at_us(as_of, days=school_days(state.timezone))
        if as_of_us < newest:
            raise BadInput(
                f"the state of student {state.student} holds answers after {as_of}; for a moment in the past, give "
                "the answers: model.scores(answers, as_of=…)"
            )
        found = one_by_one.scorer.read_slots(
            state.topic_state,
            state.student_state,
            np.zeros(len(state.topics), np.int32),
            state.topic_codes,
            one_by_one.model.params,
            as_of_us,
        )
        table = self._score_table(
            pa.array([state.student] * len(state.topics), pa.string()),
            pa.array(list(state.topics), pa.string()),
            (found.score, found.lower, found.upper),
            state.evidence,
        )
        return frame_of(table, getattr(self, "frames_", "pyarrow"))

    def _score_table(
        self, students: pa.Array, topics: pa.Array, scores: tuple[Any, Any, Any], evidence: Any
    ) -> pa.Table:
        bands = np.array(BANDS, object)[band_codes(scores[0], evidence, self.min_evidence)]
        return pa.table(
            {
                "student_id": students,
                "topic_id": topics,
                "mastery_score": scores[0],
                "lower": scores[1],
                "upper": scores[2],
                "band": pa.array(bands, pa.string()),
                "evidence_count": pa.array(evidence, pa.int64()),
            }
        )


MOST = 1e9
"""Whatever is counted or timed of one answer is below; above it whole numbers of the kernels would overflow."""


def _outcome(correct: object) -> bool:
    """Return whether an answer is right. Of what is neither true nor false, `bool` would take nearly all as right."""
    if isinstance(correct, bool):
        return correct
    if isinstance(correct, int | float | np.number | np.bool_) and correct in (0, 1):
        return bool(correct)
    raise BadInput(f"correct is {correct!r}; expected True or False, or 1 or 0")


def _number(name: str, value: object) -> float:
    """Return a number of at least 0 as it is."""
    if isinstance(value, int | float | np.number) and 0 <= value <= MOST:
        return float(value)
    raise BadInput(f"{name} is {value!r}; expected a number from 0 to {MOST:,.0f}, or None where it is unknown")


def _whole(name: str, value: object) -> int:
    """Return a whole number of at least 0."""
    number = _number(name, value)
    if number != int(number):
        raise BadInput(f"{name} is {value!r}; expected a whole number, or None where it is unknown")
    return int(number)


def _columns(parameters: Sequence[Parameter]) -> list[str]:
    """Return a name for each number; those of a vector are numbered."""
    return [one.name if one.size == 1 else f"{one.name}_{k}" for one in parameters for k in range(one.size)]


def _tidy(level: str, ids: Sequence[str | None], columns: Sequence[str], values: Floats) -> pa.Table:
    """Return one row for each number of float64[len(ids), len(columns)]."""
    count = len(ids) * len(columns)
    return pa.table(
        {
            "level": pa.array([level] * count, pa.string()),
            "id": pa.array([one for one in ids for _ in columns], pa.string()),
            "parameter": pa.array([*columns] * len(ids), pa.string()),
            "value": pa.array(values[:, : len(columns)].reshape(-1) if count else [], pa.float64()),
        }
    )
