"""A network to a server that can hang: it forwards until it does not, and closes no connection meanwhile."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress

BACKLOG, PIECE = 64, 1 << 16


class Forwarder:
    """Forwards connections to a port of this machine. While it hangs it takes what is sent, and passes nothing on.

    Attributes:
        port: Where clients connect to.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port = int(self._listener.getsockname()[1])
        self._passing = threading.Event()
        self._kept_back: re.Pattern[bytes] | None = None
        self._unanswered: re.Pattern[bytes] | None = None
        self._known: set[bytes] = set()
        self._waiting: list[threading.Event] = []
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._closed = False
        self.forward()
        threading.Thread(target=self._accept, name="forwarder", daemon=True).start()

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def hang(self) -> None:
        """Pass nothing on, either way."""
        self._passing.clear()

    def hold(self, wish: bytes) -> None:
        """Hold each connection back from when a client sends this on it, so that it does not get there; others pass.

        wish: A regular expression.
        """
        self._kept_back = re.compile(wish)

    def keep_answer_to(self, wish: bytes) -> None:
        """Pass nothing back on a connection on which a client sends this, each for the first time: what it wishes is
        done, and nobody is told. What comes on other connections, or is sent again, passes.

        wish: A regular expression; whatever it matches counts as the same wish.
        """
        self._unanswered = re.compile(wish)

    def forward(self) -> None:
        """Pass on what has been waiting, in its order, and all that comes."""
        self._kept_back = self._unanswered = None
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for one in (self._passing, *waiting):
            one.set()

    def close(self) -> None:
        """End, and close all connections."""
        with self._lock:
            self._closed = True
        self.forward()
        for one in [self._listener, *self._open]:
            _close(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        """Connect to the server once anything may get there, and forward both ways."""
        self._keep(client)
        self._passing.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._to))
        except OSError:  # the server is away: so is the client's connection
            _close(client)
            return
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._keep(server)
        answering = threading.Event()
        answering.set()
        threading.Thread(target=self._pump, args=(server, client, answering, None), daemon=True).start()
        self._pump(client, server, None, answering)

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        passing: threading.Event | None,
        answering: threading.Event | None,
    ) -> None:
        """Pass on what comes, and its end.

        passing: While it is set; None: always.
        answering: What the way back of this connection passes by.
        """
        with suppress(OSError):  # one of the two was closed
            while piece := source.recv(PIECE):
                if answering is not None:
                    self._look_at(piece, answering)
                self._wait(passing)
                sink.sendall(piece)
        self._wait(passing)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _wait(self, passing: threading.Event | None) -> None:
        if passing is not None:
            passing.wait()
        self._passing.wait()

    def _look_at(self, piece: bytes, answering: threading.Event) -> None:
        """Do to a connection what somebody wants done to those on which this is sent."""
        kept_back, unanswered = self._kept_back, self._unanswered
        if kept_back is not None and kept_back.search(piece):
            self._until_forwarded().wait()
        found = None if unanswered is None else unanswered.search(piece)
        if found is not None and found[0] not in self._known:
            self._known.add(found[0])
            answering.clear()
            self._until_forwarded(answering)

    def _until_forwarded(self, one: threading.Event | None = None) -> threading.Event:
        """Return what `forward` sets."""
        found = threading.Event() if one is None else one
        with self._lock:
            self._waiting.append(found)
        return found

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            if self._closed:
                _close(one)
            self._open.append(one)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
