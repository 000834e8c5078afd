"""Whether what is shown is stale: a class whose log ended long ago has not forgotten everything."""

from __future__ import annotations

from datetime import date, timedelta

from mastery.insight.words import counted
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.tables import WINDOW_DAYS

_EPOCH = date(1970, 1, 1)


def staleness_note(
    newest_event_us: int | None, as_of_us: int, days: SchoolDays = UTC_DAYS, *, of_student: bool = False
) -> str | None:
    """Return a sentence when no event lies in the longest window before `as_of_us`, else None.

    Args:
        newest_event_us: None when there is no event at all: that is for others to say.
        days: Of the schools.
        of_student: Whether it is the newest event of one student; else it is that of the lake.
    """
    if newest_event_us is None:
        return None
    newest, today = days.day_of(newest_event_us), days.day_of(as_of_us)
    longest = max(WINDOW_DAYS)
    if today - newest < longest:  # day d is in a window of w days when as_of − w < d
        return None
    return (
        f"The newest event of {'this student' if of_student else 'the lake'} is from "
        f"{_EPOCH + timedelta(days=newest)}, {counted(today - newest, 'day')} before {_EPOCH + timedelta(days=today)}: "
        f"that is outside the longest window ({longest} days), and the scores have faded since. "
        f"Read as of `{_EPOCH + timedelta(days=newest) if of_student else 'latest'}`, they are as they stood then."
    )
