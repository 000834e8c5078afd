"""A table of students beside their answers: what a school knows of them, such as groups and final marks."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mastery.errors import BadInput
from mastery.evaluation.splits import Log
from mastery.evaluation.student_columns import STUDENT, StudentColumn, column_of_rows, column_of_table
from mastery.pipelines.ingest.files import open_input
from mastery.pipelines.ingest.find_files import Found, find_files


def read_roster(path: Path) -> pa.Table:
    """Return a file's columns as texts.

    Raises:
        NotFound: there is no such file.
        BadInput: it is not one file, cannot be read, or has no column `student_id`.
    """
    found = list(find_files(path))
    if len(found) != 1 or not isinstance(found[0], Found):
        raise BadInput(f"{path}: expected one file with a row per student")
    opened = open_input(found[0].content)
    if STUDENT not in opened.columns:
        raise BadInput(f"{opened.place}: no column {STUDENT!r}; it has: {', '.join(opened.columns)}")
    wanted: dict[str, bool | None] = dict.fromkeys(opened.columns)
    tables = [block.read().raw for block in opened.blocks(wanted)]
    return pa.concat_tables(tables) if tables else opened.empty(wanted)


def student_column(log: Log, roster: pa.Table | None, name: str) -> StudentColumn:
    """Return what a column of the roster, or of the log's rows where the roster has none, says of the students."""
    if roster is not None and name in roster.column_names:
        return column_of_table(log, roster, name)
    return column_of_rows(log, name)
