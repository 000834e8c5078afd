"""How skill is gained and lost, and what it answers: the equations of the simulation, on scalars.

Skill is one number per student-topic in log-odds. An item of difficulty b is known with probability
sigmoid(skill − b) and answered rightly with probability guess + (1 − guess − slip)·known: the Rasch model
with guessing and slipping (Birnbaum in Lord & Novick 1968; Barton & Lord 1981). True mastery is
sigmoid(skill): the probability to know the topic's mean item. An opportunity adds
gain · readiness · (1 − mastery), where readiness falls with the weakest prerequisite; between
opportunities skill falls by halves towards where it began, and each further day of study makes the
half-life longer (Settles & Meeder 2016). docs/simulation.md has the numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mastery.kernels import kernel
from mastery.log_odds import sigmoid
from mastery.simulation.course import CourseNumbers, Floats
from mastery.simulation.rows import AT_DAY, BASE, LAST_DAY, LEVEL, MEMORY

HALF_LIFE_GROWTH = 1.35  # per further day of study on the topic
HALF_LIFE_LIMIT_DAYS = 365.0
UNTAUGHT_READINESS = 0.15  # the factor on learning that prerequisites of mastery 0 leave


@kernel
def skill_at(skill: Floats, slot: int, at_day: float) -> float:
    """Return the log-odds at a time not before the last opportunity: what was gained above base, halved over time."""
    base = skill[slot, BASE]
    left = 2.0 ** ((skill[slot, AT_DAY] - at_day) / skill[slot, MEMORY])
    return base + (skill[slot, LEVEL] - base) * left


@kernel
def learn(skill: Floats, slot: int, at_day: float, gain: float) -> None:
    """Add one opportunity worth `gain` log-odds at mastery 0; the first of a further day also steadies memory."""
    level = skill_at(skill, slot, at_day)
    skill[slot, LEVEL] = level + gain * (1.0 - sigmoid(level))
    skill[slot, AT_DAY] = at_day
    day = math.floor(at_day)
    if 0.0 <= skill[slot, LAST_DAY] < day:
        skill[slot, MEMORY] = min(skill[slot, MEMORY] * HALF_LIFE_GROWTH, HALF_LIFE_LIMIT_DAYS)
    skill[slot, LAST_DAY] = day


@kernel
def p_right(skill: float, difficulty: float, guess: float, slip: float) -> float:
    """Return the probability of a right answer without help."""
    return guess + (1.0 - guess - slip) * sigmoid(skill - difficulty)


@kernel
def readiness(
    course: CourseNumbers, slot_of: NDArray[np.int32], skill: Floats, ability: float, topic: int, at_day: float
) -> float:
    """Return the factor on learning that the weakest prerequisite leaves; 1 for a topic without any."""
    weakest = 1.0
    for i in range(course.needs_from[topic], course.needs_from[topic + 1]):
        needed = course.needs[i]
        slot = slot_of[needed]
        # What is not on the student's path was taught in an earlier term, and passably.
        known = ability - course.difficulty[needed] + 1.0
        if slot >= 0:
            known = skill_at(skill, slot, at_day)
        weakest = min(weakest, sigmoid(known))
    return UNTAUGHT_READINESS + (1.0 - UNTAUGHT_READINESS) * weakest


@kernel
def helped(p: float, hints: int, abuser: bool) -> float:
    """Return the probability of a right answer after hints: abusers read the answer off, others get half-way."""
    if hints == 0:
        return p
    return max(p, 0.93) if abuser else 0.5 + 0.5 * p


@kernel
def worth(hints: int, abuser: bool, rushed: bool) -> float:
    """Return the share of an opportunity that is left when the student did not do all of the thinking."""
    if rushed:
        return 0.4
    if hints == 0:
        return 1.0
    return 0.08 if abuser else 0.6
