"""`mastery ingests`: what was read into the lake, when and from where; and how to take it back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engine_of, typed
from mastery.apps.cli.groups import Group
from mastery.apps.cli.options import AsJson, Tenant
from mastery.apps.cli.texts import TextCommand
from mastery.errors import BadInput

if TYPE_CHECKING:
    from mastery.pipelines.ingest.ingests import IngestEntry
    from mastery.pipelines.ingest.undo import Undone
    from mastery.pipelines.queries.undo_preview import UndoPreview

FILES_NAMED = 3
"""Of one ingest; the others are counted."""

ingests = typer.Typer(
    name="ingests",
    cls=Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@ingests.callback()
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="List at most this many, the newest first; 0 for all.", min=0)] = 50,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """List what was ingested, the newest first; `ingests undo` takes it back.

    An ingest of files that was killed is "not finished": ingest the same files again to finish it. What `mastery work`
    and the API take in is one ingest a day, "not finished" until they are stopped.
    """
    command = context.invoked_subcommand
    if command is not None:
        if tenant is not None or as_json:
            option = "--json" if tenant is None else "--tenant"
            raise BadInput(f"{option} stands after the command that it is for: `mastery ingests {command} {option} …`")
        return
    from rich.text import Text

    from mastery.apps.cli.console import below, console, first_that_fits, number, plain_table, printable

    every = engine_of(context, tenant).ingests()
    shown = every[: limit or len(every)]
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in shown], indent=2, ensure_ascii=False))
        return
    out = console()
    if not every:
        out.print(f"Nothing was ingested yet. `{typed(context, 'ingest FILE', tenant)}` begins.", soft_wrap=True)
        return
    wide = plain_table("id", "when (UTC)", "what", "rows", "status", right=("rows",), wrap={"what": 24})
    narrow = plain_table("id, when (UTC)", "what, rows, status", wrap={"what, rows, status": 20})
    for one in shown:
        when, what, events = f"{one.at:%Y-%m-%d %H:%M}", printable(_what(one)), _events(one)
        wide.add_row(one.id, when, Text(what), events, one.status)
        narrow.add_row(below(one.id, when), below(what, f"{events} rows" if events != "–" else "", one.status))
    out.print(first_that_fits(out, wide, narrow))
    if len(every) > len(shown):
        out.print(f"\n{number(len(shown))} of {number(len(every))}; --limit 0 lists all.")


@ingests.command(cls=TextCommand)
def undo(
    context: typer.Context,
    ingest: Annotated[
        str, typer.Argument(help="Id of the ingest, as `ingests` lists it, or its beginning.", metavar="ID")
    ],
    files: Annotated[
        list[str] | None,
        typer.Option("--file", help="Only what this file of the ingest brought. May be repeated.", metavar="NAME"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what would change.")] = False,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Take back what an ingest brought: say what would change or, with --yes, do it.

    Its events are removed, and of events that it revised the revision before counts again. Events that an earlier
    ingest had brought stay. A student's scores are right at once, those of a class after the next recompute. What the
    files said about topics and items stays until another file changes it.
    """
    from mastery.apps.progress import progress
    from mastery.tables import EVENTS

    engine = engine_of(context, tenant)
    if not yes:
        with progress("Folding students with and without it", total=engine.lake.count(EVENTS)) as bar:
            found = engine.preview_undo(ingest, files=files, progress=bar.advance)
        if as_json:
            typer.echo(json.dumps(found.as_dict(), ensure_ascii=False))
        else:
            _show_preview(found, typed(context, f"ingests undo {found.undoes}", tenant))
        return
    with progress("Taking events out") as report:
        done = engine.undo(
            ingest,
            files=files,
            door="command line",
            waiting=lambda: report.update(title="Waiting for another ingest to write its events"),
        )
    if as_json:
        typer.echo(json.dumps(done.as_dict(), ensure_ascii=False))
    else:
        _show_done(done, typed(context, "recompute", tenant))


def _what(one: IngestEntry) -> str:
    from mastery.insight.words import counted
    from mastery.pipelines.ingest.ingests import UNDO, id_of

    if one.kind == UNDO:
        return f"undo of {id_of(one.undoes or 0)}" + ("" if one.sources is None else f": {', '.join(one.sources)}")
    names = list(dict.fromkeys(file.name for file in one.files))
    more = len(names) - FILES_NAMED
    return ", ".join(names[:FILES_NAMED]) + (f" and {counted(more, 'other file')}" if more > 0 else "")


def _events(one: IngestEntry) -> str:
    from mastery.apps.cli.console import number
    from mastery.pipelines.ingest.ingests import UNDO

    if one.events is None:
        return "–"
    return f"−{number(one.events)}" if one.kind == UNDO and one.events else number(one.events)


def _show_preview(found: UndoPreview, command: str) -> None:
    from mastery.apps.cli.console import console
    from mastery.insight.words import counted

    out = console()

    def say(text: str) -> None:
        out.print(text, soft_wrap=True, highlight=False, markup=False)

    if found.done_before:
        say(f"Ingest {found.undoes} was taken back before; there is nothing left to do.")
        return
    students = counted(found.students, "student")
    say(f"Undo of ingest {found.undoes} would take out {counted(found.events, 'event')} of {students}.")
    if found.events_back:
        say(f"Of {counted(found.events_back, 'event')} among them the revision before would count again.")
    if found.scores:
        gone = f", {found.scores_gone:,} of them because nothing is left to score" if found.scores_gone else ""
        largest = f", by {100 * found.largest_change:.1f} points at most" if found.largest_change else ""
        say(f"{counted(found.scores, 'score')} ({found.scorer}) would change{largest}{gone}.")
    else:
        say(f"No score ({found.scorer}) would change.")
    if found.rejected:
        say(f"{counted(found.rejected, 'rejected row')} would go from the list.")
    for later, count in found.read_again.items():
        say(
            f"note: ingest {later} read {counted(count, 'event')} of this one again; they were duplicates and would "
            "go: ingest its files again afterwards to have them back"
        )
    if found.metadata:
        say(f"note: what {', '.join(found.metadata)} said of the course stays, until another file says something else")
    say(f"\nNothing was changed. To do it: {command} --yes")


def _show_done(done: Undone, recompute: str) -> None:
    from mastery.apps.cli.console import console
    from mastery.insight.words import counted

    out = console()

    def say(text: str) -> None:
        out.print(text, soft_wrap=True, highlight=False, markup=False)

    if done.id is None:
        say(f"Ingest {done.undoes} was taken back before; nothing was changed.")
        return
    say(f"{counted(done.events, 'row')} of events of ingest {done.undoes} taken out (undo {done.id}).")
    for later, count in done.read_again.items():
        say(
            f"note: ingest {later} had read {counted(count, 'event')} of these again: ingest its files again to have "
            "them back"
        )
    say(f"\nNext: `{recompute}`, which makes the tables of the class again; a student who is shown is right at once.")
