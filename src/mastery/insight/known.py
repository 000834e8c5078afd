"""All that words about one score may look at: clauses, tags and the next step are true of these numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mastery.insight.activity_summary import ActivitySummary, OtherTopics
from mastery.insight.bands import THRESHOLDS
from mastery.insight.reference import Reference

Scale = Literal["log_odds", "index"]

POINT = 0.01
"""What people call a point: scores are shown in hundredths. Less than that nobody sees in a score."""

PLENTY = 10
"""Pieces of graded work, or questions, from which too few answers are no reason any more."""

LEAST_ANSWERS = 5
"""Answers (or questions, or timed answers) before anything is said of how a student works."""

MOSTLY_RIGHT = 0.7
"""Share of right answers from which a student can do it, by and large."""

CHANGE, CHANGE_AFTER = 0.2, 4
"""Difference between the last answers and those before, in shares of right ones, that is worth a word; and how many
must lie before them."""

DEPENDENT_RATE, FEW_RATE, INDEPENDENT_RATE = 0.5, 0.2, 0.05
"""Hints and help requests per question: many, few, hardly any."""


@dataclass(frozen=True)
class Known:
    """What is known of one score of one student-topic.

    Attributes:
        here: What was seen on the topic.
        elsewhere: What was seen on all others.
        score: As it is shown.
        forgotten: What it has lost since something on the topic last went well, in the score's own unit; 0 where that
            is not known.
        returned, returned_right: Answers on days that follow a break, in quizzes and in practice, and how many of them
            were right; see mastery.features.returns. Those of the last 90 days up to the student's last activity.
        scale: Of the scorer's contributions.
        reference: What the score is compared with.
        returned_practice: How many of the returned answers were in practice.
        lost_in_pauses: Whether points of `forgetting` are of pauses before the last activity, for bkt forgets in each;
            in an explanation, whether most of them are.
    """

    here: ActivitySummary
    elsewhere: OtherTopics
    score: float
    forgotten: float
    returned: int
    returned_right: float
    scale: Scale
    reference: Reference
    returned_practice: int = 0
    lost_in_pauses: bool = False

    @property
    def low(self) -> bool:
        """Whether the score calls for what lowers it first: it is below its reference, or needs help, and is not
        mastered.
        """
        return self.score < THRESHOLDS[0] or (self.score < self.reference.score and self.score < THRESHOLDS[2])

    @property
    def faded(self) -> bool:
        """Whether the score has lost a point since a day before today."""
        return self.forgotten >= POINT and (self.here.fading_days or 0) >= 1

    @property
    def wrong_since(self) -> bool:
        """Whether it fades from a day before the last one with activity, on which nothing went well."""
        return self.here.fading_days != self.here.idle_days

    @property
    def better_lately(self) -> bool:
        """Whether the last answers were right more often than those before them."""
        return self.here.older >= CHANGE_AFTER and self.here.change >= CHANGE

    @property
    def worse_lately(self) -> bool:
        """Whether the last answers were right less often than those before them."""
        return self.here.older >= CHANGE_AFTER and self.here.change <= -CHANGE

    @property
    def returned_share(self) -> float:
        """Share of right answers on days after a break; NaN for none."""
        return self.returned_right / self.returned if self.returned else math.nan
