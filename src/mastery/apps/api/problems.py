"""Every error as one document of RFC 9457, `application/problem+json`. The one place that knows status codes."""

from __future__ import annotations

import logging
import time
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from mastery.errors import MOST_LETTERS, BadInput, Conflict, MasteryError, Unwritable, shortened

log = logging.getLogger("uvicorn.error")

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:mastery:problem:"


RETRY_AFTER_S = 1
RETRY = {"retry-after": str(RETRY_AFTER_S)}
"""When to send a request again that was answered with 503, and the header that says so."""

PRIVATE = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
"""Headers of every answer: what is known about students is not for caches."""


class InvalidPart(BaseModel):
    """One part of a request that cannot be used."""

    where: str = Field(description="Query parameter or part of the path.")
    message: str


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(description="Which kind of problem; the same for every problem of the kind.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time, and what to do.")
    instance: str = Field(description="The path of the request.")
    errors: list[InvalidPart] | None = Field(None, description="Each part of the request that cannot be used.")


class ProblemResponse(JSONResponse):
    """A problem with its media type."""

    media_type = MEDIA_TYPE


def problem(request: Request, status: int, kind: str, title: str, detail: str, **more: Any) -> ProblemResponse:
    """Return the response of one problem."""
    document = Problem(
        type=TYPE + kind,
        title=title,
        status=status,
        detail=shortened(detail),
        instance=shortened(request.url.path),
        errors=more.get("errors"),
    )
    # Here and not in the middleware alone: an answer to what nobody foresaw is made outside of it.
    headers = PRIVATE | (more.get("headers") or {})
    return ProblemResponse(document.model_dump(exclude_none=True), status, headers)


class Sparingly:
    """Writes a warning at most once a second: what hinders one request hinders each of thousands."""

    def __init__(self) -> None:
        self._last_s = float("-inf")

    def __call__(self, message: str) -> None:
        """Write the message, unless one was written within this second."""
        if time.monotonic() - self._last_s >= 1.0:
            self._last_s = time.monotonic()
            log.warning("%s", message)


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for these kinds of problem."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["properties"]["errors"] = {"type": "array", "items": schema.pop("$defs")["InvalidPart"]}
    return {
        EXAMPLES[kind]["status"]: {
            "description": EXAMPLES[kind]["title"],
            "content": {MEDIA_TYPE: {"schema": schema, "example": EXAMPLES[kind]}},
        }
        for kind in kinds
    }


def install(app: FastAPI) -> None:
    """Make every error that leaves the app a problem document."""
    app.add_exception_handler(MasteryError, partial(_of_ours, Sparingly()))
    app.add_exception_handler(RequestValidationError, _of_a_request)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_nobody)


def _of_ours(say: Sparingly, request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, MasteryError)
    if isinstance(error, Conflict):
        say(str(error).partition("\n")[0])
        kind, title = "store-unreadable", "A store cannot be read"
        if error.problem is not None:
            kind, title = error.problem, error.title
        return problem(request, 503, kind, title, error.public, headers=RETRY)
    if isinstance(error, Unwritable):
        say(str(error).partition("\n")[0])
        detail = (
            "the disk of the engine is full, or may not be written to; the server's log says why. Send the request "
            "again later: what it brought that was kept all the same is a duplicate then"
        )
        return problem(request, error.status, "unwritable", error.title, detail)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("failed on %s", request.scope["route"].path if "route" in request.scope else "?", exc_info=error)
        return _of_nobody(request, error)
    return problem(request, error.status, _dashed(type(error).__name__), error.title, error.public)


def _of_a_request(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    parts = [
        InvalidPart(
            where=shortened(".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]), MOST_LETTERS // 4),
            message=shortened(str(one["msg"]).removeprefix("Value error, "), MOST_LETTERS // 2),
        )
        for one in error.errors()
    ]
    detail = "; ".join(f"{part.where}: {part.message}" for part in parts)
    return problem(request, BadInput.status, "bad-input", BadInput.title, detail, errors=parts)


def _of_http(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = {
        HTTPStatus.NOT_FOUND: "there is no such page; /openapi.json lists what there is",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not answered here; scores are read with GET, and events "
        "are sent with POST to /v1/events",
    }.get(status, str(error.detail))
    kind = _dashed(status.phrase.title().replace(" ", ""))
    return problem(request, status, kind, status.phrase, detail, headers=error.headers)


def _of_nobody(request: Request, _error: Exception) -> ProblemResponse:
    """Answer without anything of the error: what failed is in the server's log."""
    detail = "the engine failed on this request; its log says why"
    return problem(request, 500, "internal-error", MasteryError.title, detail)


def _dashed(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("-")


EXAMPLES: dict[str, dict[str, Any]] = {
    "not-found": {
        "type": f"{TYPE}not-found",
        "title": "Nothing is known under this name",
        "status": 404,
        "detail": "no event of student 's_0f343b0931126a20f133d67c2b018a3b' of tenant 'default'; check id and tenant",
        "instance": "/mastery/S000099",
    },
    "bad-input": {
        "type": f"{TYPE}bad-input",
        "title": "The input cannot be used as it is",
        "status": 422,
        "detail": "scorer: unknown scorer 'btk' (did you mean 'bkt'?); known: rule_based, bkt, elo",
        "instance": "/mastery/S000001",
        "errors": [
            {"where": "scorer", "message": "unknown scorer 'btk' (did you mean 'bkt'?); known: rule_based, bkt, elo"}
        ],
    },
    "busy": {
        "type": f"{TYPE}busy",
        "title": "The API is busy",
        "status": 503,
        "detail": "too many requests at once; send it again in 1 s",
        "instance": "/mastery/S000001",
    },
    "content-too-large": {
        "type": f"{TYPE}content-too-large",
        "title": "Too much for one request",
        "status": 413,
        "detail": "12,000 rows are more than the 10,000 that one request may bring; send them in several, or as a file "
        "with mastery ingest",
        "instance": "/v1/events",
    },
    "unsupported-media-type": {
        "type": f"{TYPE}unsupported-media-type",
        "title": "A body of another kind was expected",
        "status": 415,
        "detail": "Content-Type 'text/plain' is not taken; send a JSON array as application/json, or one object a line "
        "as application/x-ndjson",
        "instance": "/v1/events",
    },
    "unwritable": {
        "type": f"{TYPE}unwritable",
        "title": "The store cannot be written to",
        "status": 507,
        "detail": "the disk of the engine is full, or may not be written to; the server's log says why. Send the "
        "request again later: what it brought that was kept all the same is a duplicate then",
        "instance": "/v1/events",
    },
    "not-ready": {
        "type": f"{TYPE}not-ready",
        "title": "A store cannot be read",
        "status": 503,
        "detail": "cannot be read: events; table 'events': its log was deleted; restore it from a backup of the lake",
        "instance": "/readyz",
    },
}
