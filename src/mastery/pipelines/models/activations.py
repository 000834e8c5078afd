"""Which model set is active and which runs beside it: the choices among the rows of PUBLICATIONS, from the first to
the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mastery.errors import Conflict
from mastery.instants import instant
from mastery.lake import Lake
from mastery.lake.publication import Publication
from mastery.tables import ACTIVATIONS, PUBLICATIONS

ACTIVATE, ROLLBACK, SHADOWED = CHOICES = ("activate", "rollback", "shadow")
"""Actions of PUBLICATIONS that choose a model set."""

PROMOTE = "promote"
PROMOTIONS = replace(ACTIVATIONS, name="promotions", doc="What ACTIVATIONS was called before version 0.1.0. Only read.")
"""Choices made then stay: they come before those of ACTIVATIONS, and both before those of PUBLICATIONS."""

DEFAULT = "default"
"""What people call the set that is active before any activation: today's starter set."""


@dataclass(frozen=True)
class Choice:
    """One choice: a version where it is None is the default set, or no shadow. Numbers begin at 1."""

    number: int
    at: datetime
    action: str
    version: str | None
    previous: str | None


FIELDS = tuple(Choice.__dataclass_fields__)


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


def choices(lake: Lake, by: Publication | None = None) -> list[Choice]:
    """Return every choice ever made, the first one first, those of an earlier version of the engine too.

    Those up to a publication where one is given.
    """
    earlier = [*lake.scan(PROMOTIONS).to_pylist(), *lake.scan(ACTIVATIONS).to_pylist()]
    earlier.sort(key=lambda row: (row["number"], row["at"]))
    published = lake.scan(PUBLICATIONS, [field.name for field in PUBLICATIONS.schema if field.name in FIELDS])
    later = sorted(published.to_pylist(), key=lambda row: int(row["number"]))
    until = (lake.publication() if by is None else by).number
    made = [*earlier, *(row for row in later if row["action"] in CHOICES and row["number"] <= until)]
    return [
        Choice(**row | {"number": number, "action": ACTIVATE if row["action"] == PROMOTE else row["action"]})
        for number, row in enumerate(made, start=1)
    ]


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


def active_choice(lake: Lake, by: Publication | None = None) -> ActiveChoice:
    """Return which set is active, and which in shadow: now, or when something was published."""
    return choice_after(choices(lake, by))


def choose(lake: Lake, action: str, version: str | None, now_us: int, expected: ActiveChoice) -> ActiveChoice:
    """Make a choice that shows no other tables, and return what is active from now on.

    Raises:
        Conflict: somebody else has chosen since `expected` was read.
    """
    lake.begin_publishing()
    with lake.one_publisher():
        Switch(lake, action, version, now_us, expected).make(lake.publication())
    return active_choice(lake)


@dataclass(frozen=True)
class Switch:
    """A choice that is made with the publication of what it needs. Check it within `lake.one_publisher`."""

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

    def make(self, shown: Publication, **published: Any) -> None:
        """Publish the choice: the one commit that switches.

        Args:
            shown: What is published now.
            published: What of it changes with the switch; see `Publication`.
        """
        self.check()
        previous = self.expected.shadow if self.action == SHADOWED else self.expected.active
        at = instant(self.now_us)
        self.lake.publish(shown.after(self.action, at, version=self.version, previous=previous, **published))
