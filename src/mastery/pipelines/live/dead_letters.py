"""Who sends a message of nobody to the dead letters, where the workers of several tenants read one stream.

Each tenant's workers read all of it, so each finds the messages whose key names no tenant. One of the tenants that take
part sends them: the first by name. From where on in a partition a tenant takes part is stored with its places, when it
begins: what others had passed by then is theirs. So each message is sent once, and is never left out; while a tenant
begins, the others may not know it yet, and a batch in their hands may be sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from mastery.state import StateStore
from mastery.streams import Message

PlacesOfOthers = Callable[[], Mapping[str, Mapping[str, int]]]
"""Returns the stored places of each other tenant, by its name."""

FROM = "dead-letters:"
"""With the name of a partition behind it: from where on a tenant takes part, beside its place there."""


class Share:
    """The messages of nobody that one tenant sends."""

    def __init__(self, tenant: str, state: StateStore, others: PlacesOfOthers | None) -> None:
        """Take the tenant; `others` None: it is the only one that reads the stream."""
        self._tenant, self._state, self._others = tenant, state, others
        self._own: dict[str, int] = {}

    def begin(self, partitions: Collection[str], stored: Mapping[str, int], lineage: int) -> None:
        """Take part in partitions, from where the other tenants have come to, if this one does not yet.

        Args:
            partitions: Those that are read from now on.
            stored: The places of this tenant.
            lineage: Of the lake that they belong to.
        """
        if self._others is None:
            return
        new = [one for one in partitions if FROM + one not in stored]
        others = self._others() if new else {}
        begun = {one: max((places.get(one, 0) for places in others.values()), default=0) for one in new}
        if begun:
            self._state.raise_stream_offsets({FROM + one: place for one, place in begun.items()}, lineage)
        self._own |= {one: stored.get(FROM + one, 0) for one in partitions} | begun

    def of(self, messages: Collection[Message]) -> frozenset[Message]:
        """Return those of the messages of nobody that this tenant sends."""
        if self._others is None or not messages:
            return frozenset(messages)
        begun = {name: places for name, places in self._others().items() if name != self._tenant}
        return frozenset(one for one in messages if self._is_mine(one, begun))

    def _is_mine(self, message: Message, others: Mapping[str, Mapping[str, int]]) -> bool:
        if message.offset < self._own.get(message.partition, 0):
            return False
        key = FROM + message.partition
        taking_part = (name for name, places in others.items() if key in places and places[key] <= message.offset)
        return all(self._tenant < name for name in taking_part)
