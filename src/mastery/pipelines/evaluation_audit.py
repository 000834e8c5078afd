"""What was learnt from and what was foretold as one table, for somebody else to check: the columns of `kt-audit`."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from mastery.arrays import Floats
from mastery.evaluation.questions import Questions, questions
from mastery.evaluation.splits import Fold
from mastery.features.batch import Batch


def audit_rows(fold: Fold, train_chance: Floats, test_chance: Floats) -> pa.Table:
    """Return a row for each question learnt from and each one foretold: user_id, timestamp, split, kc_ids, item_id,
    y_true, y_pred, fold.

    timestamp is in seconds; where the log has none, or two alike, a student's rows are a microsecond apart.

    Args:
        train_chance, test_chance: float64 by row of the fold's two batches.
    """
    learnt = questions(fold.train, np.ones(fold.train.row.size, np.bool_))
    asked = questions(fold.test, fold.counted)
    parts = [
        _rows(fold.train, learnt, train_chance, "train", fold.name),
        _rows(fold.test, asked, test_chance, "test", fold.name),
    ]
    return pa.concat_tables(parts)


def _rows(batch: Batch, asked: Questions, chance: Floats, split: str, name: str) -> pa.Table:
    topics: list[list[str]] = [[] for _ in range(asked.y.size)]
    for question, row in zip(asked.question.tolist(), asked.rows.tolist(), strict=True):
        topics[question].append(batch.topics[batch.slot_topic[batch.slot[row]]][1])
    item = batch.item[asked.first]
    return pa.table(
        {
            "user_id": [batch.students[s] for s in asked.student],
            "timestamp": _ascending(batch, asked) / 1e6,
            "split": [split] * asked.y.size,
            "kc_ids": [json.dumps(of) for of in topics],
            "item_id": pa.array([batch.items[i][1] if i >= 0 else None for i in item], pa.string()),
            "y_true": asked.y.astype(np.int64),
            "y_pred": np.clip(asked.mean(chance), 0.0, 1.0),
            "fold": [name] * asked.y.size,
        }
    )


def _ascending(batch: Batch, asked: Questions) -> Floats:
    """Return float64[m]: microseconds, within a student each later than the one before."""
    # The least sequence above at_us that rises by 1 or more: a running maximum of at_us − place, place added again.
    at = batch.at_us[asked.first] - asked.place
    starts = np.flatnonzero(np.concatenate([[True], np.diff(asked.student) != 0])) if at.size else np.zeros(0, np.int64)
    for start, stop in zip(starts, np.append(starts[1:], at.size), strict=True):
        at[start:stop] = np.maximum.accumulate(at[start:stop])
    ascending: Floats = (at + asked.place).astype(np.float64)
    return ascending
