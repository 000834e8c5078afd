"""Is it up, and can it answer? For whoever starts, watches or restarts the API."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from mastery.apps.api.problems import RETRY, documented, problem
from mastery.errors import Conflict

log = logging.getLogger("uvicorn.error")

Check = Callable[[], object]
"""Reads a little from one store; raises when it cannot."""


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Every store can be read."""

    status: Literal["ready"] = "ready"
    checks: dict[str, Literal["ok"]]


def health_routes(checks: Mapping[str, Check]) -> APIRouter:
    """Return /healthz, which reads nothing, and /readyz, which reads a little from every store."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Alive")
    def alive() -> Alive:
        """Say that the process answers."""
        return Alive()

    @router.get("/readyz", response_model=Ready, responses=documented("not-ready"), summary="Ready")
    def ready(request: Request) -> Response | Ready:
        """Say whether events, published scores and states can be read."""
        said = {name: _what_hinders(name, check) for name, check in checks.items()}
        failed = {name: why for name, why in said.items() if why is not None}
        if failed:
            detail = f"cannot be read: {', '.join(failed)}; {'; '.join(dict.fromkeys(failed.values()))}"
            return problem(request, 503, "not-ready", "A store cannot be read", detail, headers=RETRY)
        return Ready(checks=dict.fromkeys(checks, "ok"))

    return router


def _what_hinders(name: str, check: Check) -> str | None:
    """Return what anybody may read of why a check fails; None where it passes."""
    try:
        check()
    except Exception as error:
        log.exception("not ready: %s", name)
        return error.public if isinstance(error, Conflict) else "the server's log says why"
    return None
