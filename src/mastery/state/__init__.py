"""The learner-state store: one record per student and model set. See docs/lake.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mastery.errors import BadInput, Conflict, did_you_mean
from mastery.settings.addresses import shown
from mastery.state.block import FoundBlocks, decode_many, find_blocks
from mastery.state.copy_store import CopiedSet, copy_store, require_empty
from mastery.state.encoding import block_of, decode, encode, encode_each, encode_many, seen_and_content, stream_text
from mastery.state.position import NOWHERE, KnownLake, Position
from mastery.state.record import (
    LEDGER_DAYS,
    MISSING,
    ORDER,
    OVERRIDE,
    RECENT,
    RECORD_LEDGER,
    CorruptRecord,
    OtherFormat,
    Record,
    RecordBlock,
    WrongPosition,
    taken_records,
    taken_rows,
)
from mastery.state.server import STORE_NAME_AFTER, lacking
from mastery.state.sqlite import SqliteStore
from mastery.state.store import (
    EncodedBlock,
    FoundRecords,
    Outdated,
    Overtaken,
    StateStore,
    StateUnusable,
    StoredRecord,
    StoredRow,
    encode_block,
    found_records,
    require_position,
    require_possible,
    writes_of_block,
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
    "CopiedSet",
    "CorruptRecord",
    "EncodedBlock",
    "FoundBlocks",
    "FoundRecords",
    "KnownLake",
    "OtherFormat",
    "Outdated",
    "Overtaken",
    "Position",
    "Record",
    "RecordBlock",
    "StateStore",
    "StateUnusable",
    "StoredRecord",
    "StoredRow",
    "WrongPosition",
    "block_of",
    "connect",
    "copy_store",
    "decode",
    "decode_many",
    "encode",
    "encode_block",
    "encode_each",
    "encode_many",
    "find_blocks",
    "found_records",
    "require_empty",
    "require_position",
    "require_possible",
    "seen_and_content",
    "stream_text",
    "taken_records",
    "taken_rows",
    "url_of",
    "writes_of_block",
]


def _postgresql(location: str) -> StateStore:
    try:
        from mastery.state.postgresql import PostgresqlStore
    except ModuleNotFoundError as error:
        raise lacking("psycopg", "postgres") from error
    return PostgresqlStore(location)


def _redis(location: str, backend: str = "redis") -> StateStore:
    try:
        from mastery.state.redis import RedisStore
    except ModuleNotFoundError as error:
        raise lacking("redis", "redis") from error
    return RedisStore(location, backend)


STORES: dict[str, Callable[[str], StateStore]] = {
    "sqlite": SqliteStore,
    "postgresql": _postgresql,
    "redis": _redis,
}
"""Backend → what opens a location. Everything here is under tests/state/test_conformance.py."""


REDIS_OVER_TLS = "rediss"
"""The same store as `redis`, by a connection that nobody else reads."""


def connect(url: str) -> StateStore:
    """Return the store that `backend:location` names: `sqlite:.mastery/state.db`, `postgresql://host/database#name`.

    It is opened when first used.

    Raises:
        BadInput: No such backend, or its client is not installed, or no location, or one that can be none.
    """
    backend, _, location = url.partition(":")
    if backend == REDIS_OVER_TLS and location:
        return _redis(location, backend)
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
    >>> url_of("postgresql://localhost/mastery", "north")
    'postgresql://localhost/mastery#north'

    Args:
        url: Backend and location: of sqlite a folder, with a file for each store; of another a server.
        name: Fit for the name of a file.

    Raises:
        Conflict: There is a file where the folder should be.
        BadInput: The server's address holds a #.
    """
    backend, _, location = url.partition(":")
    if backend != "sqlite":
        if STORE_NAME_AFTER in location:
            raise BadInput(
                f"state store {shown(url)!r} holds a {STORE_NAME_AFTER}, after which the tenant's name is put; write "
                "it as %23 where it belongs to a password"
            )
        return f"{url}{STORE_NAME_AFTER}{name}"
    if location and Path(location).is_file():
        raise Conflict(
            f"state store {location!r} is a file, as an earlier version made it; move it away: it is a folder now, and "
            "the states in it are computed again from the lake"
        )
    return f"{url}/{name}.db"
