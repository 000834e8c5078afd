"""Compiled kernels on disk: one file for each kernel, what it is made of, and the types of its arguments.

The name of a file is a hash of everything that the machine code depends on (`fingerprint`, versions, processor), so a
change anywhere is another file. Nothing has to be found stale, versions of the engine can run side by side, and another
checkout of the same code finds what the first one compiled.

Files lie under NUMBA_CACHE_DIR where it is set, else in the user's cache folder, else, where that cannot be written,
in a private folder for temporary files. A folder that can only be read is read: it may have come with an image.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import stat
import sys
import tempfile
import time
import uuid
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import config
from numba.core.compiler import CompileResult
from numba.core.environment import Environment, lookup_environment
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from mastery.instants import DAY_S
from mastery.kernels.fingerprint import fingerprint, signature_text

LOG = logging.getLogger("mastery.kernels")
"""Says at level INFO which kernel is compiled now, and at DEBUG which is loaded."""

FORMAT = f"1 {sys.implementation.cache_tag} numba {numba.__version__} numpy {np.__version__}"
USED: set[str] = set()
"""Names of the files that this process has loaded or written."""

KEPT_DAYS = 14
"""A file that no process has used for this long is removed when the next kernel is compiled."""

TOUCHED_AFTER_S = 3600
"""A file's time says when it was last used, to the hour: a write for each use would be paid at each start."""


@cache
def folders() -> tuple[Path, ...]:
    """Return where compiled kernels are looked for, the first one preferred for writing. The folders may not exist."""
    found = []
    if config.CACHE_DIR:
        found.append(Path(config.CACHE_DIR) / "mastery-kernels")
    else:
        try:
            home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        except RuntimeError:  # no HOME, and the user is in no list of users
            home = None
        # A relative one, as the XDG specification says, is not meant: code is not read from wherever a command is run.
        if home is not None and Path(home).is_absolute():
            found.append(Path(home) / "mastery" / "kernels")
    temporary = _private_temporary()
    return (*found, temporary) if temporary is not None else tuple(found)


def _private_temporary() -> Path | None:
    """Return a folder for temporary files that nobody else can write: what is loaded from it is run as code."""
    try:
        if not hasattr(os, "getuid"):  # Windows: folders for temporary files are a user's own
            return Path(tempfile.gettempdir()) / "mastery-kernels"
        folder = Path(tempfile.gettempdir()) / f"mastery-kernels-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:  # there is no place for temporary files: kernels are then compiled in each process
        return None
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if private else None


class KernelCache:
    """The cache of one kernel, with the methods that numba's dispatcher calls."""

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher
        self._name = f"{dispatcher.py_func.__module__.removeprefix('mastery.')}.{dispatcher.py_func.__qualname__}"
        self._enabled = True

    @property
    def cache_path(self) -> str:
        """Return the folder that is preferred for writing."""
        return str(next(iter(folders()), ""))

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the compiled kernel for the types of a call; None where it has to be compiled.

        numba's own cache first tells the compiler of everything it might meet (`target.refresh()`), which takes longer
        than all of a student's kernels. Machine code needs only the runtime of arrays.
        """
        if not self._enabled:
            return None
        file = self._file(signature, target.codegen())
        for folder in folders():
            payload = read_kept(folder / file)
            if payload is not None:
                rtsys.initialize(target)
                LOG.debug("loading %s", self._name)
                USED.add(file)
                return CompileResult._rebuild(target, *_Unpickler(io.BytesIO(payload)).load())
        LOG.info("compiling %s", self._name)
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a compiled kernel. Where no folder can be written, a warning says so once."""
        if not self._enabled or compiled.library.has_dynamic_globals or any(not x.can_cache for x in compiled.lifted):
            return
        file, payload = self._file(signature, compiled.codegen), dumps(compiled._reduce())
        reasons = []
        for folder in folders():
            try:
                write_kept(folder / file, payload)
            except OSError as error:
                reasons.append(f"{folder}: {error.strerror}")
            else:
                USED.add(file)
                _remove_unused(folder)
                return
        _warn_unkept("; ".join(reasons) or "there is no home folder and none for temporary files")

    def enable(self) -> None:
        """Look on disk again."""
        self._enabled = True

    def disable(self) -> None:
        """Neither load nor keep anything."""
        self._enabled = False

    def flush(self) -> None:
        """Nothing to do: no file can be out of date."""

    def _file(self, signature: Any, codegen: Any) -> str:
        made_of = (FORMAT, fingerprint(self._dispatcher), signature_text(signature), codegen.magic_tuple())
        return f"{self._name}-{hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]}"


class _Unpickler(pickle.Unpickler):
    """Loads a compiled kernel without importing the parts of numba that its code came from."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name in the payload stands for."""
        if (module, name) == ("numba.core.environment", "_rebuild_env"):
            return _environment
        return super().find_class(module, name)


def _environment(module: str, constants: list[Any], name: str) -> Environment:
    """Return the environment of a compiled function. Of it a kernel reads the constants, and never the globals.

    numba would import the function's module for those globals: half of its compiler for one `max` or `np.zeros`.
    """
    known = lookup_environment(name)
    if known is not None:
        return known
    loaded = sys.modules.get(module)
    made = Environment({"__name__": module} if loaded is None else vars(loaded))
    made.consts[:] = constants
    made.env_name = name
    Environment._memo[name] = made
    return made


def read_kept(path: Path) -> bytes | None:
    """Return what a file holds, and mark it as used; None where it is missing, or damaged as by a crash."""
    try:
        with path.open("rb") as file:
            content = file.read()
            age_s = time.time() - os.fstat(file.fileno()).st_mtime
    except OSError:  # not there, or in somebody else's folder: compiled instead
        return None
    digest, payload = content[:32], content[32:]
    if hashlib.sha256(payload).digest() != digest:
        return None
    if age_s > TOUCHED_AFTER_S:
        try:
            os.utime(path)
        except OSError:  # a folder that came with an image: nobody removes anything there either
            LOG.debug("%s can only be read", path)
    return payload


def write_kept(path: Path, payload: bytes) -> None:
    """Write a file whole or not at all; a process that writes the same one at the same time does no harm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".writing-{uuid.uuid4().hex}")
    try:
        with unfinished.open("xb") as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@cache
def _remove_unused(folder: Path) -> None:
    """Remove what has not been used for long, once in a process. Whoever still wants it compiles it again."""
    oldest = time.time() - KEPT_DAYS * DAY_S
    try:
        paths = list(folder.iterdir())
    except OSError:  # a folder that may be written and not listed
        return
    for path in paths:
        try:
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_mtime < oldest:
                path.unlink()
        except OSError:  # another process was faster, or the file is another user's in a folder that is shared
            continue


@cache
def _warn_unkept(reasons: str) -> None:
    warnings.warn(
        f"compiled kernels cannot be kept ({reasons}), so each process compiles them again; "
        "set NUMBA_CACHE_DIR to a folder that can be written",
        RuntimeWarning,
        stacklevel=2,
    )
