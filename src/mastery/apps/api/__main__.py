"""`python -m mastery.apps.api`: the API alone, with the settings of environment and files."""

from __future__ import annotations

import sys

from mastery.apps.api.server import run
from mastery.errors import MasteryError
from mastery.settings import load_settings

try:
    run(load_settings().settings)
except MasteryError as error:
    sys.exit(f"error: {error}")
