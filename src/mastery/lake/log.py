"""What Delta's log says has happened since a version: the one place that reads it."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import unquote

from mastery.lake.location import TableLocation

FOLDER = "_delta_log"

LASTING = (".json", ".parquet", "_last_checkpoint")
"""How the names in a log end; a commit that has not got its name yet ends otherwise."""


def holds_no_commit(place: TableLocation) -> bool:
    """Tell whether there is a log and nothing was ever committed to it.

    That is what a kill or a full disk leaves while a table is being made: a folder with nothing in it, or with a
    first commit that was never given its name. A log with any commit or checkpoint in it is another matter.
    """
    names = place.child(FOLDER).names()
    return not any(name.endswith(LASTING) for name in names)


def mark(place: TableLocation, version: int) -> tuple[int, ...] | None:
    """Return what tells the file of a version's commit from another one put in its place; None where it is gone."""
    return place.mark(_name(version))


def has_commit(place: TableLocation, version: int) -> bool:
    """Tell whether the log holds the commit of this version."""
    return place.exists(_name(version))


def fingerprint(place: TableLocation, version: int) -> str | None:
    """Return a hash of what the log says of a version: of its commit, or of its checkpoint where the commit is gone.

    Two tables with one past agree on the versions of that past and on no later one, for a commit holds random names
    of files and a time. None where the log no longer says anything of the version.
    """
    content = place.read_bytes(_name(version))
    if content is None:
        folder, first = place.child(FOLDER), f"{version:020d}.checkpoint"
        names = [name for name in folder.names() if name.startswith(first) and name.endswith(".parquet")]
        if not names:
            return None
        content = b"".join(folder.read_bytes(name) or b"" for name in names)
    return hashlib.sha256(content).hexdigest()[:32]


def names_after(place: TableLocation, version: int) -> list[str]:
    """Return the names in a local log of what came after a version: commits, checkpoints, which of them is the last."""
    if not place.is_local:
        return []
    first = f"{version + 1:020d}"  # "_last_checkpoint" comes after every number
    return [name for name in place.child(FOLDER).names() if name >= first and name.endswith(LASTING)]


def files_added(place: TableLocation, after: int, until: int) -> list[str] | None:
    """Return the files that commits after version `after`, up to `until`, brought new rows in.

    A commit that only moves rows (compaction) says `dataChange: false` and adds nothing here. A file
    that was added and has since been compacted away is named too; it may be gone after a vacuum.

    Returns:
        Paths relative to the table's folder, each once, in the order of the commits; None where the
        log no longer goes back that far.
    """
    added: dict[str, None] = {}
    for version in range(after + 1, until + 1):
        content = place.read_bytes(_name(version))
        if content is None:
            return None
        for line in content.splitlines():
            add = json.loads(line).get("add")
            if add is not None and add["dataChange"]:
                added[unquote(add["path"])] = None
    return list(added)


def buckets_added(place: TableLocation, after: int, until: int) -> frozenset[int] | None:
    """Return the buckets into which commits after version `after`, up to `until`, brought new rows; None where the log
    no longer goes back that far.
    """
    paths = files_added(place, after, until)
    if paths is None:
        return None
    return frozenset(int(path.partition("/")[0].removeprefix("bucket=")) for path in paths)


def commit_naming(place: TableLocation, paths: set[str], after: int, until: int) -> int:
    """Return the version in (`after`, `until`] whose commit adds or removes one of these files.

    Asked only when other writers committed in the same moment; otherwise it is `after` + 1.
    """
    for version in range(after + 1, until + 1):
        content = place.read_bytes(_name(version))
        for line in (content or b"").splitlines():
            action = json.loads(line)
            named = action.get("add") or action.get("remove")
            if named is not None and unquote(named["path"]) in paths:
                return version
    return until


def _name(version: int) -> str:
    return f"{FOLDER}/{version:020d}.json"
