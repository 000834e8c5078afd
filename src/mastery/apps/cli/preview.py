"""`mastery preview`: what files would be read as, before anything is written."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mastery.apps.cli.context import settings, typed
from mastery.apps.cli.options import AsJson, Tenant
from mastery.apps.cli.reading import given_path, reads_files, typed_options
from mastery.errors import BadInput
from mastery.events.read_options import NOTHING_SAID, ReadOptions, ours_of

if TYPE_CHECKING:
    from mastery.events.recognise import LacksColumns
    from mastery.pipelines.ingest.preview import FilePreview

REASONS_SHOWN = 5
FILES_NAMED = 5
"""Of those of which nothing can be used."""

KINDS = {"truth": "true / false", "whole": "whole number", "moment": "time stamp", "ids": "list of ids"}
"""Kind of a column → what docs/events.md calls it, where that is another word."""


@reads_files
def preview(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(help="Files or folders, as for `mastery ingest`.", metavar="FILE...", parser=given_path),
    ],
    how: ReadOptions = NOTHING_SAID,
    rows: Annotated[int, typer.Option(help="How many rows to show of each file.", min=0, max=100)] = 3,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show what files would be read as, and write nothing.

    For each file: which column is understood as what, a few rows as they are written and as they are read, what would
    be rejected and why, what was assumed, and the command that reads it. Students are called student 1, 2, …
    Of a file that fits no table: the nearest one, which of its columns are missing, and what to try. Ends with the exit
    code 2 where an ingest would.

    \b
    mastery preview answers.csv
    mastery preview answers.csv --map pupil=student_id --set topic_id=fractions
    """
    from mastery.apps.progress import progress
    from mastery.engine import Engine
    from mastery.events.recognise import LacksColumns

    def type_it(command: str, how: ReadOptions) -> str:
        words = [shlex.quote(word) for word in [*map(str, files), *typed_options(how)]]
        return typed(context, " ".join([command, *words]), tenant)

    engine = Engine.connect(settings(context))
    try:
        with progress("Reading files") as report:

            def read(name: str, done: int, size: int) -> None:
                report.update(done=done, total=size, title=name)

            found, notes = engine.preview(files, rows=rows, tenant=tenant, progress=read, **vars(how))
    except LacksColumns as error:
        show_lacking(error, type_it("preview", with_likely(error, how)), as_json=as_json)
        raise
    command = type_it("ingest", how)
    if as_json:
        shown = {"files": [one.as_dict() for one in found], "notes": notes, "command": command}
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False, default=str))
    else:
        for one in found:
            show_preview(one)
        show_end(notes, command)
    useless = [Path(one.path).name for one in found if one.read and not one.usable]
    if useless:
        raise BadInput(
            f"no row of {', '.join(useless[:FILES_NAMED])}{', …' if len(useless) > FILES_NAMED else ''} can be used; "
            "the reasons are above, and docs/events.md says what is expected"
        )


def with_likely(error: LacksColumns, how: ReadOptions) -> ReadOptions:
    """Return how to read a file that lacks columns: as the nearest table, with what may be the missing columns;
    THEIRS stands for a column that nobody can guess.
    """
    from mastery.events.likely_columns import likely_columns

    likely = likely_columns(error.missing, error.spare)
    columns = {theirs: ours for theirs, ours in how.columns.items() if not {*ours_of(ours)} & {*error.missing}}
    for ours in error.missing:
        theirs = likely.get(ours, "THEIRS")
        columns[theirs] = (*ours_of(columns.get(theirs, ())), ours)
    return replace(how, columns=columns, table=how.table if how.profile is not None else error.table)


def show_lacking(error: LacksColumns, command: str, *, as_json: bool) -> None:
    """Print the nearest table of a file that is none as it is, its columns that are missing, those of the file, and a
    command to try.
    """
    from rich.text import Text

    from mastery.apps.cli.console import console, printable
    from mastery.events.recognise import source_named

    if as_json:
        own = {name: getattr(error, name) for name in ("place", "table", "missing", "columns", "spare")}
        shown = {"files": [], "notes": [], "lacking": own, "command": command}
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    out = console()
    out.print(Text(f"{printable(str(error.place))}: nearest to {error.table}", "bold"), soft_wrap=True)
    for name in error.missing:
        out.print(Text(f"missing  {name}: {source_named(error.table).column(name).doc}"), soft_wrap=True)
    known = [name for name in error.columns if name not in error.spare]
    for said, names in (("here     ", known), ("unknown  ", error.spare)):
        if names:
            out.print(Text(f"{said}{printable(', '.join(names))}"), soft_wrap=True)
    guess = (
        ", with the column that holds it in place of THEIRS, or --set OURS=TEXT for what is the same in every row"
        if "THEIRS=" in command
        else ""
    )
    out.print(Text(f"\nNothing was written. Try{guess}:\n\n    {printable(command)}\n"), soft_wrap=True)
    if "student_id" in error.missing:
        out.print("A student's id must differ from that of every other student; a name may not.", soft_wrap=True)


def show_preview(one: FilePreview) -> None:
    """Print what a file would be read as."""
    from rich.text import Text

    from mastery.apps.cli.console import console, first_that_fits, number, plain_table, printable

    out = console()
    out.print(Text(f"{printable(one.path)}: {one.table}", "bold"), soft_wrap=True)
    table = plain_table("column", "from", "read as", wrap={"from": 16, "read as": 12})
    for column in one.columns:
        kind = KINDS.get(column.kind, column.kind) + ("" if column.unit is None else f", in {column.unit}")
        table.add_row(column.name, Text(printable(column.source)), kind)
    out.print(first_that_fits(out, table))
    if one.unused:
        out.print(Text(f"\nNot read: {printable(', '.join(one.unused))}"), soft_wrap=True)
    for place, (before, after) in enumerate(zip(one.before, one.after, strict=True), start=1):
        out.print(Text(f"\nrow {place}  {_said(before)}"), soft_wrap=True)
        out.print(Text(f"    →  {_said(after)}"), soft_wrap=True)
    out.print(f"\n{number(one.usable)} of {number(one.read)} rows can be used.")
    for reason in one.rejected[:REASONS_SHOWN]:
        what = reason.reason if reason.column is None else f"{reason.column} {reason.reason}"
        first = f"first in line {reason.first_line}"
        first += "" if reason.first_value is None else f": {reason.first_value!r}"
        out.print(Text(f"{number(reason.rows):>8}  {printable(what)} ({printable(first)})"), soft_wrap=True)
    if len(one.rejected) > REASONS_SHOWN:
        out.print(f"          and {len(one.rejected) - REASONS_SHOWN} other reasons")
    if one.assumed:
        out.print(Text(f"\nAssumed: {printable('; '.join(one.assumed))}."), soft_wrap=True)
    for note in one.notes:
        out.print(Text(f"\nnote: {printable(note)}"), soft_wrap=True)
    out.print()


def show_end(notes: list[str], command: str) -> None:
    """Print the notes on all files, and the command that reads them."""
    from rich.text import Text

    from mastery.apps.cli.console import console, printable

    out = console()
    for note in notes:
        out.print(Text(f"note: {printable(note)}\n"), soft_wrap=True)
    out.print(Text(f"Nothing was written. This reads it:\n\n    {printable(command)}"), soft_wrap=True)


def _said(row: dict[str, Any]) -> str:
    from mastery.apps.cli.console import printable

    return " · ".join(f"{name} {printable(str(value))}" for name, value in row.items() if value is not None)
