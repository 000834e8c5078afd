"""A made-up school whose truth is known: to try models on, and to see how close they come."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from mastery.estimators.answers import Answers, read_answers
from mastery.frames import frame_of
from mastery.given import whole
from mastery.simulation import SchoolPlan
from mastery.simulation.school import simulate as simulate_chunks


class School(NamedTuple):
    """What students answered, and what they truly mastered.

    Attributes:
        answers: Read already; `answers.frame.native` is the frame.
        truth: A frame: student_id, topic_id, day and true_mastery, 0 to 1, at the end of each day on which a topic was
            studied, and of each seventh day for all topics met so far.
    """

    answers: Answers
    truth: Any


def simulate(
    *, students: int = 200, days: int = 90, seed: int = 1, topics: int = 12, frames: str = "pyarrow"
) -> School:
    """Return the answers of a simulated school, and their truth. The same arguments give the same school.

    Students learn from what they do, forget, guess and slip; they do other things than answer questions, which are
    not in the answers. docs/simulation.md has the model.

    Args:
        students: How many.
        days: Days of activity.
        seed: The same gives the same school.
        topics: How many topics the school teaches.
        frames: Kind of the frames: pyarrow, pandas, polars or duckdb.

    Raises:
        BadInput: A number is out of bounds.

    >>> import mastery as ms
    >>> school = ms.simulate(students=20, days=20, seed=1)
    >>> school.truth.column_names
    ['student_id', 'topic_id', 'day', 'true_mastery']
    >>> answers, truth = school
    """
    for name, number in (("students", students), ("days", days), ("seed", seed), ("topics", topics)):
        whole(name, number, 0)
    plan = SchoolPlan(students=students, days=days, seed=seed, topics=topics)
    chunks = list(simulate_chunks(plan))
    quiz = _plain(pa.concat_tables([chunk.tables["quiz_attempts"] for chunk in chunks]))
    truth = _plain(pa.concat_tables([chunk.truth for chunk in chunks]))
    return School(read_answers(frame_of(quiz, frames), table="quiz_attempts"), frame_of(truth, frames))


def _plain(table: pa.Table) -> pa.Table:
    """Return the table with plain texts: frames of other libraries know no dictionaries, or make categories of them."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields)).combine_chunks()
