"""The start of numba without the half of scipy that it looks at.

On its first use numba imports scipy.linalg, to learn whether kernels may multiply matrices; with that comes most of
scipy and numpy.f2py: 0.4 s of the 1.8 s that `mastery show` took. No kernel of ours multiplies matrices.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import cast

PROBED, PROBE = "scipy.linalg", "numba.np.arraymath"


def start_numba() -> None:
    """Import the part of numba that probes for scipy, with scipy out of its sight. Nothing where either is there."""
    if PROBED in sys.modules or PROBE in sys.modules:
        return
    modules = cast("dict[str, object]", sys.modules)
    modules[PROBED] = None  # what Python itself does with a module that must not be imported
    try:
        import_module(PROBE)
    finally:
        del modules[PROBED]
