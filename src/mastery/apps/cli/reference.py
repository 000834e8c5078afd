"""`python -m mastery.apps.cli.reference`: every command and option as Markdown, for docs/cli.md."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import Any

import typer
from typer.main import get_command

from mastery.apps.cli import build


def reference() -> str:
    """Return one section for each command: usage, what it does, a table of its arguments and options."""
    group = get_command(build())
    return "\n\n".join(_sections(group, "mastery", None))


def _sections(group: Any, name: str, parent: typer.Context | None) -> Iterator[str]:
    context = typer.Context(group, info_name=name, parent=parent)
    for inner, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield _section(inner, command, context)
            yield from _sections(command, inner, context)
        else:
            yield _section(inner, command, context)


def _section(name: str, command: typer.core.TyperCommand, group: typer.Context) -> str:
    context = typer.Context(command, info_name=name, parent=group)
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [record for record in (one.get_help_record(context) for one in command.get_params(context)) if record]
    table = ["| argument or option | what it does |", "|---|---|"]
    table += [f"| `{_cell(left)}` | {_cell(right)} |" for left, right in rows if not left.startswith("--help")]
    path = f"{group.command_path} {name}"
    body = [f"### {path}", f"    {path} {usage}", _prose(str(command.help))]
    return "\n\n".join([*body, "\n".join(table)] if len(table) > 2 else body)


def _prose(text: str) -> str:
    """Return help as Markdown: what is marked to keep its lines becomes a code block."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(indent(one.removeprefix("\b\n"), "    ") if one.startswith("\b") else one for one in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    typer.echo(reference())
