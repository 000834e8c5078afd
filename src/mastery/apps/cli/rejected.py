"""`mastery rejected`: rows that were read and not accepted, with the reason."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson, Tenant


def rejected(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="List at most this many, the newest first; 0 for all.", min=0)] = 50,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """List rows that were read and not accepted: file, line, column, value and reason."""
    from mastery.apps.cli.unknown import others
    from mastery.engine import Engine

    engine = Engine.connect(settings(context), create=False).of(tenant)
    known = engine.tenant in engine.tenants
    rows, total = engine.rejected(limit) if known else ([], 0)
    if as_json:
        typer.echo(json.dumps(rows, default=str, indent=2, ensure_ascii=False))
        return

    from rich.text import Text

    from mastery.apps.cli.console import below, console, first_that_fits, number, plain_table, printable

    out = console()
    if not rows:
        if known:
            out.print(Text(f"No row of tenant {engine.tenant!r} was rejected."))
        else:
            out.print(Text(f"There are no rows of tenant {engine.tenant!r}; {others(engine)}"), soft_wrap=True)
        return
    heads = ("file", "line", "column", "value", "reason")
    wide = plain_table(*heads, right=("line",), wrap={"file": 24, "value": 12, "reason": 30})
    narrow = plain_table("file, line", "column, value, reason", wrap={"file, line": 16, "column, value, reason": 24})
    for row in rows:
        line = "" if row["line"] is None else number(row["line"])
        texts = (row["source"], line, *(row[name] or "" for name in ("column", "value", "reason")))
        wide.add_row(*(Text(printable(text)) for text in texts))
        narrow.add_row(below(texts[0], line and f"line {line}"), below(*texts[2:]))
    out.print(first_that_fits(out, wide, narrow))
    if total > len(rows):
        out.print(f"\n{number(len(rows))} of {number(total)}; --limit 0 lists all.")
