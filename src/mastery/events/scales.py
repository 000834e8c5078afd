"""What the plain numbers of a whole column say about its unit, against the one they are read in.

An event is understood from itself, so nothing here changes how a value is read: a column that fits another unit far
better is refused as a whole, with both readings, and the person who knows declares its unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.columns import Column

FEW = 4
"""Fewer numbers prove little: a single row may just be a bad one."""

FULL_MARKS = ((10.0, 4), (20.0, 8), (50.0, 30))
"""So low a highest value of that many numbers is hardly one of per cents: it is one of points."""

ODD_ONES = 20
"""Of points, one value in this many may be a wrong one, such as 55 of 10, and hides nothing."""

LOW_MARKS = (10.0, 20.0)
"""Full marks that are so low that hardly any per cents are below them."""

FRACTIONS = 4
"""Where one in this many of the numbers above 0 is not above 1, and two are, some are hardly per cents."""

SHARE_LIMITS = (0.0, 1.0, 1.1, 2.0, *LOW_MARKS, 100.0, 110.0, 200.0)
ROUND = (5.0, 6.0, 7.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 120.0, 150.0, 200.0, 500.0)
"""Full marks that people use."""


@dataclass(frozen=True)
class Scale:
    """Counts over the plain numbers of one column. Adding two gives that of both together.

    Attributes:
        numbers: How many there are.
        lowest, highest: Of them, as written.
        whole: How many are whole numbers.
        above: Limit → numbers above it.
    """

    numbers: int
    lowest: float
    highest: float
    whole: int
    above: Mapping[float, int] = field(default_factory=dict)

    def __add__(self, other: Scale) -> Scale:
        return Scale(
            self.numbers + other.numbers,
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            self.whole + other.whole,
            Counter(self.above) + Counter(other.above),
        )


def scale_of(column: Column, numbers: pa.Array) -> Scale | None:
    """Return the scale of plain numbers as written; None where there are none."""
    if numbers.null_count == len(numbers):
        return None
    span = pc.min_max(numbers)
    lowest, highest = float(span["min"].as_py()), float(span["max"].as_py())
    limits = (column.usual_s,) if column.kind == "duration" else SHARE_LIMITS
    values = numbers.drop_null().to_numpy(zero_copy_only=False)
    above = {limit: int(np.count_nonzero(values > limit)) for limit in limits if highest > limit}
    whole = 0 if column.kind == "duration" else int(np.count_nonzero(values == np.rint(values)))
    return Scale(len(values), lowest, highest, whole, {limit: count for limit, count in above.items() if count})


def misfit(column: Column, scale: Scale) -> str | None:
    """Return in words that a column read in its default unit fits another one far better, and what to declare."""
    found = _duration_misfit(column, scale) if column.kind == "duration" else _share_misfit(column, scale)
    if found is None:
        return None
    reading, others = found
    units = [*others, next(iter(column.units))]
    options = " or ".join(f"--unit {column.name}={unit}" for unit in units)
    return (
        f"its {scale.numbers:,} numbers go from {scale.lowest:.6g} to {scale.highest:.6g}: {reading}. Declare which: "
        f'{options} (in Python, units={{"{column.name}": "{units[0]}"}})'
    )


def _duration_misfit(column: Column, scale: Scale) -> tuple[str, list[str]] | None:
    if scale.numbers >= FEW and 2 * scale.above.get(column.usual_s, 0) > scale.numbers:
        return f"read as seconds, most are longer than {column.usual_s / 60:.0f} minutes; they look like ms", ["ms"]
    return None


def _share_misfit(column: Column, scale: Scale) -> tuple[str, list[str]] | None:
    n, whole = scale.numbers, scale.whole == scale.numbers
    over = {limit: scale.above.get(limit, 0) for limit in SHARE_LIMITS}
    if next(iter(column.units)) == "fraction":
        graded = whole and scale.lowest >= 1 and scale.highest > 1 and n > 1
        if not graded and (n < FEW or 10 * over[1.0] <= n or scale.highest <= 1.1):
            return None
        top = _full_mark(scale.highest)
        if top <= 10 and scale.lowest >= 1 and n > 1:
            # Nobody can tell from the numbers which end of a scale is the best: German marks are best at 1.
            reading = (
                f"read as fractions, 1 is the best; they look like a scale from 1 to {top:g}, on which {top:g} is the "
                f"best (1-{top:g}) or 1 is ({top:g}-1), or like points out of {top:g}"
            )
            return reading, [f"1-{top:g}", f"{top:g}-1", f"points/{top:g}"]
        if top == 100:
            return "read as fractions, none may be above 1; they look like per cents", ["percent"]
        return f"read as fractions, none may be above 1; they look like points out of {top:g}", [f"points/{top:g}"]
    if scale.highest <= 0:
        return None
    if scale.highest <= 1:
        return ("read as per cent, none is above 1 %; they look like fractions", ["fraction"]) if n > 1 else None
    if (found := _fractions_in(over)) is not None:
        return found, ["fraction"]
    if any(scale.highest <= mark and n >= many for mark, many in FULL_MARKS):
        top = _full_mark(scale.highest)
        return f"read as per cent, none is above {scale.highest:.6g} %; they look like points", [f"points/{top:g}"]
    for mark in LOW_MARKS:
        if 0 < ODD_ONES * over[mark] <= over[0.0]:
            reading = f"read as per cent, all but {over[mark]:,} are at most {mark:g} %; they look like points"
            return reading, [f"points/{mark:g}"]
    if n >= FEW and (10 * over[200.0] > n or (3 * over[100.0] > n and scale.highest > 110)):
        top = _full_mark(scale.highest)
        return "read as per cent, many are above 100 %; they look like points", [f"points/{top:g}"]
    return None


def _fractions_in(over: Mapping[float, int]) -> str | None:
    """Return in words that some of the numbers are fractions, of per cents of which some are above 1."""
    positive, above = over[0.0], over[1.0]
    within = positive - above
    if over[2.0] == 0 and within:
        return f"read as per cent, none is above 2 %; they look like fractions, {above:,} of them of more than all"
    if within < 2 or FRACTIONS * within < positive:
        return None
    if 2 * within > positive:
        return f"read as per cent, all but {above:,} are at most 1 %; they look like fractions"
    return (
        f"read as per cent, {within:,} are not above 1 % and look like fractions, {above:,} are above; if they are "
        "both, write all of them in one unit"
    )


def _full_mark(highest: float) -> float:
    return next((mark for mark in ROUND if highest <= mark), float(np.ceil(highest)))
