"""History of the scorers that fold nothing: their scores as they stood at the end of each past active day.

They read counters and the states of the scorers that fold. So these are folded once more, a day at a time, and read
after each day, of the slots that were touched on it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.features.batch import Batch
from mastery.features.counters import MOMENTS, NEVER, fold_counters
from mastery.features.day_by_day import ActiveDay, day_by_day
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.base import Model, States, fold
from mastery.scorers.derived import Inputs, inputs_of, read_derived, with_derived
from mastery.scorers.parameters import Parameters


def derived_history(
    batch: Batch,
    models: Mapping[str, Model],
    derived: Mapping[str, Parameters],
    states: Mapping[str, States],
    counters: Int64s,
    as_of_us: int,
) -> dict[str, Floats]:
    """Return by scorer that folds nothing float64[3, H]: score, lower, upper at the end of each cell's day.

    A score is read at the end of the day, or at `as_of_us` when that comes first, as `mastery.scorers.base.fold` does.

    Args:
        batch: Whose rows.
        models, derived: The parameters of the scorers that fold, and of those that do not.
        states, counters: Where everybody stands before the batch; they are written in place, and end as a fold of the
            whole batch leaves them.
        as_of_us: No event is after it.

    Law: a point is the score of a fold of the events up to the end of its day, bit for bit.
    """
    found = {name: np.empty((3, batch.cell_slot.size)) for name in derived}
    if not derived:
        return found
    for day in day_by_day(batch):
        fold_counters(day.batch, counters)
        for name, model in models.items():
            fold(SCORERS[name], model, day.batch, states[name], as_of_us, history=False)
        if not day.cells.size:
            continue
        inputs = _inputs(batch, day, models, states, counters, as_of_us)
        for name, scores in read_derived(DERIVED, derived, with_derived(DERIVED, derived, inputs), 0).items():
            found[name][:, day.cells] = np.array(scores[:3])[:, inputs.wanted]
    return found


def _inputs(
    batch: Batch,
    day: ActiveDay,
    models: Mapping[str, Model],
    states: Mapping[str, States],
    counters: Int64s,
    as_of_us: int,
) -> Inputs:
    """Return what is known at the end of a day of the students who were active on it.

    All moments are counted from the end of that day, which is another one for each student: read at 0, as much time has
    passed for each as at the end of their own day.
    """
    begin = np.concatenate([[0], np.cumsum(day.touched)]).astype(np.int64)
    student = np.repeat(np.arange(day.students.size, dtype=np.int32), day.touched)
    slots = np.arange(begin[-1]) - begin[student] + batch.slot_ptr[day.students][student]
    end_us = np.minimum(day.end_us, as_of_us)[student][:, None]
    seen = counters[slots]
    moments = seen[:, MOMENTS]
    seen[:, MOMENTS] = np.where(moments == NEVER, NEVER, moments - end_us)
    wanted = np.searchsorted(slots, day.batch.cell_slot)  # slots ascend: by student, and by number
    return inputs_of(
        SCORERS,
        models,
        {name: States(of.slot[slots], of.student[day.students]) for name, of in states.items()},
        student,
        batch.slot_topic[slots],
        batch.topics,
        seen,
        explain=False,
        wanted=wanted,
    )
