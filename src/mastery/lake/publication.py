"""Which version of a published table people see: a switch to another model set shows all of its tables at once.

A recompute commits ledger, features, gold and history one after the other. When another model set becomes active, they
are committed first and the switch (a row of ACTIVATIONS) last. Whoever is killed in between must not leave scores of
one set in reports and of another in the answers for one student. So the commits of the tables carry the number of the
switch they wait for, and the version that people saw before; the commit of the switch carries its number too. Who reads
compares the two: equal, or no number, means that the newest version is shown.

All of it lies in application transactions of Delta's own log, so the switch is one commit, and older homes, which have
none, are read as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from mastery.errors import Conflict
from mastery.lake.handle import Handle
from mastery.lake.snapshot import Snapshot

SWITCH = "mastery.switch"
"""Of a published table: the switch with which its newest version is shown; 0: at once. Of ACTIVATIONS: the last one."""

SHOWN_BEFORE = "mastery.shown_before"
"""The version that is shown until then."""

ATTEMPTS = 10
"""How often a reader looks again because a switch was made while it looked."""


def shown(table: Handle, switches: Handle) -> Snapshot:
    """Return the version of a published table that people see."""
    for _ in range(ATTEMPTS):
        made = switches.number(SWITCH)
        snapshot, (waits_for, before) = table.numbered(SWITCH, SHOWN_BEFORE)
        if not waits_for or waits_for == made or before is None:
            return snapshot
        if switches.number(SWITCH) == made:  # else it may have been made since, and this version be the newer one
            return table.at(before)
    raise Conflict(f"model sets were switched {ATTEMPTS} times in a row while a table was read; try again")


def numbers(table: Handle, switches: Handle, switch: int | None) -> Mapping[str, int]:
    """Return the numbers that a commit of the table carries; none of a table that is not published."""
    if table is switches:
        return {} if switch is None else {SWITCH: switch}
    if not table.table.published:
        return {}
    if switch is None:
        return {SWITCH: 0} if table.number(SWITCH) else {}
    return {SWITCH: switch, SHOWN_BEFORE: shown(table, switches).version}
