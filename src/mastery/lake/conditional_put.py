"""Whether an object store can hold Delta's log: of several writers who put one commit at once, exactly one may win.

A commit is an object that is put only where there is none (`If-None-Match: *`). A server that ignores this, or checks
and then puts without a lock, lets several win: of their commits all but one are lost, and nobody is told. So a process
that is about to commit for the first time lets some writers race for the next commit of a table of its own, beside
ours, and removes it again. It takes some 160 small requests (counted on the Versity gateway), most of them side by
side; readers never do it.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable, PostCommitHookProperties
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import CommitProperties

from mastery.errors import Conflict
from mastery.lake.location import TableLocation
from mastery.lake.object_store import endpoint_of, plain, unreachable

FOLDER = "_conditional_put"
"""Beside the tables; how the names of what is tried begin."""

WRITERS, RACES = 8, 2
"""Who races, and how often: a server that looks before it puts, without a lock, let two to eight of eight win."""

WAY_OUT = "use a server that honours it (AWS S3, MinIO, Versity Gateway), or a folder"

UNKNOWN = re.compile("not.?implemented", re.IGNORECASE)
"""What a server says that knows no conditional put."""

_right: set[tuple[str, str]] = set()
_looking = threading.Lock()
"""Servers and buckets that this process has found to be right; nobody else looks meanwhile."""

SCHEMA = pa.schema([("writer", pa.int64())])

ALONE = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class NoConditionalPut(Conflict):
    """An object store that lets two writers put the same commit, or none."""

    title = "The object store would lose commits"


def require(place: TableLocation, options: Mapping[str, str] | None) -> None:
    """Raise unless of several writers exactly one wins; tried once in a process for each server and bucket.

    Args:
        place: Where to try it; what is put there is removed.
        options: As delta-rs takes them.

    Raises:
        NoConditionalPut: Several win, or none.
        Unreachable: The server does not answer, or refuses to be written to.
    """
    given = dict(options or {})
    bucket = place.uri.split("/")[2]
    server = (endpoint_of(given), bucket)
    with _looking:
        if server in _right:
            return
        races = [_winners(place.beside(f"{FOLDER}-{uuid.uuid4().hex}"), given) for _ in range(RACES)]
        if max(races) != 1:
            raise NoConditionalPut(
                f"the object store at {server[0]} (bucket {bucket!r}) let {max(races)} of {WRITERS} writers put one "
                "object that each may only put where there is none (conditional put, If-None-Match); commits to the "
                f"lake would be silently lost, so nothing was written: {WAY_OUT}"
            )
        _right.add(server)


def _winners(place: TableLocation, options: dict[str, str]) -> int:
    """Return how many of the writers say that their commit is the first after the table was made."""
    try:
        DeltaTable.create(place.uri, SCHEMA, mode="error", storage_options=options)
        with ThreadPoolExecutor(WRITERS) as pool:
            tables = list(pool.map(lambda _: DeltaTable(place.uri, storage_options=options), range(WRITERS)))
            together = threading.Barrier(WRITERS)

            def commit(table: DeltaTable) -> bool:
                together.wait()
                return _commits(table)

            return sum(pool.map(commit, tables))
    except (DeltaError, OSError) as error:
        known = None if UNKNOWN.search(str(error)) else unreachable(error, place.beside("").uri.rstrip("/"))
        raise known or NoConditionalPut(
            f"the object store at {endpoint_of(options)} does not put an object only where there is none (conditional "
            f"put, If-None-Match): {plain(str(error))}; nothing was written: {WAY_OUT}"
        ) from error
    finally:
        _remove(place)


def _commits(table: DeltaTable) -> bool:
    """Put the commit after the one that the table was opened at; tell whether the server says that it is there."""
    try:
        table.create_write_transaction(
            [],
            "append",
            table.schema(),
            [],
            commit_properties=CommitProperties(max_commit_retries=0),
            post_commithook_properties=ALONE,
        )
    except CommitFailedError:
        return False
    return True


def _remove(place: TableLocation) -> None:
    """Delete what was put; what cannot be deleted is small, and nobody reads it."""
    with suppress(OSError):
        found = place.filesystem.get_file_info(pafs.FileSelector(place.root, allow_not_found=True, recursive=True))
        for one in found:
            if one.is_file:
                place.filesystem.delete_file(one.path)
    for folder in (place.path("_delta_log"), place.root):
        with suppress(OSError):
            place.filesystem.delete_dir(folder)
