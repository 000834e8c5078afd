"""Run the API with uvicorn, from the settings."""

from __future__ import annotations

import uvicorn

from mastery.apps.api.app import create_app
from mastery.engine import Engine, now_us
from mastery.settings import Settings


def run(settings: Settings) -> None:
    """Answer requests until the process is told to end."""
    engine = Engine.connect(settings)
    app = create_app(engine.reader, engine.pseudonyms, now_us, tenant=settings.tenant, checks=engine.checks())
    try:
        uvicorn.run(
            app,
            host=settings.api.host,
            port=settings.api.port,
            log_level=settings.log_level,
            access_log=False,  # its lines would hold the ids of children
            server_header=False,
        )
    finally:
        engine.close()
