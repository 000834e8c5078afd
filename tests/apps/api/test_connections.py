"""More connections than the process has file descriptors for, and clients that never finish: a real server."""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import uvicorn

from mastery.apps.api import connections
from mastery.apps.api.connections import capacity_of, is_exhaustion
from mastery.errors import Conflict

DESCRIPTORS = 128
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CLASS = b"GET /mastery?limit=5 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STUDENT = b"GET /mastery/S000014?as_of=latest HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
WAIT_S = 120


class Server:
    """The API alone on a free port, with few file descriptors; what it writes goes into a file."""

    def __init__(self, home: Path, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._said = folder / "said"
        api = [sys.executable, "-m", "mastery.apps.api"]
        line = ["sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh", *api]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("MASTERY_")}
        source = str(Path(__file__).parents[3] / "src")
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                line,
                cwd=folder,
                env=ours | {"PYTHONPATH": source, "MASTERY_HOME": str(home), "MASTERY_API__PORT": str(self.port)},
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    def get(self, path: str):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=WAIT_S) as answer:
            return answer.status, json.load(answer)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S)

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def warnings(self) -> list[str]:
        return [line for line in self._said.read_text().splitlines() if not line.startswith("INFO")]

    def until_ready(self) -> None:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                assert self.process.poll() is None, self._said.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)


@pytest.fixture
def server(home, tmp_path):
    server = Server(home, tmp_path)
    try:
        server.until_ready()
        server.get("/mastery/S000014?as_of=latest")  # kernels are loaded
        server.get("/mastery?limit=5")
        yield server
    finally:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(WAIT_S) == 0


def answers(sockets: list[socket.socket], wait_s: float) -> list[bytes]:
    """What came back on each of the sockets until it ended or nothing came for `wait_s`; they are closed."""
    found = {one.fileno(): b"" for one in sockets}
    with selectors.DefaultSelector() as ready:
        for one in sockets:
            one.setblocking(False)
            ready.register(one, selectors.EVENT_READ)
        while ready.get_map():
            events = ready.select(wait_s)
            if not events:
                break
            for key, _ in events:
                try:
                    piece = key.fileobj.recv(65_536)
                except OSError:
                    piece = b""
                found[key.fd] += piece
                if not piece:
                    ready.unregister(key.fileobj)
    for one in sockets:
        one.close()
    return list(found.values())


@pytest.mark.slow
def test_bursts_beyond_its_descriptors_are_answered_with_503_or_closed_and_it_goes_on_by_itself(server):
    statuses = []
    for request in (HEALTH, STUDENT, CLASS):
        held = []
        for _ in range(4 * DESCRIPTORS):
            with socket.socket() as one:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", server.port))
                held.append(socket.socket(fileno=one.detach()))
        for one in held:
            try:
                one.send(request)
            except OSError:  # not accepted yet, or turned away
                continue
        for answer in answers(held, 3):
            head, _, body = answer.partition(b"\r\n\r\n")
            status = int(head.split()[1]) if head else 0
            statuses.append(status)
            if status == 503:
                assert b"retry-after: 1" in head
                assert json.loads(body)["type"] == "urn:mastery:problem:busy"
        assert server.open_files() < DESCRIPTORS
    assert set(statuses) <= {0, 200, 503}
    assert statuses.count(200) >= 3 * 16
    assert 503 in statuses
    assert server.get("/mastery/S000014?as_of=latest")[1]["topics"]
    assert server.get("/readyz")[0] == 200
    assert len(server.warnings()) <= 60, server.warnings()[:5]


@pytest.mark.slow
def test_a_request_that_never_ends_is_closed_after_a_time_and_the_next_ones_are_answered(server):
    slow = []
    for _ in range(2 * DESCRIPTORS):
        try:
            one = socket.create_connection(("127.0.0.1", server.port), timeout=0.5)
        except OSError:
            continue
        one.settimeout(WAIT_S)
        slow.append(one)
        try:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        except OSError:  # turned away
            continue
    began = time.monotonic()
    ended = answers(slow, connections.REQUEST_S + 5)
    assert time.monotonic() - began < connections.REQUEST_S + 5
    assert set(ended) == {b""}
    assert server.get("/healthz")[0] == 200
    assert server.open_files() < DESCRIPTORS // 2


@pytest.mark.slow
def test_a_request_that_trickles_in_is_not_given_more_time_by_every_byte(server):
    one = server.connect()
    one.sendall(HEALTH)
    assert b"200 OK" in one.recv(65_536)
    began = time.monotonic()
    sent = 0
    for byte in b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"a" * 100:
        try:
            one.sendall(bytes([byte]))
        except OSError:  # closed by the other side
            break
        sent += 1
        time.sleep(0.5)
    assert sent < 100
    assert time.monotonic() - began < connections.REQUEST_S + 3
    one.close()


@pytest.mark.slow
def test_connections_that_are_half_open_are_closed(server):
    """Nothing sent; no more to be sent; a request whose body never comes; one answered, and nothing after it."""
    idle, ended, without_body, answered = (server.connect() for _ in range(4))
    ended.shutdown(socket.SHUT_WR)
    without_body.sendall(b"POST /mastery HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
    answered.sendall(HEALTH)
    began = time.monotonic()
    nothing, none_either, refused, alive = answers([idle, ended, without_body, answered], connections.REQUEST_S + 5)
    assert time.monotonic() - began < connections.REQUEST_S + 5
    assert (nothing, none_either) == (b"", b"")
    assert b" 405 " in refused
    assert b" 200 " in alive


@pytest.mark.slow
def test_handshakes_and_nonsense_are_answered_and_a_hundred_of_them_leave_a_few_lines_and_no_id(server):
    secret = b"S-secret-4711"
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n"
    )
    began = time.monotonic()
    for request, status in (
        (b"GET /mastery/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s" % (secret, upgrade), b" 404 "),
        (b"GET /%s nonsense\r\n\r\n" % secret, b" 400 "),
    ):
        for _ in range(4):
            sockets = [server.connect() for _ in range(25)]
            for one in sockets:
                one.sendall(request)
                one.shutdown(socket.SHUT_WR)
            assert any(status in answer for answer in answers(sockets, WAIT_S))
    said = server.warnings()
    assert len(said) <= 2 * (time.monotonic() - began + 1), said[:5]
    assert secret.decode() not in "".join(said)


@pytest.mark.slow
def test_a_student_is_read_while_connections_take_all_they_may(server):
    idle = [server.connect() for _ in range(20)]
    status, document = server.get("/mastery/S000010?as_of=latest")
    assert (status, len(document["topics"])) == (200, 18)
    for one in idle:
        one.close()


@pytest.mark.parametrize("descriptors", [96, 128, 256, 1_024, 4_096, 65_536])
def test_what_is_shared_out_is_never_more_than_there_is(descriptors):
    mine = capacity_of(descriptors, 20)
    taken = mine.connections + mine.refusals + mine.backlog + connections.FILES_PER_REQUEST * mine.requests
    assert taken + 20 + connections.LAKE_FILES <= descriptors
    assert min(mine.connections, mine.refusals, mine.backlog, mine.requests) >= connections.FEWEST


def test_too_few_descriptors_are_refused_with_the_number_that_does():
    with pytest.raises(Conflict, match="needs 72 at the least"):
        capacity_of(64, 20)
    capacity_of(72, 20)


def test_what_is_out_of_descriptors_is_told_from_what_is_not():
    def chained(inner):
        try:
            try:
                raise inner
            except Exception as error:
                raise Conflict("cannot be read") from error
        except Conflict as outer:
            return outer

    assert is_exhaustion(chained(OSError(24, "Too many open files")))
    assert is_exhaustion(RuntimeError("Generic LocalFileSystem error: Too many open files (os error 24)"))
    assert not is_exhaustion(chained(FileNotFoundError(2, "No such file")))
    assert not is_exhaustion(sqlite3.OperationalError("unable to open database file"))  # some are left


def test_a_request_that_finds_no_descriptor_is_a_503_that_says_when_to_come_again(client, reader, caplog):
    reader.fails = OSError(24, "Too many open files: '/srv/lake'")
    answer = client.get("/mastery/S000001")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["type"] == "urn:mastery:problem:busy"
    for _ in range(50):
        assert client.get("/mastery/S000001").status_code == 503
    assert sum("descriptor" in record.message for record in caplog.records) <= 2  # one a second
    reader.fails = None
    assert client.get("/mastery/S000001").status_code == 200


async def _sent_at_once(capacity: connections.Capacity) -> bool:
    """Tell whether what a server writes to a connection is sent at once, where it was given its socket."""
    found: list[bool] = []
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(connections._busy, log_config=None, lifespan="off")
    config.load()
    state = uvicorn.server.ServerState()

    class Looked(connections.protocol_of(capacity)):
        def connection_made(self, transport):
            super().connection_made(transport)
            given = transport.get_extra_info("socket")
            found.append(bool(given.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = await loop.create_server(lambda: Looked(config=config, server_state=state, app_state={}), sock=listening)
    async with server:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(HEALTH)
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        writer.close()
    return found == [True]


def test_an_answer_is_sent_without_waiting_for_the_client_to_acknowledge_a_part_of_it():
    assert asyncio.run(_sent_at_once(capacity_of(4_096, 20)))
