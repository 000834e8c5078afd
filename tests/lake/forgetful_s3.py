"""A server with as much of S3's API as Delta's log needs, in memory, which can be wrong about conditional put."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

HONOURS, IGNORES, LOOKS_FIRST, REFUSES = "honours", "ignores", "looks first", "refuses"
"""What it does with `If-None-Match: *`: what S3 does; nothing; looks, then puts without a lock; answers with 501."""


class Forgetful(ThreadingHTTPServer):
    """One bucket of objects.

    Attributes:
        manner: What it does with a conditional put.
        objects: Key → content.
        puts: Keys that were put, in order.
    """

    daemon_threads = True

    def __init__(self, manner: str) -> None:
        self.manner = manner
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, key: str, content: bytes, only_new: bool) -> int:
        """Put an object; return the status."""
        if only_new and self.manner == REFUSES:
            return 501
        if only_new and self.manner == LOOKS_FIRST:
            there = key in self.objects
            time.sleep(0.3)
            if there:
                return 412
        with self.lock:
            if only_new and self.manner == HONOURS and key in self.objects:
                return 412
            self.objects[key] = content
            self.puts.append(key)
            return 200


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Forgetful

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.answer(self.server.put(self.key, content, self.headers.get("if-none-match") == "*"))

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if "list-type" in asked.query:
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            self.answer(200, self.listed(query.get("prefix", ""), query.get("start-after", "")))
        elif self.key in self.server.objects:
            self.answer(200, self.server.objects[self.key])
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_HEAD(self) -> None:
        found = self.server.objects.get(self.key)
        self.answer(404 if found is None else 200, found or b"", body=False)

    def do_DELETE(self) -> None:
        self.server.objects.pop(self.key, None)
        self.answer(204)

    @property
    def key(self) -> str:
        return urlsplit(self.path).path.split("/", 2)[-1]

    def listed(self, prefix: str, after: str) -> bytes:
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"1"</ETag><Size>{len(content)}</Size></Contents>'
            for key, content in sorted(self.server.objects.items())
            if key.startswith(prefix) and key > after
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()

    def answer(self, status: int, content: bytes = b"", *, body: bool = True) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.send_header("etag", '"1"')
        self.send_header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(manner: str) -> Iterator[Forgetful]:
    server = Forgetful(manner)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
