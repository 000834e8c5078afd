"""Where a lake lies: a folder of this machine, or a prefix in an object store."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from mastery import disk
from mastery.errors import BadInput, Conflict, writing
from mastery.lake.object_store import S3, file_system, is_s3, options_of, unreachable

MISREAD = re.compile(r"%[0-9A-Fa-f]{2}|\\|[\x00-\x1f\x7f]")

SETTLED_AT_ONCE = 8
"""Files whose way to the disk is waited for at a time; more are not faster."""

SETTLED_ALONE = 2
"""Up to as many one after the other: a thread costs 0.2 ms."""

WAITING_S = 3.0
"""How long another may hold a lock before it is said that this one waits."""


@dataclass(frozen=True)
class TableLocation:
    """One folder, for pyarrow (`filesystem` and `root`) and for delta-rs (`uri`).

    Attributes:
        uri: What delta-rs opens.
        filesystem: What pyarrow reads and writes with.
        root: The folder's path within `filesystem`.
        is_local: Files can be memory-mapped.
    """

    uri: str
    filesystem: pafs.FileSystem
    root: str
    is_local: bool

    def child(self, name: str) -> TableLocation:
        return TableLocation(f"{self.uri}/{name}", self.filesystem, f"{self.root}/{name}", self.is_local)

    def beside(self, name: str) -> TableLocation:
        """Return the folder of this name that lies where this one does."""
        uri, root = self.uri.rpartition("/")[0], self.root.rpartition("/")[0]
        return TableLocation(f"{uri}/{name}", self.filesystem, f"{root}/{name}", self.is_local)

    def path(self, relative: str) -> str:
        return f"{self.root}/{relative}"

    def make(self) -> None:
        """Make the folder itself, if it is not there; its name outlasts a power cut. An object store has none."""
        if self.is_local:
            disk.make_folder(Path(self.root))

    def make_folder(self, relative: str) -> None:
        """Make the folder of one file; its name is on the disk when the file is settled."""
        if self.is_local:
            self.make()
            Path(self.path(relative)).parent.mkdir(exist_ok=True)

    def write_out(self, relative: str) -> None:
        """Wait until the content of one local file is on the disk; `settle` has less to wait for then."""
        if self.is_local:
            disk.settle(self.path(relative))

    def settle(self, files: Collection[str], folders: Collection[str]) -> None:
        """Wait until the content of these files, and then the names in these folders, outlast a power cut; in an object
        store they do.

        Many at once: the disk writes them side by side, and one entry in its journal is enough for what would be three
        a file (64 files of 4.5 MB took 0.15 s instead of 0.8). Few need no threads.
        """
        if not self.is_local:
            return
        for paths, settle in ((files, disk.settle), (folders, disk.settle_folder)):
            named = [self.path(path) for path in sorted(paths)]
            if len(named) <= SETTLED_ALONE:
                for path in named:
                    settle(path)
                continue
            with ThreadPoolExecutor(min(SETTLED_AT_ONCE, len(named))) as pool:
                list(pool.map(settle, named))

    def rename(self, relative: str, name: str) -> str:
        """Give one local file another name, in the same folder, and return its path."""
        path = Path(self.path(relative))
        path.replace(path.with_name(name))
        return relative.removesuffix(path.name) + name

    def size(self, relative: str) -> int:
        """Return the bytes of one file."""
        if self.is_local:
            return Path(self.path(relative)).stat().st_size
        with self.asking():
            return int(self.filesystem.get_file_info(self.path(relative)).size)

    def exists(self, relative: str) -> bool:
        if self.is_local:
            return os.path.exists(self.path(relative))  # noqa: PTH110 - a Path costs more than the question
        with self.asking():
            return bool(self.filesystem.get_file_info(self.path(relative)).type != pafs.FileType.NotFound)

    def mark(self, relative: str) -> tuple[int, ...] | None:
        """Return numbers that differ once another file is put under the name; None where there is none."""
        if self.is_local:
            try:
                return disk.mark_of(os.stat(self.path(relative)))  # noqa: PTH116 - as above
            except OSError:
                return None
        with self.asking():
            info = self.filesystem.get_file_info(self.path(relative))
        return None if info.type == pafs.FileType.NotFound else (info.mtime_ns or 0, info.size)

    def arrived(self, relative: str) -> tuple[int, int] | None:
        """Return numbers that differ once a copy of a local file is put under its name; None where there is none."""
        try:
            found = os.stat(self.path(relative))  # noqa: PTH116 - as above
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns

    def names(self) -> list[str]:
        """Return the names in the folder, none where there is no folder."""
        if self.is_local:  # pyarrow looks twice, and fails on a folder that goes between the two looks
            try:
                return sorted(os.listdir(self.root))  # noqa: PTH208 - names are wanted, not paths
            except FileNotFoundError:
                return []
        with self.asking():
            found = self.filesystem.get_file_info(pafs.FileSelector(self.root, allow_not_found=True))
        return sorted(info.base_name for info in found)

    def read_bytes(self, relative: str) -> bytes | None:
        """Return the content of one file, None where there is none."""
        if self.is_local:  # a fifth of the time that a stream of pyarrow takes
            try:
                return Path(self.path(relative)).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        try:
            with self.asking(), self.filesystem.open_input_stream(self.path(relative)) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    @contextmanager
    def alone(self, relative: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold a lock that one process at a time can hold, waiting for it; on an object store there is none to hold.

        `waiting` is called once when another has held it for `WAITING_S`.
        """
        if not self.is_local:
            yield
            return
        with ExitStack() as held:
            with self.writing("a lock"), _said_after(WAITING_S, waiting):
                held.enter_context(disk.locked(self.path(relative)))
            yield

    @contextmanager
    def alone_if_free(self, relative: str) -> Iterator[bool]:
        """Hold a lock as `alone` does and yield True, or False where another holds it; on an object store, True."""
        if not self.is_local:
            yield True
            return
        with ExitStack() as held:
            with self.writing("a lock"):
                free = held.enter_context(disk.locked_if_free(self.path(relative)))
            yield free

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Turn what is said of an object store that does not answer, or refuses, into `Unreachable`."""
        try:
            yield
        except OSError as error:
            known = None if self.is_local else unreachable(error, self.uri)
            if known is None:
                raise
            raise known from error

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Turn what is said of a disk that is full or forbidden into `Unwritable`, of a folder that went into Conflict.

        Args:
            what: What is being written, such as "table 'events'".
        """
        with writing(what, self.uri), self.asking():
            try:
                yield
            except FileNotFoundError as error:
                raise Conflict(
                    f"{what} in {self.uri}: a file or folder of it went away while it was written "
                    f"({error.filename or error}); run it again, once nobody moves the lake or puts it back"
                ) from error

    def links(self) -> bool:
        """Tell whether delta-rs can commit here: in a local folder it does so with hard links."""
        return not self.is_local or disk.has_links(Path(self.root))

    def discard(self, relative: str) -> None:
        """Delete one file, if it is there: one that no commit names."""
        with suppress(FileNotFoundError), self.asking():
            self.filesystem.delete_file(self.path(relative))


@contextmanager
def _said_after(seconds: float, say: Callable[[], None] | None) -> Iterator[None]:
    """Call `say`, from another thread, when the body takes longer than that."""
    if say is None:
        yield
        return
    timer = Timer(seconds, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def locate(root: str, storage_options: Mapping[str, str] | None = None) -> TableLocation:
    """Return the place that a path (`data/lake`) or an URL (`s3://bucket/lake`) names.

    Args:
        root: Path or URL.
        storage_options: As delta-rs takes them (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, …).

    Raises:
        BadInput: No such kind of URL, or the path is a file.
        Unwritable: The system has no file locks.
    """
    if "://" not in root or root.startswith("file://"):
        disk.require_locks()
        folder = Path(unquote(root.removeprefix("file://")) if root.startswith("file://") else root).absolute()
        if ".." in folder.parts:  # the path is shown in messages; `absolute` alone leaves links and `..` as they are
            folder = folder.resolve()
        _check_name(root, folder)
        obstacle = disk.obstacle(folder)
        if obstacle is not None:
            raise BadInput(f"lake {root!r} cannot be: {obstacle}; give a folder, or a path where one can be made")
        return TableLocation(str(folder), pafs.LocalFileSystem(), str(folder), True)
    uri = root.rstrip("/")
    if is_s3(uri):
        path = uri.split("://", 1)[1]
        return TableLocation(f"{S3}{path}", file_system(options_of(storage_options)), path, False)
    try:
        filesystem, inner = pafs.FileSystem.from_uri(uri)
    except pa.ArrowInvalid as error:
        raise BadInput(f"lake {root!r}: {error}; give a folder or an s3:// URL") from error
    return TableLocation(uri, filesystem, inner, False)


def _check_name(root: str, folder: Path) -> None:
    """Raise BadInput for a path that delta-rs takes for another one, so that it would look for a commit elsewhere."""
    odd = MISREAD.search(str(folder)) or MISREAD.search(str(folder.resolve()))
    if odd is not None:
        raise BadInput(
            f"lake {root!r}: its path holds {odd[0]!r}, which delta-rs, the library for its tables, reads as something "
            "else; give the home, or the lake, a folder without backslashes, control characters and % before two "
            "hex digits"
        )
