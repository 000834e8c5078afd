"""The API as one ASGI app, made of what it reads from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI

from mastery import __version__
from mastery.apps.api import events, problems, routes
from mastery.apps.api.connections import BusyWhenExhausted
from mastery.apps.api.guard import LoopbackOnly
from mastery.apps.api.health import Check, health_routes
from mastery.apps.api.request_parameters import Desk
from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import NotFound
from mastery.pipelines.live.forward import Forwarder
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.queries.reader import Reader
from mastery.settings.model import DEFAULT_TENANT

ABOUT = """How well each student masters each topic, how sure that is, and why.

Scores lie in [0, 1] and come with an interval that should contain the truth 90 % of the time. Students may be named
by the source's own id or by their pseudonym; answers hold pseudonyms only. Errors are
`application/problem+json` (RFC 9457).
"""


def no_intake(tenant: str) -> Intake:
    """Raise NotFound: of an app that only reads."""
    raise NotFound(f"no events of tenant {tenant!r} are taken here; this API only reads")


def no_stream(_tenant: str) -> Forwarder | None:
    """Return None: of an app whose events go straight into lake and scores."""
    return None


def create_app(
    readers: Callable[[str], Reader],
    pseudonyms: Pseudonyms,
    now: Callable[[], int],
    *,
    intakes: Callable[[str], Intake] = no_intake,
    forwarders: Callable[[str], Forwarder | None] = no_stream,
    tenant: str = DEFAULT_TENANT,
    checks: Mapping[str, Check] | None = None,
    lifespan: Callable[[Any], Any] | None = None,
) -> FastAPI:
    """Return the app.

    Args:
        readers: Returns what answers every question about the scores of a tenant; NotFound where there is no tenant
            of that name.
        pseudonyms: Turns a source's student id into the one that readers know.
        now: The time in microseconds since 1970.
        intakes: Returns what takes the events of a tenant; NotFound as with readers.
        forwarders: Returns what writes them to a stream instead; None where nothing does.
        tenant: Institution of requests that name none.
        checks: What /readyz tries, by name.
        lifespan: What surrounds the time in which it answers.
    """
    app = FastAPI(
        title="Student Mastery Score Engine",
        version=__version__,
        description=ABOUT,
        docs_url=None,  # these pages load their scripts from a CDN: nothing of ours asks the internet
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk = Desk(readers, intakes, forwarders, pseudonyms, now, tenant)
    problems.install(app)
    app.add_middleware(BusyWhenExhausted)
    app.add_middleware(LoopbackOnly)
    app.include_router(routes.router)
    app.include_router(routes.in_need)
    app.include_router(events.router)
    app.include_router(health_routes({} if checks is None else checks))
    return app
