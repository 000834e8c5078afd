"""Parameters found in data: one module a scorer. What it finds is what `mastery.scorers` holds and folds with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mastery.scorers.bkt import fit as bkt
from mastery.scorers.elo import fit as elo
from mastery.scorers.fits import Fit
from mastery.scorers.irt import fit as irt
from mastery.scorers.linear_rnn import fit as linear_rnn

FITS: dict[str, Callable[..., Fit]] = {
    "bkt": bkt.fit,
    "elo": elo.fit,
    "irt": irt.fit,
    "linear_rnn": linear_rnn.fit,
    "linear_rnn_unconstrained": partial(linear_rnn.fit, monotone=False),
}
"""By name of a scorer that folds: (batch, *, given, seed, threads) → Fit. In the order they are fitted in, for each is
given what was found of those before it. What learns from the probabilities of others is in
mastery.fitting.training_order."""
