"""Every scorer, by name. Adding one: a module like bkt.py, and a line here; the laws then hold it to account."""

from mastery.scorers import bkt, blend, elo, irt, linear_rnn, ml, rule_based
from mastery.scorers.base import Scorer
from mastery.scorers.derived import Derived

SCORERS: dict[str, Scorer] = {
    scorer.name: scorer for scorer in (rule_based.SCORER, bkt.SCORER, elo.SCORER, irt.SCORER, linear_rnn.SCORER)
}

DERIVED: dict[str, Derived] = {scorer.name: scorer for scorer in (ml.DERIVED, blend.DERIVED)}
"""Scorers that fold nothing and read the others, each after those it reads."""
