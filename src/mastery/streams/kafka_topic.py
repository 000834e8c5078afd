"""Which topic of Kafka has a name at the moment: one that was deleted and made again begins at offset 0 once more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mastery.streams.source import StreamUnusable

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient


class TopicId:
    """Asks the brokers for the id of a topic. In any thread: those who wait together are answered by one request."""

    def __init__(self, servers: str, topic: str, client: Callable[[], AdminClient]) -> None:
        """Take the topic; `client` is called when it is first needed."""
        self._servers, self._topic, self._make = servers, topic, client
        self._client: AdminClient | None = None
        self._turn = threading.Lock()
        self._id: str = ""
        self._as_of_s = float("-inf")

    def now(self, wait_s: float) -> str:
        """Return the id as of a moment after the call: no other topic that has the name later has the same.

        Args:
            wait_s: How long a broker is waited for.

        Raises:
            StreamUnusable: None answers, or there is no such topic.
        """
        called_s = time.monotonic()
        with self._turn:
            if self._as_of_s < called_s:
                asked_s = time.monotonic()
                self._id = self._asked(wait_s)
                self._as_of_s = asked_s
            return self._id

    def _asked(self, wait_s: float) -> str:
        from confluent_kafka import KafkaError, KafkaException, TopicCollection

        if self._client is None:
            self._client = self._make()
        answer = self._client.describe_topics(TopicCollection([self._topic]), request_timeout=wait_s)
        try:
            return str(answer[self._topic].result().topic_id)
        except KafkaException as error:
            said: KafkaError = error.args[0]
            if said.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise StreamUnusable(
                    f"there is no topic {self._topic!r} at {self._servers} at the moment ({said.str()}); make it, or "
                    "correct the name"
                ) from None
            raise away(self._servers, said.str()) from None


def away(servers: str, why: object) -> StreamUnusable:
    """Return the error of brokers that do not answer."""
    return StreamUnusable(
        f"no Kafka broker answers at {servers} ({why}); start it, or correct the address or the setting kafka_options, "
        "then run this again"
    )
