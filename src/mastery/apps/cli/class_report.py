"""`mastery class-report`: every topic over the class, and who needs help first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import AsJson, Scorer, Tenant

if TYPE_CHECKING:
    from rich.console import Console

    from mastery.pipelines.queries.schemas import ClassDocument, StudentInNeed, TopicSummary


SHORT = {
    "needs_help": "help",
    "developing": "dev",
    "proficient": "prof",
    "mastered": "mast",
    "not_enough_evidence": "few",
}
"""Bands above columns, where there is little room."""

MOST = 300
"""Topics that are listed unless more are asked for: nobody reads thousands."""

NAMED = 3
"""How many further topics of a student are named."""


def class_report(
    context: typer.Context,
    in_need: Annotated[int, typer.Option(help="How many students who need help to name.", min=0)] = 10,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="At this moment instead of as last published: now, latest (the newest event of the lake), a date or "
            "an ISO time. Folds every student of the tenant again, which takes as long as a recompute of them.",
            metavar="TIME",
        ),
    ] = None,
    scorer: Scorer = None,
    limit: Annotated[
        int, typer.Option(help="List at most this many topics, the lowest means first; 0 for all.", min=0)
    ] = MOST,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show every topic over the class, and who needs help first, on what, why, and what to do next."""
    from mastery.apps.cli.unknown import naming_what_there_is
    from mastery.apps.progress import progress
    from mastery.tables import EVENTS

    engine = engine_of(context, tenant)
    work = ("Reading the class", None) if as_of is None else ("Folding events", engine.lake.count(EVENTS))
    with naming_what_there_is(engine), progress(*work) as bar:
        document, help_first = engine.class_report(
            in_need=in_need,
            students=None if as_json else 0,  # what is printed names those in need only
            as_of=as_of,
            scorer=scorer,
            progress=bar.advance,
        )
    if as_json:
        from pydantic_core import to_json

        whole = document.model_dump() | {"in_need": [one.model_dump() for one in help_first]}
        typer.echo(to_json(whole, indent=2).decode())  # json.dumps took half of the time of a class on 50,000 topics
        return
    show_class(document, help_first, most=limit or None)


def show_class(document: ClassDocument, help_first: list[StudentInNeed], *, most: int | None = None) -> None:
    """Print the topics of a class with their bands, who needs help first, and the notes.

    `most` is how many topics are printed, the lowest means first; None for all.
    """
    from rich.text import Text

    from mastery.apps.cli.console import console, origin, printable
    from mastery.insight.words import counted
    from mastery.settings.model import DEFAULT_TENANT

    out, totals = console(), document.totals
    numbers = f"{counted(totals.students, 'student')}, {counted(totals.topics, 'topic')}"
    name = "Class" if document.tenant == DEFAULT_TENANT else f"Class of {printable(document.tenant)}"
    out.print(Text(f"{name}: {numbers}", "bold"))
    out.print(origin(document.as_of, document.score_source, document.model_version))
    _topics(out, document.topics[:most])
    more = 0 if most is None else max(0, len(document.topics) - most)
    if more:
        out.print(Text(f"… and {counted(more, 'more topic')}; --limit 0 lists all", "bright_black"))
    show_in_need(out, document, help_first)
    for note in document.notes:
        out.print(Text(f"\nnote: {printable(note)}", "yellow"), soft_wrap=True)


def show_in_need(out: Console, document: ClassDocument, help_first: list[StudentInNeed]) -> None:
    """Print students who need help, each once: on what, why, and what to do next; nothing where nobody does."""
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
    from mastery.insight.words import counted

    if not help_first:
        return
    titles = {topic.topic_id: topic.title for topic in document.topics}
    out.print(Text("\nWho needs help first", "bold"))
    wide = plain_table(
        "student", "topic", "score", "0 to 100, 90 % sure", "why, and what next", right=("score",),
        wrap={"topic": 20, "why, and what next": 36},
    )  # fmt: skip
    narrow = plain_table(
        "score", "0–100, 90 %", "topic, student, why", right=("score",), wrap={"topic, student, why": 24}
    )
    for one in help_first:
        row, others = one.topics[0], one.topics[1:]
        topic = titled(row.topic_id, titles.get(row.topic_id))
        score, place = hundredths(row.mastery_score), (row.mastery_score, row.lower, row.upper, row.band)
        said = [prose(row.reason or "")]
        if others:
            named = ", ".join(titles.get(other.topic_id) or other.topic_id for other in others[:NAMED])
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            said.append(prose(f"also {named}{more}"))
        if one.next_step is not None:
            said.append(prose(f"→ {one.next_step}"))
        wide.add_row(one.student_id, topic, score, interval_bar(*place), below(*said))
        narrow.add_row(score, interval_bar(*place, NARROW_BAR), below(topic, one.student_id, *said))
    out.print(first_that_fits(out, wide, narrow))
    left = document.totals.students_in_need - len(help_first)
    if left > 0:
        needs = "needs" if left == 1 else "need"
        out.print(Text(f"and {counted(left, 'more student')} who {needs} help", "bright_black"))


def _topics(out: Console, topics: list[TopicSummary]) -> None:
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
    for topic in topics:
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
