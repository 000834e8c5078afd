"""The API and what runs beside it: one that fails ends both, and says which."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from mastery.apps.serving import Beside, ServerFailed, serve
from mastery.engine import Engine
from mastery.errors import Conflict
from mastery.settings import load_settings

SLEEPS = "import time; time.sleep(600)"
LISTENS = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(float(sys.argv[2]))
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def engine(home):
    engine = Engine.connect(load_settings(home=home, environ={"MASTERY_API__PORT": str(free_port())}).settings)
    yield engine
    engine.close()


def beside(program: str, *arguments: object) -> Beside:
    port = free_port()
    line = [sys.executable, "-c", program, str(port), *map(str, arguments)]
    return Beside(line, "127.0.0.1", port, f"http://127.0.0.1:{port}")


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_dashboard_that_ends_at_once_ends_the_api_and_is_named(engine):
    said = []
    with pytest.raises(ServerFailed, match="the dashboard ended by itself"):
        asyncio.run(serve(engine, beside("raise SystemExit(3)"), 60, said.append))
    assert said == []
    assert not is_taken(engine.settings.api.port)


@pytest.mark.slow
def test_a_dashboard_that_ends_later_ends_the_api_after_both_have_answered(engine):
    said, page = [], beside(LISTENS, 3)
    with pytest.raises(ServerFailed, match="the dashboard ended by itself"):
        asyncio.run(serve(engine, page, 60, said.append))
    assert said == [f"API        {engine.settings.api.url}", f"dashboard  {page.url}", "Ctrl-C ends both."]
    assert not is_taken(engine.settings.api.port)


@pytest.mark.slow
def test_a_dashboard_that_is_never_ready_is_given_up_and_ended(engine):
    page = beside(SLEEPS)
    with pytest.raises(ServerFailed, match="not ready after 1 s"):
        asyncio.run(serve(engine, page, 1, lambda _: None))
    assert not is_taken(engine.settings.api.port)


def test_a_taken_port_of_the_dashboard_is_told_with_the_setting_that_moves_it(engine):
    page = beside(SLEEPS)
    with socket.create_server(("127.0.0.1", page.port)), pytest.raises(Conflict, match="MASTERY_DASHBOARD__PORT="):
        asyncio.run(serve(engine, page, 1, lambda _: None))
