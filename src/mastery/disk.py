"""What is asked of a local disk beyond reading and writing: locks, and that what was written outlasts a power cut."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mastery.errors import Unwritable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_FOLDERS = (errno.EINVAL, errno.ENOTSUP)
"""What some network file systems answer to an fsync of a folder; they keep names by themselves."""

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


def require_locks() -> None:
    """Raise Unwritable where files cannot be locked: two ingests at once would write every event twice."""
    if fcntl is None:
        raise Unwritable(
            "this system has no file locks of POSIX, without which a lake cannot be kept: run the engine on Linux or "
            "macOS, in a container, or on Windows in its Subsystem for Linux"
        )


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold the lock of a file, made if it is not there; one process at a time can, and others wait.

    It is let go when the file is closed, also when the process is killed.
    """
    require_locks()
    with Path(path).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_if_free(path: str | Path) -> Iterator[bool]:
    """Hold the lock of a file as `locked` does and yield True; where another holds it, yield False at once."""
    require_locks()
    with Path(path).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def settle(path: str | Path) -> None:
    """Wait until the content of a file is on the disk."""
    _sync(path)


def settle_folder(path: str | Path) -> None:
    """Wait until the names in a folder are on the disk: a new file whose folder is not settled may be gone."""
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in NO_FOLDERS:
            raise


def mark_of(found: os.stat_result) -> tuple[int, ...]:
    """Return numbers that differ once another file is put under the name of the one that was looked at."""
    return found.st_ino, found.st_mtime_ns, found.st_size


def link(path: str | Path, name: str | Path) -> None:
    """Give a file a further name, of two at once to one of them.

    Raises:
        FileExistsError: The name is taken.
        Unwritable: The file system has no hard links.
    """
    try:
        os.link(path, name)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        raise no_links(Path(name).parent) from error


def has_links(folder: Path) -> bool:
    """Tell whether files of a folder can be given a further name; yes where that cannot be tried."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".link-") as file:
            further = Path(f"{file.name}-further")
            try:
                link(file.name, further)
            finally:
                further.unlink(missing_ok=True)
    except Unwritable:
        return False
    except OSError:
        return True
    return True


def no_links(folder: object) -> Unwritable:
    """Return the error of a file system without hard links, with which delta-rs too commits."""
    return Unwritable(
        f"the file system of {folder} has no hard links (exFAT and FAT have none), without which two writers at once "
        "would overwrite each other: put the home on another disk, or the lake into an object store"
    )


def obstacle(folder: Path) -> str | None:
    """Return in one clause why no folder can be at a path; None where one is, or can be as far as can be seen."""
    for place in (folder, *folder.parents):
        try:
            return None if stat.S_ISDIR(place.stat().st_mode) else f"{place} is a file, not a folder"
        except (FileNotFoundError, NotADirectoryError):  # what lies above says why
            continue
        except PermissionError:
            return None
        except OSError as error:
            return f"{place}: {(error.strerror or str(error)).lower()}"
    return None


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are not there; their names outlast a power cut."""
    if path.is_dir():
        return
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in made:
        settle_folder(folder.parent)


def _sync(path: str | Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
