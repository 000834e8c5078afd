"""The routes: ask, and hand on. Nothing is computed here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from mastery.apps.api.examples import ANSWERS, CLASS, HISTORY, IN_NEED, ITEMS, STUDENT, example
from mastery.apps.api.problems import documented
from mastery.apps.api.request_parameters import (
    AnswersParameters,
    AtDesk,
    ClassParameters,
    InNeedParameters,
    ItemsParameters,
    ScoreParameters,
    StudentId,
    StudentParameters,
    TopicId,
    each_once,
)
from mastery.pipelines.queries.schemas import (
    AnswersDocument,
    ClassDocument,
    HistoryDocument,
    InNeedDocument,
    ItemProbabilitiesDocument,
    StudentDocument,
)

router = APIRouter(prefix="/mastery", tags=["mastery"], dependencies=[Depends(each_once)])
# Beside /mastery and not below it, where ids of students stand.
in_need = APIRouter(tags=["mastery"], dependencies=[Depends(each_once)])


@in_need.get(
    "/in-need",
    responses=example(IN_NEED) | documented("not-found", "bad-input", "busy"),
    summary="Who needs help first",
)
def read_in_need(desk: AtDesk, request: Annotated[InNeedParameters, Query()]) -> InNeedDocument:
    """Return who needs help first, as last published: students, each once, with topics, reasons and a next step."""
    return desk.reader(request).in_need(tenant=desk.tenant_of(request), source=request.scorer, limit=request.limit)


@router.get("", responses=example(CLASS) | documented("not-found", "bad-input", "busy"), summary="A class")
def read_class(desk: AtDesk, request: Annotated[ClassParameters, Query()]) -> ClassDocument:
    """Return a class as last published: the numbers of all of it and a page of students, the lowest mean first."""
    return desk.reader(request).class_scores(
        tenant=desk.tenant_of(request),
        source=request.scorer,
        topics=request.topic_id,
        offset=request.offset,
        limit=request.limit,
        order=request.order,
        student_id=None if request.student_id is None else desk.student(request.student_id, request),
    )


@router.get(
    "/{student_id}", responses=example(STUDENT) | documented("not-found", "bad-input", "busy"), summary="One student"
)
def read_student(
    student_id: StudentId, desk: AtDesk, request: Annotated[StudentParameters, Query()]
) -> StudentDocument:
    """Return how well one student masters each topic, how sure that is, and why; the lowest score first."""
    return desk.reader(request).student(
        desk.student(student_id, request),
        tenant=desk.tenant_of(request),
        as_of_us=desk.moment_us(request),
        source=request.scorer,
        topics=request.topic_id,
    )


# A skill's name may hold a slash, so the topic takes what stands between the student and /history.
@router.get(
    "/{student_id}/{topic_id:path}/history",
    responses=example(HISTORY) | documented("not-found", "bad-input", "busy"),
    summary="A history",
)
def read_history(
    student_id: StudentId, topic_id: TopicId, desk: AtDesk, request: Annotated[ScoreParameters, Query()]
) -> HistoryDocument:
    """Return a student's score on a topic at the end of each day with activity, oldest first, as last published."""
    student = desk.student(student_id, request)
    return desk.reader(request).history(student, topic_id, tenant=desk.tenant_of(request), source=request.scorer)


@router.get(
    "/{student_id}/{topic_id:path}/answers",
    responses=example(ANSWERS) | documented("not-found", "bad-input", "busy"),
    summary="Past answers",
)
def read_past_answers(
    student_id: StudentId, topic_id: TopicId, desk: AtDesk, request: Annotated[AnswersParameters, Query()]
) -> AnswersDocument:
    """Return which past answers of a student make linear_rnn's score of a topic, those that weigh most first."""
    student = desk.student(student_id, request)
    return desk.reader(request).past_answers(
        student, topic_id, tenant=desk.tenant_of(request), as_of_us=desk.moment_us(request)
    )


@router.get(
    "/{student_id}/{topic_id:path}/items",
    responses=example(ITEMS) | documented("not-found", "bad-input", "busy"),
    summary="Probabilities by item",
)
def read_item_probabilities(
    student_id: StudentId, topic_id: TopicId, desk: AtDesk, request: Annotated[ItemsParameters, Query()]
) -> ItemProbabilitiesDocument:
    """Return how likely a student is to answer each item of a topic correctly now: for choosing items, not a score."""
    return desk.reader(request).item_probabilities(
        desk.student(student_id, request),
        topic_id,
        tenant=desk.tenant_of(request),
        as_of_us=desk.moment_us(request),
        items=request.item_id,
    )
