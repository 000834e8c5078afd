"""Only this machine is answered."""

from __future__ import annotations

import pytest

from mastery.apps.api.guard import is_loopback


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8321", "localhost", "LOCALHOST", "LocalHost:80", "[::1]", "[::1]:8321", "127.8.9.10:1"],
)
def test_this_machine_is_answered(client, host):
    assert is_loopback(host)
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8321",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "10.0.0.1",
        "127.0.0.1:x",
    ],
)
def test_another_name_for_this_machine_is_refused(client, host):
    assert not is_loopback(host)
    answer = client.get("/healthz", headers={"host": host})
    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:mastery:problem:misdirected-request"
