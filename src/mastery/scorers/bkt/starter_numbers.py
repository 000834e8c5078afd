"""What bkt starts with before anything is fitted. Written by `scripts/starter.py --write`."""

from __future__ import annotations

from mastery.scorers.spec import Starter

STARTER = Starter(
    {
        "p_init": 0.3973,
        "guess": 0.292,
        "slip": 0.1995,
        "half_life_days": 80.36,
        "p_learn": 0.06099,
        "p_learn_practice": 0.3769,
        "p_learn_assignment": 0.2576,
        "p_learn_video": 0.08453,
        "p_learn_tutor": 0.04551,
        "guess_practice": 0.292,
        "slip_practice": 0.1995,
    },
)
