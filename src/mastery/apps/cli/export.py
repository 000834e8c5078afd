"""`mastery export`: a table of the lake as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import Tenant


def export(
    context: typer.Context,
    table: Annotated[
        str, typer.Argument(help="student_mastery (gold), history, features, ledger, events, …", metavar="TABLE")
    ],
    file_format: Annotated[str, typer.Option("--format", help="csv, parquet or json.", metavar="FORMAT")],
    out: Annotated[Path | None, typer.Option(help="File to write; standard output when left out.")] = None,
    tenant: Tenant = None,
) -> None:
    """Write a table of the lake as CSV, Parquet or JSON; scores with their explanation and top factors."""
    from mastery.apps.cli.console import say
    from mastery.apps.export import Format, table_named
    from mastery.apps.export import export as write
    from mastery.apps.progress import progress
    from mastery.insight.words import counted

    chosen = table_named(table)
    engine = engine_of(context, tenant)
    with progress(f"Exporting {table}") as report:

        def rows_done(done: int, total: int) -> None:
            report.update(done=done, total=total)

        # What is no format, write refuses.
        rows = write(engine.lake, chosen, out, cast(Format, file_format), rows_done)
    say(f"{counted(rows, 'row')} of {table}" + ("" if out is None else f" in {out}"))
