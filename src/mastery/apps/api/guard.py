"""Who may ask at all: programs of this machine, until the engine knows who may see which student.

Listening on loopback is not enough: a page on the internet can name a host that resolves to 127.0.0.1 and have
the browser ask it (DNS rebinding). Such a request bears the page's own host name, so that name is looked at.
"""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mastery.apps.api.problems import PRIVATE, problem


class LoopbackOnly:
    """Answers requests whose Host is this machine, and refuses the others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        if not is_loopback(host):
            detail = f"Host {host!r} is not this machine; use 127.0.0.1 or localhost"
            answer = problem(Request(scope), 421, "misdirected-request", "Requested under another name", detail)
            await answer(scope, receive, send)
            return

        async def send_private(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(PRIVATE)
            await send(message)

        await self._app(scope, receive, send_private)


def is_loopback(host: str) -> bool:
    """Return whether a Host header (name, or address, with or without a port) names this machine."""
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if port and not port.isdigit():
        return False
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
