"""`mastery fit`: parameters found in your own data, stored as a new version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engine_of, typed
from mastery.apps.cli.options import AsJson, Tenant

if TYPE_CHECKING:
    from mastery.pipelines.models.card import ModelCard, SimulatedDocument
    from mastery.pipelines.models.gate import Gate

ENOUGH_SCORES = 300
"""Of fewer simulated scores no share is told."""


def fit(
    context: typer.Context,
    scorer: Annotated[
        str, typer.Option(help="Which to fit: all, or one by name; the others keep the parameters of the active set.")
    ] = "all",
    since: Annotated[
        str | None, typer.Option(help="Use events from this moment on; all of them when left out.", metavar="TIME")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Use events up to this moment; all of them when left out.", metavar="TIME")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.", min=0)] = 0,
    most_events: Annotated[
        int | None,
        typer.Option(help="Stop reading students at this many events; 2 million when left out.", min=1),
    ] = None,
    simulate: Annotated[
        bool,
        typer.Option(
            help="Find on simulated schools like this one how wide intervals have to be, and how far scores are off."
        ),
    ] = True,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Fit parameters to the lake's events and store them as a new version; scores change once it is activated."""
    from mastery.apps.progress import progress
    from mastery.engine import now_us

    engine = engine_of(context, tenant)
    with progress("Fitting") as report:

        def step(what: str, done: int, total: int) -> None:
            report.update(done=done, total=total, title=f"Fitted {what}")

        stored = engine.models.fit(
            scorer, since=since, until=until, seed=seed, most_events=most_events, simulate=simulate, now_us=now_us(),
            progress=step,
        )  # fmt: skip
    gate = engine.models.gate(stored.card.version)
    if as_json:
        document = stored.card.model_dump(mode="json") | {"gate": gate.model_dump(mode="json")}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    show_card(stored.card)
    show_gate(gate)
    if stored.new:
        how = typed(context, f"models activate {stored.card.version}{'' if gate.passed else ' --force'}", tenant)
        use = "To use it" if gate.passed else "It fails checks; to use it all the same"
        typer.echo(f"\n{stored.card.version} is stored. {use}: {how}")
    else:
        typer.echo(f"\n{stored.card.version} was there already, with exactly these numbers; nothing was written.")


def show_card(card: ModelCard) -> None:
    """Print what a set was made from and how well it does."""
    from rich.text import Text

    from mastery.apps.cli.console import console, first_that_fits, number, plain_table, printable
    from mastery.insight.words import counted

    out, data = console(), card.data
    out.print(Text(f"Model set {card.version}", "bold"))
    span = "" if data.first_event is None else f", {data.first_event:%-d %B %Y} to {data.last_event:%-d %B %Y}"
    out.print(
        Text(
            f"from {counted(data.events, 'event')} ({counted(data.answers, 'quiz answer')}) of "
            f"{counted(data.students, 'student')} on {counted(data.topics, 'topic')} and "
            f"{counted(data.items, 'item')}{span}\n"
            f"made {card.created_at:%-d %B %Y %H:%M} UTC by version {card.code_version} on top of {card.parent}, "
            f"seed {card.seed}, data {data.hash}\n",
            "bright_black",
        )
    )
    names = ("answers", "AUC", "log loss", "RMSE", "ECE")
    wide = plain_table("scorer", "fitted", "topics", "items", *names, right=("topics", "items", *names), wrap={})
    narrow = plain_table("scorer", "fitted", *names[:3], right=names[:3], wrap={})
    for name, one in card.scorers.items():
        shown = [one.held_out.get(measure) for measure in ("auc", "logloss", "rmse", "ece")]
        fitted = "yes" if one.fitted else "no"
        measures = [number(one.answers) if one.answers else "–"]
        measures += ["–" if value is None else f"{value:.4f}" for value in shown]
        wide.add_row(name, fitted, number(one.topics), number(one.items), *measures)
        narrow.add_row(name, fitted, *measures[:3])
    out.print(first_that_fits(out, wide, narrow))
    out.print(Text("\nMeasured on answers of students who were held out.", "bright_black"))
    if isinstance(bounds := card.settings.get("bounds"), str):
        out.print(Text(f"Fitted within bounds: {printable(_of_bounds(bounds))}.", "bright_black"), soft_wrap=True)
    if card.simulated is not None:
        out.print(Text(_of_intervals(card.simulated), "bright_black"))
    of_scorers = [(name, note) for name, one in card.scorers.items() for note in one.notes]
    for note in [*card.notes, *(note if note.startswith(name) else f"{name}: {note}" for name, note in of_scorers)]:
        out.print(Text(f"note: {printable(note)}", "yellow"), soft_wrap=True)


def _of_bounds(text: str) -> str:
    """Return the bounds of a card as people write them: "guess 0.05 to 0.3, slip 0.1; on fractions guess 0.25"."""
    everywhere = json.loads(text)
    topics = everywhere.pop("topics", {})

    def told(spans: dict[str, list[float]]) -> str:
        ends = {name: [f"{end:.4g}" for end in dict.fromkeys(span)] for name, span in spans.items()}
        return ", ".join(f"{name} {' to '.join(span)}" for name, span in ends.items())

    parts = [told(everywhere)] if everywhere else []
    return "; ".join([*parts, *(f"on {topic} {told(spans)}" for topic, spans in topics.items())])


def _of_intervals(found: SimulatedDocument) -> str:
    """Return where the widths of intervals were found, and how often the best score's contain the truth there."""
    from mastery.insight.words import counted
    from mastery.scorers import best_first

    name = best_first(found.scorers)[0]
    shares = {one.group: 100.0 * one.share for one in found.scorers[name] if one.scores >= ENOUGH_SCORES}
    within = [share for group, share in shares.items() if group != "all"] or [*shares.values()]
    students = sum(one.students for one in found.schools)
    return (
        f"Intervals were found on {counted(len(found.schools), 'simulated school')} like this one "
        f"({counted(students, 'student')}). "
        + (
            f"There {shares['all']:.0f} % of the intervals of {name} contain the truth, in each band and with much or "
            f"little evidence {_from_to(min(within), max(within))} %."
            if shares
            else ""
        )
    ).rstrip()


def _from_to(low: float, high: float) -> str:
    ends = f"{low:.0f}", f"{high:.0f}"
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def show_gate(gate: Gate) -> None:
    """Print what a set has to pass before it is activated, and whether it does."""
    from rich.text import Text

    from mastery.apps.cli.console import console, printable
    from mastery.insight.words import counted

    out = console()
    failed = len(gate.failed)
    told = (
        "all are passed"
        if gate.passed
        else f"{counted(failed, 'check')} failed, and `models activate` refuses the set without --force"
    )
    out.print(Text(f"\nChecks before activation: {told}", "" if gate.passed else "bold red"))
    words = {True: ("passes", "green"), False: ("fails", "bold red"), None: ("–", "")}
    for check in gate.checks:
        word, style = words[check.passed]
        out.print(Text(f"  {word:<7}", style).append(printable(check.sentence), "default"), soft_wrap=True)
    for warning in gate.warnings:
        out.print(Text(f"note: {printable(warning)}", "yellow"), soft_wrap=True)
