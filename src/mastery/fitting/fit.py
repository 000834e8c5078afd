"""What a fit comes back with, and which students it chooses with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools
from mastery.events.identity import buckets
from mastery.scorers.parameters import Parameters


@dataclass(frozen=True)
class Fit:
    """Parameters of one scorer, found in the answers of some students.

    Attributes:
        notes: Sentences for people: what was pooled, left out or fell back, and why.
        measures: What was chosen and how well it fits, by name: log-likelihood, epochs, variants.
    """

    parameters: Parameters
    notes: tuple[str, ...] = ()
    measures: Mapping[str, float | str] = field(default_factory=dict)


def held_out(students: Sequence[str], one_in: int, part: int = 0) -> Bools:
    """Return bool[S]: which students are of part `part` out of `one_in`, by a hash of their names.

    The same ones each time, whoever else is there: choices are made with students that nothing was learnt from.
    """
    return np.asarray(buckets(pa.array(list(students), pa.string()), one_in)) == part
