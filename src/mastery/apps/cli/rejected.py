"""`mastery rejected`: rows that were read and do not count, with the reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson, Tenant

if TYPE_CHECKING:
    from rich.text import Text

    from mastery.engine import Engine


def rejected(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="List at most this many, the newest first; 0 for all.", min=0)] = 50,
    superseded: Annotated[
        bool,
        typer.Option(
            "--superseded", help="List what later revisions of the same events replaced, and what counts now."
        ),
    ] = False,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """List rows that were read and not accepted: file, line, column, value and reason."""
    from mastery.engine import Engine

    engine = Engine.connect(settings(context), create=False).of(tenant)
    known = engine.tenant in engine.tenants
    read = engine.superseded if superseded else engine.rejected
    rows, total = read(limit) if known else ([], 0)
    if as_json:
        typer.echo(json.dumps(rows, default=str, indent=2, ensure_ascii=False))
        return

    from mastery.apps.cli.console import console, number

    if not rows:
        _show_none(engine, known, "superseded" if superseded else "rejected")
        return
    if superseded:
        _show_superseded(rows)
    else:
        _show_rejected(rows)
    if total > len(rows):
        console().print(f"\n{number(len(rows))} of {number(total)}; --limit 0 lists all.")


def _show_none(engine: Engine, known: bool, what: str) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import console
    from mastery.apps.cli.unknown import others

    if known:
        console().print(Text(f"No row of tenant {engine.tenant!r} was {what}."))
    else:
        console().print(Text(f"There are no rows of tenant {engine.tenant!r}; {others(engine)}"), soft_wrap=True)


def _show_rejected(rows: list[dict[str, Any]]) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import below, console, first_that_fits, number, plain_table, printable

    out = console()
    heads = ("file", "line", "column", "value", "reason")
    wide = plain_table(*heads, right=("line",), wrap={"file": 24, "value": 12, "reason": 30})
    narrow = plain_table("file, line", "column, value, reason", wrap={"file, line": 16, "column, value, reason": 24})
    for row in rows:
        line = "" if row["line"] is None else number(row["line"])
        texts = (row["source"], line, *(row[name] or "" for name in ("column", "value", "reason")))
        wide.add_row(*(Text(printable(text)) for text in texts))
        narrow.add_row(below(texts[0], line and f"line {line}"), below(*texts[2:]))
    out.print(first_that_fits(out, wide, narrow))


def _show_superseded(rows: list[dict[str, Any]]) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import below, console, first_that_fits, plain_table, printable
    from mastery.instants import microseconds, moment

    out = console()
    heads = ("file", "received", "event", "student", "said", "counts now")
    wrap = {"file": 16, "event": 24, "said": 16, "counts now": 16}
    wide = plain_table(*heads, wrap=wrap)
    narrow = plain_table(
        "file, received",
        "event, student",
        "said, counts now",
        wrap=dict.fromkeys(("file, received", "event, student", "said, counts now"), 18),
    )
    for row in rows:
        now = row["replaced_by"]
        received, happened = (moment(microseconds(row[name])) for name in ("received_at", "occurred_at"))
        event = below(row["kind"], *(row[name] or "" for name in ("topic_id", "item_id")), happened)
        counts = _counts_now(row, now)
        wide.add_row(Text(printable(row["source"])), received, event, row["student_id"], _said(row), counts)
        narrow.add_row(
            below(row["source"], received),
            below(event, row["student_id"]),
            below(_said(row), Text("counts now: ").append_text(counts)),
        )
    out.print(first_that_fits(out, wide, narrow))


def _counts_now(row: dict[str, Any], now: dict[str, Any] | None) -> Text:
    """Return in words what the revision that counts says, what differs of topic and moment included, and its file."""
    from rich.text import Text

    from mastery.apps.cli.console import printable
    from mastery.instants import microseconds, moment

    if now is None:
        return Text("nothing: the event has been removed")
    said = [_said(now), *(printable(now[name] or "none") for name in ("topic_id", "item_id") if now[name] != row[name])]
    if now["occurred_at"] != row["occurred_at"]:
        said.append(moment(microseconds(now["occurred_at"])))
    of_whom = f" ({printable(now['source'])}, received {moment(microseconds(now['received_at']))})"
    return Text(", ".join(said)).append(of_whom, "bright_black")


def _said(row: dict[str, Any]) -> str:
    """Return in words what a revision said of its event."""
    if row["success_ppm"] is None:
        return "withdrawn"
    parts = [f"{row['success_ppm'] / 1_000_000:g} of {row['attempts']}"]
    if row["duration_ms"] is not None:
        parts.append(f"{row['duration_ms'] / 1_000:g} s")
    if row["attempt_number"] is not None:
        parts.append(f"attempt {row['attempt_number']}")
    if row["hints"]:
        parts.append(f"{row['hints']} hint{'' if row['hints'] == 1 else 's'}")
    return ", ".join(parts)
