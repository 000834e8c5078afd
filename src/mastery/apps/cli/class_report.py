"""`mastery class-report`: every topic over the class, and the lowest scores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import AsJson, Scorer, Tenant

if TYPE_CHECKING:
    from rich.console import Console

    from mastery.pipelines.queries.schemas import ClassDocument, ClassRow


SHORT = {
    "needs_help": "help",
    "developing": "dev",
    "proficient": "prof",
    "mastered": "mast",
    "not_enough_evidence": "few",
}
"""Bands above columns, where there is little room."""


def class_report(
    context: typer.Context,
    weakest: Annotated[int, typer.Option(help="How many of the weakest student-topics to name.", min=0)] = 10,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="At this moment instead of as last published: now, latest (the newest event of the lake), a date or "
            "an ISO time. Folds every student of the tenant again, which takes as long as a recompute of them.",
            metavar="TIME",
        ),
    ] = None,
    scorer: Scorer = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show every topic over the class, and the weakest student-topics with reasons, as last published."""
    from mastery.apps.cli.unknown import naming_what_there_is
    from mastery.apps.progress import progress
    from mastery.tables import EVENTS

    engine = engine_of(context, tenant)
    work = ("Reading the class", None) if as_of is None else ("Folding events", engine.lake.count(EVENTS))
    with naming_what_there_is(engine), progress(*work) as bar:
        document, weak = engine.class_report(
            weakest=weakest,
            students=None if as_json else 0,  # what is printed names the weakest only
            as_of=as_of,
            scorer=scorer,
            progress=bar.advance,
        )
    if as_json:
        rows = [row.model_dump(mode="json") for row in weak]
        typer.echo(json.dumps(document.model_dump(mode="json") | {"weakest": rows}, indent=2, ensure_ascii=False))
        return
    show_class(document, weak)


def show_class(document: ClassDocument, weak: list[ClassRow]) -> None:
    """Print the topics of a class with their bands, the weakest student-topics, and the notes."""
    from rich.text import Text

    from mastery.apps.cli.console import console, origin, printable
    from mastery.insight.words import counted
    from mastery.settings.model import DEFAULT_TENANT

    out, totals = console(), document.totals
    numbers = f"{counted(totals.students, 'student')}, {counted(totals.topics, 'topic')}"
    name = "Class" if document.tenant == DEFAULT_TENANT else f"Class of {printable(document.tenant)}"
    out.print(Text(f"{name}: {numbers}", "bold"))
    out.print(origin(document.as_of, document.score_source, document.model_version))
    _topics(out, document)
    show_weakest(out, document, weak)
    for note in document.notes:
        out.print(Text(f"\nnote: {printable(note)}", "yellow"), soft_wrap=True)


def show_weakest(out: Console, document: ClassDocument, weak: list[ClassRow]) -> None:
    """Print the weakest student-topics with their reasons."""
    from rich.text import Text

    from mastery.apps.cli.console import (
        NARROW_BAR,
        below,
        first_that_fits,
        hundredths,
        interval_bar,
        plain_table,
        prose,
        titled,
    )

    if not weak:
        return
    titles = {topic.topic_id: topic.title for topic in document.topics}
    out.print(Text("\nLowest scores", "bold"))
    wide = plain_table(
        "student", "topic", "score", "0 to 100, 90 % sure", "why", right=("score",), wrap={"topic": 20, "why": 36}
    )
    narrow = plain_table(
        "score", "0–100, 90 %", "topic, student, why", right=("score",), wrap={"topic, student, why": 24}
    )
    for row in weak:
        topic = titled(row.topic_id, titles.get(row.topic_id))
        score, place = hundredths(row.mastery_score), (row.mastery_score, row.lower, row.upper, row.band)
        why = prose(row.reason or "")
        wide.add_row(row.student_id, topic, score, interval_bar(*place), why)
        narrow.add_row(score, interval_bar(*place, NARROW_BAR), below(topic, row.student_id, why))
    out.print(first_that_fits(out, wide, narrow))


def _topics(out: Console, document: ClassDocument) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import (
        WORDS,
        below,
        first_that_fits,
        hundredths,
        plain_table,
        printable,
        stacked_bar,
    )

    heads, short = ("needs help", "developing", "proficient", "mastered", "too little"), tuple(SHORT.values())
    columns = ("topic", "id", "mean", *heads)
    wide = plain_table(*columns, "students by band", right=("mean", *heads), wrap={"topic": 28})
    plain = plain_table(*columns, right=("mean", *heads), wrap={"topic": 24})
    middle = plain_table("topic", "id", "mean", *short, right=("mean", *short), wrap={"topic": 20})
    narrow = plain_table("topic, id", "mean", *short, right=("mean", *short), wrap={"topic, id": 12})
    for topic in document.topics:
        title = Text(printable(topic.title or topic.topic_id))
        topic_id = Text(printable(topic.topic_id), "bright_black")
        mean = "–" if topic.mean is None else hundredths(topic.mean)
        numbers = [str(topic.bands[name]) if topic.bands[name] else "·" for name in WORDS]
        wide.add_row(title, topic_id, mean, *numbers, stacked_bar(topic.bands))
        plain.add_row(title, topic_id, mean, *numbers)
        middle.add_row(title, topic_id, mean, *numbers)
        narrow.add_row(title if topic.title is None else below(title, topic_id), mean, *numbers)
    table = first_that_fits(out, wide, plain, middle, narrow)
    out.print(table)
    if table in (middle, narrow):
        meant = ", ".join(f"{head}: {WORDS[name]}" for name, head in SHORT.items() if head != WORDS[name])
        out.print(Text(f"\n{meant}", "bright_black"))
