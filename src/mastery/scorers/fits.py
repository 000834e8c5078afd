"""What a fit comes back with, and which students it chooses with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools
from mastery.events.identity import buckets
from mastery.features.batch import Batch
from mastery.features.subset import take_students
from mastery.scorers.parameters import Parameters


@dataclass(frozen=True)
class Fit:
    """Parameters of one scorer, found in the answers of some students.

    Attributes:
        notes: Sentences for people: what was pooled, left out or fell back, and why.
        measures: What was chosen and how well it fits, by name: log-likelihood, epochs, variants.
        chosen: The settings found on held-out students. Given to the same fit as `chosen` they are taken over: a
            share of the students is fitted as all of them were, and nothing is searched again.
    """

    parameters: Parameters
    notes: tuple[str, ...] = ()
    measures: Mapping[str, float | str] = field(default_factory=dict)
    chosen: object = None


def some_students(batch: Batch, answers: int) -> Batch:
    """Return the batch of a share of the students, by a hash, that leaves about `answers` rows; all if it has fewer.

    Settings that hold for everybody are told apart by a part of a large log as well as by all of it.
    """
    one_in = -(-batch.row.size // answers)
    return batch if one_in <= 1 else take_students(batch, held_out([f"some {s}" for s in batch.students], one_in))


def held_out(students: Sequence[str], one_in: int, cv_fold: int = 0) -> Bools:
    """Return bool[S]: which students are in CV fold `cv_fold` out of `one_in`, by a hash of their names.

    The same ones each time, whoever else is there: choices are made with students that nothing was learnt from. The
    hash says how many CV folds there are: else 0 of 5 would be 0 and 5 of 10, and who had left it out to test
    on would find nobody to choose with.
    """
    names = pa.array([f"{one_in}\x1f{name}" for name in students], pa.string())
    return np.asarray(buckets(names, one_in)) == cv_fold
