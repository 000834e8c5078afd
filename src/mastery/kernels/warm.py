"""Whether every kernel has been compiled: a file beside the kernels that lists those which a warm-up used.

It is named by a hash of all that could make another kernel of any of them: the package's source, the versions and the
processor. So it is not found after a change, and it counts only while each file that it lists is there and whole.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from numba.core.registry import cpu_target

import mastery
from mastery.kernels.cache import FORMAT, USED, folders, read_kept, write_kept


def is_warm() -> bool:
    """Tell whether a warm-up of this version has been here, and nothing that it compiled is missing or damaged."""
    name = _name()
    lists = [found for folder in folders() if (found := read_kept(folder / name)) is not None]
    return bool(lists) and all(
        any(read_kept(folder / file) is not None for folder in folders()) for file in lists[0].decode().splitlines()
    )


def note_warm() -> None:
    """Note the kernels that this process has used, after a warm-up; nothing where no folder can be written."""
    for folder in folders():
        try:
            write_kept(folder / _name(), "\n".join(sorted(USED)).encode())
        except OSError:  # the next warm-up goes through everything again
            continue
        return


def _name() -> str:
    digest = hashlib.sha256(repr((FORMAT, cpu_target.target_context.codegen().magic_tuple())).encode())
    package = Path(mastery.__file__).parent
    for file in sorted(package.rglob("*.py")):
        digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes() + b"\0")
    return f"warm-up-{digest.hexdigest()[:32]}"
