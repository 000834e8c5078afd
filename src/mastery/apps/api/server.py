"""The API as a server of this process, from the settings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn

from mastery.apps.api.app import create_app
from mastery.apps.api.connections import lifespan_of, own_capacity, protocol_of
from mastery.apps.metrics import Metrics
from mastery.engine import Engine, now_us
from mastery.engine.engine import TENANTS_OPEN
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.queries.reader import Reader
from mastery.streams import StreamUnusable

log = logging.getLogger("uvicorn.error")

GRACE_S = 10
"""Requests that are at work when the server ends have so long to finish."""


DESCRIPTORS_PER_TENANT = 6
"""Two connections to a state store of SQLite, of three files each."""


class Server(uvicorn.Server):
    """uvicorn's server, for a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def server_of(engine: Engine, metrics: Metrics | None = None, *, publishes: bool = False) -> Server:
    """Return the server of a deployment; it answers once `serve` runs.

    Args:
        engine: The deployment; whoever made it closes it.
        metrics: Count what its intake takes.
        publishes: Whether what comes in by it is published every few minutes, from the first request on that brings
            events of a tenant: see `Engine.publish_posted`.

    Raises:
        Conflict: The process may open too few files.
    """
    settings = engine.settings
    own, pseudonyms = engine.reader, engine.pseudonyms  # opened now: their descriptors are counted below
    capacity = own_capacity(DESCRIPTORS_PER_TENANT * min(TENANTS_OPEN, max(0, len(engine.tenants) - 1)))
    others = replace(engine, create=False)  # a tenant that a request names is not made for it

    def readers(tenant: str) -> Reader:
        return own if tenant == settings.tenant else others.of(tenant).reader

    def intakes(tenant: str) -> Intake:
        watch = None if metrics is None else metrics.of(tenant)
        intake = engine.intake(tenant, watch=watch)
        if publishes:
            engine.publish_posted(tenant, watch)
        return intake

    try:
        engine.forwarder()  # a stream that there is none of is told now
    except StreamUnusable as error:
        log.warning("%s. Until then posted events are answered with 503", error)
    app = create_app(
        readers,
        pseudonyms,
        now_us,
        intakes=intakes,
        forwarders=engine.forwarder,
        tenant=settings.tenant,
        checks=engine.checks(),
        lifespan=lifespan_of(capacity),
    )
    return Server(
        uvicorn.Config(
            app,
            host=settings.api.host,
            port=settings.api.port,
            http=protocol_of(capacity),
            loop="asyncio",
            ws="none",
            backlog=capacity.backlog,
            timeout_graceful_shutdown=GRACE_S,
            log_level=settings.log_level,
            access_log=False,  # its lines would hold the ids of children
            server_header=False,
        )
    )
