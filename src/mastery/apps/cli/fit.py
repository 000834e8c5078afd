"""`mastery fit`: parameters found in your own data, stored as a new version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson

if TYPE_CHECKING:
    from mastery.pipelines.models.card import ModelCard


def fit(
    context: typer.Context,
    scorer: Annotated[
        str, typer.Option(help="Which to fit: all, or one; the others keep the parameters of the active set.")
    ] = "all",
    since: Annotated[
        str | None, typer.Option(help="Use events from this moment on; all of them when left out.", metavar="TIME")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Use events up to this moment; all of them when left out.", metavar="TIME")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 0,
    most_events: Annotated[
        int | None,
        typer.Option(help="Read buckets of students until so many events are there; 2 million when left out.", min=1),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find parameters in the lake's events and store them as a new version. Scores stay as they are until it is
    activated.
    """
    from mastery.apps.progress import progress
    from mastery.engine import Engine, now_us

    engine = Engine.connect(settings(context), create=False)
    with progress("Fitting") as report:

        def step(what: str, done: int, total: int) -> None:
            report.update(done=done, total=total, title=f"Fitted {what}")

        stored = engine.models.fit(
            scorer, since=since, until=until, seed=seed, most_events=most_events, now_us=now_us(), progress=step
        )
    if as_json:
        typer.echo(stored.card.model_dump_json(indent=2))
        return
    show_card(stored.card)
    if stored.new:
        typer.echo(f"\n{stored.card.version} is stored. To use it: mastery models activate {stored.card.version}")
    else:
        typer.echo(f"\n{stored.card.version} was there already, with the very same numbers; nothing was written.")


def show_card(card: ModelCard) -> None:
    """Print what a set was made from and how well it does."""
    from rich.text import Text

    from mastery.apps.cli.console import console, number, plain_table, printable

    out, data = console(), card.data
    out.print(Text(f"Model set {card.version}", "bold"))
    span = "" if data.first_event is None else f", {data.first_event:%-d %B %Y} to {data.last_event:%-d %B %Y}"
    out.print(
        Text(
            f"from {number(data.events)} events ({number(data.answers)} quiz answers) of {number(data.students)} "
            f"students on {number(data.topics)} topics and {number(data.items)} items{span}\n"
            f"made {card.created_at:%-d %B %Y %H:%M} UTC by version {card.code_version} on top of {card.parent}, "
            f"seed {card.seed}, data {data.hash}\n",
            "bright_black",
        )
    )
    names = ("answers", "AUC", "log loss", "RMSE", "ECE")
    table = plain_table("scorer", "fitted", "topics", "items", *names, right=("topics", "items", *names))
    for name, one in card.scorers.items():
        shown = [one.held_out.get(measure) for measure in ("auc", "logloss", "rmse", "ece")]
        table.add_row(
            name,
            "yes" if one.fitted else "as before",
            number(one.topics),
            number(one.items),
            number(one.answers) if one.answers else "–",
            *("–" if value is None else f"{value:.4f}" for value in shown),
        )
    out.print(table)
    out.print(Text("\nMeasured on answers of students whom the one who predicted them had not seen.", "bright_black"))
    of_scorers = [(name, note) for name, one in card.scorers.items() for note in one.notes]
    for note in [*card.notes, *(note if note.startswith(name) else f"{name}: {note}" for name, note in of_scorers)]:
        out.print(Text(f"note: {printable(note)}", "yellow"), soft_wrap=True)
