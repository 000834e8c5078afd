"""The messages of one poll while they are gathered: as many, and of as many bytes, as it may bring."""

from __future__ import annotations

from mastery.streams.source import Message


class Batch:
    """Takes messages until it is full.

    >>> batch = Batch(most=10, most_bytes=5)
    >>> [batch.add(Message("p", at, at + 1, None, b"abc", 0)) for at in range(2)]
    [True, False]

    Attributes:
        messages: What it has taken.
        full: Whether it takes no more.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.messages: list[Message] = []
        self.full = most < 1
        self._most, self._bytes_left = most, most_bytes

    def add(self, message: Message) -> bool:
        """Take a message, unless there is no room for it any more; then the batch is full. The first one has room."""
        size = len(message.value)
        if self.full or (self.messages and size > self._bytes_left):
            self.full = True
            return False
        self.messages.append(message)
        self._bytes_left -= size
        self.full = len(self.messages) >= self._most or self._bytes_left <= 0
        return True
