"""A light client of HTTP/1.1: some connections that stay open, on each one request after the other.

On asyncio's own transports, without a library: with httpx the client took more processor time than the server.
`python -m benchmarks.parts.http_client PORT REQUESTS CONNECTIONS RESULT` sends the requests that lie in a file, one
body in JSON a line, and writes how long each took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path


class _Connection(asyncio.Protocol):
    """Sends one request, waits for the whole answer, and sends the next."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None], times_ms: list[float]) -> None:
        self._requests, self._done, self._times_ms = requests, done, times_ms
        self._answer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(f"answered with {self._answer[:600].decode(errors='replace')}"))
            self._transport.close()
            return
        self._times_ms.append((time.perf_counter() - self._began) * 1e3)
        self._answer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(f"the server has closed a connection ({exc})"))

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._done.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)


def request_of(body: bytes, query: str) -> bytes:
    """Return a request that posts events."""
    return (
        b"POST /v1/events%s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % (query.encode(), len(body))
    ) + body


async def send_all(port: int, requests: list[bytes], connections: int) -> tuple[float, list[float]]:
    """Send all requests; return the seconds that it took, and the milliseconds of each.

    Raises:
        RuntimeError: One was not answered with 200.
    """
    loop, left = asyncio.get_running_loop(), iter(requests)
    times_ms: list[float] = []
    ends = [loop.create_future() for _ in range(connections)]
    began = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: _Connection(left, end, times_ms), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    return time.perf_counter() - began, times_ms


def main(port: str, file: str, query: str, connections: str, result: str) -> None:
    """Be the client."""
    requests = [request_of(body, query) for body in Path(file).read_bytes().splitlines()]
    seconds, times_ms = asyncio.run(send_all(int(port), requests, int(connections)))
    cpu_s = time.process_time()
    Path(result).write_text(json.dumps({"seconds": seconds, "times_ms": times_ms, "client_cpu_s": cpu_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
