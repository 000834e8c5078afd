"""The settings of a simulated school."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Self

from mastery.errors import BadInput

FIRST_DAY = date(2026, 1, 12)
"""The default first day, a Monday. Fixed, so that the same plan gives the same school on any day."""


@dataclass(frozen=True)
class SchoolPlan:
    """One simulated school. Two equal plans give the same school, byte for byte.

    Attributes:
        students: How many students; their ids are S000001 and on.
        days: How many days are lived, the first one included.
        seed: Any whole number from 0 to 2**63 - 1.
        topics: How many topics the school teaches; 40 have names of their own, the rest are made.
        topics_per_student: How many of them one student meets, neighbours in the curriculum.
        items_per_topic: Questions of each topic.
        start: First day, UTC.
        active_share: Probability that a student studies on a day of a week that is not idle, on average
            over weekdays, weekends and students.
        idle_week_share: Probability that a student does nothing for a whole week.
        events_per_active_day: Mean number of events of a student on a day of study, at least 1.
        quiz_share: Share of the events that are answers to a question. The six shares add up to 1.
        hint_abuser_share: Share of students who ask for the answer rather than think.
        careless_share: Share of students who often rush.
        starting_skill: Log-odds of the average student on the average topic before it is taught.
        half_life_days: Days after which the median student has lost half of what one day of study gained.
        late_share: Share of rows that arrive after all others of their time. Files only.
        duplicate_share: Share of rows that arrive twice, exactly alike. Files only.
        malformed_share: Share of rows that arrive broken, see `mastery.simulation.defects`. Files only.
        truth: Whether the truth is written down: traits of students, and true mastery, which has more rows than
            there are events.
        source_ids: Whether quiz attempts and practice sessions carry ids of their own.
    """

    students: int
    days: int
    seed: int = 7
    topics: int = 40
    topics_per_student: int = 24
    items_per_topic: int = 12
    start: date = FIRST_DAY
    active_share: float = 0.36
    idle_week_share: float = 0.1
    events_per_active_day: float = 6.5
    quiz_share: float = 0.78
    practice_share: float = 0.10
    assignment_share: float = 0.02
    video_share: float = 0.06
    chatbot_share: float = 0.03
    feedback_share: float = 0.01
    hint_abuser_share: float = 0.08
    careless_share: float = 0.12
    starting_skill: float = -1.2
    half_life_days: float = 30.0
    late_share: float = 0.0
    duplicate_share: float = 0.0
    malformed_share: float = 0.0
    truth: bool = True
    source_ids: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be lived."""
        for name, low, high in _WHOLE:
            _between(name, getattr(self, name), low, high)
        for name in _SHARES:
            _between(name, getattr(self, name), 0.0, 1.0)
        _between("events_per_active_day", self.events_per_active_day, 1.0, 60.0)
        _between("starting_skill", self.starting_skill, -5.0, 5.0)
        _between("half_life_days", self.half_life_days, 0.5, 3_650.0)
        total = sum(self.kind_shares)
        if abs(total - 1.0) > 1e-9:
            raise BadInput(f"the six kind shares of the school add up to {total:g}; expected 1; change one of them")
        if self.late_share + self.duplicate_share + self.malformed_share > 1.0:
            raise BadInput("late_share, duplicate_share and malformed_share add up to more than 1; lower one of them")
        if self.start.year < 1990 or self.start.year > 2200:
            raise BadInput(f"the school starts on {self.start}; expected a day from 1990 to 2200")

    @property
    def kind_shares(self) -> tuple[float, ...]:
        """Shares of the six kinds, in the order of `mastery.simulation.rows.KINDS`."""
        return (
            self.quiz_share,
            self.practice_share,
            self.assignment_share,
            self.video_share,
            self.chatbot_share,
            self.feedback_share,
        )

    @property
    def path_length(self) -> int:
        """How many topics one student meets; all of them in a school that has fewer."""
        return min(self.topics_per_student, self.topics)

    @classmethod
    def benchmark(cls, students: int = 200_000, seed: int = 7) -> Self:
        """Return the school that benchmarks use: 90 days, 300 topics, about 100 events a student."""
        return cls(
            students=students,
            days=90,
            seed=seed,
            topics=300,
            topics_per_student=28,
            items_per_topic=20,
            active_share=0.193,
            events_per_active_day=6.5,
            truth=False,
            source_ids=False,
        )

    @classmethod
    def sample(cls) -> Self:
        """Return the small school in data/sample: one class of thirty, with some trouble in its files."""
        return cls(
            students=30,
            days=90,
            seed=7,
            topics=24,
            late_share=0.01,
            duplicate_share=0.008,
            malformed_share=0.008,
        )

    def in_order(self) -> Self:
        """Return the same school with nothing late, twice or broken in its files."""
        return replace(self, late_share=0.0, duplicate_share=0.0, malformed_share=0.0)


_WHOLE = (
    ("students", 1, 100_000_000),
    ("days", 1, 3_650),
    ("seed", 0, 2**63 - 1),
    ("topics", 1, 100_000),
    ("topics_per_student", 1, 1_000),
    ("items_per_topic", 1, 1_000),
)
_SHARES = (
    "active_share",
    "idle_week_share",
    "quiz_share",
    "practice_share",
    "assignment_share",
    "video_share",
    "chatbot_share",
    "feedback_share",
    "hint_abuser_share",
    "careless_share",
    "late_share",
    "duplicate_share",
    "malformed_share",
)


def _between(name: str, value: float, low: float, high: float) -> None:
    # Written so that NaN, which is neither below nor above, is refused too.
    if not low <= value <= high:
        bounds = f"{low:,} to {high:,}" if isinstance(high, int) else f"{low:g} to {high:g}"
        raise BadInput(f"{name} of the simulated school is {value}; expected {bounds}")
