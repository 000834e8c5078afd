"""What a request may ask for: the parameters of every route, checked before the route runs.

A parameter that no route knows is refused: a misspelt `as_off` would otherwise be answered as of now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from mastery.as_of import as_of_us, fixed
from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput, did_you_mean
from mastery.pipelines.live.forward import Forwarder
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.queries.class_view import Order
from mastery.pipelines.queries.reader import Reader
from mastery.scorers import with_scores

MOST_STUDENTS = 2_000
"""No page of a class is longer: with 300 topics it is 600,000 scores."""

MOST_IN_NEED = 100
"""No list of students in need is longer: each of them is read with the reasons of a topic."""


def _moment(text: str) -> str:
    fixed(text, "")  # the document says beside it that it is as_of
    return text


def _scorer(name: str) -> str:
    known = list(with_scores())
    if name not in known:
        raise ValueError(f"unknown scorer {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}")
    return name


REPEATABLE = frozenset({"topic_id", "item_id"})
"""Query parameters that may be given more than once; of any other, all but the last would go unheard."""


async def each_once(request: Request) -> None:
    """Refuse a request that gives another parameter than REPEATABLE twice.

    Raises:
        RequestValidationError: It does.
    """
    given = Counter(name for name, _ in request.query_params.multi_items())
    twice = [name for name, count in given.items() if count > 1 and name not in REPEATABLE]
    if twice:
        message = "given more than once; give it once"
        raise RequestValidationError(
            [{"type": "value_error", "loc": ("query", name), "msg": message} for name in twice]
        )


Moment = Annotated[
    str,
    AfterValidator(_moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": ["now", "latest"]},
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
            ],
            "default": "now",
        }
    ),
]
ScorerName = Annotated[str, AfterValidator(_scorer), WithJsonSchema({"type": "string", "enum": list(with_scores())})]
StudentId = Annotated[
    str, Path(description="The source's own id, or the pseudonym `s_…`.", examples=["S000001"], min_length=1)
]
TopicId = Annotated[str, Path(description="Topic.", examples=["frac-equiv"], min_length=1)]


AsOf = Annotated[
    Moment,
    Field(
        description="Scores at this moment: now; latest (the newest event of the lake); a date, which is the end of "
        "that school day; or a time in ISO 8601, without a zone by the school's clocks (write + as %2B).",
    ),
]


class TenantParameters(BaseModel, extra="forbid"):
    """What every route about students takes."""

    tenant: str | None = Field(None, min_length=1, description="Institution; the deployment's own when left out.")


class ScoreParameters(TenantParameters):
    """What every route about scores takes."""

    scorer: ScorerName | None = Field(None, description="Whose score; the deployment's own when left out.")


class StudentParameters(ScoreParameters):
    """What `GET /mastery/{student_id}` takes."""

    topic_id: list[str] | None = Field(None, description="Only these topics; may be given more than once.")
    as_of: AsOf = "now"


class AnswersParameters(TenantParameters):
    """What `GET /mastery/{student_id}/{topic_id}/answers` takes."""

    as_of: AsOf = "now"


class ItemsParameters(TenantParameters):
    """What `GET /mastery/{student_id}/{topic_id}/items` takes."""

    item_id: list[str] | None = Field(None, description="Only these items; may be given more than once.")
    as_of: AsOf = "now"


class ClassParameters(ScoreParameters):
    """What `GET /mastery` takes."""

    topic_id: list[str] | None = Field(None, description="Only these topics; may be given more than once.")
    order: Order = Field(
        "lowest_mean",
        description="How students are listed: by their mean score, the lowest first; or by bucket, as they lie in the "
        "lake, which is the faster order for reading everybody page by page.",
    )
    limit: int = Field(100, ge=1, le=MOST_STUDENTS, description="Students on a page.")
    offset: int = Field(0, ge=0, le=2**31, description="Students to pass over before the page begins.")
    student_id: str | None = Field(
        None,
        min_length=1,
        description="The page that this student is on, instead of an offset; the source's own id, or the pseudonym.",
    )


class InNeedParameters(ScoreParameters):
    """What `GET /in-need` takes."""

    limit: int = Field(10, ge=1, le=MOST_IN_NEED, description="Students, at most.")


@dataclass(frozen=True)
class Desk:
    """What routes need. Built once by `create_app`.

    Attributes:
        readers: Returns what answers for a tenant.
        intakes: Returns what takes the events of a tenant.
        forwarders: Returns what writes the events of a tenant to a stream instead; None where nothing does.
        now: The time in microseconds since 1970.
        tenant: The deployment's own.
    """

    readers: Callable[[str], Reader]
    intakes: Callable[[str], Intake]
    forwarders: Callable[[str], Forwarder | None]
    pseudonyms: Pseudonyms
    now: Callable[[], int]
    tenant: str

    def tenant_of(self, request: TenantParameters) -> str:
        """Return the tenant of a request."""
        return self.tenant if request.tenant is None else request.tenant

    def reader(self, request: TenantParameters) -> Reader:
        """Return what answers for the tenant of a request."""
        return self.readers(self.tenant_of(request))

    def student(self, student_id: str, request: TenantParameters) -> str:
        """Return the pseudonym of a student who is named by it or by the source's own id."""
        try:
            return self.pseudonyms.student(self.tenant_of(request), student_id)
        except UnicodeEncodeError:
            raise BadInput("the student id is not text in UTF-8; write it as the source does") from None

    def moment_us(self, request: StudentParameters | AnswersParameters | ItemsParameters) -> int:
        """Return the moment of a request."""
        reader = self.reader(request)
        return as_of_us(request.as_of, self.now(), reader.newest_event_us, days=reader.days)


async def _desk(request: Request) -> Desk:  # a plain function would be called in a thread
    desk = request.app.state.desk
    assert isinstance(desk, Desk)
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]
