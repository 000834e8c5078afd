"""Whether day or month comes first in the dates of a file, where nobody has said: what the whole file says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from mastery.errors import BadInput
from mastery.events.calendar import DAY_FIRST, MONTH_FIRST, date_orders
from mastery.events.tally import Tally, unclear_dates
from mastery.pipelines.ingest.inputs import Planned

T = TypeVar("T")


def in_date_order(
    one: Planned, read: Callable[[Planned], Generator[T]], tally_of: Callable[[T], Tally]
) -> tuple[Planned, Iterator[T]]:
    """Return a file as it is read, and its pieces.

    Where the first piece has dates of which nobody has said the order, the whole file is asked, and read from the
    beginning; other files are read once.

    Args:
        read: Returns the pieces of a file.
        tally_of: Returns the counts of a piece.

    Raises:
        BadInput: The whole file does not say it either.
    """
    pieces = read(one)
    first = next(pieces, None)
    if first is None:
        return one, iter(())
    if not tally_of(first).dates:
        return one, chain([first], pieces)
    pieces.close()
    told = _told(one)
    return told, read(told)


def _told(one: Planned) -> Planned:
    theirs = one.arrangement.columns.get("timestamp")
    counts: Counter[str] = Counter()
    if theirs is not None:
        for block in one.input.blocks({theirs: False}):
            for column in block.read().raw[theirs].chunks:
                counts.update(date_orders(column))
    day, month = counts[DAY_FIRST], counts[MONTH_FIRST]
    if bool(day) == bool(month):
        place = one.arrangement.place("timestamp")
        raise BadInput(f"{one.input.place}: {place} cannot be read as it is: {unclear_dates(counts)}")
    order = DAY_FIRST if day else MONTH_FIRST
    note = f"dates were read as {order} (--dates {order}): {day or month:,} of them can be nothing else"
    arrangement = replace(one.arrangement, notes=(*one.arrangement.notes, note))
    return replace(one, options=replace(one.options, dates=order), arrangement=arrangement)
