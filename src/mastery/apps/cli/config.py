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
    """Print the active settings and where each value came from; secrets are masked."""
    if reference:
        typer.echo(reference_table())
        return
    rows = active_settings(loaded(context))
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.text import Text

    from mastery.apps.cli.console import below, console, first_that_fits, plain_table

    out = console()
    wide = plain_table(
        *("setting", "value", "from", "what it does"), wrap={"value": 20, "from": 16, "what it does": 40}
    )
    narrow = plain_table("setting", "value, from, what it does", wrap={"value, from, what it does": 24})
    for row in rows:
        style = "" if row["from"] == "default" else "bold"
        setting, value = Text(row["setting"], style), Text(_plain(row["value"]), style)
        what = Text(row["description"], "bright_black")
        wide.add_row(setting, value.copy(), row["from"], what)
        narrow.add_row(setting, below(value.append(f" ({row['from']})", "not bold"), what))
    out.print(first_that_fits(out, wide, narrow))


def active_settings(settings: Loaded) -> list[dict[str, Any]]:
    """Return one row for each setting: setting, value (JSON's types, secrets masked), from, description."""
    from mastery.settings import fields

    values = settings.settings.model_dump()
    return [
        {
            "setting": name,
            "value": _default_word(field) if _shown(values, name) is None else _shown(values, name),
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


def _default_word(field: FieldInfo) -> str | None:
    """Return the word that stands for a setting that is left out, such as auto; None where there is none."""
    extra = field.json_schema_extra
    return str(extra["shown"]) if isinstance(extra, dict) and "shown" in extra else None


def _shown(values: dict[str, Any], name: str) -> Any:
    from pathlib import Path

    from pydantic import SecretStr

    from mastery.settings.addresses import shown
    from mastery.settings.load import SECRET

    value: Any = values
    for part in name.split("."):
        value = value[part]
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, dict) and name in SECRET:
        return dict.fromkeys(value, MASK)
    if name == "state":
        return shown(value)  # the URL of a server may hold its password
    return str(value) if isinstance(value, Path) else value


def _plain(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    return ", ".join(f"{name}={one}" for name, one in value.items()) if isinstance(value, dict) else str(value)
