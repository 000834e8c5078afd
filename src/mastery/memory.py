"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Give memory that was freed back to the system: after work that took much, and comes again late if ever.

    glibc keeps what lies between pieces that are still used, and Arrow what its threads may need again.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
