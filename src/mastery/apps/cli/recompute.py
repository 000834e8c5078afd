"""`mastery recompute`: every score again, from the lake."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engines_of
from mastery.apps.cli.options import AllTenants, AsJson, AsOf, Tenant
from mastery.errors import Conflict, MasteryError

if TYPE_CHECKING:
    from mastery.engine import Engine
    from mastery.pipelines.scoring.recompute import RecomputeReport
    from mastery.school_days import SchoolDays


def recompute(
    context: typer.Context,
    as_of: AsOf = "now",
    workers: Annotated[
        int | None, typer.Option(help="Number of workers; the setting workers when left out.", min=1, max=1024)
    ] = None,
    tenant: Tenant = None,
    all_tenants: AllTenants = False,
    as_json: AsJson = False,
) -> None:
    """Compute every score again from the lake: ledger, features, scores with reasons, history."""
    failed: list[str] = []
    for engine in engines_of(context, tenant, all_tenants):
        if all_tenants and not as_json:
            typer.echo(f"{engine.tenant}:")
        try:
            report = run(engine, as_of, workers)
        except (MasteryError, OSError) as error:  # a school that cannot be recomputed keeps no other one waiting
            if not all_tenants:
                raise
            failed.append(f"{engine.tenant}: {error}")
            continue
        tell(engine, report, as_json)
    if failed:
        raise Conflict(f"not recomputed: {'; '.join(failed)}")


def tell(engine: Engine, report: RecomputeReport, as_json: bool) -> None:
    """Print what a recompute did, and whether scores have faded since the newest event."""
    from mastery.insight.freshness import staleness_note

    note = staleness_note(report.newest_event_us, report.as_of_us, engine.days)
    if as_json:
        document = {"tenant": engine.tenant} | as_document(report) | {"notes": [] if note is None else [note]}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    show_report(report, engine.days)
    if note is not None:
        typer.echo(f"\nnote: {note}")


def run(engine: Engine, as_of: str, workers: int | None = None) -> RecomputeReport:
    """Recompute behind a progress bar and return what it went through."""
    from mastery.apps.progress import progress
    from mastery.tables import EVENTS

    with progress("Folding events", total=engine.lake.count(EVENTS)) as bar:
        return engine.recompute(as_of, workers=workers, progress=bar.advance)


def as_document(report: RecomputeReport) -> dict[str, object]:
    """Return the report in JSON's types; instants in ISO 8601."""
    from mastery.instants import instant

    document: dict[str, object] = asdict(report)
    newest = report.newest_event_us
    document["as_of"] = instant(report.as_of_us).isoformat()
    document["newest_event"] = None if newest is None else instant(newest).isoformat()
    document["topics_without_metadata"] = sorted(report.topics_without_metadata)
    del document["as_of_us"], document["newest_event_us"]
    return document


def show_report(report: RecomputeReport, days: SchoolDays) -> None:
    """Print what a recompute went through."""
    from mastery.insight.words import counted

    later = f" ({counted(report.events_later, 'later one')} left out)" if report.events_later else ""
    typer.echo(
        f"{counted(report.events, 'event')}{later} of {counted(report.students, 'student')}, "
        f"{counted(report.student_topics, 'student-topic')}, {counted(report.days, 'student-topic-day')}\n"
        f"as of {days.instant(report.as_of_us):%-d %B %Y %H:%M %Z}, model {report.model_version}"
    )
    if report.generation is None:
        typer.echo("\nnote: not published: a recompute that began later has published already, and stays")
