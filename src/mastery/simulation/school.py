"""A whole school, some students at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mastery.errors import BadInput
from mastery.simulation import rows
from mastery.simulation.chunk import Chunk, chunk_of
from mastery.simulation.course import CourseNumbers, course_of
from mastery.simulation.life import Habits, Life, live
from mastery.simulation.plan import SchoolPlan
from mastery.simulation.rows import Log, Mind

STUDENTS_PER_CHUNK = 2_000


def simulate(
    plan: SchoolPlan,
    *,
    first: int = 0,
    last: int | None = None,
    students_per_chunk: int = STUDENTS_PER_CHUNK,
    numbers: CourseNumbers | None = None,
) -> Iterator[Chunk]:
    """Yield the students first to last − 1 of the school (all of them by default), in order of their numbers.

    `numbers`: what topics and items are; drawn by the plan when left out.

    Law: the concatenated chunks are the same whatever `students_per_chunk` is, and a student is the
    same whoever else is simulated. So ranges may be simulated apart, in threads too: the kernel
    releases the interpreter's lock.
    """
    last = plan.students if last is None else last
    if not 0 <= first <= last <= plan.students:
        raise BadInput(f"students {first} to {last} of a school of {plan.students}; expected a range within it")
    if students_per_chunk < 1:
        raise BadInput(f"students_per_chunk is {students_per_chunk}; expected 1 or more")
    return _chunks(plan, first, last, students_per_chunk, course_of(plan).numbers if numbers is None else numbers)


def _chunks(
    plan: SchoolPlan, first: int, last: int, students_per_chunk: int, numbers: CourseNumbers
) -> Iterator[Chunk]:
    life = _life(plan, numbers, capacity=1024)
    for start in range(first, last, students_per_chunk):
        end = min(start + students_per_chunk, last)
        traits = np.empty((end - start, len(rows.TRAITS)))
        live(life, start, end, traits)
        needed = int(max(life.log.used[rows.USED_EVENTS], life.log.used[rows.USED_TRUTH]))
        if needed > life.log.at_s.size:
            # The rows did not fit and were only counted. A fifth more, so that this happens once.
            life = life._replace(log=_log(needed + needed // 5))
            live(life, start, end, traits)
        yield chunk_of(plan, start, end, life.log, traits)


def _life(plan: SchoolPlan, numbers: CourseNumbers, capacity: int) -> Life:
    habits = Habits(
        seed=plan.seed,
        days=plan.days,
        start_weekday=plan.start.weekday(),
        items_per_topic=plan.items_per_topic,
        active_share=plan.active_share,
        idle_week_share=plan.idle_week_share,
        events_per_day=plan.events_per_active_day,
        hint_abuser_share=plan.hint_abuser_share,
        careless_share=plan.careless_share,
        starting_skill=plan.starting_skill,
        half_life_days=plan.half_life_days,
        write_truth=plan.truth,
        kinds=np.cumsum(plan.kind_shares),
    )
    mind = Mind(
        path=np.empty(plan.path_length, dtype=np.int32),
        slot_of=np.empty(plan.topics, dtype=np.int32),
        skill=np.empty((plan.path_length, len(rows.SKILL))),
        tries=np.empty((plan.path_length, plan.items_per_topic), dtype=np.int32),
    )
    return Life(
        random=np.zeros(1, dtype=np.uint64),
        trait=np.zeros(len(rows.TRAITS)),
        habits=habits,
        course=numbers,
        mind=mind,
        log=_log(capacity),
    )


def _log(capacity: int) -> Log:
    return Log(
        events=np.empty((capacity, len(rows.EVENT)), dtype=np.int32),
        at_s=np.empty(capacity, dtype=np.int64),
        truth=np.empty((capacity, len(rows.TRUTH)), dtype=np.int32),
        mastery=np.empty(capacity),
        used=np.zeros(4, dtype=np.int64),
    )
