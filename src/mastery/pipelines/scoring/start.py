"""Where every student starts: what each scorer says of a student of whom nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mastery.arrays import Int32s
from mastery.features.counters import initial_counters
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.base import Model, Scores, States
from mastery.scorers.derived import inputs_of, with_derived
from mastery.scorers.parameters import Parameters, Scoped


def start_scores(
    models: Mapping[str, Model],
    derived: Mapping[str, Parameters],
    slot_topic: Int32s,
    topics: Sequence[Scoped],
    explain: bool = True,
) -> Mapping[str, Scores]:
    """Return every scorer's scores of P students, each on one topic, of whom nothing is known.

    Args:
        models, derived: The parameters of the scorers that fold, and of those that do not.
        slot_topic: int32[P]. Topic code of each.
        topics: (tenant, topic_id) by topic code.
        explain: Whether contributions of derived scorers are wanted; see `Folded.scores`.
    """
    slots = slot_topic.size
    states = {
        name: States(
            SCORERS[name].start_slots(model.params, slot_topic), SCORERS[name].start_students(model.params, slots)
        )
        for name, model in models.items()
    }
    each = np.arange(slots, dtype=np.int32)
    inputs = inputs_of(SCORERS, models, states, each, slot_topic, topics, initial_counters(slots), explain)
    return with_derived(DERIVED, derived, inputs).scores
