"""Ids by what people call things: an id in other capitals, or a topic's title."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from mastery.errors import BadInput, closest, did_you_mean
from mastery.school_days import SchoolDays


def id_named(text: str, known: Iterable[str], titles: Mapping[str, str | None] | None = None) -> str:
    """Return the id that a text names: itself where it is known, else the one that differs from it in capitals alone,
    else the one with this title. A text that names none is returned as it is.

    Args:
        text: What was typed.
        known: Ids.
        titles: Title by id.

    Raises:
        BadInput: it names two, and none exactly.
    """
    ids = set(known) | set(titles or {})
    if text in ids:
        return text
    wanted = text.casefold()
    found = {one for one in ids if one.casefold() == wanted}
    found = found or {one for one, title in (titles or {}).items() if title is not None and title.casefold() == wanted}
    if len(found) > 1:
        raise BadInput(f"{text!r} names {' and '.join(map(repr, sorted(found)))}; give the one that you mean")
    return found.pop() if found else text


def topic_meant(text: str, known: Iterable[str], titles: Mapping[str, str | None]) -> str:
    """Return ``" (did you mean 'frac-equiv', Equivalent fractions?)"`` for the known topic whose id or title is closest
    to a text, or an empty string.
    """
    ids = sorted(known)
    by_title = {title: one for one in ids if (title := titles.get(one)) is not None}
    close = closest(text, list(by_title))
    return did_you_mean(text, ids) if close is None else f" (did you mean {by_title[close]!r}, {close}?)"


def no_topic(text: str, tenant: str, known: Collection[str], titles: Mapping[str, str | None]) -> str:
    """Return what is said of a topic that nobody has heard of, with the closest of those that are known."""
    some = ", ".join(sorted(known)[:3])
    there = f"; there are {len(known)}, such as {some}" if known else ""
    return f"no topic {text!r} in tenant {tenant!r}{topic_meant(text, known, titles)}{there}"


def no_events(student_id: str, tenant: str, as_of_us: int, days: SchoolDays) -> str:
    """Return what is said of a student who has no event by a moment, on the school's clocks: the same whether another
    tenant has one or not.
    """
    return (
        f"no event of student {student_id!r} of tenant {tenant!r} by {days.moment(as_of_us)}; "
        "check the id and the tenant, or ingest their events"
    )
