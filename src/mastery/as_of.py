"""A moment as people type it, for `--as-of` and for the API's `as_of` alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time

from mastery.errors import BadInput, did_you_mean
from mastery.instants import microseconds

NOW, LATEST = "now", "latest"
FORMS = (
    "now, latest (the newest event of the lake), a date such as 2026-04-11 (the end of that UTC day), or a time in "
    "ISO 8601"
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)


def fixed(text: str) -> datetime | None:
    """Return the instant a text names, or None for the words `now` and `latest`.

    A time without a zone is in UTC; a date is the end of that UTC day.

    Raises:
        BadInput: It is none of `FORMS`.
    """
    given = text.strip()
    if given.lower() in (NOW, LATEST):
        return None
    try:
        if _DATE.fullmatch(given):
            return datetime.combine(date.fromisoformat(given), time.max, UTC)
        if _TIME.fullmatch(given):
            at = datetime.fromisoformat(given.upper())
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    hint = did_you_mean(given.lower(), [NOW, LATEST])
    if re.search(r":\d\d \d\d:?\d\d$", given):
        hint = "; in a URL the + of a zone is written %2B"
    raise BadInput(f"as_of {text!r} is not a moment{hint}; expected {FORMS}")


def as_of_us(text: str, now_us: int, newest_event_us: Callable[[], int | None]) -> int:
    """Return the moment a text names, in microseconds since 1970.

    `latest` asks for the newest event, and is `now` where there is none. A newest event that bears a time of
    tomorrow is a clock that goes wrong somewhere, so `latest` may lie after `now`: it is what was asked for.

    Raises:
        BadInput: It is none of `FORMS`.
    """
    at = fixed(text)
    if at is not None:
        return microseconds(at)
    newest = newest_event_us() if text.strip().lower() == LATEST else None
    return now_us if newest is None else newest
