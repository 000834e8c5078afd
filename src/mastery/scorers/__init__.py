"""Every scorer, by name. Adding one: a module like bkt.py, and a line here; the laws then hold it to account."""

from mastery.scorers import bkt, elo, rule_based
from mastery.scorers.base import Scorer

SCORERS: dict[str, Scorer] = {scorer.name: scorer for scorer in (rule_based.SCORER, bkt.SCORER, elo.SCORER)}
