"""Which topics are of one chapter, by the course metadata of the lake."""

from __future__ import annotations

from mastery.lake import Lake
from mastery.scorers.parameters import Scoped
from mastery.tables import TOPICS


def chapters_of(lake: Lake) -> dict[Scoped, str] | None:
    """Return the chapter of every topic that has one; None where no topic has.

    Chapters of one name in two courses or subjects are two.
    """
    rows = lake.scan(TOPICS, ["tenant", "topic_id", "chapter", "subject", "course"]).to_pylist()
    found = {
        (row["tenant"], row["topic_id"]): "\x1f".join(row[name] or "" for name in ("course", "subject", "chapter"))
        for row in rows
        if row["chapter"]
    }
    return found or None
