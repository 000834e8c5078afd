"""A group of commands, with its own options before the command and the command's after it."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from mastery.apps.cli.plain_types import in_words
from mastery.errors import BadInput


class Group(TyperGroup):
    """Commands under one name. An option of theirs that stands before the command is told where it belongs."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override] # typer's own class
        """Return its options, and `--help`."""
        return in_words(super().get_params(ctx))

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override] # typer's own class
        """Read the options of the group.

        Raises:
            BadInput: One of them is an option of commands.
        """
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option = getattr(
                error, "option_name", None
            )  # typer has no name of its own for the error of unknown options
            takers = [name for name, one in self.commands.items() if any(option in p.opts for p in one.params)]
            if option is None or not takers:
                raise
            meant = next((one for one in args if one in takers), takers[0])
            raise BadInput(
                f"{option} stands after the command that it is for: `{ctx.command_path} {meant} {option} …`"
            ) from error
