"""What Delta's log says has happened since a version: the one place that reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

from mastery.instants import microseconds
from mastery.lake.arrivals import buckets_in, is_unnamed
from mastery.lake.location import TableLocation
from mastery.lake.snapshot import File
from mastery.tables import EVENTS

FOLDER = "_delta_log"

UNDO = "mastery.undo"
"""Application transaction, with the number of an ingest behind it, of a commit that takes out what it brought."""

LASTING = (".json", ".parquet", "_last_checkpoint")
"""How the names in a log end; a commit that has not got its name yet ends otherwise."""


def holds_no_commit(place: TableLocation) -> bool:
    """Tell whether there is a log and nothing was ever committed to it.

    That is what a kill or a full disk leaves while a table is being made: a folder with nothing in it, or with a
    first commit that was never given its name. A log with any commit or checkpoint in it is another matter.
    """
    names = place.child(FOLDER).names()
    return not any(name.endswith(LASTING) for name in names)


def folder(place: TableLocation) -> int | None:
    """Return what tells a local log's folder from another one put in its place; None where there is none."""
    found = place.mark(FOLDER) if place.is_local else None
    return None if found is None else found[0]


def mark(place: TableLocation, version: int) -> tuple[int, ...] | None:
    """Return what tells the file of a version's commit from another one put in its place; None where it is gone."""
    return place.mark(name_of(version))


def lake(place: TableLocation) -> tuple[int, int] | None:
    """Return what tells the local lake that a table lies in from another one put in its place; None where nothing does.

    That is when the first commit to its events got there: a copy keeps the time when a file was written, and a folder
    that is deleted and made again often gets the number it had (3 times of 3 on ext4). After a month that commit may
    have been cleaned up.
    """
    return place.beside(EVENTS.name).arrived(name_of(0)) if place.is_local else None


def has_commit(place: TableLocation, version: int) -> bool:
    """Tell whether the log holds the commit of this version."""
    return place.exists(name_of(version))


def fingerprint(place: TableLocation, version: int) -> str | None:
    """Return a hash of what the log says of a version: of its commit, or of its checkpoint where the commit is gone.

    Two tables with one past agree on the versions of that past and on no later one, for a commit holds random names
    of files and a time. None where the log no longer says anything of the version.
    """
    content = place.read_bytes(name_of(version))
    if content is None:
        folder, first = place.child(FOLDER), f"{version:020d}.checkpoint"
        names = [name for name in folder.names() if name.startswith(first) and name.endswith(".parquet")]
        if not names:
            return None
        content = b"".join(folder.read_bytes(name) or b"" for name in names)
    return digest(content)


def digest(content: bytes) -> str:
    """Return the hash of a commit that tells it from others."""
    return hashlib.sha256(content).hexdigest()[:32]


def names_after(place: TableLocation, version: int) -> list[str]:
    """Return the names in a local log of what came after a version: commits, checkpoints, which of them is the last."""
    if not place.is_local:
        return []
    first = f"{version + 1:020d}"  # "_last_checkpoint" comes after every number
    return [name for name in place.child(FOLDER).names() if name >= first and name.endswith(LASTING)]


@dataclass(frozen=True)
class Commit:
    """What one commit says.

    Attributes:
        adds: Files that it adds.
        bounds: Of each, column → its greatest value as the log writes it, where it says one.
        removes: Paths of files that it takes away.
        numbers: Application transaction → number.
    """

    adds: tuple[File, ...]
    bounds: tuple[Mapping[str, str], ...]
    removes: frozenset[str]
    numbers: Mapping[str, int]

    def newest(self, column: str, before: int | None) -> int | None:
        """Return the latest instant of a time column, in microseconds since 1970, with what was there before."""
        said = [bounds[column] for bounds in self.bounds if column in bounds]
        found = [microseconds(datetime.fromisoformat(one)) for one in said]
        return max([*found, *([] if before is None else [before])], default=None)


def read(content: bytes) -> Commit | None:
    """Return what a commit says; None where it changes the table itself, or is none that we understand, such as one of
    another program that has merged files of several buckets.
    """
    adds, bounds, removes, numbers = [], [], set(), {}
    try:
        for action in map(json.loads, content.splitlines()):
            for kind, said in action.items():
                if kind == "add":
                    stats = json.loads(said["stats"])
                    bucket = said["partitionValues"].get("bucket")
                    path = unquote(said["path"])
                    if bucket is None and is_unnamed(path):
                        return None
                    adds.append(File(path, stats["numRecords"], said["size"], None if bucket is None else int(bucket)))
                    bounds.append(stats.get("maxValues") or {})
                elif kind == "remove":
                    removes.add(unquote(said["path"]))
                elif kind == "txn":
                    numbers[said["appId"]] = said["version"]
                elif kind != "commitInfo":
                    return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Commit(tuple(adds), tuple(bounds), frozenset(removes), numbers)


def last_checkpoint(place: TableLocation) -> int:
    """Return the version of the last checkpoint; -1 for none, or where the log does not say it."""
    said = place.read_bytes(f"{FOLDER}/_last_checkpoint")
    try:
        return -1 if said is None else int(json.loads(said)["version"])
    except (ValueError, KeyError, TypeError):
        return -1


@dataclass(frozen=True)
class News:
    """What some commits changed of what the table says, and not only of where it lies.

    Attributes:
        added: Files that brought new rows, each once, in the order of the commits → the version that brought it.
        removed: Files out of which rows were taken, each with the numbers of the ingests that had brought them.
    """

    added: dict[str, int] = field(default_factory=dict)
    removed: dict[str, frozenset[int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    @property
    def buckets(self) -> frozenset[int]:
        """The buckets in which something changed."""
        return frozenset(bucket for path in (*self.added, *self.removed) for bucket in _buckets_of(path))

    def added_to(self, bucket: int) -> list[str]:
        """Return the files that brought new rows of one bucket."""
        return [path for path in self.added if bucket in _buckets_of(path)]


def _buckets_of(path: str) -> tuple[int, ...]:
    return buckets_in(path) or (int(path.partition("/")[0].removeprefix("bucket=")),)


def news(place: TableLocation, after: int, until: int) -> News | None:
    """Return what commits after version `after`, up to `until`, changed; None where that cannot be told: the log no
    longer goes back that far, or another program has brought rows of several buckets.

    A commit that only moves rows (compaction) says `dataChange: false` and changes nothing here. Files named here may
    be gone after a vacuum. Paths are relative to the table's folder.
    """
    found = News()
    for version in range(after + 1, until + 1):
        content = place.read_bytes(name_of(version))
        if content is None:
            return None
        actions = [json.loads(line) for line in content.splitlines()]
        names = [action["txn"]["appId"] for action in actions if "txn" in action]
        ingests = frozenset(int(name.rpartition(".")[2]) for name in names if name.startswith(f"{UNDO}."))
        for action in actions:
            add, remove = action.get("add"), action.get("remove")
            if add is not None and add["dataChange"]:
                path = unquote(add["path"])
                if is_unnamed(path):
                    return None
                found.added[path] = version
            if remove is not None and remove["dataChange"] and ingests:
                found.removed[unquote(remove["path"])] = ingests
    return found


def files_added(place: TableLocation, after: int, until: int) -> list[str] | None:
    """Return the files that brought new rows; see `news`."""
    found = news(place, after, until)
    return None if found is None else list(found.added)


def commit_naming(place: TableLocation, paths: set[str], after: int, until: int) -> int:
    """Return the version in (`after`, `until`] whose commit adds or removes one of these files.

    Asked only when other writers committed in the same moment; otherwise it is `after` + 1.
    """
    for version in range(after + 1, until + 1):
        content = place.read_bytes(name_of(version))
        for line in (content or b"").splitlines():
            action = json.loads(line)
            named = action.get("add") or action.get("remove")
            if named is not None and unquote(named["path"]) in paths:
                return version
    return until


def name_of(version: int) -> str:
    """Return the path of a version's commit."""
    return f"{FOLDER}/{version:020d}.json"
