"""What the dashboard requests of the API. Documents come back as the JSON they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from mastery.errors import MasteryError

Document = dict[str, Any]

PAGE = 60
"""Students shown at once: as many rows as a screen shows legibly."""


class ApiDown(MasteryError):
    """The API does not answer, or not as the API would."""

    title = "The API does not answer"

    def __init__(self, url: str, said: str) -> None:
        self.url = url
        super().__init__(f"no answer from {url} ({said}); start it with `mastery serve`, or look at its log")


class Refused(MasteryError):
    """The API answered with a problem."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.status = int(problem.get("status", 500))
        self.title = str(problem.get("title", "The API refused"))
        super().__init__(str(problem.get("detail", "")))


class Client:
    """Requests documents of one API. Safe for threads."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        # no proxy of the environment: the API is on this machine, and what it says is nobody else's
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, trust_env=False)

    def class_page(self, scorer: str | None, offset: int = 0, student_id: str | None = None) -> Document:
        """Return a page of the class: its numbers, students, topics and scores.

        Args:
            scorer: None for the one that the API shows when nobody chooses.
            student_id: The page that this student is on, instead of `offset`.
        """
        chosen = {} if scorer is None else {"scorer": scorer}
        where: dict[str, str | int] = {"offset": offset} if student_id is None else {"student_id": student_id}
        return self._get("/mastery", {**chosen, **where, "limit": PAGE})

    def in_need(self, scorer: str, limit: int) -> Document:
        """Return who needs help first, each student once."""
        return self._get("/in-need", {"scorer": scorer, "limit": limit})

    def student(self, student_id: str, scorer: str | None, as_of: str | None) -> Document:
        """Return one student's topics with their reasons; as of now without `as_of`."""
        parameters = {"scorer": scorer, "as_of": as_of}
        path = f"/mastery/{quote(student_id, safe='')}"
        return self._get(path, {name: value for name, value in parameters.items() if value is not None})

    def history(self, student_id: str, topic_id: str, scorer: str) -> Document:
        """Return one student's history on a topic."""
        path = f"/mastery/{quote(student_id, safe='')}/{quote(topic_id, safe='')}/history"
        return self._get(path, {"scorer": scorer})

    def _get(self, path: str, parameters: Mapping[str, str | int]) -> Document:
        try:
            answer = self._http.get(path, params=dict(parameters))
            document = answer.json()
        except httpx.HTTPError as error:
            raise ApiDown(self.url, type(error).__name__) from None
        except ValueError:
            raise ApiDown(self.url, "what answers there speaks no JSON") from None
        if not isinstance(document, dict):
            raise ApiDown(self.url, "what answers there is not the API")
        if answer.is_error:
            raise Refused(document)
        return document
