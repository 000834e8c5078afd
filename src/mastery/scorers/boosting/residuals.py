"""How much better or worse a student's past answers came out than predicted: outcome − probability, averaged in seven
ways.

What a scorer has learnt from everybody fits one student more or less; whoever keeps doing better on second tries, or
worse since this morning, than it says will go on so for a while. The mean of the residuals is drawn towards 0 as by one
to four answers without any. Residuals as features: Friedman (2001), Greedy function approximation, Ann. Statist. 29(5),
fits trees to them; here they are of earlier answers of the same student, so the predicted one is in none of them.

The probabilities must come from parameters that have not seen the student (cross-fitted). Against means of other
students in the same context, out of fold, residuals leak the label (see encodings): there are as many means as
contexts, and what one lacks tells what its own answers were. With a recurrence's probabilities they gained AUC on
students held out of all five logs they were tried on, from .0000 (statics2011) to .0012 (assist2017).
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats, Floats32, Int32s
from mastery.features.batch import Batch, BatchArrays
from mastery.kernels import inlined_kernel, kernel
from mastery.log_odds import sigmoid_of
from mastery.scorers.boosting.answer_features import event_end, items_or_topics

RESIDUALS = ("residual_now", "residual_lately", "residual_long", "residual_first_tries", "residual_later_tries",
             "residual_topic", "residual_item")  # fmt: skip
"""Of all answers, fading fast, slower, hardly; of first tries on an item; of later ones; on the topic; on the item."""

KEPT = (0.6, 0.9, 0.98, 0.9, 0.9, 0.8, 1.0)
"""What is left of a residual after the next answer of its kind."""
PULL = (1.0, 2.0, 4.0, 1.0, 1.0, 1.0, 1.0)
"""Each mean is shrunk by this many answers without a residual."""

ALL_TRIES, FIRST, LATER, TOPIC, ITEM = 3, 3, 4, 5, 6


@inlined_kernel
def _count(sums: Floats, row: int, residual: float, kept: float) -> None:
    sums[row, 0] = kept * sums[row, 0] + residual
    sums[row, 1] = kept * sums[row, 1] + 1.0


@kernel
def _walk(
    batch: BatchArrays, topic: Int32s, item: Int32s, topics: int, items: int, probability: Floats, out: Floats32
) -> None:
    student_ptr, row, y, weight = batch.student_ptr, batch.row, batch.y, batch.weight
    own, of_topic, of_item = np.zeros((TOPIC, 2)), np.zeros((topics, 2)), np.zeros((items, 2))
    topic_owner, item_owner = np.full(topics, -1, np.int64), np.full(items, -1, np.int64)
    for s in range(student_ptr.size - 1):
        own[:] = 0.0
        begin, end = student_ptr[s], student_ptr[s + 1]
        while begin < end:
            stop = event_end(row, begin, end)
            for i in range(begin, stop):
                t, m = topic[i], item[i]
                if topic_owner[t] != s:
                    topic_owner[t] = s
                    of_topic[t, :] = 0.0
                if item_owner[m] != s:
                    item_owner[m] = s
                    of_item[m, :] = 0.0
                for k in range(TOPIC):
                    out[i, k] = own[k, 0] / (own[k, 1] + PULL[k])
                out[i, TOPIC] = of_topic[t, 0] / (of_topic[t, 1] + PULL[TOPIC])
                out[i, ITEM] = of_item[m, 0] / (of_item[m, 1] + PULL[ITEM])
            counted = False
            for i in range(begin, stop):
                if weight[i] <= 0.0:
                    continue
                residual, m = y[i] - probability[i], item[i]
                _count(of_topic, topic[i], residual, KEPT[TOPIC])
                if counted:  # the event's other topics: the student gave one answer, on one item
                    continue
                counted = True
                for k in range(ALL_TRIES):
                    _count(own, k, residual, KEPT[k])
                which = LATER if of_item[m, 1] > 0.0 else FIRST
                _count(own, which, residual, KEPT[which])
                _count(of_item, m, residual, KEPT[ITEM])
            begin = stop


def write_residuals(batch: Batch, logit: Floats, out: Floats32) -> None:
    """Write the residuals before each row, in the order of `RESIDUALS`, into float32[n, len(RESIDUALS)].

    Args:
        logit: float64[n]. Log-odds of a right answer, said before each row; rows without weight may be NaN.
    """
    topics = len(batch.topics)
    topic, probability = batch.slot_topic[batch.slot], sigmoid_of(logit)
    _walk(batch.arrays, topic, items_or_topics(batch), topics, len(batch.items) + topics, probability, out)
