"""`mastery rejected`: rows that were read and not accepted, with the reason."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson, Tenant


def rejected(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="List so many at most, the newest first; 0 for all.", min=0)] = 50,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """List rows that were read and not accepted: file, line, column, value and reason."""
    from mastery.engine import Engine

    chosen = settings(context)
    engine = Engine.connect(chosen, create=False)
    rows, total = engine.rejected(chosen.tenant if tenant is None else tenant, limit)
    if as_json:
        typer.echo(json.dumps(rows, default=str, indent=2, ensure_ascii=False))
        return

    from rich.text import Text

    from mastery.apps.cli.console import console, number, plain_table, printable

    out = console()
    if not rows:
        out.print("No row was rejected.")
        return
    table = plain_table("file", "line", "column", "value", "reason", right=("line",))
    for row in rows:
        texts = (row["source"], "" if row["line"] is None else number(row["line"]))
        shown = (*texts, *(row[name] or "" for name in ("column", "value", "reason")))
        table.add_row(*(Text(printable(text)) for text in shown))
    out.print(table)
    if total > len(rows):
        out.print(f"\n{number(len(rows))} of {number(total)}; --limit 0 lists all.")
