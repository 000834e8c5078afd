"""A moment as people type it, for `--as-of` and for the API's `as_of` alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from mastery.errors import BadInput, did_you_mean
from mastery.instants import instant, microseconds
from mastery.school_days import UTC_DAYS, SchoolDays

Moment = str | date | datetime
"""A moment as it is named: a text, a date (the end of that school day) or a datetime; without a zone it is by the
school's clocks."""

NOW, LATEST = "now", "latest"
OF_LAKE, OF_ANSWERS = "the newest event of the lake", "the newest answer"
"""What `latest` is, of a lake and of answers in memory."""

_EPOCH = date(1970, 1, 1)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)


def fixed(text: str, name: str = "as_of", newest: str = OF_LAKE, days: SchoolDays = UTC_DAYS) -> datetime | None:
    """Return the instant a text names, or None for the words `now` and `latest`.

    A time without a zone is by the school's clocks; a date is the end of that school day.

    Args:
        name: What the caller calls it, for the message.
        newest: What `latest` is there.
        days: Of the schools.

    Raises:
        BadInput: It names no moment.
    """
    given = text.strip()
    if given.lower() in (NOW, LATEST):
        return None
    try:
        if _DATE.fullmatch(given):
            day = (date.fromisoformat(given) - _EPOCH).days
            return instant(int(days.ends_us(day)) - 1)
        if _TIME.fullmatch(given):
            at = datetime.fromisoformat(given.upper())
            return (at.replace(tzinfo=days.zone) if at.tzinfo is None else at).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    hint = did_you_mean(given.lower(), [NOW, LATEST])
    if re.search(r":\d\d \d\d:?\d\d$", given):
        hint = "; in a URL the + of a zone is written %2B"
    raise BadInput(
        f"{name} {text!r}".lstrip()
        + f" is not a moment{hint}; expected now, latest ({newest}), a date such as 2026-04-11 (the end "
        "of that day), or a time in ISO 8601"
    )


def as_of_us(
    at: Moment,
    now_us: int,
    newest_event_us: Callable[[], int | None],
    name: str = "as_of",
    newest: str = OF_LAKE,
    days: SchoolDays = UTC_DAYS,
) -> int:
    """Return a moment in microseconds since 1970.

    `latest` asks for the newest event, and is `now` where there is none. A newest event that bears a time of
    tomorrow is a clock that goes wrong somewhere, so `latest` may lie after `now`: it is what was asked for.

    Args:
        at: Also a datetime64 of numpy.
        name, newest, days: As in `fixed`.

    Raises:
        BadInput: It is no moment.
    """
    text = _text(at, name)
    found = fixed(text, name, newest, days)
    if found is not None:
        return microseconds(found)
    newest_us = newest_event_us() if text.strip().lower() == LATEST else None
    return now_us if newest_us is None else newest_us


def _text(at: Any, name: str) -> str:
    """Return a moment as a text that names it."""
    if isinstance(at, str):
        return at
    moment = at
    if type(at).__name__ == "datetime64":  # numpy's, which this module does without
        moment = at.item() if at.dtype.str.endswith("[D]") else at.astype("datetime64[us]").item()
    if isinstance(moment, datetime) and moment == moment:  # pandas' NaT is a datetime that equals nothing
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        return moment.isoformat(timespec="microseconds")
    if isinstance(moment, date) and not isinstance(moment, datetime):
        return moment.isoformat()
    raise BadInput(f"{name} is {at!r}; expected a datetime, a date, or a text in ISO 8601")
