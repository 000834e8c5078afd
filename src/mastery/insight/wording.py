"""A clause with the condition under which it may be said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mastery.insight.known import Known

Numbers = dict[str, float]
Clause = tuple[str, Numbers]


@dataclass(frozen=True)
class Wording:
    """One way to word a contribution.

    Attributes:
        holds: What must hold for it to be said.
        says: The clause, with the numbers that it names.
        tells: What it counts: two clauses of one explanation do not count the same.
        alone: Whether it is said only where nothing else can be: nobody can act on it.
    """

    holds: Callable[[Known], bool]
    says: Callable[[Known], Clause]
    tells: frozenset[str] = frozenset()
    alone: bool = False
