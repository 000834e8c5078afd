"""Units that a column may be declared to be in."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"\d+(?:\.\d+)?"
_POINTS = re.compile(rf"points/({_NUMBER})")
_SCALE = re.compile(rf"(-?{_NUMBER})-(-?{_NUMBER})")

SHARE_UNITS = "percent, fraction, points/N such as points/10, LOWEST-HIGHEST such as 1-5"
"""What a share may be written in, in words."""


@dataclass(frozen=True)
class ShareUnit:
    """How a share is written: as a number from `none`, which is nothing, to `full`, which is all of it.

    Attributes:
        name: As it is declared, such as `percent` or `1-5`. In a scale where 1 is best, `6-1`, `none` is the greater.
    """

    name: str
    none: float
    full: float


PERCENT, FRACTION = ShareUnit("percent", 0.0, 100.0), ShareUnit("fraction", 0.0, 1.0)


def share_unit(name: str) -> ShareUnit | None:
    """Return the unit of this name: `percent`, `fraction`, `points/10`, `1-5`, or `6-1` where 1 is best; None for no
    such unit.
    """
    for known in (PERCENT, FRACTION):
        if name == known.name:
            return known
    points, scale = _POINTS.fullmatch(name), _SCALE.fullmatch(name)
    if points is not None and float(points[1]) > 0:
        return ShareUnit(name, 0.0, float(points[1]))
    if scale is not None and float(scale[1]) != float(scale[2]):
        return ShareUnit(name, float(scale[1]), float(scale[2]))
    return None
