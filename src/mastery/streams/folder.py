"""A folder in which NDJSON files appear or grow. A file is a partition, a line a message, its offset where it begins.

A folder has no groups: each of two readers reads all of it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from mastery.errors import BadInput
from mastery.streams.source import Message, Polled, Positions, StreamUnusable

log = logging.getLogger(__name__)

ENDINGS = (".ndjson", ".jsonl")

POLL_S = 0.05

SETTLED_S = 5.0
"""A last line without a newline is taken as whole when its file has not changed for so long."""


class FolderSource:
    """Reads all `*.ndjson` and `*.jsonl` files of a folder, in the order of their names; others are left alone."""

    def __init__(self, location: str, _group: str) -> None:
        self._folder = Path(location).expanduser().absolute()
        self._next: dict[str, int] = {}

    def start(self, positions: Positions) -> None:
        """Begin to read; see `Source.start`."""
        if not self._folder.is_dir():
            raise BadInput(f"there is no folder {str(self._folder)!r} to read events from; make it, or name another")
        self._positions = positions

    def poll(self, most: int, wait_s: float) -> Polled:
        """Return messages; see `Source.poll`."""
        until, messages = time.monotonic() + wait_s, list[Message]()
        while True:
            files = self._files()
            assigned = frozenset(files) - frozenset(self._next)
            stored = self._positions(assigned) if assigned else {}
            # A file that is gone is not revoked: what was read of it is in nobody else's hand.
            self._next = {partition: self._next.get(partition, stored.get(partition, 0)) for partition in files}
            for partition, file in files.items():
                if len(messages) < most and file.stat().st_size != self._next[partition]:
                    messages += self._lines(partition, Path(file.path), most - len(messages))
            if len(messages) >= most or assigned or time.monotonic() >= until:
                return Polled(tuple(messages), assigned)
            time.sleep(min(POLL_S, max(until - time.monotonic(), 0.0)))

    def _files(self) -> dict[str, os.DirEntry[str]]:
        """Return partition → file, in the order of their names."""
        try:
            with os.scandir(self._folder) as entries:
                found = {entry.name: entry for entry in entries if entry.name.endswith(ENDINGS) and entry.is_file()}
        except OSError as error:
            raise StreamUnusable(
                f"the folder {str(self._folder)!r} cannot be read ({error.strerror}); bring it back, then start again"
            ) from None
        return {f"folder:{found[name].path}": found[name] for name in sorted(found)}

    def _lines(self, partition: str, path: Path, most: int) -> Iterator[Message]:
        """Yield the next lines of a file that are whole and not blank, and read on behind them."""
        try:
            with path.open("rb") as data:
                there = os.fstat(data.fileno())
                if there.st_size < self._next[partition]:
                    log.warning("%s is shorter than what was read of it; it is read from its beginning", partition)
                    self._next[partition] = 0
                data.seek(self._next[partition])
                while most and (line := data.readline()):
                    if not line.endswith(b"\n") and time.time() - there.st_mtime < SETTLED_S:
                        return
                    begin, after = self._next[partition], self._next[partition] + len(line)
                    self._next[partition] = after
                    if line.strip():
                        most -= 1
                        yield Message(partition, begin, after, None, line.rstrip(b"\r\n"), there.st_mtime_ns // 1000)
        except FileNotFoundError:  # taken away since it was listed; the next look says so
            return
        except OSError as error:
            raise StreamUnusable(
                f"{str(path)!r} cannot be read ({error.strerror}); let this program read it, or move it away, "
                "then start again"
            ) from None

    def behind(self, places: Mapping[str, int]) -> Mapping[str, int]:
        """Return what is left of each file, in bytes; see `Source.behind`."""
        sizes = {partition: file.stat().st_size for partition, file in self._files().items() if partition in self._next}
        return {partition: max(0, size - places.get(partition, 0)) for partition, size in sizes.items()}

    def close(self) -> None:
        """Nothing is open."""
