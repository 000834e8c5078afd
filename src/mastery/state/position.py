"""How far the lake's events go: up to where a record has seen them, and from where a student has new ones."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """A version of the lake's events. Later ones are greater, and all of a lineage than those of earlier ones.

    Attributes:
        lineage: Which lake: counted up whenever another one is found in its place (`KnownLake`).
        version: Version of the events table.
    """

    lineage: int
    version: int


NOWHERE = Position(0, -1)
"""What has seen nothing."""

ANYWHERE = Position(2**63 - 1, 2**63 - 1)
"""What no lake goes beyond."""


class KnownLake(NamedTuple):
    """The newest version of a lake's events whose students the store has been told of.

    A version alone does not tell a lake from another one: put back from a backup, made again, copied from elsewhere.

    Attributes:
        lineage: As in `Position`.
        table_id: Delta's id of the events table.
        version: Version of the events table.
        fingerprint: Of what the table's log says of that version.
    """

    lineage: int
    table_id: str
    version: int
    fingerprint: str

    @property
    def position(self) -> Position:
        """What a fold of this version has seen."""
        return Position(self.lineage, self.version)
