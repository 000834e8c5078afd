"""`mastery compact`: many small files of the lake into few sorted ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson

if TYPE_CHECKING:
    from mastery.tables import Table


def compact(context: typer.Context, as_json: AsJson = False) -> None:
    """Merge the lake's files into fewer, sorted ones, so that one student is read in milliseconds. Changes no data."""
    from mastery.apps.progress import progress
    from mastery.engine import Engine
    from mastery.tables import TABLES

    engine = Engine.connect(settings(context), create=False)
    files: dict[str, tuple[int, int]] = {}

    def merge(table: Table) -> None:
        before = len(engine.lake.snapshot(table).files)
        with progress(f"Compacting {table.name}") as report:
            engine.lake.compact(table, progress=lambda done, total: report.update(done=done, total=total))
        engine.lake.vacuum(table)  # what was merged more than a week ago, and nobody reads any more
        files[table.name] = (before, len(engine.lake.snapshot(table).files))

    for table in TABLES.values():
        if table.partition_by:
            merge(table)
    if as_json:
        typer.echo(json.dumps({name: {"files_before": b, "files_after": a} for name, (b, a) in files.items()}))
        return
    for name, (before, after) in files.items():
        typer.echo(f"{name:<10} {before:>6} file{'' if before == 1 else 's'}, now {after}")
