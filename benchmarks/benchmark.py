"""What a benchmark is, and its bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.line import Line
from benchmarks.run import Outcome, Run


@dataclass(frozen=True)
class Bar:
    """What the project asks of one number of a line."""

    field: Literal["value", "ratio", "peak_mb"]
    sign: Literal["≤", "≥"]
    limit: float

    def holds(self, line: Line) -> bool | None:
        """Tell whether a line keeps the bar; None where the line has no such number."""
        found = getattr(line, self.field)
        if found is None:
            return None
        return bool(found <= self.limit) if self.sign == "≤" else bool(found >= self.limit)


@dataclass(frozen=True)
class Benchmark:
    """One line of the table.

    Attributes:
        doc: What is measured, in a sentence without a full stop.
        against: What the ratio compares with; None where there is no ratio.
    """

    name: str
    unit: str
    doc: str
    measure: Callable[[Run], Outcome]
    against: str | None = None
    bars: tuple[Bar, ...] = ()
