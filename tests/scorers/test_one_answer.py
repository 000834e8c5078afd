"""Answers folded one by one, without a batch, leave the bits of the fold; and are predicted as the batch is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given

from histories import histories, model, seeds, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.scorers import SPECS, folding
from mastery.scorers.base import States, fold, predict, start
from mastery.scorers.one_answer import Answer

LAST = np.iinfo(np.int64).max


def test_every_scorer_that_folds_folds_single_answers_too():
    without = [name for name in folding() if SPECS[name].one_answer is None]
    assert not without, f"{', '.join(without)}: write one_answer.py and name its steps in the spec; see CONTRIBUTING.md"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in folding() if SPECS[name].one_answer is not None])
@given(events=histories(), seed=seeds)
def test_answers_one_by_one_leave_the_bits_of_the_fold(name, events, seed):
    scorer = folding()[name]
    student = events[0].student
    mine = [e for e in events if e.student == student and e.kind == "quiz" and e.topics[0] and not e.replaces]
    batch = make_batch(event_columns(table(mine)))
    assume(batch.row.size)
    parameters = model(scorer, batch, seed)
    folded, predicted = start(scorer, parameters, batch), start(scorer, parameters, batch)
    fold(scorer, parameters, batch, folded, LAST, history=False)
    probability = predict(scorer, parameters, batch, predicted)

    step, known = SPECS[name].load_steps()(parameters), 0
    states = States(np.empty((0, len(scorer.slot_state))), scorer.start_students(parameters.params, 1))
    found = np.full(batch.row.size, np.nan)
    for i, (p, item) in enumerate(zip(batch.slot, batch.item, strict=True)):
        if p >= known:  # a topic's state is made when its first answer comes
            known = p + 1
            fresh = scorer.start_slots(parameters.params, batch.slot_topic[p : p + 1])
            states = States(np.concatenate([states.slot, fresh]), states.student)
        found[i] = step(
            states,
            batch.slot_topic[:known],
            Answer(
                slot=int(p),
                topic=int(batch.slot_topic[p]),
                item=int(batch.use[i]),
                item_key=float(batch.item_key[item] if item >= 0 else -1.0 - p),
                at_us=int(batch.at_us[i]),
                days_away=int(batch.days_away[i]),
                y=float(batch.y[i]),
                weight=float(batch.weight[i]),
                hints=int(batch.hints[i]),
                duration_ms=int(batch.duration_ms[i]),
            ),
        )
    assert states.student.tobytes() == folded.student.tobytes()
    assert states.slot.tobytes() == folded.slot.tobytes()
    np.testing.assert_array_equal(found, probability)
