"""The learner-state store: one record per student and model set. See docs/lake.md."""

from __future__ import annotations

from collections.abc import Callable

from mastery.errors import BadInput, did_you_mean
from mastery.state.encoding import decode, encode, encode_many, tail
from mastery.state.record import (
    LEDGER_DAYS,
    OVERRIDE,
    RECENT,
    RECORD_LEDGER,
    CorruptRecord,
    Record,
    RecordBlock,
)
from mastery.state.sqlite import SqliteStore
from mastery.state.store import EncodedBlock, Overtaken, StateStore, encode_block

__all__ = [
    "LEDGER_DAYS",
    "OVERRIDE",
    "RECENT",
    "RECORD_LEDGER",
    "STORES",
    "CorruptRecord",
    "EncodedBlock",
    "Overtaken",
    "Record",
    "RecordBlock",
    "StateStore",
    "connect",
    "decode",
    "encode",
    "encode_block",
    "encode_many",
    "tail",
]

STORES: dict[str, Callable[[str], StateStore]] = {"sqlite": SqliteStore}
"""Backend → what opens a location. Everything here is under tests/state/test_conformance.py."""


def connect(url: str) -> StateStore:
    """Return the store that `backend:location` names, such as `sqlite:.mastery/state.db`.

    Raises:
        BadInput: No such backend, or no location.
        Conflict: What lies there is not a store of this version.
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
