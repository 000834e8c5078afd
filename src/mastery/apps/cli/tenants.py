"""`mastery tenants`: whose events the lake holds."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson


def tenants(context: typer.Context, as_json: AsJson = False) -> None:
    """List the tenants in the lake, with the number of students, events and rejected rows of each."""
    from mastery.engine import Engine

    engine = Engine.connect(settings(context), create=False)
    every = engine.tenant_counts()
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in every], indent=2, ensure_ascii=False))
        return

    from rich.text import Text

    from mastery.apps.cli.console import console, first_that_fits, number, plain_table, printable

    out = console()
    table = plain_table("tenant", "students", "events", "rejected", right=("students", "events", "rejected"))
    for one in every:
        table.add_row(Text(printable(one.tenant)), number(one.students), number(one.events), number(one.rejected))
    out.print(first_that_fits(out, table))
