"""What was learnt from and what was predicted as one table, for somebody else to check: the columns of `kt-audit`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mastery.arrays import Floats
from mastery.errors import BadInput
from mastery.evaluation.questions import Questions, questions
from mastery.evaluation.splits import CvFold
from mastery.features.batch import Batch
from mastery.pipelines.evaluation.predictors import Predicted


class Audit:
    """Collects the rows of every test while an evaluation goes on; `hear` is what `evaluate` calls.

    Attributes:
        scorer: Whose predictions: who was asked for, else the last that predicts; the unconstrained blend where all do.
        tables: One of each test.
    """

    def __init__(self, scorer: str | None = None) -> None:
        self.scorer = scorer
        self.tables: list[pa.Table] = []

    def hear(self, cv_fold: CvFold, predicted: Predicted) -> None:
        """Take a test and what was said of it.

        Raises:
            BadInput: the scorer that was asked for predicted nothing.
        """
        if self.scorer is None:
            self.scorer = list(predicted.probability)[-1]
        if self.scorer not in predicted.probability:
            raise BadInput(f"nothing was predicted by {self.scorer}; there are {', '.join(predicted.probability)}")
        self.tables.append(audit_rows(cv_fold, predicted.probability[self.scorer]))

    def write(self, path: Path) -> int:
        """Write all rows as Parquet; return how many."""
        table = pa.concat_tables(self.tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        return int(table.num_rows)


def audit_rows(cv_fold: CvFold, probability: Floats) -> pa.Table:
    """Return a row for each question learnt from and each one predicted: user_id, timestamp, split, kc_ids, item_id,
    y_true, y_pred, fold.

    timestamp is in seconds; where the log has none, or two alike, a student's rows are a microsecond apart. Of what was
    learnt from nothing was predicted: y_pred is the share right there.

    Args:
        probability: float64 by row of the CV fold's test.
    """
    learnt = questions(cv_fold.train, np.ones(cv_fold.train.row.size, np.bool_))
    asked = questions(cv_fold.test, cv_fold.counted)
    parts = [
        _rows(cv_fold.train, learnt, np.full(learnt.y.size, learnt.y.mean()), "train", cv_fold.name),
        _rows(cv_fold.test, asked, asked.mean(probability), "test", cv_fold.name),
    ]
    return pa.concat_tables(parts)


def _rows(batch: Batch, asked: Questions, predicted: Floats, split: str, name: str) -> pa.Table:
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
            "y_pred": np.clip(predicted, 0.0, 1.0),
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
