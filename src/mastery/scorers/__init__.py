"""Every scorer, by name. Adding one: a module like bkt.py, and a line here; the laws then hold it to account."""

from mastery.scorers.base import Scorer
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.blend import scorer as blend
from mastery.scorers.boosting import scorer as ml
from mastery.scorers.derived import Derived
from mastery.scorers.elo import scorer as elo
from mastery.scorers.irt import scorer as irt
from mastery.scorers.linear_rnn import scorer as linear_rnn
from mastery.scorers.rule_based import scorer as rule_based

SCORERS: dict[str, Scorer] = {
    scorer.name: scorer for scorer in (rule_based.SCORER, bkt.SCORER, elo.SCORER, irt.SCORER, linear_rnn.SCORER)
}

DERIVED: dict[str, Derived] = {scorer.name: scorer for scorer in (ml.DERIVED, blend.DERIVED)}
"""Scorers that fold nothing and read the others, each after those it reads."""
