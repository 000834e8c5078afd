"""The learner-state store: one record per student and model set. See docs/lake.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mastery.errors import BadInput, Conflict, did_you_mean
from mastery.state.encoding import decode, encode, encode_many, stream_text
from mastery.state.position import NOWHERE, KnownLake, Position
from mastery.state.record import (
    LEDGER_DAYS,
    MISSING,
    ORDER,
    OVERRIDE,
    RECENT,
    RECORD_LEDGER,
    CorruptRecord,
    Record,
    RecordBlock,
)
from mastery.state.sqlite import SqliteStore
from mastery.state.store import (
    EncodedBlock,
    FoundRecords,
    Outdated,
    Overtaken,
    StateStore,
    StateUnusable,
    encode_block,
)

__all__ = [
    "LEDGER_DAYS",
    "MISSING",
    "NOWHERE",
    "ORDER",
    "OVERRIDE",
    "RECENT",
    "RECORD_LEDGER",
    "STORES",
    "CorruptRecord",
    "EncodedBlock",
    "FoundRecords",
    "KnownLake",
    "Outdated",
    "Overtaken",
    "Position",
    "Record",
    "RecordBlock",
    "StateStore",
    "StateUnusable",
    "connect",
    "decode",
    "encode",
    "encode_block",
    "encode_many",
    "stream_text",
    "url_of",
]

STORES: dict[str, Callable[[str], StateStore]] = {"sqlite": SqliteStore}
"""Backend → what opens a location. Everything here is under tests/state/test_conformance.py."""


def connect(url: str) -> StateStore:
    """Return the store that `backend:location` names, such as `sqlite:.mastery/state.db`. It is opened when first used.

    Raises:
        BadInput: No such backend, or no location, or one that can be none.
    """
    backend, _, location = url.partition(":")
    if backend not in STORES:
        known = ", ".join(sorted(STORES))
        raise BadInput(
            f"unknown state store {backend!r}{did_you_mean(backend, list(STORES))}; known: {known} "
            "(as in sqlite:.mastery/state.db)"
        )
    if not location:
        raise BadInput(f"state store {url!r} names no place; give one, as in {backend}:.mastery/state.db")
    return STORES[backend](location)


def url_of(url: str, name: str) -> str:
    """Return the URL of one of the stores at a location, for `connect`; each lake has a store of its own.

    >>> url_of("sqlite:.mastery/state", "north")
    'sqlite:.mastery/state/north.db'

    Args:
        url: Backend and location; of sqlite a folder, with a file for each store.
        name: Fit for the name of a file.

    Raises:
        Conflict: There is a file where the folder should be.
    """
    _, _, location = url.partition(":")
    if location and Path(location).is_file():
        raise Conflict(
            f"state store {location!r} is a file, as an earlier version made it; move it away: it is a folder now, and "
            "the states in it are computed again from the lake"
        )
    return f"{url}/{name}.db"
