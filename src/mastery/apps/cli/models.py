"""`mastery models`: which model sets there are, and which one is active."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.groups import Group
from mastery.apps.cli.options import AsJson, AsOf, Tenant
from mastery.apps.cli.texts import TextCommand

if TYPE_CHECKING:
    from mastery.engine import Engine
    from mastery.pipelines.models.compare import Comparison
    from mastery.pipelines.models.listing import VersionDocument
    from mastery.pipelines.models.prune import Reason
    from mastery.pipelines.scoring.recompute import RecomputeReport

Version = Annotated[str, typer.Argument(help="A version as `models list` shows it, or default.", metavar="VERSION")]
Workers = Annotated[
    int | None, typer.Option(help="Number of workers; the setting workers when left out.", min=1, max=1024)
]

models = typer.Typer(
    name="models",
    cls=Group,
    help="List, show and compare model sets; activate one, or go back.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@models.command("list", cls=TextCommand)
def list_(context: typer.Context, tenant: Tenant = None, as_json: AsJson = False) -> None:
    """List the model sets, and which of them is active, in shadow or published."""
    from mastery.apps.cli.console import below, console, first_that_fits, number, plain_table
    from mastery.insight.words import counted

    every = engine_of(context, tenant).models.versions()
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in every], indent=2))
        return
    counts = ("events", "students")
    wide = plain_table("version", "status", "made (UTC)", "from", *counts, "fitted", right=counts, wrap={"fitted": 16})
    narrow = plain_table("version", "status, made (UTC), from, data", wrap={"status, made (UTC), from, data": 16})
    for one in every:
        status, fitted = _status(one), ", ".join(one.fitted)
        made = "" if one.created_at is None else f"{one.created_at:%Y-%m-%d %H:%M}"
        events, students = ("–" if count is None else number(count) for count in (one.events, one.students))
        wide.add_row(one.version, status, made or "–", one.parent or "–", events, students, fitted or "–")
        parent = "" if one.parent is None else f"from {one.parent}"
        data = (
            "" if one.events is None else f"{counted(one.events, 'event')} of {counted(one.students or 0, 'student')}"
        )
        narrow.add_row(one.version, below(status, made, parent, data, fitted and f"fitted: {fitted}"))
    out = console()
    out.print(first_that_fits(out, wide, narrow))
    today = next(one.version for one in every if one.is_default)
    out.print(
        f"\n{today} is the default set: parameters as shipped, with the rules, topics and items of this home. Its "
        "version changes whenever they do, so commands also take `default` for it.",
        style="bright_black",
    )


@models.command(cls=TextCommand)
def show(context: typer.Context, version: Version, tenant: Tenant = None, as_json: AsJson = False) -> None:
    """Show one model set: the data it was fitted to, how well it predicts, and its parameters."""
    from rich.padding import Padding

    from mastery.apps.cli.console import JOINED, console
    from mastery.apps.cli.fit import show_card, show_gate

    detail = engine_of(context, tenant).models.show(version)
    if as_json:
        typer.echo(detail.model_dump_json(indent=2))
        return
    if detail.card is not None:
        show_card(detail.card)
        if detail.gate is not None:
            show_gate(detail.gate)
    else:
        typer.echo(f"Model set {detail.version.version}: what scorers start with, not fitted")
    status = _status(detail.version)
    if status:
        typer.echo(f"\nStatus: {status}")
    out = console()
    for name, values in detail.defaults.items():
        typer.echo(f"\n{name}, on a topic without data:")
        # a parameter and its value are not parted at the end of a line
        numbers = ", ".join(f"{parameter}{JOINED}{value:.4g}" for parameter, value in values.items())
        out.print(Padding(numbers, (0, 0, 0, 2), expand=False))
    for note in detail.notes:
        typer.echo(f"\nnote: {note}")


@models.command(cls=TextCommand)
def compare(
    context: typer.Context,
    old: Annotated[str, typer.Argument(help="A version as `models list` shows it, or default.", metavar="OLD")],
    new: Annotated[str, typer.Argument(help="The version to compare it with.", metavar="NEW")],
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Compare two model sets: measures, parameters and, where both are published, scores."""
    found = engine_of(context, tenant).models.compare(old, new)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    _show_comparison(found)


@models.command(cls=TextCommand)
def export(
    context: typer.Context,
    version: Version,
    file: Annotated[Path, typer.Argument(help="Where to write it; a file that is there is replaced.", metavar="FILE")],
    tenant: Tenant = None,
) -> None:
    """Write a model set and its card to one file, which `models import` reads."""
    from mastery.apps.cli.console import say

    say(f"written: {engine_of(context, tenant).models.export(version, file)}")


@models.command("import", cls=TextCommand)
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `models export` wrote.", metavar="FILE")],
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Store the model set in a file under the version it had; scores change once it is activated."""
    from mastery.apps.cli.context import typed
    from mastery.apps.cli.fit import show_gate
    from mastery.engine import now_us

    engine = engine_of(context, tenant)
    found = engine.models.import_file(file, now_us=now_us())
    if as_json:
        typer.echo(json.dumps({"version": found.version, "new": found.new}))
    elif found.new:
        gate = engine.models.show(found.version).gate
        if gate is not None:  # what it was fitted to elsewhere says little of topics that are here
            show_gate(gate)
        how = typed(context, f"models activate {found.version}", tenant)
        typer.echo(f"\n{found.version} is stored. To use it: {how}")
    else:
        typer.echo(f"{found.version} was there already, with exactly these numbers; nothing was written.")


@models.command(cls=TextCommand)
def activate(
    context: typer.Context,
    version: Version,
    as_of: AsOf = "now",
    workers: Workers = None,
    force: Annotated[
        bool, typer.Option("--force", help="Activate it also where it fails a check that `models show` lists.")
    ] = False,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Compute everyone's scores with a model set, publish them, and switch to it; until then the old one is active."""
    from mastery.apps.progress import progress
    from mastery.engine import now_us
    from mastery.tables import EVENTS

    engine = engine_of(context, tenant)
    with progress("Folding events", total=engine.lake.count(EVENTS)) as bar:
        report = engine.models.activate(
            version, as_of, now_us=now_us(), workers=workers, progress=bar.advance, force=force
        )
    _switched(engine, report, as_json)


@models.command(cls=TextCommand)
def rollback(
    context: typer.Context, as_of: AsOf = "now", workers: Workers = None, tenant: Tenant = None, as_json: AsJson = False
) -> None:
    """Compute everyone's scores with the model set that was active before, publish them, and switch back to it."""
    from mastery.apps.progress import progress
    from mastery.engine import now_us
    from mastery.tables import EVENTS

    engine = engine_of(context, tenant)
    with progress("Folding events", total=engine.lake.count(EVENTS)) as bar:
        report = engine.models.rollback(as_of, now_us=now_us(), workers=workers, progress=bar.advance)
    _switched(engine, report, as_json)


@models.command(cls=TextCommand)
def shadow(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="A version, or off.", metavar="VERSION")],
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Run a model set beside the active one from the next recompute on, only to compare them; `off` ends it."""
    from mastery.engine import now_us

    now = engine_of(context, tenant).models.shadow(None if version == "off" else version, now_us())
    if as_json:
        typer.echo(json.dumps({"active": now.active, "shadow": now.shadow}))
        return
    if now.shadow is None:
        typer.echo("Nothing runs in shadow. Scores of a set that did are removed by the next recompute.")
    else:
        typer.echo(f"{now.shadow} runs in shadow from the next recompute on; then: mastery models compare")


@models.command(cls=TextCommand)
def prune(
    context: typer.Context,
    days: Annotated[int, typer.Option(help="Only sets stored more than this number of days ago.", min=0)] = 90,
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; without it they are only listed.")] = False,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """List the model sets that nothing uses, or remove them. Active, previous and shadow set and all cards stay."""
    from mastery.engine import now_us
    from mastery.insight.words import counted

    found = engine_of(context, tenant).models.prune(days, delete=delete, now_us=now_us())
    if as_json:
        listed = [{"version": o.version, "created_at": o.created_at.isoformat(), "bytes": o.bytes} for o in found.goes]
        typer.echo(json.dumps({"deleted": delete, "versions": listed, "stays": found.stays}))
        return
    for one in found.goes:
        typer.echo(f"{one.version}  {one.created_at:%Y-%m-%d %H:%M} UTC  {one.bytes / 1e6:,.1f} MB")
    size = f"{counted(len(found.goes), 'model set')}, {sum(one.bytes for one in found.goes) / 1e6:,.1f} MB"
    if not found.goes:
        typer.echo("There is no model set that nobody needs.")
    elif delete:
        typer.echo(f"{size}: removed. The space is given back by the first recompute after a day.")
    else:
        typer.echo(f"{size}: nobody needs them. --delete removes them.")
    if found.stays:
        told = _why_they_stay(counted(days, "day"))
        reasons = Counter(told[why] for why in found.stays.values())
        why = ", ".join(f"{reasons[one]} {one}" for one in told.values() if one in reasons)
        typer.echo(f"{counted(len(found.stays), 'model set')} stay{'s' if len(found.stays) == 1 else ''}: {why}.")


def _why_they_stay(days: str) -> dict[Reason, str]:
    return {
        "active": "active",
        "previous": "that a rollback goes back to",
        "shadow": "in shadow",
        "published": "whose scores are published",
        "default": "the default of today",
        "recent": f"stored within the last {days} (--days)",
    }


def _status(one: VersionDocument) -> str:
    told = (
        (one.active, "active"),
        (one.shadow, "in shadow"),
        (one.published and not one.active, "published"),
        (one.is_default, "default"),
    )
    return ", ".join(word for yes, word in told if yes)


def _switched(engine: Engine, report: RecomputeReport, as_json: bool) -> None:
    from mastery.apps.cli.recompute import tell

    tell(engine, report, as_json)
    if not as_json:
        typer.echo(f"\n{report.model_version} is active.")


def _show_comparison(found: Comparison) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import below, console, first_that_fits, number, plain_table, printable

    def measured(one: dict[str, float | None] | None, name: str) -> str:
        value = None if one is None else one.get(name)
        return "–" if value is None else f"{value:.4f}"

    out = console()
    out.print(Text(f"{found.old} → {found.new}", "bold"))
    right = ("AUC", "log loss", "student-topics", "mean |Δ|", "largest", "other band")
    wide = plain_table("scorer", "parameters", *right, right=right, wrap={})
    narrow = plain_table("scorer", "parameters", "measures, scores", wrap={"measures, scores": 20})
    same = {True: "the same", False: "differ", None: "in one only"}
    for name, one in found.scorers.items():
        scores = one.scores
        auc = f"{measured(one.old, 'auc')} → {measured(one.new, 'auc')}"
        log_loss = f"{measured(one.old, 'logloss')} → {measured(one.new, 'logloss')}"
        differences = ["–"] * 4
        if scores is not None:
            differences = [
                number(scores.student_topics),
                f"{scores.mean_difference:.4f}",
                f"{scores.largest_difference:.4f}",
                f"{scores.band_changes:.1%}",
            ]
        wide.add_row(name, same[one.same_parameters], auc, log_loss, *differences)
        told = [f"{head} {text}" for head, text in zip(right, [auc, log_loss, *differences], strict=True)]
        narrow.add_row(name, same[one.same_parameters], below(*(told[:2] if scores is None else told)))
    out.print(first_that_fits(out, wide, narrow))
    for note in found.notes:
        out.print(Text(f"note: {printable(note)}", "yellow"), soft_wrap=True)
