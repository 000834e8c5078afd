"""`mastery state`: the store of the students' states, moved to another place."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.groups import Group
from mastery.apps.cli.options import AsJson
from mastery.apps.cli.texts import TextCommand

Store = "as the setting state names it: sqlite:FOLDER, postgresql://… or redis://…."

state = typer.Typer(
    name="state",
    cls=Group,
    help="Move students' states to another store.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@state.command("copy", cls=TextCommand)
def copy(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help=f"Store to copy, {Store}")],
    target: Annotated[str, typer.Argument(metavar="TO", help=f"Store to fill, {Store}")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what the other store holds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the states of all tenants into another store.

    Stop what writes beforehand, and set `state` to the other store afterwards. To repeat a copy that was interrupted,
    use --overwrite.
    """
    from mastery.engine import Engine

    copied = Engine.connect(settings(context), create=False).copy_state(source, target, overwrite=overwrite)
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in copied], indent=2, ensure_ascii=False))
        return

    from rich.text import Text

    from mastery.apps.cli.console import console, first_that_fits, number, plain_table, printable
    from mastery.settings.addresses import shown

    out = console()
    counts = ("records", "damaged")
    table = plain_table("tenant", "model set", *counts, right=counts)
    for one in copied:
        table.add_row(Text(printable(one.tenant)), one.model_version, number(one.records), number(one.damaged))
    out.print(first_that_fits(out, table))
    if any(one.damaged for one in copied):
        out.print("Damaged records were left out; each is made again from the lake when its student is next shown.")
    out.print(f"Next: set `state` to {shown(target)}", soft_wrap=True, markup=False)
