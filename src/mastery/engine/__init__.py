"""One deployment as one object: what a notebook, the command line and the API use alike."""

from mastery.engine.clock import now_us
from mastery.engine.engine import Engine

__all__ = ["Engine", "now_us"]
