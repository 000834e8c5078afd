"""Which model set is active and which runs beside it: the rows of ACTIVATIONS, read from the first to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from mastery.errors import Conflict
from mastery.instants import instant
from mastery.lake import Lake
from mastery.tables import ACTIVATIONS

ACTIVATE, ROLLBACK, SHADOWED = "activate", "rollback", "shadow"

PROMOTE = "promote"
PROMOTIONS = replace(ACTIVATIONS, name="promotions", doc="What ACTIVATIONS was called before version 0.1.0. Only read.")
"""Choices made then stay: their numbers come before those of ACTIVATIONS, which such a home gets with its next one."""

DEFAULT = "default"
"""What people call the set that is active before any activation: today's default parameters."""


@dataclass(frozen=True)
class Choice:
    """One row of ACTIVATIONS: a version where it is None is the default set, or no shadow."""

    number: int
    at: datetime
    action: str
    version: str | None
    previous: str | None


@dataclass(frozen=True)
class ActiveChoice:
    """What the rows come to.

    Attributes:
        active: The version that is active; None: the default set.
        before: What a rollback goes back to, one after the other, the last one first.
        shadow: Version that runs in shadow; None: none.
        last: Number of the last row; 0 before the first.
    """

    active: str | None
    before: tuple[str | None, ...]
    shadow: str | None
    last: int


def choices(lake: Lake) -> list[Choice]:
    """Return every choice ever made, the first one first, those of an earlier version of the engine too."""
    rows = [*lake.scan(PROMOTIONS).to_pylist(), *lake.scan(ACTIVATIONS).to_pylist()]
    made = [Choice(**row | {"action": ACTIVATE if row["action"] == PROMOTE else row["action"]}) for row in rows]
    return sorted(made, key=lambda one: (one.number, one.at))


def choice_after(made: Sequence[Choice]) -> ActiveChoice:
    """Return what choices come to: an activation is laid on those before it, a rollback takes the topmost away."""
    stack: list[str | None] = [None]
    shadow = None
    for one in made:
        if one.action == ACTIVATE:
            stack.append(one.version)
        elif one.action == ROLLBACK and len(stack) > 1:
            stack.pop()
        elif one.action == SHADOWED:
            shadow = one.version
    return ActiveChoice(stack[-1], tuple(reversed(stack[:-1])), shadow, made[-1].number if made else 0)


def active_choice(lake: Lake) -> ActiveChoice:
    """Return which set is active, and which in shadow."""
    return choice_after(choices(lake))


def choose(lake: Lake, action: str, version: str | None, now_us: int, expected: ActiveChoice) -> ActiveChoice:
    """Append one choice, and return what is active from now on.

    Raises:
        Conflict: somebody else has chosen since `expected` was read.
    """
    with lake.one_publisher():
        Switch(lake, action, version, now_us, expected).make()
    return active_choice(lake)


@dataclass(frozen=True)
class Switch:
    """A choice that is made as soon as what it needs is published. Check and make it within `lake.one_publisher`."""

    lake: Lake
    action: str
    version: str | None
    now_us: int
    expected: ActiveChoice

    def check(self) -> None:
        """Raise Conflict when somebody else has chosen since `expected` was read."""
        now = active_choice(self.lake)
        if now.last != self.expected.last:
            raise Conflict(
                f"somebody else has changed which model set is active (now {now.active or DEFAULT}); "
                "look at 'mastery models list', and do it again if it is still what you want"
            )

    def make(self, number: int | None = None) -> None:
        """Append the choice: the one commit that switches. `number`: of the tables that are shown with it."""
        self.check()
        now = self.expected
        previous = now.shadow if self.action == SHADOWED else now.active
        row = Choice(now.last + 1, instant(self.now_us), self.action, self.version, previous)
        rows = pa.Table.from_pylist([vars(row)], schema=ACTIVATIONS.schema)
        self.lake.append(ACTIVATIONS, rows, switch=number)
