"""`mastery ingest`: rows of files into the lake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mastery.apps.cli.context import settings, typed
from mastery.apps.cli.options import AsJson, Tenant
from mastery.apps.cli.reading import given_path, reads_files
from mastery.errors import BadInput
from mastery.events.read_options import NOTHING_SAID, ReadOptions
from mastery.time_zones import UTC_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mastery.pipelines.ingest.report import FileReport, IngestReport

REASONS_SHOWN = 5

FILES_SHOWN, NOTES_SHOWN = 20, 20
"""Files and notes that are listed one by one; --json lists all of them."""
FILES_NAMED = 5
"""Of those of which nothing can be used."""


@reads_files
def ingest(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files, folders or patterns: CSV, JSON, Parquet, workbooks, packed or not; - is standard input.",
            metavar="FILE...",
            parser=given_path,
        ),
    ],
    how: ReadOptions = NOTHING_SAID,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Take back what earlier ingests of these files brought, once they have been read again."
        ),
    ] = False,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Read files of what students did into the lake; say what was accepted, revised, known before, or rejected.

    The table is recognised from its columns. What happened to a student has student_id, timestamp and:

    \b
    quiz_attempts         question_id, topic_id, is_correct
    assignments           assignment_id, topic_ids, score_pct
    video_events          video_id, topic_id, watch_pct
    practice_sessions     topic_id, attempts, correct_count
    chatbot_interactions  topic_id, queries, resolved_count
    teacher_feedback      teacher_id, topic_id, score
    responses             is_correct (a research log; order may replace timestamp)

    What describes a course:

    \b
    topics                topic_id (title, chapter, prerequisites, …)
    items                 question_id, topic_id

    Every other column, unit and form of value: docs/events.md. For example:

    \b
    mastery ingest quiz.csv videos.parquet
    mastery ingest answers.csv --as quiz_attempts --map pupil=student_id
    """
    from mastery.apps.progress import progress
    from mastery.engine import Engine, now_us
    from mastery.instants import instant

    engine, now = Engine.connect(settings(context)).of(tenant), now_us()
    with progress("Reading files") as report:

        def read(name: str, done: int, size: int) -> None:
            report.update(done=done, total=size, title=name)

        def wait() -> None:
            report.update(title="Waiting for another ingest to write its events")

        counts = engine.ingest(
            files,
            **vars(how),
            now_us=now,
            progress=read,
            waiting=wait,
            replace=replace,
            door="command line",
        )
    lists = typed(context, "rejected", tenant)
    if as_json:
        typer.echo(json.dumps(counts.as_dict(), ensure_ascii=False))
    else:
        show_counts(counts)
        show_replaced(counts)
        show_revised(counts.revised, lists)
        show_reasons(engine.rejected_at(instant(now)), counts.rejected, lists)
        _suggest_days(how.timezone, engine.settings.school_zone)
    _refuse_useless(counts, lists)


def _suggest_days(clocks: str | None, school: str) -> None:
    """Say that days may be those of another zone than the clocks that were declared; of UTC, where nobody chose."""
    if clocks not in (None, UTC_NAME) and school == UTC_NAME:
        typer.echo(
            f"\nnote: clocks were read as those of {clocks}, and days of scores are those of UTC; "
            f"if the school is there, set school_timezone to {clocks} (docs/settings.md)"
        )


def _refuse_useless(counts: IngestReport, lists: str) -> None:
    """Raise BadInput where nothing of a file could be used; `lists` lists rejected rows."""
    from mastery.insight.words import counted

    useless = [file for file in counts.files if file.rejected == file.read > 0]
    if not useless:
        return
    names = ", ".join(Path(file.path).name for file in useless[:FILES_NAMED])
    more = f" and {counted(len(useless) - FILES_NAMED, 'other file')}" if len(useless) > FILES_NAMED else ""
    rest = "" if len(useless) == len(counts.files) else "; the other files were read"
    raise BadInput(
        f"no row of {names}{more} can be used: {counted(sum(file.read for file in useless), 'row')} read and rejected; "
        f"`{lists}` says why of each, docs/events.md what is expected{rest}"
    )


def show_counts(counts: IngestReport) -> None:
    """Print the counts of each file and of all, and the notes."""
    from rich.text import Text

    from mastery.apps.cli.console import below, console, first_that_fits, number, plain_table, printable
    from mastery.insight.words import counted

    numbers = ("read", "accepted", "revised", "duplicates", "rejected")
    wide = plain_table("table", "file", *numbers, right=numbers, wrap={"file": 16})
    middle = plain_table("file, table", *numbers, right=numbers, wrap={"file, table": 24})
    narrow = plain_table("file, table", "rows", wrap={"file, table": 16})
    for file in counts.files[:FILES_SHOWN]:
        path, row = Path(file.path), [number(getattr(file, name)) for name in numbers]
        name = Text(printable(path.name))
        both = name if path.name.startswith(f"{file.table}.") else below(name, file.table)
        wide.add_row(file.table, name, *row)
        middle.add_row(both, *row)
        narrow.add_row(both, below(*(f"{count} {what}" for count, what in zip(row, numbers, strict=True))))
    if len(counts.files) > FILES_SHOWN:
        more = f"and {counted(len(counts.files) - FILES_SHOWN, 'other file')}"
        wide.add_row("", more, *[""] * len(numbers))
        middle.add_row(more, *[""] * len(numbers))
        narrow.add_row(more, "")
    for at, (total, files) in enumerate(_totals(counts.files)):
        row = [number(sum(getattr(file, column) for file in files)) for column in numbers]
        if at == 0:
            for table in (wide, middle, narrow):
                table.add_section()
        wide.add_row(total, "", *row, style="bold")
        middle.add_row(total, *row, style="bold")
        whole = below(*(f"{count} {what}" for count, what in zip(row, numbers, strict=True)))
        narrow.add_row(total, whole, style="bold")
    out = console()
    out.print(first_that_fits(out, wide, middle, narrow))
    for note in counts.notes[:NOTES_SHOWN]:
        out.print(Text(f"\nnote: {printable(note)}"), soft_wrap=True)
    if len(counts.notes) > NOTES_SHOWN:
        out.print(f"\nand {counted(len(counts.notes) - NOTES_SHOWN, 'other note')}; --json lists all")
    if counts.assumed:
        said = printable("; ".join(counts.assumed))
        out.print(Text(f"\nAssumed: {said}. `mastery preview` shows how each column is read."), soft_wrap=True)


def _totals(files: Sequence[FileReport]) -> list[tuple[str, Sequence[FileReport]]]:
    """Return a name and the files of each total: events apart from what describes the course, where there are both."""
    from mastery.tables import ITEMS, TOPICS

    course = [file for file in files if file.table in (TOPICS.name, ITEMS.name)]
    events = [file for file in files if file not in course]
    apart = [("all events", events), ("topics and items", course)] if course and events else []
    return [*apart, ("all rows", files)] if len(files) > 1 else []


def show_replaced(counts: IngestReport) -> None:
    """Print what earlier ingests of the files had brought, and was taken back."""
    from mastery.apps.cli.console import console
    from mastery.insight.words import counted

    for one in counts.replaced:
        rows = counted(one.events, "row")
        console().print(f"\nReplaced: {rows} of events of ingest {one.undoes} taken out.", soft_wrap=True)


def show_revised(revised: int, how: str) -> None:
    """Print where to find what the revised rows replaced; `how` lists rejected rows."""
    from mastery.apps.cli.console import console, number

    if not revised:
        return
    rows = "1 row changes an event that was" if revised == 1 else f"{number(revised)} rows change events that were"
    console().print(
        f"\n{rows} already known. For each event only one row counts: the latest version if the source gives one, "
        f"otherwise the one received last. `{how} --superseded` lists the others.",
        soft_wrap=True,
    )


def show_reasons(rows: list[dict[str, Any]], rejected: int, how: str) -> None:
    """Print why rows were rejected, most frequent first; `how` lists them."""
    from collections import Counter

    from rich.text import Text

    from mastery.apps.cli.console import console, number, printable
    from mastery.insight.words import counted

    if not rejected:
        return
    out = console()
    if not rows:
        before = "The rejected row was" if rejected == 1 else f"All {number(rejected)} rejected rows were"
        out.print(f"\n{before} rejected before. `{how}` lists {'it' if rejected == 1 else 'them'}.")
        return
    reasons = Counter((row["source_table"], row["column"], row["reason"]) for row in rows)
    out.print("\nRejected, because:")
    for (table, column, reason), count in reasons.most_common(REASONS_SHOWN):
        what = reason if column is None else f"{column} {reason}"
        out.print(Text(f"{number(count):>8}  {printable(what)} ({table})"), soft_wrap=True)
    if len(reasons) > REASONS_SHOWN:
        out.print(f"          and {counted(len(reasons) - REASONS_SHOWN, 'other reason')}")
    out.print(Text(f"`{how}` lists {'it' if rejected == 1 else 'them'} by file and line."), soft_wrap=True)
