"""One decorator for every compiled kernel.

A kernel takes scalars and arrays, or NamedTuples of arrays, and is float64 throughout: no `fastmath`, whose freedom to
reorder sums would break the laws that hold bit for bit; no `parallel`, for the engine cuts its work by student; no
closure and no function as an argument, which are never found in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

T = TypeVar("T")


def kernel(function: Callable[..., T]) -> Callable[..., T]:
    """Compile a function when it is first called, and keep what was compiled on disk."""
    return cast("Callable[..., T]", njit(cache=True, nogil=True, error_model="numpy")(function))


def inlined_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function into each kernel that calls it; for steps of a few operations in a hot loop."""
    return cast("Callable[..., Any]", njit(cache=True, nogil=True, error_model="numpy", inline="always")(function))
