"""What linear_rnn makes of a student's past: what each answer adds to a topic's log-odds, exactly.

The state is a plain sum, so the log-odds are one too: an answer k events ago adds u · r λ^k n (w + y g). Nothing is
approximated and nothing is left over. It needs the student's whole history, not just the state.
"""

from __future__ import annotations

import numpy as np

from mastery.features.batch import Batch
from mastery.scorers.base import Model
from mastery.scorers.linear_rnn import scorer
from mastery.scorers.past_answers import PastAnswers


def contributions_of_past_answers(batch: Batch, model: Model, slot: int) -> PastAnswers:
    """Return what every answer in the batch adds to the log-odds of one slot's topic, for the slot's student.

    The batch holds the student's whole history.
    """
    s = int(batch.slot_student[slot])
    rows = np.arange(batch.student_ptr[s], batch.student_ptr[s + 1])
    rows = rows[batch.weight[rows] > 0.0]
    params, t, items = model.params, int(batch.slot_topic[slot]), model.items
    u = scorer.mean_weights(params[t : t + 1])[0]
    u[scorer.EVEN :] /= np.sqrt(1.0 + batch.weight[rows].sum())
    start = float(params[t, scorer.BIAS] + params[t, scorer.ITEM_BIAS])
    if not rows.size:
        return PastAnswers(start, rows, np.zeros(0))
    place, bucket = scorer.places_and_buckets(batch)
    fresh = np.append(True, batch.row[rows[1:]] != batch.row[rows[:-1]])
    event = np.cumsum(fresh)
    events, own = scorer.written(params, items)
    contributions = np.empty(rows.size)
    for k, i in enumerate(rows):
        topic = int(batch.slot_topic[batch.slot[i]])
        e = topic * scorer.EVENTS + int(place[i] * scorer.BUCKETS + bucket[i])
        o = scorer.own_row(int(batch.use[i]), topic, items, params.shape[0])
        wrong, right = (events[e] + own[o]).astype(np.float64)
        faded = scorer.KEPT ** float(event[-1] - event[k])
        contributions[k] = batch.weight[i] * (u * faded * (wrong + batch.y[i] * (right - wrong))).sum()
    return PastAnswers(start, rows, contributions)
