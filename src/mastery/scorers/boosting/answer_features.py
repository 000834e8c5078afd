"""What is known of a student before each answer: counts, shares and times of that student's own past.

One walk over each student's rows in time order. The features of all rows of one event (one `Batch.row`) are written
before any of them counts, so no answer is seen before it was given. The predicted row gives its topic, its item and the
moment of asking; never its outcome, weight, hints or duration (the weight says whether it was hinted).

`asked_us` is the moment of asking, as far as it is known before the answer. With clock `start` it is the row's own time
stamp. With clock `answer` the stamp was taken when the answer was given, and the gap since the row before contains the
response that is to be predicted: there only whole ten minutes of the gap count.
"""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats, Floats32, Int32s, Int64s
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch, BatchArrays
from mastery.features.columns import QUIZ
from mastery.kernels import inlined_kernel, kernel

FEATURES = (
    "answers", "share_right", "recent_right", "lasting_right", "first_tries_right", "last_outcomes", "streak",
    "topics_seen", "topics_of_event",
    "topic_answers", "topic_share_right", "topic_recent_right", "topic_last_outcomes", "topic_streak",
    "topic_since_answers", "topic_since_s", "topic_run", "topic_activity", "topic_last_duration_s", "topic_hinted",
    "tries", "item_share_right", "item_last_outcome", "item_since_answers", "item_since_s", "item_run",
    "gap_s", "sitting_answers", "last_duration_s", "mean_duration_s", "last_hints", "hinted",
    "first_tries_recent", "first_tries_lasting", "later_tries_right", "last_item_tries", "mean_tries",
    "topic_first_tries_right",
)  # fmt: skip
"""Durations, gaps and counts are read as ln(1 + x); NaN where there is nothing to tell."""

COARSE_US = 600_000_000
"""With clock `answer`, gaps count in whole ten minutes. On one set the gap itself gave an AUC of .897, without .867."""

SITTING_US = 1_800_000_000
"""A longer gap begins a new sitting."""

RECENT, LASTING = 0.75, 0.95
"""What of an answer's weight in the two decayed shares is left after the next answer."""

STUDENT = ("answers", "right", "recent", "recent_n", "lasting", "lasting_n", "first", "first_right", "outcomes",
           "streak", "topics", "topic", "topic_run", "item", "item_run", "at_us", "sitting", "duration", "durations",
           "durations_n", "hints", "hinted", "hinted_n", "first_recent", "first_recent_n", "first_lasting",
           "first_lasting_n", "run_before")  # fmt: skip
(S_N, S_RIGHT, S_RECENT, S_RECENT_N, S_LASTING, S_LASTING_N, S_FIRST, S_FIRST_RIGHT, S_OUTCOMES, S_STREAK, S_TOPICS,
 S_TOPIC, S_TOPIC_RUN, S_ITEM, S_ITEM_RUN, S_AT, S_SITTING, S_DURATION, S_DURATIONS, S_DURATIONS_N, S_HINTS, S_HINTED,
 S_HINTED_N, S_FIRST_RECENT, S_FIRST_RECENT_N, S_FIRST_LASTING, S_FIRST_LASTING_N,
 S_RUN_BEFORE) = range(len(STUDENT))  # fmt: skip

TOPIC = ("answers", "right", "recent", "recent_n", "outcomes", "streak", "last_n", "at_us", "activity", "duration",
         "hinted", "first", "first_right")  # fmt: skip
(T_N, T_RIGHT, T_RECENT, T_RECENT_N, T_OUTCOMES, T_STREAK, T_LAST_N, T_AT, T_ACTIVITY, T_DURATION,
 T_HINTED, T_FIRST, T_FIRST_RIGHT) = range(len(TOPIC))  # fmt: skip

ITEM = ("tries", "right", "outcome", "last_n", "at_us")
I_N, I_RIGHT, I_OUTCOME, I_LAST_N, I_AT = range(len(ITEM))


@inlined_kernel
def asked(at_us: int, previous_us: int, coarse: bool) -> int:
    """Return the moment of asking, microseconds; `previous_us` is the time of the student's answer before."""
    if not coarse:
        return at_us
    return previous_us + max(0, at_us - previous_us) // COARSE_US * COARSE_US


@inlined_kernel
def event_end(row: Int64s, begin: int, end: int) -> int:
    """Return where the rows of the event that starts at `begin` end; rows of a student end at `end`."""
    stop = begin + 1
    while stop < end and row[stop] == row[begin]:
        stop += 1
    return stop


@inlined_kernel
def _outcomes(code: float, y: float) -> float:
    """Return the code of the last four outcomes: a leading 1, then a bit for each; 1 stands for none."""
    longer = 2.0 * code + (1.0 if y >= 0.5 else 0.0)
    return longer if longer < 32.0 else 16.0 + longer % 16.0


@inlined_kernel
def _streak(streak: float, y: float) -> float:
    """Return how many times in a row the answers were right (above 0) or wrong (below)."""
    if y >= 0.5:
        return max(streak, 0.0) + 1.0
    return min(streak, 0.0) - 1.0


@inlined_kernel
def _seconds(us: float) -> float:
    return math.log1p(max(us, 0.0) * 1e-6)


@kernel
def _describe(
    i: int, t: int, m: int, at: int, width: int, own: Floats, of_topic: Floats, of_item: Floats, out: Floats32
) -> None:
    """Write the features of row i, asked at `at`, as things stand before its event of `width` rows."""
    n = own[S_N]
    out[i, 0] = math.log1p(n)
    out[i, 1] = (own[S_RIGHT] + 1.0) / (n + 2.0)
    out[i, 2] = (own[S_RECENT] + 0.5) / (own[S_RECENT_N] + 1.0)
    out[i, 3] = (own[S_LASTING] + 0.5) / (own[S_LASTING_N] + 1.0)
    out[i, 4] = (own[S_FIRST_RIGHT] + 1.0) / (own[S_FIRST] + 2.0)
    out[i, 5], out[i, 6] = own[S_OUTCOMES], own[S_STREAK]
    out[i, 7], out[i, 8] = own[S_TOPICS], width
    seen = of_topic[t, T_N]
    out[i, 9] = math.log1p(seen)
    out[i, 10] = (of_topic[t, T_RIGHT] + 1.0) / (seen + 2.0)
    out[i, 11] = (of_topic[t, T_RECENT] + 0.5) / (of_topic[t, T_RECENT_N] + 1.0)
    out[i, 12], out[i, 13] = of_topic[t, T_OUTCOMES], of_topic[t, T_STREAK]
    out[i, 14] = math.log1p(n - of_topic[t, T_LAST_N]) if seen > 0.0 else np.nan
    out[i, 15] = _seconds(at - of_topic[t, T_AT]) if seen > 0.0 else np.nan
    out[i, 16] = own[S_TOPIC_RUN] if own[S_TOPIC] == t else 0.0
    out[i, 17] = of_topic[t, T_ACTIVITY]
    out[i, 18] = of_topic[t, T_DURATION]
    out[i, 19] = of_topic[t, T_HINTED] / (seen + 1.0)
    tries = of_item[m, I_N]
    out[i, 20] = min(tries, 20.0)
    out[i, 21] = (of_item[m, I_RIGHT] + 1.0) / (tries + 2.0)
    out[i, 22] = of_item[m, I_OUTCOME]
    out[i, 23] = math.log1p(n - of_item[m, I_LAST_N]) if tries > 0.0 else np.nan
    out[i, 24] = _seconds(at - of_item[m, I_AT]) if tries > 0.0 else np.nan
    out[i, 25] = own[S_ITEM_RUN] if own[S_ITEM] == m else 0.0
    out[i, 26] = _seconds(at - own[S_AT]) if n > 0.0 else np.nan
    out[i, 27] = math.log1p(own[S_SITTING]) if n > 0.0 and at - own[S_AT] <= SITTING_US else 0.0
    out[i, 28] = own[S_DURATION]
    out[i, 29] = own[S_DURATIONS] / own[S_DURATIONS_N] if own[S_DURATIONS_N] > 0.0 else np.nan
    out[i, 30] = own[S_HINTS]
    out[i, 31] = own[S_HINTED] / own[S_HINTED_N] if own[S_HINTED_N] > 0.0 else np.nan
    out[i, 32] = (own[S_FIRST_RECENT] + 0.5) / (own[S_FIRST_RECENT_N] + 1.0)
    out[i, 33] = (own[S_FIRST_LASTING] + 0.5) / (own[S_FIRST_LASTING_N] + 1.0)
    out[i, 34] = (own[S_RIGHT] - own[S_FIRST_RIGHT] + 1.0) / (n - own[S_FIRST] + 2.0)
    out[i, 35] = own[S_RUN_BEFORE] if own[S_ITEM] == m else own[S_ITEM_RUN]
    out[i, 36] = math.log((n + 1.0) / (own[S_FIRST] + 1.0))
    out[i, 37] = (of_topic[t, T_FIRST_RIGHT] + 1.0) / (of_topic[t, T_FIRST] + 2.0)


@kernel
def _count_on_topic(
    t: int, first: bool, at_us: int, y: float, duration_ms: int, hints: int, own: Floats, of_topic: Floats
) -> None:
    """Count an answer on one of its topics; `first` says whether it was the first try at its item."""
    if of_topic[t, T_N] == 0.0:
        own[S_TOPICS] += 1.0
    of_topic[t, T_N] += 1.0
    of_topic[t, T_RIGHT] += y
    of_topic[t, T_RECENT] = RECENT * of_topic[t, T_RECENT] + y
    of_topic[t, T_RECENT_N] = RECENT * of_topic[t, T_RECENT_N] + 1.0
    of_topic[t, T_OUTCOMES] = _outcomes(of_topic[t, T_OUTCOMES], y)
    of_topic[t, T_STREAK] = _streak(of_topic[t, T_STREAK], y)
    of_topic[t, T_LAST_N] = own[S_N]
    of_topic[t, T_AT] = at_us
    of_topic[t, T_DURATION] = math.log1p(duration_ms * 1e-3) if duration_ms >= 0 else np.nan
    of_topic[t, T_HINTED] += 1.0 if hints > 0 else 0.0
    if first:
        of_topic[t, T_FIRST] += 1.0
        of_topic[t, T_FIRST_RIGHT] += y


@kernel
def _count(t: int, m: int, at_us: int, y: float, duration_ms: int, hints: int, own: Floats, of_item: Floats) -> None:
    """Count an answer as the student's, and on its item."""
    own[S_TOPIC_RUN] = own[S_TOPIC_RUN] + 1.0 if own[S_TOPIC] == t else 1.0
    if own[S_ITEM] != m:
        own[S_RUN_BEFORE], own[S_ITEM_RUN] = own[S_ITEM_RUN], 0.0
    own[S_ITEM_RUN] += 1.0
    own[S_TOPIC], own[S_ITEM] = t, m
    if of_item[m, I_N] == 0.0:
        own[S_FIRST] += 1.0
        own[S_FIRST_RIGHT] += y
        own[S_FIRST_RECENT] = RECENT * own[S_FIRST_RECENT] + y
        own[S_FIRST_RECENT_N] = RECENT * own[S_FIRST_RECENT_N] + 1.0
        own[S_FIRST_LASTING] = LASTING * own[S_FIRST_LASTING] + y
        own[S_FIRST_LASTING_N] = LASTING * own[S_FIRST_LASTING_N] + 1.0
    of_item[m, I_N] += 1.0
    of_item[m, I_RIGHT] += y
    of_item[m, I_OUTCOME] = 1.0 if y >= 0.5 else 0.0
    of_item[m, I_LAST_N], of_item[m, I_AT] = own[S_N], at_us
    if own[S_N] > 0.0 and at_us - own[S_AT] <= SITTING_US:
        own[S_SITTING] += 1.0
    else:
        own[S_SITTING] = 1.0
    own[S_N] += 1.0
    own[S_RIGHT] += y
    own[S_RECENT] = RECENT * own[S_RECENT] + y
    own[S_RECENT_N] = RECENT * own[S_RECENT_N] + 1.0
    own[S_LASTING] = LASTING * own[S_LASTING] + y
    own[S_LASTING_N] = LASTING * own[S_LASTING_N] + 1.0
    own[S_OUTCOMES], own[S_STREAK] = _outcomes(own[S_OUTCOMES], y), _streak(own[S_STREAK], y)
    own[S_AT] = at_us
    own[S_DURATION] = math.log1p(duration_ms * 1e-3) if duration_ms >= 0 else np.nan
    if duration_ms >= 0:
        own[S_DURATIONS] += own[S_DURATION]
        own[S_DURATIONS_N] += 1.0
    own[S_HINTS] = hints if hints >= 0 else np.nan
    if hints >= 0:
        own[S_HINTED] += 1.0 if hints > 0 else 0.0
        own[S_HINTED_N] += 1.0


@kernel
def _walk(
    batch: BatchArrays, topic: Int32s, item: Int32s, topics: int, items: int, coarse: bool, out: Floats32
) -> None:
    student_ptr, row, at_us, y, weight = batch.student_ptr, batch.row, batch.at_us, batch.y, batch.weight
    opportunity, duration_ms, hints = batch.opportunity, batch.duration_ms, batch.hints
    topic_owner, item_owner = np.full(topics, -1, np.int64), np.full(items, -1, np.int64)
    of_topic, of_item = np.zeros((topics, len(TOPIC))), np.zeros((items, len(ITEM)))
    own = np.empty(len(STUDENT))
    for s in range(student_ptr.size - 1):
        own[:] = 0.0
        own[S_OUTCOMES], own[S_TOPIC], own[S_ITEM], own[S_AT] = 1.0, -1.0, -1.0, np.nan
        own[S_DURATION], own[S_HINTS] = np.nan, np.nan
        begin, end, previous_us = student_ptr[s], student_ptr[s + 1], np.int64(0)
        while begin < end:
            stop = event_end(row, begin, end)
            at = at_us[begin]
            if own[S_N] > 0.0:
                at = asked(at_us[begin], previous_us, coarse)
            for i in range(begin, stop):
                t, m = topic[i], item[i]
                if topic_owner[t] != s:
                    topic_owner[t] = s
                    of_topic[t, :] = 0.0
                    of_topic[t, T_OUTCOMES], of_topic[t, T_AT], of_topic[t, T_DURATION] = 1.0, np.nan, np.nan
                if item_owner[m] != s:
                    item_owner[m] = s
                    of_item[m, :] = 0.0
                    of_item[m, I_OUTCOME], of_item[m, I_AT] = -1.0, np.nan
                _describe(i, t, m, at, stop - begin, own, of_topic, of_item, out)
            counted, first = False, False
            for i in range(begin, stop):
                t, m = topic[i], item[i]
                if weight[i] <= 0.0:
                    of_topic[t, T_ACTIVITY] += opportunity[i]
                    continue
                if not counted:
                    first = of_item[m, I_N] == 0.0
                _count_on_topic(t, first, at_us[i], y[i], duration_ms[i], hints[i], own, of_topic)
                if counted:  # the event's other topics: the student gave one answer, on one item
                    continue
                counted = True
                _count(t, m, at_us[i], y[i], duration_ms[i], hints[i], own, of_item)
                previous_us = at_us[i]
            begin = stop


def items_or_topics(batch: Batch) -> Int32s:
    """Return int32[n]: the item of each row, and len(items) + topic where the row names none."""
    topic = batch.slot_topic[batch.slot]
    return np.where(batch.item >= 0, batch.item, np.int32(len(batch.items)) + topic).astype(np.int32)


def answer_features(batch: Batch, clock: Clock, out: Floats32) -> None:
    """Write the features of each row, in the order of `FEATURES`, into float32[n, ≥ len(FEATURES)]."""
    topics = len(batch.topics)
    topic = batch.slot_topic[batch.slot]
    _walk(batch.arrays, topic, items_or_topics(batch), topics, len(batch.items) + topics, clock == "answer", out)


def labelled(batch: Batch) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return bool[n]: the rows that say whether one question was answered right."""
    return (batch.kind == QUIZ) & (batch.weight > 0.0)
