"""One decorator for every compiled kernel.

A kernel takes scalars and arrays, or NamedTuples of arrays, and is float64 throughout: no `fastmath`, whose freedom to
reorder sums would break the laws that hold bit for bit; no `parallel`, because the engine cuts its work by student; no
closure and no function as an argument, which the cache cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

from mastery.kernels.cache import KernelCache

T = TypeVar("T")


def kernel(function: Callable[..., T]) -> Callable[..., T]:
    """Compile a function when it is first called, and keep what was compiled on disk (`mastery.kernels.cache`)."""
    return cast("Callable[..., T]", _cached(njit(nogil=True, error_model="numpy")(function)))


def inlined_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function into each kernel that calls it; for steps of a few operations in a hot loop."""
    return cast("Callable[..., Any]", _cached(njit(nogil=True, error_model="numpy", inline="always")(function)))


def _cached(dispatcher: Any) -> Any:
    """Give a dispatcher our cache, as numba's own `enable_caching` gives it numba's."""
    if hasattr(dispatcher, "enable_caching"):  # NUMBA_DISABLE_JIT hands the plain function back
        dispatcher._cache = KernelCache(dispatcher)
    return dispatcher
