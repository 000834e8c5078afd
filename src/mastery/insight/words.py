"""Numbers as people say them: plurals, parts of a whole, days, seconds. English, lower case, no full stop.

Nothing is rounded into a claim: 99.6 % is "more than 99 %", for "100 %" would say that nothing was missed.
"""

from __future__ import annotations

import math

_PORTIONS = {
    "a quarter": 1 / 4,
    "a third": 1 / 3,
    "half": 1 / 2,
    "two thirds": 2 / 3,
    "three quarters": 3 / 4,
}
_NEAR = 0.005
"""A share this close to a portion is called by its name: per cents are no finer."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return the number with its noun: "1 answer", "3,000 answers"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def every(number: int, noun: str) -> str:
    """Return all of them: "the only topic", "both topics", "all 24 topics"."""
    return f"the only {noun}" if number == 1 else f"both {noun}s" if number == 2 else f"all {counted(number, noun)}"


def percent(share: float) -> str:
    """Return a share in whole per cents; 0 % and 100 % are said of nothing and everything only."""
    if 0.0 < share < 0.005:
        return "less than 1 %"
    if 0.995 <= share < 1.0:
        return "more than 99 %"
    return f"{math.floor(share * 100.0 + 0.5)} %"


def portion(share: float) -> str:
    """Return a share as what stands before "of": "all", "none", "half", "a third", else its per cents."""
    if share >= 1.0:
        return "all"
    if share <= 0.0:
        return "none"
    for words, exact in _PORTIONS.items():
        if abs(share - exact) < _NEAR:
            return words
    return percent(share)


def tally(part: int, total: int, noun: str, outcome: str, opposite: str, *, last: bool = False) -> str:
    """Return how many of `total` had this outcome: "3 of the last 8 answers right", "both answers wrong".

    `last` says that there were more before these.
    """
    if total == 1 and not last:
        return f"the only {noun} {outcome if part else opposite}"
    many = f"{'the last ' if last else ''}{counted(total, noun)}"
    if part <= 0:
        return f"none of {many if last else 'the ' + many} {outcome}"
    if part < total:
        return f"{part} of {many} {outcome}"
    if last:
        return f"all of {many} {outcome}"
    return f"both {noun}s {outcome}" if total == 2 else f"all {many} {outcome}"


def ago(days: int | None) -> str:
    """Return when something last happened, days before now; None is never."""
    if days is None:
        return "never"
    if days <= 0:
        return "today"
    return "yesterday" if days == 1 else f"{days} days ago"


def decimal(number: float, places: int) -> str:
    """Return a number with at most that many decimals, and no zeros behind them."""
    text = f"{number:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def seconds(milliseconds: float) -> str:
    """Return a duration: "4.5 s" below ten seconds, "45 s" below two minutes, then "3 min"."""
    if milliseconds < 10_000:
        return f"{decimal(milliseconds / 1000.0, 1)} s"
    if milliseconds < 120_000:
        return f"{decimal(milliseconds / 1000.0, 0)} s"
    return f"{decimal(milliseconds / 60_000.0, 1)} min"


def with_points(text: str, points: int) -> str:
    """Return a clause with the points of the score it stands for: "2 of 8 answers right (−31)"."""
    return f"{text} ({signed(points)})"


def signed(points: int) -> str:
    """Return points with their sign: "+5", "−31", "0"."""
    return f"+{points}" if points > 0 else f"−{-points}" if points < 0 else "0"


def listed(clauses: list[str]) -> str:
    """Return clauses in a row, by commas: they hold "and" themselves."""
    return ", ".join(clauses)
