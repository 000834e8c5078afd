"""`mastery config`: what is active, and where each value came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mastery.apps.cli.context import loaded

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from mastery.settings import Loaded

MASK = "********"


def config(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    reference: Annotated[
        bool, typer.Option("--reference", help="List all settings and their defaults instead, as Markdown.")
    ] = False,
) -> None:
    """Print the settings active and where each value came from; secrets are masked."""
    if reference:
        typer.echo(reference_table())
        return
    rows = active_choice(loaded(context))
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    table.add_column("what it does", style="dim")
    for row in rows:
        style = "" if row["from"] == "default" else "bold"
        table.add_row(
            Text(row["setting"], style), Text(_plain(row["value"]), style), Text(row["from"]), row["description"]
        )
    Console().print(table)


def active_choice(settings: Loaded) -> list[dict[str, Any]]:
    """Return one row for each setting: setting, value (JSON's types, secrets masked), from, description."""
    from mastery.settings import fields

    values = settings.settings.model_dump()
    return [
        {
            "setting": name,
            "value": _shown(values, name),
            "from": settings.origin[name],
            "description": field.description,
        }
        for name, field in fields()
    ]


def reference_table() -> str:
    """Return all settings as a Markdown table: setting, environment variable, default, what it does."""
    from mastery.settings import fields, variable

    rows = ["| setting | environment | default | what it does |", "|---|---|---|---|"]
    rows += [f"| `{name}` | `{variable(name)}` | {_default(field)} | {field.description} |" for name, field in fields()]
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "shown" in extra:
        return str(extra["shown"]) if extra["shown"] == "none" else f"`{extra['shown']}`"
    return "none" if field.default is None else f"`{field.default}`"


def _shown(values: dict[str, Any], name: str) -> Any:
    from pathlib import Path

    from pydantic import SecretStr

    value: Any = values
    for part in name.split("."):
        value = value[part]
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, dict):
        return dict.fromkeys(value, MASK)
    return str(value) if isinstance(value, Path) else value


def _plain(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    return ", ".join(f"{name}={one}" for name, one in value.items()) if isinstance(value, dict) else str(value)
