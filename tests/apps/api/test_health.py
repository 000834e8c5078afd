"""A deployment that breaks under a running API: what it says, and what it does not say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from apps.api.conftest import Client
from mastery.apps.api.app import create_app
from mastery.engine import Engine, now_us
from mastery.errors import Conflict
from mastery.events.identity import buckets
from mastery.lake import files
from mastery.lake.location import locate
from mastery.settings import load_settings
from mastery.tables import EVENTS


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
        "checks": {"events": "ok", "gold": "ok", "models": "ok", "state": "ok"},
    }


def tear_log(table):
    (table / "_delta_log" / "00000000000000000000.json").write_text("{torn")


def tear_file(table):
    for file in table.rglob("*.parquet"):
        file.write_bytes(b"torn")


def lose_log(table):
    shutil.rmtree(table / "_delta_log")


@pytest.mark.slow
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
        assert answer.status_code in (200, 404, 503)
        assert str(tmp_path) not in answer.text
        assert "parquet" not in answer.text
        assert "backtrace" not in answer.text
    if tear is lose_log:
        for path in ("/readyz", "/mastery"):
            assert (
                f"table '{table}': its log was deleted; restore it from a backup" in client.get(path).json()["detail"]
            )


def test_readiness_names_the_state_store(client, tmp_path):
    for file in (tmp_path / "home" / "state").glob("default.db*"):
        file.unlink()
    (tmp_path / "home" / "state" / "default.db").write_bytes(
        b"not a database at all, but long enough to be looked at" * 100
    )
    assert "state" in client.get("/readyz").json()["detail"]


def test_readiness_loads_the_active_model_set(client, tmp_path):
    assert client.get("/readyz").status_code == 200  # it is in memory now
    tear_log(tmp_path / "home" / "lake" / "tenants" / "default" / "items")
    assert client.get("/readyz").json()["detail"].startswith("cannot be read: models;")


def test_readiness_reads_a_row_of_a_large_table_and_not_the_table(engine, client):
    lake = engine.lake
    lake.compact(EVENTS)
    last = lake.snapshot(EVENTS).files[-1]
    file = Path(lake.root) / "events" / last.path
    with files.opened(locate(lake.root).child("events"), EVENTS, last.path) as opened:
        column = opened.leaves.index("student_id")
        start, size, _ = opened.chunks[column].tolist()
    content = bytearray(file.read_bytes())
    content[start + size // 2] ^= 1  # of a column that is not looked at
    file.write_bytes(content)
    assert client.get("/readyz").status_code == 200


PATHS = [
    "/readyz",
    "/mastery",
    "/mastery?order=bucket",
    "/mastery?student_id=S000014",
    "/mastery/S000014",
    "/mastery/S000014?as_of=2026-03-01",
    "/mastery/S000014/frac-equiv/history",
    "/mastery/S000014/frac-equiv/answers",
    "/mastery/S000014/frac-equiv/items",
    "/mastery/nobody",
]
INTERNALS = ("parquet", ".json", ".db", "backtrace", "traceback", "rust", "errno", "os error")
FAULTS = (
    lambda content: content[: len(content) // 2],
    lambda content: b"",
    lambda content: bytes(len(content)),
    lambda content: bytes([*content[:-20], content[-20] ^ 16, *content[-19:]]),
    None,  # it is gone
)


def broken_homes(folder: Path, rounds: int):
    """Break one file after the other, each in `rounds` ways; yield an engine that has answered before, or a new one."""
    with_student = f"bucket={int(buckets(pa.array([student_of(folder)]), 64)[0]):02d}"
    found = [path for path in sorted(folder.rglob("*")) if path.suffix in (".parquet", ".json", ".db")]
    found = [path for path in found if "bucket=" not in str(path) or with_student in str(path)]
    for number, path in enumerate(found):
        content = path.read_bytes()
        for turn in range(number, number + rounds):
            engine = Engine.connect(load_settings(home=folder, environ={}).settings)
            if turn % 2:
                engine.student("S000014")
            fault = FAULTS[turn % len(FAULTS)]
            if fault is None:
                path.unlink()
            else:
                path.write_bytes(fault(content))
            yield engine
            engine.close()
            path.write_bytes(content)
            for log in folder.glob("state/*.db-*"):
                log.unlink()


@pytest.mark.parametrize(
    "rounds", [pytest.param(1, marks=pytest.mark.slow), pytest.param(2 * len(FAULTS), marks=pytest.mark.soak)]
)
def test_whatever_file_is_broken_no_answer_is_a_500_or_names_what_lies_on_the_disk(home, tmp_path, rounds):
    folder = tmp_path / "home"
    shutil.copytree(home, folder)
    noticed = 0
    for engine in broken_homes(folder, rounds):
        try:
            reader, pseudonyms = engine.reader, engine.pseudonyms
        except Conflict:  # it does not start at all
            noticed += 1
            continue
        app = create_app(lambda _, reader=reader: reader, pseudonyms, now_us, checks=engine.checks())
        noticed += told(Client(app), tmp_path)
    assert noticed > 10 * rounds


def told(client, tmp_path) -> bool:
    """Ask for everything; tell whether something could not be answered."""
    statuses = []
    for path in PATHS:
        answer = client.get(path)
        statuses.append(answer.status_code)
        assert answer.status_code in (200, 404, 422, 503), answer.text
        assert str(tmp_path) not in answer.text
        assert not [word for word in INTERNALS if word in answer.text.lower()]
    return 503 in statuses


def student_of(folder) -> str:
    engine = Engine.connect(load_settings(home=folder, environ={}).settings)
    try:
        return engine.pseudonym("S000014")
    finally:
        engine.close()
