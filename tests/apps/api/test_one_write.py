"""An answer goes out in one piece, and nothing of it is lost or waits."""

from __future__ import annotations

import asyncio

from mastery.apps.api.one_write import AT_ONCE, OneWrite


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = self.aborted = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.closed
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


async def in_turns(*turns: list[bytes], end: str = "") -> Wire:
    wire = Wire()
    connection = OneWrite(wire, asyncio.get_running_loop())
    for pieces in turns:
        for piece in pieces:
            connection.write(piece)
        if end:
            getattr(connection, end)()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return wire


def test_what_is_written_in_one_turn_is_sent_at_once_and_of_each_turn_in_order():
    wire = asyncio.run(in_turns([b"head", b"body", b""], [b"next"]))
    assert wire.sent == [b"headbody", b"next"]


def test_much_is_not_held_back():
    half = b"x" * (AT_ONCE // 2)
    wire = asyncio.run(in_turns([half, half, half, b"end"]))
    assert wire.sent == [half + half, half + b"end"]


def test_a_connection_that_is_closed_has_sent_everything_and_one_that_is_aborted_sends_nothing_more():
    closed = asyncio.run(in_turns([b"head", b"body"], end="close"))
    assert (closed.sent, closed.closed) == ([b"headbody"], True)
    aborted = asyncio.run(in_turns([b"head", b"body"], end="abort"))
    assert (aborted.sent, aborted.aborted) == ([], True)
