"""`mastery reconcile`: are the stored states what the lake says?"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engines_of
from mastery.apps.cli.options import AllTenants, AsJson, Tenant
from mastery.errors import Conflict, MasteryError

if TYPE_CHECKING:
    from mastery.pipelines.scoring.reconcile import ReconcileReport

DIFFERENT = 1
"""Exit code where a state was wrong, corrected or not."""

MEANINGS = {
    "behind": "not wrong: answers came in that no stored state has yet",
    "missing": "gone, though the last recompute made one",
    "other_rules": "made under another model set, by other school days, or by another version",
    "damaged": "cannot be read",
    "different": "other numbers than a fold of the lake gives",
    "surplus": "of students without an event that counts",
}
"""What is said of each cause; see `mastery.pipelines.scoring.reconcile`."""


def reconcile(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", "--no-repair", help="Only compare; change nothing.")] = False,
    workers: Annotated[
        int | None, typer.Option(help="Number of workers; the setting workers when left out.", min=1, max=1024)
    ] = None,
    tenant: Tenant = None,
    all_tenants: AllTenants = False,
    as_json: AsJson = False,
) -> None:
    """Compare every stored state with the lake, bit for bit, and correct those that differ.

    Every student is folded again, as by a recompute, but nothing is published. Workers and the API may go on. The exit
    code is 1 if a state was wrong; one that only lacks the newest answers is not.
    """
    failed: list[str] = []
    faults = 0
    for engine in engines_of(context, tenant, all_tenants):
        if all_tenants and not as_json:
            typer.echo(f"{engine.tenant}:")
        from mastery.apps.progress import progress
        from mastery.tables import EVENTS

        try:
            with progress("Comparing states", total=engine.lake.count(EVENTS)) as bar:
                report = engine.reconcile(repair=not dry_run, workers=workers, progress=bar.advance)
        except (MasteryError, OSError) as error:  # one school's trouble keeps no other one waiting
            if not all_tenants:
                raise
            failed.append(f"{engine.tenant}: {error}")
            continue
        faults += report.faults
        if as_json:
            typer.echo(json.dumps({"tenant": engine.tenant} | as_document(report), ensure_ascii=False))
        else:
            _tell(report, repaired=not dry_run)
    if failed:
        raise Conflict(f"not reconciled: {'; '.join(failed)}")
    if faults:
        raise typer.Exit(DIFFERENT)


def as_document(report: ReconcileReport) -> dict[str, object]:
    """Return the report in JSON's types, every cause with its number."""
    document: dict[str, object] = asdict(replace(report, what=Counter()))  # asdict makes no Counter again
    document["what"] = dict(report.what)
    for name in ("causes", "repaired"):
        counts = getattr(report, name)
        document[name] = {cause: counts[cause] for cause in MEANINGS}
    return document | {"faults": report.faults}


def _tell(report: ReconcileReport, repaired: bool) -> None:
    """Print what was found."""
    from rich.text import Text

    from mastery.apps.cli.console import console, first_that_fits, number, plain_table
    from mastery.insight.words import counted

    typer.echo(
        f"{counted(report.events, 'event')} of {counted(report.students, 'student')}, model {report.model_version}\n"
        f"{counted(report.same, 'state')} with the same bits as a fold of the lake"
    )
    if report.unmade:
        typer.echo(f"{counted(report.unmade, 'inactive student')} without a state; it is made when needed")
    found = [cause for cause in MEANINGS if report.causes[cause]]
    if not found:
        typer.echo("no state differs")
        return
    out = console()
    table = plain_table("states", "number", "corrected", "", right=("number", "corrected"))
    for cause in found:
        put_right = number(report.repaired[cause]) if repaired else ""
        table.add_row(cause.replace("_", " "), number(report.causes[cause]), put_right, MEANINGS[cause])
    out.print()
    out.print(first_that_fits(out, table))
    if report.overtaken:
        typer.echo(f"{counted(report.overtaken, 'state')} written by another process meanwhile, and left as they are")
    for what, count in report.what.most_common():
        typer.echo(f"other numbers in {what}: {counted(count, 'state')}")
    for one in report.examples:
        if one.cause == "behind":
            continue
        where = "; ".join(name + (f" ({', '.join(topics[:5])})" if topics else "") for name, topics in one.what.items())
        line = f"  {one.student_id} {one.cause.replace('_', ' ')}{f': {where}' if where else ''}"
        out.print(Text(line), soft_wrap=True)
    if report.faults:
        end = "docs/runbooks/reconcile-differs.md says what to look at"
        typer.echo(f"\nnote: {counted(report.faults, 'state')} {'were' if report.faults != 1 else 'was'} wrong; {end}")
