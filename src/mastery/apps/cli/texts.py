"""Arguments that are no text: a shell may hand over any bytes, and no store can hold those that are not UTF-8."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from mastery.apps.cli.plain_types import in_words
from mastery.errors import BadInput


class TextCommand(TyperCommand):
    """A command whose arguments are text. Paths may be any bytes."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override] # typer's own class
        """Return its arguments and options, and `--help`."""
        return in_words(super().get_params(ctx))

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override] # typer's own class
        """Read the arguments.

        Raises:
            BadInput: One is not text.
        """
        rest = super().parse_args(ctx, args)
        for name, value in ctx.params.items():
            for one in value if isinstance(value, list | tuple) else (value,):
                if isinstance(one, str) and not _is_text(one):
                    raise BadInput(f"the {name} is not text in UTF-8: {one!r}; write it as it was read in")
        return rest


def _is_text(argument: str) -> bool:
    """Tell whether an argument can be encoded: bytes that are no UTF-8 come in as lone surrogates."""
    return argument.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in argument)
