"""`mastery answers`: which of one student's past answers make the score of a topic."""

from __future__ import annotations

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import AsJson, AsOf, Student, Tenant, Topic


def answers(
    context: typer.Context,
    student: Student,
    topic: Topic,
    as_of: AsOf = "now",
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show which past answers of a student, on any topic, add to linear_rnn's score of one topic, and how much."""
    from mastery.apps.cli.unknown import naming_what_there_is

    engine = engine_of(context, tenant)
    with naming_what_there_is(engine, student):
        document = engine.past_answers(student, engine.topic_id(topic), as_of=as_of)
    if as_json:
        typer.echo(document.model_dump_json(indent=2))
        return

    from rich.text import Text

    from mastery.apps.cli.console import console, first_that_fits, heading, origin, plain_table, printable

    out = console()
    out.print(heading(document.topic_id, document.title, document.student_id))
    out.print(origin(document.as_of, document.score_source, document.model_version))
    table = plain_table("log-odds", "what adds it", right=("log-odds",))
    table.add_row(f"{document.start:+.2f}", "the topic itself, before any answer")
    for one in document.answers:
        table.add_row(f"{one.contribution + 0.0:+.2f}", Text(printable(one.text)))
    table.add_section()
    table.add_row(f"{document.log_odds:+.2f}", "together: of a right answer on the topic's mean item")
    out.print(first_that_fits(out, table))
