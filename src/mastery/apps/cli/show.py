"""`mastery show`: one student's scores, how sure they are, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import AsJson, AsOf, Scorer, Student, Tenant
from mastery.errors import BadInput

if TYPE_CHECKING:
    from rich.console import Console

    from mastery.pipelines.queries.schemas import StudentDocument, TagDocument, TopicDocument


UNSURE = "not_enough_evidence"
MOST = 300
"""Topics that are listed unless more are asked for: each takes a millisecond, and nobody reads thousands."""

NAMED = 4
"""How many topics are named after a tag."""


def show(
    context: typer.Context,
    student: Student,
    topic: Annotated[
        list[str] | None, typer.Option(help="Only this topic (id or title), in full; may be repeated.")
    ] = None,
    as_of: AsOf = "now",
    scorer: Scorer = None,
    all_scorers: Annotated[
        bool, typer.Option("--all-scorers", help="With --topic: what every other scorer says of it too, for experts.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            help="List at most this many topics, the lowest scores first; 0 for all.",
            min=0,
            show_default=f"{MOST}; with --json all",
        ),
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show how well one student masters each topic, how certain that is, and why; lowest score first."""
    from mastery.apps.cli.unknown import naming_what_there_is

    if all_scorers and topic is None:
        raise BadInput("--all-scorers tells of one topic at a time; name it with --topic, or leave --all-scorers out")
    engine = engine_of(context, tenant)
    with naming_what_there_is(engine, student):
        topics = None if topic is None else [engine.topic_id(one) for one in topic]
        most = (None if as_json else MOST) if limit is None else limit
        most = None if topics is not None or not most else most
        document = engine.student(student, topics=topics, as_of=as_of, scorer=scorer, most=most)
    if as_json:
        typer.echo(document.model_dump_json(indent=2))
        return
    show_student(document, in_full=topic is not None, all_scorers=all_scorers)


def show_student(
    document: StudentDocument, *, in_full: bool, all_scorers: bool = False, most: int | None = None
) -> None:
    """Print a student: topics with reasons, what stands out, units, notes.

    `in_full` prints every factor of each topic, and with `all_scorers` what every scorer says of it; `most` is how many
    topics are printed, the lowest scores first.
    """
    from rich.text import Text

    from mastery.apps.cli.console import console, origin, printable
    from mastery.insight.words import counted

    out = console()
    out.print(Text(f"Student {document.student_id}", "bold"))
    of_whom = Text(f"{printable(document.tenant)} · ", "bright_black")
    out.print(of_whom.append_text(origin(document.as_of, document.score_source, document.model_version)))
    # Those that nobody can judge yet come last, whatever their number: they are no reason to worry.
    _topics(out, sorted(document.topics, key=lambda topic: topic.band == UNSURE)[:most])
    more = document.topics_left_out + (0 if most is None else max(0, len(document.topics) - most))
    if more:
        out.print(Text(f"… and {counted(more, 'more topic')}", "bright_black"))
    if in_full:
        for topic in document.topics:
            _in_full(out, topic, all_scorers)
    else:
        _stand_out(out, "Strengths", [(one, tag) for one in document.topics for tag in one.strengths])
        _stand_out(out, "Weaknesses", [(one, tag) for one in document.topics for tag in one.weaknesses])
    _rollups(out, document)
    for note in document.notes:
        out.print(Text(f"\nnote: {printable(note)}", "yellow"), soft_wrap=True)


def name(topic: TopicDocument) -> str:
    """Return what people call a topic."""
    from mastery.apps.cli.console import printable

    return printable(topic.topic_id if topic.title is None else topic.title)


def why(topic: TopicDocument) -> str:
    """Return the reasons for a score in a row, or that there is too little to judge."""
    from mastery.insight.words import with_points

    factors = topic.explanation.factors
    if topic.band == UNSURE or not factors:
        return topic.explanation.summary
    return "; ".join(with_points(factor.text, factor.points) for factor in factors)


def keeps(topic: TopicDocument) -> str | None:
    """Return what is retained of a score, where some has faded, and when it falls below its target, where it will;
    None where neither is so.
    """
    from mastery.apps.cli.console import hundredths
    from mastery.insight.words import portion

    fading, said = topic.retention, []
    if fading.retained < 1.0 and (kept := portion(fading.retained)) != "more than 99 %":
        said.append(f"{kept} of the score is left, the rest has faded")
    if fading.falls_below_at is not None:
        target, day = hundredths(fading.target), f"{fading.falls_below_at:%Y-%m-%d}"
        said.append(f"without practice the score falls below the target of {target} on {day}")
    return "; ".join(said) or None


def _topics(out: Console, topics: list[TopicDocument]) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import (
        NARROW_BAR,
        band,
        below,
        first_that_fits,
        hundredths,
        interval_bar,
        plain_table,
        prose,
        titled,
    )

    heads = ("topic", "score", "0 to 100, 90 % sure", "band", "graded", "why")
    wide = plain_table(*heads, right=("score", "graded"), wrap={"topic": 20, "why": 36})
    narrow = plain_table("score", "0–100, 90 %", "topic, band, why", right=("score",), wrap={"topic, band, why": 24})
    for one in topics:
        unsure = one.band == UNSURE
        score = Text("–" if unsure else hundredths(one.mastery_score), "bold")
        label = band(one.band)
        if one.override is not None:
            label.append(f", teacher says {hundredths(one.override.score)}", "italic default")
        topic, reasons = titled(one.topic_id, one.title), prose(why(one))
        place = (one.mastery_score, one.lower, one.upper, one.band)
        wide.add_row(topic, score, interval_bar(*place), label, str(one.evidence_count), reasons)
        graded = label.copy().append(f", {one.evidence_count} graded", "default")
        narrow.add_row(score, interval_bar(*place, NARROW_BAR), below(topic, graded, reasons))
    out.print(first_that_fits(out, wide, narrow))


def _stand_out(out: Console, title: str, found: list[tuple[TopicDocument, TagDocument]]) -> None:
    """Print the kinds of tags, each with its words and the topics that bear it."""
    from rich.text import Text

    from mastery.apps.cli.console import first_that_fits, plain_table, prose

    if not found:
        return
    out.print(Text(f"\n{title}", "bold"))
    kinds: dict[str, dict[str, list[str]]] = {}
    for topic, tag in found:
        kinds.setdefault(tag.name, {}).setdefault(tag.text, []).append(name(topic))
    table = plain_table("", "", "")
    table.show_header = False
    for kind, texts in kinds.items():
        for at, (text, topics) in enumerate(texts.items()):
            more = f" and {len(topics) - NAMED} more" if len(topics) > NAMED else ""
            first = Text(f"  {kind.replace('_', ' ')}" if at == 0 else "", "bold")
            table.add_row(first, Text(", ".join(topics[:NAMED]) + more), prose(text))
    out.print(first_that_fits(out, table))


def _in_full(out: Console, topic: TopicDocument, all_scorers: bool) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import first_that_fits, hundredths, plain_table, prose, titled
    from mastery.insight.words import signed

    out.print(Text("\n", "bold").append_text(titled(topic.topic_id, topic.title)))
    explanation = topic.explanation
    reference = explanation.reference
    table = plain_table("what", "points", "what was seen", right=("points",))
    of_topic = reference.name == "typical_student"
    compared = "mean of students with enough evidence" if of_topic else "where every student starts"
    table.add_row(reference.name.replace("_", " "), hundredths(reference.mastery_score), compared)
    table.add_section()
    texts = {factor.name: factor.text for factor in explanation.factors}
    for word, points in sorted(explanation.points.items(), key=lambda one: -abs(one[1])):
        if points:
            table.add_row(word.replace("_", " "), signed(points), prose(texts.get(word, "")))
    table.add_section()
    unsure = topic.band == UNSURE
    table.add_row(
        *("score", "–", prose(explanation.summary)) if unsure else ("score", hundredths(topic.mastery_score), "")
    )
    out.print(first_that_fits(out, table))
    kept = None if unsure else keeps(topic)
    if kept is not None:
        out.print(Text().append("  retention: ", "bold").append_text(prose(kept)))
    for tag in [*topic.strengths, *topic.weaknesses]:
        out.print(Text().append(f"  {tag.name.replace('_', ' ')}: ", "bold").append_text(prose(tag.text)))
    if topic.next_step is not None:
        out.print(Text("  → ", "bold").append_text(prose(topic.next_step)))
    if all_scorers:
        others = ", ".join(f"{source} {hundredths(one.mastery_score)}" for source, one in topic.scores.items())
        out.print(Text(f"  all scorers{' (too little evidence)' if unsure else ''}: {others}", "bright_black"))


def _rollups(out: Console, document: StudentDocument) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import (
        NARROW_BAR,
        band,
        first_that_fits,
        hundredths,
        interval_bar,
        plain_table,
        printable,
    )
    from mastery.insight.words import decimal

    if not document.rollups:
        return
    out.print()
    unit, numbers, wrap = "course, subject, chapter", ("score", "topics", "graded"), {"course, subject, chapter": 20}
    # Per topic: one answer on two topics of a chapter is graded on both, and together they would count it twice.
    wide = plain_table(unit, "score", "0 to 100, 90 % sure", "band", "topics", "graded", right=numbers, wrap=wrap)
    middle = plain_table(unit, "score", "0–100, 90 %", "band", "topics", "graded", right=numbers, wrap=wrap)
    narrow = plain_table(unit, "score", "band", "graded", right=numbers, wrap=wrap)
    for one in sorted(document.rollups, key=lambda one: (*one.parents, one.name)):
        name_of_unit = Text("  " * len(one.parents) + printable(one.name))
        topics, label = f"{one.topics} of {one.topics_known}", band(one.band)
        several = f"{decimal(one.evidence_count / max(1, one.topics), 1)} per topic"
        graded = several if one.topics > 1 else f"{one.evidence_count:,}"
        score, bar, short = "–", Text(), Text()
        if one.mastery_score is not None and one.lower is not None and one.upper is not None:
            score, place = hundredths(one.mastery_score), (one.mastery_score, one.lower, one.upper, one.band)
            bar, short = interval_bar(*place), interval_bar(*place, NARROW_BAR)
        wide.add_row(name_of_unit, score, bar, label, topics, graded)
        middle.add_row(name_of_unit, score, short, label, topics, graded)
        narrow.add_row(name_of_unit, score, label, graded)
    out.print(first_that_fits(out, wide, middle, narrow))
