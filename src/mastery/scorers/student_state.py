"""What a model knows of one student: a value. A new answer gives a new value; the old one stays what it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mastery.arrays import Floats, Int32s, Int64s
from mastery.errors import BadInput
from mastery.events.murmur import murmur
from mastery.features.answer_log import LONGEST_ANSWER_MS, NO_TOPIC
from mastery.features.batch import NEVER_BEFORE, NO_DAY, ON, Batch
from mastery.features.columns import ABSENT, QUIZ
from mastery.features.observations import observe
from mastery.features.subset import take_students
from mastery.instants import instant, moment
from mastery.school_days import UTC_DAYS, SchoolDays, school_days
from mastery.scorers.base import Model, Scorer, States, fold, start
from mastery.scorers.one_answer import NO_ITEM, Answer, Step, Steps
from mastery.scorers.parameters import Parameters
from mastery.tables import MILLION

LAST_US = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, eq=False, slots=True)
class StudentState:
    """What a model knows of one student after some answers.

    Attributes:
        student: The student's id.
        model_version: Of the model that made it; no other can go on from it.
        topics: Ids of the topics that the student has met → row of `topic_state`, in the order in which they were met.
        topic_codes: int32[P]. Row of the model's parameters of each.
        topic_state: float64[P, K]. Columns as `Scorer.slot_state` names them.
        student_state: float64[1, L]. Columns as `Scorer.student_state` names them.
        evidence: int64[P]. Graded answers on each topic.
        last_day: int64[P]. School day of the newest answer on each topic, counted from 1970.
        timezone: Of the school days.
        last_at_us: Time of the newest answer, microseconds since 1970 UTC; None before the first.
        durations_are_gaps: Whether an answer is taken to have lasted since the one before.
    """

    student: str
    model_version: str
    topics: Mapping[str, int]
    topic_codes: Int32s
    topic_state: Floats
    student_state: Floats
    evidence: Int64s
    last_day: Int64s
    timezone: str
    last_at_us: int | None
    durations_are_gaps: bool

    def __eq__(self, other: object) -> bool:
        """Whether both are the same, bit for bit."""
        return isinstance(other, StudentState) and self._bits() == other._bits()

    def __hash__(self) -> int:
        """Return a hash of every bit."""
        return hash(self._bits())

    def __repr__(self) -> str:
        """Say whose state it is, and after how many answers."""
        last = "" if self.last_at_us is None else f", the last at {instant(self.last_at_us):%Y-%m-%d %H:%M} UTC"
        answers, topics = int(self.evidence.sum()), len(self.topics)
        return (
            f"<StudentState of {self.student}: {answers} answer{'' if answers == 1 else 's'} on "
            f"{topics} topic{'' if topics == 1 else 's'}{last}>"
        )

    def _bits(self) -> tuple[object, ...]:
        arrays = (self.topic_state, self.student_state, self.evidence, self.last_day)
        named = (self.student, self.model_version, tuple(self.topics), self.last_at_us, self.durations_are_gaps)
        return (*named, self.timezone, *(array.tobytes() for array in arrays))


class OneByOne:
    """A scorer with its parameters laid out for single answers.

    Behind the topics and the items that the model knows comes one row more, for those it does not: the model's default
    parameters, and a row of NaN.
    """

    def __init__(self, scorer: Scorer, steps: Steps, parameters: Parameters, version: str, tenant: str) -> None:
        self.scorer, self.parameters, self.version, self.tenant = scorer, parameters, version, tenant
        topics, items = list(parameters.topics.keys), list(parameters.items.keys)
        nobody = (tenant, "\x1e")  # no id holds a control character
        self.model: Model = parameters.model([*topics, nobody], [*items, nobody])
        self.topic_code = {topic: code for code, (_, topic) in enumerate(topics)}
        self.item_code = {item: code for code, (_, item) in enumerate(items)}
        self.item_keys: dict[str, float] = {}
        self.step: Step = steps(self.model)

    def nothing_known(self, student: str, durations_are_gaps: bool, days: SchoolDays = UTC_DAYS) -> StudentState:
        """Return the state of a student before any answer; `days` are those of the school."""
        return StudentState(
            student=student,
            model_version=self.version,
            topics={},
            topic_codes=np.zeros(0, np.int32),
            topic_state=np.zeros((0, len(self.scorer.slot_state))),
            student_state=self.scorer.start_students(self.model.params, 1),
            evidence=np.zeros(0, np.int64),
            last_day=np.zeros(0, np.int64),
            timezone=days.timezone,
            last_at_us=None,
            durations_are_gaps=durations_are_gaps,
        )

    def folded(self, batch: Batch, student: str, durations_are_gaps: bool) -> StudentState:
        """Return the state of a student after all answers of a batch. The student must be in it."""
        keep = np.zeros(len(batch.students), bool)
        keep[batch.students.index(student)] = True
        own = take_students(batch, keep)
        names = [own.topics[t][1] for t in own.slot_topic]
        codes = np.array([self._topic(name) for name in names], np.int32)
        model = self.parameters.model(own.topics, own.uses)
        states = start(self.scorer, model, own)
        fold(self.scorer, model, own, states, LAST_US, history=False)
        last_day = np.full(codes.size, NO_DAY)
        np.maximum.at(last_day, own.cell_slot, own.cell_day)
        return StudentState(
            student=student,
            model_version=self.version,
            topics={name: slot for slot, name in enumerate(names)},
            topic_codes=codes,
            topic_state=states.slot,
            student_state=states.student,
            evidence=np.bincount(own.slot[own.weight > 0.0], minlength=codes.size),
            last_day=last_day,
            timezone=own.days.timezone,
            last_at_us=int(own.at_us[-1]),
            durations_are_gaps=durations_are_gaps,
        )

    def check(self, state: StudentState) -> None:
        """Raise BadInput when it is no state, or another model made it: its columns and codes mean something else."""
        if not isinstance(state, StudentState):
            raise BadInput(f"{state!r:.60} is not the state of a student; expected what model.state(student=…) returns")
        if state.model_version != self.version:
            raise BadInput(
                f"the state of student {state.student} was made by model {state.model_version}, and this one is "
                f"{self.version}; fold the student's answers again: model.state(answers, student=…)"
            )

    def after(
        self,
        state: StudentState,
        topic: str | None,
        item: str | None,
        correct: bool,
        at_us: int | None,
        duration_ms: int | None,
        hints: int | None,
        attempt: int | None,
    ) -> tuple[StudentState, float]:
        """Return the state after one more answer, and the probability of a right answer before it.

        Raises:
            BadInput: Another model made the state, or the answer comes before the newest one.
        """
        self.check(state)
        before_us = state.last_at_us
        if at_us is None:
            at_us = 0 if before_us is None else before_us
        elif before_us is not None and at_us < before_us:
            raise BadInput(
                f"student {state.student}: an answer at {moment(at_us)} comes after one at "
                f"{moment(before_us)}; states take answers in time order. Fold all of the student's "
                "answers again: model.state(answers, student=…)"
            )
        name = NO_TOPIC if topic is None else topic
        code, slots = self._topic(name), state.topics
        slot = slots.get(name)
        student_state = state.student_state.copy()
        if slot is None:
            slot = len(slots)
            slots = {**slots, name: slot}
            codes = np.append(state.topic_codes, np.int32(code))
            fresh = self.scorer.start_slots(self.model.params, codes[slot:])
            topic_state = np.concatenate([state.topic_state, fresh])
            evidence, last_day = np.append(state.evidence, 0), np.append(state.last_day, NO_DAY)
        else:
            codes, topic_state, evidence = state.topic_codes, state.topic_state.copy(), state.evidence.copy()
            last_day = state.last_day.copy()
        if duration_ms is None:
            duration_ms = _gap_ms(before_us, at_us) if state.durations_are_gaps else ABSENT
        hints = ABSENT if hints is None else hints
        today, before = school_days(state.timezone).day_of(at_us), int(last_day[slot])
        last_day[slot] = today
        y, weight, _ = observe(QUIZ, 1, MILLION if correct else 0, ABSENT if attempt is None else attempt, hints, 1)
        one = Answer(
            slot=slot,
            topic=code,
            item=NO_ITEM if item is None else self._item(item, name),
            item_key=-1.0 - slot if item is None else self._item_key(item),
            at_us=at_us,
            days_away=NEVER_BEFORE if before == NO_DAY else today - before,
            y=y,
            weight=weight,
            hints=hints,
            duration_ms=duration_ms,
        )
        probability = self.step(States(topic_state, student_state), codes, one)
        evidence[slot] += 1
        found = StudentState(
            state.student,
            state.model_version,
            slots,
            codes,
            topic_state,
            student_state,
            evidence,
            last_day,
            state.timezone,
            at_us,
            state.durations_are_gaps,
        )
        return found, probability

    def _topic(self, topic: str) -> int:
        return self.topic_code.get(topic, len(self.topic_code))

    def _item(self, item: str, topic: str) -> int:
        code = self.item_code.get(f"{item}{ON}{topic}")
        return self.item_code.get(item, len(self.item_code)) if code is None else code

    def _item_key(self, item: str) -> float:
        """Return the key as `Batch.item_key` has it; hashing through Arrow takes longer than the answer."""
        key = self.item_keys.get(item)
        if key is None:
            hi, _ = murmur(pa.array(["\x1f".join((self.tenant, item))], pa.string()))
            key = self.item_keys[item] = float(hi.view(np.uint64)[0] >> np.uint64(11))
        return key


def _gap_ms(before_us: int | None, at_us: int) -> int:
    """Return how long an answer took where that is the time since the one before; see `answer_batch`."""
    if before_us is None:
        return ABSENT
    gap = int((at_us - before_us) / 1e6 * 1_000.0)
    return gap if gap <= LONGEST_ANSWER_MS else ABSENT
