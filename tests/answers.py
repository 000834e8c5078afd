"""Answers of a made-up table, read as those of a file are."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from mastery.evaluation.splits import Log
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.pipelines.evaluation.logs import answers_log
from mastery.pipelines.ingest.answers import Answers, read_answers

NOW = datetime(2100, 1, 1, tzinfo=UTC)
"""Later than every time stamp of a test."""


def answers_in(table: pa.Table, **options) -> Answers:
    """Return the answers of a table, with all of its columns kept."""
    return read_answers(table, **({"now": NOW, "keep": None} | options))


def answer_batch(table: pa.Table, clock: Clock = "start") -> Batch:
    """Return the batch of a table's answers, each of its rows one of them."""
    answers = answers_in(table)
    assert answers.report.accepted == table.num_rows, answers.notes()
    return answers.batch(clock)


def log_of(table: pa.Table, clock: Clock = "start") -> Log:
    """Return a table's answers to evaluate on."""
    return answers_log(answers_in(table), clock)
