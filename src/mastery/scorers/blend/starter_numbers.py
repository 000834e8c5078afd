"""What blend starts with before anything is fitted. Written by `scripts/starter.py --write`."""

from __future__ import annotations

from mastery.scorers.spec import Starter

STARTER = Starter(
    {
        "guess": 0.1001,
        "slip": 0.1,
        "half_life_days": 45.06,
        "half_life_growth": 1.393,
        "prior": 0.2501,
    },
    {
        "weight of bkt": (0.3099,),
        "weight of elo": (0.8528,),
        "bias": (0.04748,),
        "knots_x": (
            -10.0,
            10.0,
        ),
        "knots_y": (
            -10.0,
            10.0,
        ),
    },
)
