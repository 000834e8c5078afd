"""The API over a reader that answers from memory: twenty obvious lines, and it remembers what was requested."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest
import uvicorn

from mastery.apps.api.app import create_app
from mastery.apps.api.examples import ANSWERS, CLASS, HISTORY, IN_NEED, ITEMS, STUDENT
from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import NotFound
from mastery.pipelines.queries.schemas import (
    AnswersDocument,
    ClassDocument,
    HistoryDocument,
    InNeedDocument,
    ItemProbabilitiesDocument,
    StudentDocument,
)
from mastery.school_days import UTC_DAYS

NOW_US = 1_780_000_000_000_000
NEWEST_US = 1_775_000_000_000_000
KEY = bytes(range(32))


class FakeReader:
    """Knows one student, S000001, and one topic of theirs."""

    days = UTC_DAYS

    def __init__(self) -> None:
        self.known = Pseudonyms(KEY).student("default", "S000001")
        self.requests: list[dict[str, object]] = []
        self.fails: Exception | None = None

    def student(self, student_id, **parameters):
        self._note(student_id, **parameters)
        return StudentDocument.model_validate(STUDENT | {"student_id": student_id})

    def history(self, student_id, topic_id, **parameters):
        self._note(student_id, topic_id=topic_id, **parameters)
        return HistoryDocument.model_validate(HISTORY | {"student_id": student_id, "topic_id": topic_id})

    def past_answers(self, student_id, topic_id, **parameters):
        self._note(student_id, topic_id=topic_id, **parameters)
        return AnswersDocument.model_validate(ANSWERS | {"student_id": student_id, "topic_id": topic_id})

    def item_probabilities(self, student_id, topic_id, **parameters):
        self._note(student_id, topic_id=topic_id, **parameters)
        return ItemProbabilitiesDocument.model_validate(ITEMS | {"student_id": student_id, "topic_id": topic_id})

    def class_scores(self, **parameters):
        self._note(self.known, **parameters)
        return ClassDocument.model_validate(CLASS)

    def in_need(self, **parameters):
        self._note(self.known, **parameters)
        return InNeedDocument.model_validate(IN_NEED)

    def newest_event_us(self):
        return NEWEST_US

    def _note(self, student_id, /, **parameters):
        self.requests.append(parameters)
        if self.fails is not None:
            raise self.fails
        if student_id != self.known:
            raise NotFound(f"no event of student {student_id!r}; check the id")


class Client:
    """Asks an app in this process, one request at a time."""

    def __init__(self, app) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def get(self, path, **request):
        return self.request("GET", path, **request)

    def post(self, path, **request):
        return self.request("POST", path, **request)

    def request(self, method, path, **request):
        async def ask():
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1:8321") as client:
                return await client.request(method, path, **request)

        return asyncio.run(ask())


@pytest.fixture
def reader():
    return FakeReader()


@pytest.fixture
def checks():
    return {"lake": lambda: 1, "state": lambda: 2}


@pytest.fixture
def app(reader, checks):
    return create_app(lambda _tenant: reader, Pseudonyms(KEY), lambda: NOW_US, tenant="default", checks=checks)


@pytest.fixture
def client(app):
    return Client(app)


@pytest.fixture
def url(app):
    """Where a real server answers for the app."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
