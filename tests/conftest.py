"""How hypothesis runs: HYPOTHESIS_PROFILE names one of these profiles.

`dev` (the default) looks at new examples each time and remembers those that failed. `ci` looks at the
same examples each time, so a change is judged by what it changed. `quick` is for `make test-fast`, `long` for a night.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from hypothesis import HealthCheck, settings

import services

# No deadlines: the first call of a numba kernel compiles it.
COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}

settings.register_profile("dev", max_examples=50, **COMMON)
settings.register_profile("quick", max_examples=15, **COMMON)
settings.register_profile("ci", max_examples=100, derandomize=True, **COMMON)
settings.register_profile("long", max_examples=5_000, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[str], str]]:
    """Give what returns the URL of a server of a kind; where there is none the test is skipped, or fails in CI."""
    with ExitStack() as until:
        yield cache(lambda kind: services.found_or_skipped(lambda: services.url(kind, until)))
