"""`mastery items`: the probability of a right answer of one student to each item of a topic."""

from __future__ import annotations

from typing import Annotated

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import AsJson, AsOf, Student, Tenant, Topic


def items(
    context: typer.Context,
    student: Student,
    topic: Topic,
    item: Annotated[list[str] | None, typer.Option(help="Only this item. May be repeated.", metavar="ITEM")] = None,
    as_of: AsOf = "now",
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show the probability that a student answers each item of a topic correctly: for choosing items, not a score."""
    from mastery.apps.cli.unknown import naming_what_there_is

    engine = engine_of(context, tenant)
    with naming_what_there_is(engine, student):
        document = engine.item_probabilities(
            student,
            engine.topic_id(topic),
            items=[engine.item_id(one) for one in item] if item else None,
            as_of=as_of,
        )
    if as_json:
        typer.echo(document.model_dump_json(indent=2))
        return

    from rich.text import Text

    from mastery.apps.cli.console import console, first_that_fits, heading, origin, plain_table, printable

    out = console()
    out.print(heading(document.topic_id, document.title, document.student_id))
    out.print(origin(document.as_of, document.source, document.model_version))
    table = plain_table("item", "right, %", "answered before", right=("right, %", "answered before"))
    for one in document.items:
        name = "an unknown item of the topic" if one.item_id is None else printable(one.item_id)
        table.add_row(Text(name), f"{100 * one.p_correct:.0f}", "" if one.answered == 0 else f"{one.answered} ×")
    out.print(first_that_fits(out, table))
