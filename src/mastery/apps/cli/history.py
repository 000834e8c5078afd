"""`mastery history`: one student's score on one topic over time."""

from __future__ import annotations

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import AsJson, Scorer, Student, Tenant, Topic

UNSURE = "not_enough_evidence"


def history(
    context: typer.Context,
    student: Student,
    topic: Topic,
    scorer: Scorer = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show a student's score on a topic at the end of each day with activity, as last published."""
    from mastery.apps.cli.unknown import naming_what_there_is

    engine = engine_of(context, tenant)
    with naming_what_there_is(engine, student):
        document = engine.history(student, engine.topic_id(topic), scorer=scorer)
    if as_json:
        typer.echo(document.model_dump_json(indent=2))
        return

    from rich.text import Text

    from mastery.apps.cli.console import (
        console,
        first_that_fits,
        heading,
        hundredths,
        interval_bar,
        plain_table,
        sparkline,
    )

    out = console()
    out.print(heading(document.topic_id, document.title, document.student_id))
    scores = [None if one.band == UNSURE else one.mastery_score for one in document.points]
    out.print(Text(f"{document.score_source}  {sparkline(scores, min(60, out.width - 14))}\n"))
    width = max(19, min(40, out.width - 38))  # what day, score, count and the gaps between them leave
    table = plain_table("day", "score", "0 to 100, 90 % sure", "graded so far", right=("score", "graded so far"))
    for point in document.points:
        score = "–" if point.band == UNSURE else hundredths(point.mastery_score)
        bar = interval_bar(point.mastery_score, point.lower, point.upper, point.band, width)
        table.add_row(str(point.day), score, bar, str(point.evidence_count))
    out.print(first_that_fits(out, table))
    if None in scores:
        out.print(Text("– too little evidence to judge by then", "bright_black"))
    for note in document.notes:
        out.print(Text(f"\nnote: {note}", "yellow"), soft_wrap=True)
