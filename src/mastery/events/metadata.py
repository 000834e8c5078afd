"""Course metadata: topics and items. Rows are merged by key; the one read last wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from mastery.events.columns import Column
from mastery.events.rows import ParsedRows
from mastery.events.source import Source
from mastery.tables import ITEMS, TOPICS

SHOWN = 5
"""Names listed in a note."""


def shape_topics(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return the columns of TOPICS unchanged."""
    return {name: rows[name] for name in TOPICS.schema.names if name != "tenant"}


def shape_items(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return the columns of ITEMS: a question is an item. Rows of one item become one when they are merged."""
    columns = {"item_id": rows["question_id"], "other_topic_ids": rows.other_topics}
    return columns | {name: rows[name] for name in ("topic_id", "difficulty", "kind")}


def item_columns(ours: Iterable[str]) -> frozenset[str]:
    """Return the columns of ITEMS or TOPICS that a file with these columns of ours says something of."""
    names = {"item_id" if name == "question_id" else name for name in ours}
    return frozenset(names | ({"other_topic_ids"} if "topic_id" in names else set()))


TOPIC_METADATA = Source(
    name="topics",
    kind=TOPICS.name,
    doc="One topic and its place in the course.",
    columns=(
        Column("topic_id", "id", "the topic", "value"),
        Column("title", "text", "its name for people"),
        Column("chapter", "text", "the chapter it is in"),
        Column("subject", "text", "the subject the chapter is in"),
        Column("course", "text", "the course the subject is in"),
        Column("prerequisites", "ids", "topics to learn before it: `a|b|c`, a JSON list or a list"),
        Column("difficulty_estimate", "number", "0 is easy, 1 is hard", low=0, high=1),
        Column("content_length", "number", "minutes of content", low=0),
    ),
    shape=shape_topics,
    marks=frozenset({"topic_id", "title"}),
    metadata=True,
)

ITEM_METADATA = Source(
    name="items",
    kind=ITEMS.name,
    doc="One item (question) and its topic.",
    columns=(
        Column("question_id", "id", "the item", "value"),
        Column("topic_id", "id", "its topic; of a question on several, a row for each", "column", several=True),
        Column("difficulty", "number", "0 is easy, 1 is hard", low=0, high=1),
        Column("kind", "text", "kind of item"),
    ),
    shape=shape_items,
    metadata=True,
)


def prerequisite_notes(prerequisites: Mapping[str, Sequence[str]]) -> list[str]:
    """Return notes on a tenant's prerequisites that are unknown topics or form a cycle."""
    unknown = sorted({needed for many in prerequisites.values() for needed in many if needed not in prerequisites})
    notes = []
    if unknown:
        notes.append(
            f"{'1 prerequisite is' if len(unknown) == 1 else f'{len(unknown)} prerequisites are'} not in `topics` and "
            f"ignored: {', '.join(unknown[:SHOWN])}" + (", …" if len(unknown) > SHOWN else "")
        )
    circle = _circle(prerequisites)
    if circle:
        notes.append(f"prerequisites form a cycle: {' → '.join(circle)}; none of these topics can come first")
    return notes


def _circle(prerequisites: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the topics of one cycle, ending with the first again; empty when there is none."""
    done: set[str] = set()
    for start in sorted(prerequisites):
        path: list[str] = []
        on_path: dict[str, int] = {}
        todo: list[tuple[str, bool]] = [(start, False)]
        while todo:
            topic, leave = todo.pop()
            if leave:
                done.add(topic)
                del on_path[path.pop()]
            elif topic in on_path:
                return [*path[on_path[topic] :], topic]
            elif topic not in done:
                on_path[topic] = len(path)
                path.append(topic)
                todo.append((topic, True))
                todo.extend((needed, False) for needed in prerequisites.get(topic, ()))
    return []
