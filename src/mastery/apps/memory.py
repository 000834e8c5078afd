"""Memory of a process that lives long."""

from __future__ import annotations

import ctypes
import os

ARENAS = 2
"""In which all threads of a process allocate. Each batch of a worker has threads of its own, and by default glibc gives
threads arenas of their own, up to eight a core, which keep what was freed in them: a worker grew by 50 MB with each
batch of 10,000 messages, to 790 MB after six of them. With two it stays at 570 MB, at the same speed. The API answers
in forty threads, and had fifteen arenas."""

M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def share_arenas() -> bool:
    """Let threads share `ARENAS` of glibc's memory arenas from now on; tell whether they do. Called first of all: where
    there are more than eight by then, glibc has settled on its own number.

    Elsewhere, and where the environment says `MALLOC_ARENA_MAX`, it stays as it is.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, ARENAS))
