"""What elo starts with before anything is fitted. Written by `scripts/starter.py --write`."""

from __future__ import annotations

from mastery.scorers.spec import Starter

STARTER = Starter(
    {
        "difficulty": 0.8083,
        "guess": 0.1001,
        "slip": 0.1,
        "half_life_days": 151.3,
        "variance_ability": 0.7879,
        "variance_offset": 0.2303,
        "uncertain_days": 951.9,
        "memory_ability": 0.8828,
        "memory_offset": 0.7111,
        "share": 0.1947,
        "lower": 0.1001,
        "upper": 0.9,
    },
)
