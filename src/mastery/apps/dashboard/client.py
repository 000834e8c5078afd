"""What the dashboard asks the API for. Documents come back as the JSON they are."""

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
    """Asks one API. Safe for threads."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        # no proxy of the environment: the API is on this machine, and what it says is nobody else's
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, trust_env=False)

    def class_page(self, scorer: str, offset: int = 0) -> Document:
        """Return a page of the class: students, topics and scores."""
        return self._get("/mastery", {"scorer": scorer, "offset": offset, "limit": PAGE})

    def student(self, student_id: str, scorer: str, as_of: str | None) -> Document:
        """Return one student's topics with their reasons; as of now without `as_of`."""
        moment = {} if as_of is None else {"as_of": as_of}
        return self._get(f"/mastery/{quote(student_id, safe='')}", {"scorer": scorer, **moment})

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
