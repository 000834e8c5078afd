"""POST /v1/events: rows of source tables into the lake and into the scores of their students."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from mastery.apps.api.body import ContentTooLarge, read_body
from mastery.apps.api.examples import POSTED, RECEIPT, RECEIVED, example
from mastery.apps.api.problems import documented
from mastery.apps.api.request_parameters import AtDesk, Desk, ScoreParameters, TenantParameters, each_once
from mastery.errors import BadInput, NotFound
from mastery.pipelines.live.batch import ACCEPTED, DUPLICATE, REVISED_ROW, Taken
from mastery.pipelines.live.rows import cut_rows
from mastery.pipelines.live.understand import Refusal
from mastery.pipelines.queries.schemas import StudentDocument

MOST_ROWS = 10_000
"""Rows of one request; a file of more is read with `mastery ingest`."""

FEW_ROWS = 64
"""Requests of up to this many rows are understood together with others: that one row takes as long as a hundred."""

MOST_RECEIPT = 50_000
"""Letters of a receipt: of 10,000 events that lie one by one among others of the stream."""

MOST_SCORED = 100
"""Students of a request that is answered with their scores: each is read with the reasons."""


class EventsParameters(ScoreParameters):
    """What `POST /v1/events` takes beside the rows."""

    table: str | None = Field(
        None,
        min_length=1,
        description="Source table of all rows, such as quiz_attempts; when left out, each row's field `table` says it, "
        "or its fields tell.",
    )
    returns: Literal["scores"] | None = Field(
        None, alias="return", description="scores: answer with the new scores on the topics of the rows, too."
    )


class RejectedRow(BaseModel):
    """A row that cannot be used."""

    index: int = Field(description="Its place among the rows, from 0.")
    id: str | None = Field(description="Its own id, as it was sent; null without one.")
    problem: str = Field(description="What is wrong with it.")


class PostedEvents(BaseModel):
    """What became of the rows: read = accepted + revised + duplicates + rejected."""

    read: int
    accepted: int = Field(description="Events that were not known.")
    revised: int = Field(description="Known events that say something other than before.")
    duplicates: int = Field(description="Known events as they are known.")
    rejected: list[RejectedRow]
    scores: list[StudentDocument] | None = Field(
        description="Of each student with new events, the topics that these are about; null unless requested. Students "
        "of whom no event counts any more are left out."
    )


class ReceivedEvents(BaseModel):
    """What became of the rows where they are written to a stream: each is received, or rejected."""

    received: int = Field(description="Rows that all replicas of the stream have kept.")
    rejected: list[RejectedRow]
    receipt: str = Field(description="For GET /v1/events/receipts/{receipt}; valid for good, in every process.")


class PartitionProgress(BaseModel):
    """How far the events of a receipt are in one partition of the stream."""

    partition: str
    waiting: int
    scored: int


class ReceiptDocument(BaseModel):
    """How far the events of a receipt are."""

    received: int = Field(description="Events that the receipt stands for: waiting + scored.")
    waiting: int = Field(description="Those that a worker has still to take.")
    scored: int = Field(
        description="Those that one has dealt with: in the scores of their students, or found to be duplicates, or "
        "rejected after all."
    )
    partitions: list[PartitionProgress]


ROWS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Rows of source tables with the columns that files have, see docs/events.md: a JSON array, or "
        "one object a line. May be packed by gzip (Content-Encoding).",
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": [
                    {
                        "student_id": "S000001",
                        "question_id": "frac-equiv-q03",
                        "topic_id": "frac-equiv",
                        "is_correct": True,
                        "timestamp": "2026-04-11T15:02:11Z",
                        "attempt_id": "a-81",
                    }
                ],
            },
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(each_once)])


@router.post(
    "/events",
    response_model=PostedEvents,
    responses=example(POSTED)
    | {202: {"model": ReceivedEvents, "content": {"application/json": {"example": RECEIVED}}}}
    | documented("not-found", "content-too-large", "unsupported-media-type", "bad-input", "busy", "unwritable"),
    openapi_extra=ROWS,
    summary="New events",
)
async def post_events(request: Request, desk: AtDesk, parameters: Annotated[EventsParameters, Query()]) -> Any:
    """Take rows, and answer once their events are on the disk and in the scores of their students.

    A row that cannot be used costs only itself. Rows sent again are duplicates, so any request may be repeated.
    Where the deployment has a stream (setting `api.stream`) the answer is 202, once all replicas of it have them.
    """
    body = await read_body(request)
    brought = await run_in_threadpool(_brought, desk, parameters, body)
    if isinstance(brought, ReceivedEvents):
        return JSONResponse(brought.model_dump(), HTTPStatus.ACCEPTED)
    taken = await asyncio.wrap_future(brought)
    scores = await run_in_threadpool(_scores, desk, parameters, taken) if parameters.returns == "scores" else None
    answer = PostedEvents(
        read=taken.rows.size,
        accepted=taken.count(ACCEPTED),
        revised=taken.count(REVISED_ROW),
        duplicates=taken.count(DUPLICATE),
        rejected=_rejected(taken.refusals),
        scores=scores,
    )
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")  # it is valid as it is


@router.get(
    "/events/receipts/{receipt}",
    responses=example(RECEIPT) | documented("not-found", "bad-input", "busy"),
    summary="How far posted events are",
)
def read_progress(
    desk: AtDesk,
    receipt: Annotated[str, Path(description="As it came with the answer 202.", max_length=MOST_RECEIPT)],
    parameters: Annotated[TenantParameters, Query()],
) -> ReceiptDocument:
    """Return how many of the events that a receipt stands for a worker has dealt with."""
    forwarder = desk.forwarders(desk.tenant_of(parameters))
    if forwarder is None:
        raise NotFound("there are no receipts: posted events go straight into scores (setting api.stream)")
    found = forwarder.progress(receipt)
    return ReceiptDocument(
        received=sum(found.waiting.values()) + sum(found.scored.values()),
        waiting=sum(found.waiting.values()),
        scored=sum(found.scored.values()),
        partitions=[
            PartitionProgress(partition=one, waiting=found.waiting[one], scored=found.scored[one])
            for one in sorted(found.waiting)
        ],
    )


def _brought(desk: Desk, parameters: EventsParameters, body: bytes) -> ReceivedEvents | Future[Taken]:
    """Send the rows to the stream where there is one; else let them be written, and return what tells when they are."""
    forwarder = desk.forwarders(desk.tenant_of(parameters))
    if forwarder is None:
        return _submitted(desk, parameters, body)
    if parameters.returns == "scores":
        raise BadInput("return=scores is not answered where events are written to a stream; read the scores later")
    found = forwarder.forward(_rows_of(body), parameters.table)
    return ReceivedEvents(received=found.received, rejected=_rejected(found.refusals), receipt=found.receipt)


def _rows_of(body: bytes) -> list[bytes]:
    rows = cut_rows(body)
    if len(rows) > MOST_ROWS:
        raise ContentTooLarge(
            f"{len(rows):,} rows are more than the {MOST_ROWS:,} that one request may bring; send them in several, or "
            "as a file with mastery ingest"
        )
    return rows


def _rejected(refusals: Sequence[Refusal]) -> list[RejectedRow]:
    return [RejectedRow(index=one.index, id=one.id, problem=one.problem) for one in refusals]


def _submitted(desk: Desk, parameters: EventsParameters, body: bytes) -> Future[Taken]:
    intake = desk.intakes(desk.tenant_of(parameters))
    rows = _rows_of(body)
    if len(rows) <= FEW_ROWS:
        return intake.post(rows, parameters.table)
    incoming = intake.understand(rows, parameters.table)
    if parameters.returns == "scores" and len(incoming.students) > MOST_SCORED:
        raise BadInput(
            f"return=scores is for rows of at most {MOST_SCORED} students, and these are of {len(incoming.students)}; "
            "send fewer, or leave it out and read the class"
        )
    return intake.submit(incoming)


def _scores(desk: Desk, parameters: EventsParameters, taken: Taken) -> list[StudentDocument]:
    """Return the changed scores of each student, on the topics of the new events that there are scores of."""
    found = []
    for student, topics in sorted(taken.changed.items()):
        for wanted in (sorted(topics) or None, None):
            try:
                document = desk.reader(parameters).student(
                    student,
                    tenant=desk.tenant_of(parameters),
                    as_of_us=desk.now(),
                    source=parameters.scorer,
                    topics=wanted,
                )
            except NotFound:  # withdrawn, or on another topic now
                continue
            found.append(document)
            break
    return found
