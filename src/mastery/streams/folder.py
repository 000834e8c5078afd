"""A folder in which NDJSON files appear or grow. A file is a partition, a line a message, its offset where it begins.

A file is told by its name, its inode and how its first line begins: another file that takes the name, or other lines
written in its place, are another partition, and places that were stored of the one are not taken for the other's.

A folder has no groups: each of two readers reads all of it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from mastery.errors import BadInput
from mastery.streams.batch import Batch
from mastery.streams.source import POLL_BYTES, Message, Polled, Positions, StreamUnusable

log = logging.getLogger(__name__)

ENDINGS = (".ndjson", ".jsonl")

POLL_S = 0.05

SETTLED_S = 5.0
"""A last line without a newline is taken as whole when its file has not changed for so long."""


FIRST_BYTES = 4_096
"""So much of the first line tells a file, if it is as long."""


class _Told(NamedTuple):
    """What a file was when it was looked at last, and the partition that it was then."""

    inode: int
    size: int
    changed_ns: int
    partition: str


class FolderSource:
    """Reads all `*.ndjson` and `*.jsonl` files of a folder, in the order of their names; others are left alone."""

    def __init__(self, location: str, _group: str) -> None:
        self._folder = Path(location).expanduser().absolute()
        self._next: dict[str, int] = {}
        self._told: dict[str, _Told] = {}

    def start(self, positions: Positions) -> None:
        """Begin to read; see `Source.start`."""
        if not self._folder.is_dir():
            raise BadInput(f"there is no folder {str(self._folder)!r} to read events from; make it, or name another")
        self._positions = positions

    def poll(self, most: int, wait_s: float, most_bytes: int = POLL_BYTES) -> Polled:
        """Return messages; see `Source.poll`."""
        until, batch = time.monotonic() + wait_s, Batch(most, most_bytes)
        while True:
            files = self._files()
            assigned = frozenset(files) - frozenset(self._next)
            stored = self._positions(assigned) if assigned else {}
            # A file that is gone is not revoked: what was read of it is in nobody else's hand.
            self._next = {partition: self._next.get(partition, stored.get(partition, 0)) for partition in files}
            for partition, path in files.items():
                if not batch.full and self._told[path.name].size != self._next[partition]:
                    self._add_to(batch, partition, path)
            if batch.full or assigned or time.monotonic() >= until:
                return Polled(tuple(batch.messages), assigned)
            time.sleep(min(POLL_S, max(until - time.monotonic(), 0.0)))

    def _files(self) -> dict[str, Path]:
        """Return partition → file, in the order of their names; those without a first line yet are left out."""
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(ENDINGS) and entry.is_file())
        except OSError as error:
            raise StreamUnusable(
                f"the folder {str(self._folder)!r} cannot be read ({error.strerror}); bring it back, then start again"
            ) from None
        told = {name: self._look(self._folder / name) for name in names}
        self._told = {name: one for name, one in told.items() if one is not None}
        return {one.partition: self._folder / name for name, one in self._told.items()}

    def _look(self, path: Path) -> _Told | None:
        """Return what a file is; None where its first line is not whole yet, or it has been taken away."""
        try:
            there, known = path.stat(), self._told.get(path.name)
            if known is not None and known[:3] == (there.st_ino, there.st_size, there.st_mtime_ns):
                return known
            with path.open("rb") as data:
                there, first = os.fstat(data.fileno()), data.readline(FIRST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from None
        whole = first.endswith(b"\n") or len(first) == FIRST_BYTES
        if not whole and (not first or not _rests(there)):
            return None
        name = os.fsencode(path).decode(errors="backslashreplace")
        mark = blake2b(first.rstrip(b"\r\n"), digest_size=8).hexdigest()
        partition = f"folder:{name}#{there.st_ino:x}-{mark}"
        return _Told(there.st_ino, there.st_size, there.st_mtime_ns, partition)

    def _add_to(self, batch: Batch, partition: str, path: Path) -> None:
        """Take the next lines of a file that are whole and not blank, and read on behind them."""
        try:
            with path.open("rb") as data:
                there = os.fstat(data.fileno())
                if there.st_ino != self._told[path.name].inode:  # another file since it was looked at
                    return
                if there.st_size < self._next[partition]:
                    log.warning("%s is shorter than what was read of it; it is read from its beginning", partition)
                    self._next[partition] = 0
                data.seek(self._next[partition])
                while not batch.full and (line := data.readline()):
                    if not line.endswith(b"\n") and not _rests(there):
                        return
                    begin, after = self._next[partition], self._next[partition] + len(line)
                    message = Message(partition, begin, after, None, line.rstrip(b"\r\n"), there.st_mtime_ns // 1000)
                    if message.value.strip() and not batch.add(message):
                        return
                    self._next[partition] = after
        except FileNotFoundError:  # taken away since it was listed; the next look says so
            return
        except OSError as error:
            raise _unreadable(path, error) from None

    def behind(self, places: Mapping[str, int]) -> Mapping[str, int]:
        """Return what is left of each file, in bytes; see `Source.behind`."""
        self._files()
        sizes = {one.partition: one.size for one in self._told.values() if one.partition in self._next}
        return {partition: max(0, size - places.get(partition, 0)) for partition, size in sizes.items()}

    def close(self) -> None:
        """Nothing is open."""


def _rests(there: os.stat_result) -> bool:
    """Whether a file has not changed for so long that its last line is whole; one from the future never changes."""
    return abs(time.time() - there.st_mtime) >= SETTLED_S


def _unreadable(path: Path, error: OSError) -> StreamUnusable:
    return StreamUnusable(
        f"{str(path)!r} cannot be read ({error.strerror}); let this program read it, or move it away, then start again"
    )
