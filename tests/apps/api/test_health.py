"""A deployment that breaks under a running API: what it says, and what it does not say."""

from __future__ import annotations

import shutil

import pytest

from mastery.apps.api.app import create_app
from mastery.engine import Engine, now_us
from mastery.settings import load_settings


@pytest.fixture
def engine(home, tmp_path):
    folder = tmp_path / "home"
    shutil.copytree(home, folder)
    engine = Engine.connect(load_settings(home=folder, environ={}).settings)
    yield engine
    engine.close()


@pytest.fixture
def app(engine):
    return create_app(lambda _tenant: engine.reader, engine.pseudonyms, now_us, checks=engine.checks())


def test_a_whole_deployment_is_ready(client):
    assert client.get("/readyz").json() == {
        "status": "ready",
        "checks": {"events": "ok", "gold": "ok", "state": "ok"},
    }


def tear_log(table):
    (table / "_delta_log" / "00000000000000000000.json").write_text("{torn")


def tear_file(table):
    for file in table.rglob("*.parquet"):
        file.write_bytes(b"torn")


def lose_log(table):
    shutil.rmtree(table / "_delta_log")


@pytest.mark.parametrize("tear", [tear_log, tear_file, lose_log])
@pytest.mark.parametrize("table", ["events", "gold"])
def test_readiness_names_the_table_that_cannot_be_read_and_no_answer_a_path(client, engine, tmp_path, table, tear):
    assert client.get("/readyz").status_code == 200  # both tables are open
    tear(tmp_path / "home" / "lake" / "tenants" / "default" / table)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    named = answer.json()["detail"].removeprefix("cannot be read: ").partition(";")[0].split(", ")
    assert table in named
    assert table == "events" or named == ["gold"]  # without its events a lake cannot be opened at all
    for path in ("/readyz", "/mastery", "/mastery/S000014?as_of=2026-03-01", "/mastery/S000014/frac-equiv/history"):
        answer = client.get(path)
        assert answer.status_code in (200, 404, 500, 503)
        assert str(tmp_path) not in answer.text
        assert "parquet" not in answer.text
        assert "backtrace" not in answer.text


def test_readiness_names_the_state_store(client, tmp_path):
    for file in (tmp_path / "home" / "state").glob("default.db*"):
        file.unlink()
    (tmp_path / "home" / "state" / "default.db").write_bytes(
        b"not a database at all, but long enough to be looked at" * 100
    )
    assert "state" in client.get("/readyz").json()["detail"]
