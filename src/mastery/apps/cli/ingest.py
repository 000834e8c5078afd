"""`mastery ingest`: rows of files into the lake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson, Tenant
from mastery.errors import BadInput

if TYPE_CHECKING:
    from mastery.pipelines.ingest.report import IngestReport

REASONS_SHOWN = 5


def ingest(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(help="Files or folders: CSV, Parquet, NDJSON; .gz too.", metavar="FILE...")
    ],
    table: Annotated[
        str | None, typer.Option("--as", help="Source table that the files are; told from the columns when left out.")
    ] = None,
    renamed: Annotated[
        list[str] | None, typer.Option("--map", help="A column's name in the file, and ours.", metavar="THEIRS=OURS")
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option("--unit", help="Unit of a column, such as watch_pct=fraction.", metavar="COLUMN=UNIT"),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of time stamps that name none, such as Europe/Berlin.", metavar="ZONE")
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Read files of what students did into the lake; say what was accepted, known before, or rejected."""
    from mastery.apps.progress import progress
    from mastery.engine import Engine, now_us
    from mastery.instants import instant

    columns_map, column_units = pairs(renamed, "--map"), pairs(units, "--unit")
    engine, now = Engine.connect(settings(context)), now_us()
    with progress("Reading files") as report:

        def read(name: str, done: int, size: int) -> None:
            report.update(done=done, total=size, title=name)

        counts = engine.ingest(
            files,
            table=table,
            columns=columns_map,
            units=column_units,
            timezone=timezone,
            tenant=tenant,
            now_us=now,
            progress=read,
        )
    if as_json:
        typer.echo(json.dumps(counts.as_dict(), ensure_ascii=False))
        return
    show_counts(counts)
    show_reasons(engine.rejected_at(instant(now)), counts.rejected)


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Return `a=b` texts as a → b.

    Raises:
        BadInput: One has no `=`, nothing on one of its sides, or names its left side again.
    """
    found: dict[str, str] = {}
    for text in given or []:
        left, equals, right = (part.strip() for part in text.partition("="))
        if not (left and equals and right):
            raise BadInput(f"{option} {text!r}: expected NAME=NAME")
        if left in found:
            raise BadInput(f"{option}: {left!r} is given twice; give it once")
        found[left] = right
    return found


def show_counts(counts: IngestReport) -> None:
    """Print the counts of each file and of all, and the notes."""
    from rich.text import Text

    from mastery.apps.cli.console import console, number, plain_table, printable

    numbers = ("read", "accepted", "duplicates", "rejected")
    table = plain_table("table", "file", *numbers, right=numbers)
    for file in counts.files:
        row = [number(getattr(file, name)) for name in numbers]
        table.add_row(file.table, Text(printable(Path(file.path).name)), *row)
    if len(counts.files) > 1:
        table.add_section()
        table.add_row("all", "", *(number(getattr(counts, name)) for name in numbers), style="bold")
    out = console()
    out.print(table)
    for note in counts.notes:
        out.print(Text(f"\nnote: {printable(note)}"), soft_wrap=True)


def show_reasons(rows: list[dict[str, Any]], rejected: int) -> None:
    """Print why rows were rejected, most frequent first, and how to list them."""
    from collections import Counter

    from rich.text import Text

    from mastery.apps.cli.console import console, number, printable

    if not rejected:
        return
    out = console()
    if not rows:
        out.print(f"\nAll {number(rejected)} rejected rows were rejected before. `mastery rejected` lists them.")
        return
    reasons = Counter((row["source_table"], row["column"], row["reason"]) for row in rows)
    out.print("\nRejected, because:")
    for (table, column, reason), count in reasons.most_common(REASONS_SHOWN):
        what = reason if column is None else f"{column} {reason}"
        out.print(Text(f"{number(count):>8}  {printable(what)} ({table})"), soft_wrap=True)
    if len(reasons) > REASONS_SHOWN:
        out.print(f"          and {len(reasons) - REASONS_SHOWN} other reasons")
    out.print("`mastery rejected` lists them by file and line.")
