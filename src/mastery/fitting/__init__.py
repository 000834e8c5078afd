"""Parameters found in data: one module a scorer. What it finds is what `mastery.scorers` holds and folds with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mastery.fitting import bkt, elo, irt, linear_rnn
from mastery.fitting.fit import Fit

FITS: dict[str, Callable[..., Fit]] = {
    "bkt": bkt.fit,
    "elo": elo.fit,
    "irt": irt.fit,
    "linear_rnn": linear_rnn.fit,
    "linear_rnn_free": partial(linear_rnn.fit, lawful=False),
}
"""By name of a scorer that folds: (batch, *, given, seed, threads) → Fit. In the order they are fitted in, for each is
given what was found of those before it. What learns from the chances of others is in mastery.fitting.chain."""
