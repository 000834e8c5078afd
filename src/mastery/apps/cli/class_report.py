"""`mastery class-report`: every topic over the class, and who needs help first."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson, Scorer, Tenant

if TYPE_CHECKING:
    from rich.console import Console

    from mastery.pipelines.queries.schemas import ClassDocument, ClassRow


def class_report(
    context: typer.Context,
    weakest: Annotated[int, typer.Option(help="Name so many of the weakest student-topics.", min=0)] = 10,
    scorer: Scorer = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show every topic over the class, and the weakest student-topics with reasons, as last published."""
    from mastery.apps.cli.unknown import naming_what_there_is
    from mastery.engine import Engine

    engine = Engine.connect(settings(context), create=False)
    with naming_what_there_is(engine, tenant):
        document, weak = engine.class_report(weakest=weakest, scorer=scorer, tenant=tenant)
    if as_json:
        rows = [row.model_dump(mode="json") for row in weak]
        typer.echo(json.dumps(document.model_dump(mode="json") | {"weakest": rows}, indent=2, ensure_ascii=False))
        return
    show_class(document, weak)


def show_class(document: ClassDocument, weak: list[ClassRow]) -> None:
    """Print the topics of a class with their bands, the weakest student-topics, and the notes."""
    from rich.text import Text

    from mastery.apps.cli.console import console, number, printable

    out = console()
    when = f"as of {document.as_of:%-d %B %Y %H:%M} UTC"
    out.print(
        Text(f"Class {printable(document.tenant)}: {number(len(document.students))} students, ", "bold").append(
            f"{number(len(document.topics))} topics"
        )
    )
    out.print(Text(f"{when} · {document.score_source} · model {document.model_version}\n", "bright_black"))
    _topics(out, document)
    show_weakest(out, document, weak)
    for note in document.notes:
        out.print(Text(f"\nnote: {printable(note)}", "yellow"), soft_wrap=True)


def show_weakest(out: Console, document: ClassDocument, weak: list[ClassRow]) -> None:
    """Print the weakest student-topics with their reasons."""
    from rich.text import Text

    from mastery.apps.cli.console import hundredths, interval_bar, plain_table, printable

    if not weak:
        return
    titles = {topic.topic_id: topic.title or topic.topic_id for topic in document.topics}
    out.print(Text("\nWho needs help first", "bold"))
    table = plain_table("student", "topic", "score", "0 to 100, 90 % sure", "why", right=("score",))
    for row in weak:
        table.add_row(
            row.student_id[:10],
            Text(printable(titles.get(row.topic_id, row.topic_id))),
            hundredths(row.mastery_score),
            interval_bar(row.mastery_score, row.lower, row.upper, row.band),
            Text(printable(row.reason or "")),
        )
    out.print(table)


def _topics(out: Console, document: ClassDocument) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import WORDS, hundredths, plain_table, printable, stacked_bar

    bands: dict[str, Counter[str]] = defaultdict(Counter)
    for row in document.scores:
        bands[row.topic_id][row.band] += 1
    names = list(WORDS)
    heads = ["needs help", "developing", "proficient", "mastered", "too little"]
    table = plain_table("topic", "mean", *heads, "students by band", right=("mean", *heads))
    for topic in document.topics:
        counts = bands[topic.topic_id]
        table.add_row(
            Text(printable(topic.title or topic.topic_id)),
            "–" if topic.mean is None else hundredths(topic.mean),
            *(str(counts[name]) if counts[name] else "·" for name in names),
            stacked_bar(counts),
        )
    out.print(table)
