"""What the dashboard makes of the API's answers, against real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mastery.apps.dashboard.client import ApiDown, Client, Refused


@pytest.fixture
def server():
    """A server that answers with (status, body), and remembers the paths it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            status, body = self.server.answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.answer = [], (200, b"{}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server):
    return Client(f"http://127.0.0.1:{server.server_port}/")


def test_ids_with_any_letters_reach_the_api_whole(server, client):
    client.history("a/b", "c d/ü?", "bkt")
    assert server.asked == ["/mastery/a%2Fb/c%20d%2F%C3%BC%3F/history?scorer=bkt"]


def test_a_problem_is_told_in_its_own_words(server, client):
    server.answer = 404, json.dumps({"status": 404, "title": "Nothing", "detail": "no event of s_1"}).encode()
    with pytest.raises(Refused, match="no event of s_1") as refused:
        client.student("s_1", "bkt", None)
    assert (refused.value.status, refused.value.title) == (404, "Nothing")


@pytest.mark.slow
@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, b"[]"), (502, b"bad gateway")])
def test_what_is_not_the_api_is_called_so(server, client, answer):
    server.answer = answer
    with pytest.raises(ApiDown, match="mastery serve"):
        client.class_page("bkt")


def test_an_api_that_is_down_is_named_by_its_address():
    client = Client("http://127.0.0.1:9")
    with pytest.raises(ApiDown, match=r"http://127\.0\.0\.1:9"):
        client.class_page("bkt")


def test_what_altair_looks_for_among_the_modules_is_loaded_before_anything_is_drawn():
    program = "import sys; import mastery.apps.dashboard.charts; print({'numpy', 'pandas'} <= set(sys.modules))"
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def test_the_dashboard_loads_nothing_that_opens_a_store():
    program = (
        "import sys; import mastery.apps.dashboard.page, mastery.apps.dashboard.server\n"
        "ours = ('pipelines', 'lake', 'state', 'directory', 'scorers', 'features', 'events')\n"
        "print([name for name in ours if 'mastery.' + name in sys.modules], 'deltalake' in sys.modules)"
    )
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] False"
