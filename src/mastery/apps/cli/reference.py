"""`python -m mastery.apps.cli.reference`: every command and option as Markdown, for docs/cli.md."""

from __future__ import annotations

import typer
from typer.main import get_command

from mastery.apps.cli import build


def reference() -> str:
    """Return one section for each command: usage, what it does, a table of its arguments and options."""
    group = get_command(build())
    top = typer.Context(group, info_name="mastery")
    return "\n\n".join(_section(name, command, top) for name, command in group.commands.items())  # type: ignore[attr-defined]


def _section(name: str, command: typer.core.TyperCommand, top: typer.Context) -> str:
    context = typer.Context(command, info_name=name, parent=top)
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [record for record in (one.get_help_record(context) for one in command.get_params(context)) if record]
    table = ["| argument or option | what it does |", "|---|---|"]
    table += [f"| `{_cell(left)}` | {_cell(right)} |" for left, right in rows if not left.startswith("--help")]
    body = [f"### mastery {name}", f"    mastery {name} {usage}", str(command.help)]
    return "\n\n".join([*body, "\n".join(table)] if len(table) > 2 else body)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    typer.echo(reference())
