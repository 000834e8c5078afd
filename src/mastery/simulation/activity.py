"""What some students of a log do, as the plan of a simulated school: for how long, how often, how much, what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mastery.arrays import Int64s
from mastery.features.batch import Batch
from mastery.simulation import rows
from mastery.simulation.plan import SchoolPlan

MOST_STUDENTS, LEAST_STUDENTS, ENOUGH_EVENTS = 200, 40, 24_000
"""Students of each school, and events that are enough of one."""

MOST_DAYS, LEAST_DAYS = 366, 14

PACE = 0.9
"""Share of the topics of a plan that its students reach."""


def plan_of(batch: Batch, group: Int64s, usual: SchoolPlan) -> SchoolPlan:
    """Return a school of students who do what these students do.

    Args:
        group: int64[G]. Students with work on some topic, ascending.
        usual: What is not told by what they do.
    """
    mine = np.zeros(len(batch.students), bool)
    mine[group] = True
    of_day = np.repeat(np.arange(mine.size), np.diff(batch.student_day_ptr))
    first, last = batch.day[batch.student_day_ptr[group]], batch.day[batch.student_day_ptr[group + 1] - 1]
    span = np.maximum(last - first + 1, LEAST_DAYS)
    lived = int(min(np.median(span), MOST_DAYS))
    began = np.zeros(mine.size, np.int64)
    began[group] = first
    studied = mine[of_day]
    active = float(np.count_nonzero(studied))
    weeks_of = np.column_stack([of_day, (batch.day - began[of_day]) // 7])[studied]
    weeks = len(np.unique(weeks_of, axis=0))
    share, idle = _habits(active / weeks, weeks / float(np.ceil(span / 7.0).sum()))
    done = batch.kind[np.repeat(mine, np.diff(batch.student_ptr))]
    each = float(np.clip(done.size / active, 1.0, 60.0))
    kinds = np.bincount(done, minlength=len(rows.KINDS)) / done.size
    slots = float((batch.slot_ptr[group + 1] - batch.slot_ptr[group]).mean())
    lives = max(1.0, each * share * (1.0 - idle) * lived)
    students = int(np.clip(ENOUGH_EVENTS / lives, LEAST_STUDENTS, MOST_STUDENTS))
    return replace(
        usual, students=students, days=lived,
        topics_per_student=int(np.clip(round(slots / PACE), 1, min(usual.topics, 1_000))),
        active_share=share, idle_week_share=idle, events_per_active_day=each,
        quiz_share=1.0 - float(kinds[1:].sum()), practice_share=float(kinds[1]), assignment_share=float(kinds[2]),
        video_share=float(kinds[3]), chatbot_share=float(kinds[4]), feedback_share=float(kinds[5]),
    )  # fmt: skip


def _habits(days_of_active_week: float, active_weeks: float) -> tuple[float, float]:
    """Return the probabilities of a day of study in a week that is not idle, and of an idle week.

    A week of seven days, each with probability a, has 7 a / (1 − (1 − a)⁷) days of study if it has any.
    """
    low, high = 1e-4, 1.0
    for _ in range(60):
        a = 0.5 * (low + high)
        low, high = (a, high) if 7.0 * a / (1.0 - (1.0 - a) ** 7) < days_of_active_week else (low, a)
    share = 0.5 * (low + high)
    idle = 1.0 - active_weeks / (1.0 - (1.0 - share) ** 7)
    if idle < 0.0:
        return float(np.clip(1.0 - (1.0 - min(active_weeks, 1.0 - 1e-9)) ** (1.0 / 7.0), share, 1.0)), 0.0
    return share, float(np.clip(idle, 0.0, 0.95))
