"""`python -m mastery.apps.api`: the API alone, with the settings of environment and files."""

from __future__ import annotations

import asyncio
import sys

from mastery.apps.memory import share_arenas
from mastery.apps.serving import serve
from mastery.engine import Engine
from mastery.errors import MasteryError
from mastery.settings import load_settings

WAIT_S = 60.0

share_arenas()
try:
    engine = Engine.connect(load_settings().settings, create=False)
    try:
        asyncio.run(serve(engine, None, WAIT_S, print))
    finally:
        engine.close()
except MasteryError as error:
    sys.exit(f"error: {error}")
