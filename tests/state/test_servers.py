"""What the stores on a server do when it is away, hangs, is damaged, or of another version; and their addresses."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis

import services
from forwarder import Forwarder
from mastery.errors import BadInput
from mastery.settings.addresses import shown
from mastery.state import (
    STORES,
    CorruptRecord,
    Overtaken,
    RecordBlock,
    StateStore,
    StateUnusable,
    connect,
    decode,
    encode,
    encode_many,
    postgresql,
    server,
    url_of,
)
from mastery.state import redis as redis_store
from mastery.state.server import AWAY_S
from state.conftest import LAKE
from state.test_sqlite import COUNTS_UP

Block = Callable[..., RecordBlock]
Url = Callable[[str], str]

each_server = pytest.mark.parametrize("kind", [kind for kind in services.SERVERS if kind in STORES])


@pytest.fixture
def own(kind: str) -> Iterator[services.Server]:
    """A server that a test may stop."""
    with ExitStack() as until:
        yield services.found_or_skipped(lambda: services.started(kind, until))


def seeded(url: str, block: Block, students: int = 3) -> tuple[StateStore, str]:
    """Return a store with records, and one of its students."""
    store = connect(url)
    store.know_lake(LAKE, None)
    store.put_many(block(students))
    return store, decode(encode_many(block(1))[0].tobytes()).student_id


def folded(store: StateStore, student: str) -> int:
    record = store.get(student, "v1")
    assert record is not None
    return record.events_folded


@each_server
@pytest.mark.slow
def test_two_processes_that_race_for_one_record_lose_no_write(server: Url, block: Block, kind: str) -> None:
    url = url_of(server(kind), uuid4().hex)
    store, student = seeded(url, block)
    before = folded(store, student)
    racers = [subprocess.Popen([sys.executable, "-c", COUNTS_UP, url, "40", student], stdout=-3) for _ in range(2)]
    assert [racer.wait() for racer in racers] == [0, 0]
    assert folded(store, student) == before + 80
    store.close()


@each_server
def test_writers_of_the_same_students_in_other_orders_wait_for_each_other_and_end(
    server: Url, block: Block, kind: str
) -> None:
    url = url_of(server(kind), uuid4().hex)
    store, _ = seeded(url, block, students=300)
    ids = [f"s_{number:032x}" for number in range(300)]
    store.put_each([replace(one, version=0) for one in store.get_many(ids, "v1").records.values()])

    def count_up(order: int) -> int:
        mine, written = connect(url), 0
        for _ in range(4):
            read = list(mine.get_many(ids, "v1").records.values())[::order]
            written += len(read) - len(mine.put_each([replace(one, events_folded=order) for one in read]))
        mine.close()
        return written

    with ThreadPoolExecutor(2) as pool:
        written = sum(pool.map(count_up, (1, -1)))
    assert sum(store.version(student, "v1") for student in ids) == 300 + written
    store.close()


@each_server
def test_the_stores_of_a_server_do_not_meet_whatever_their_names(server: Url, block: Block, kind: str) -> None:
    long = "=c3=bc" * 30
    names = [f"{uuid4().hex}{name}" for name in (long + "a", long + "b", 'it\'s "quoted" %s; {}', "")]
    stores = [connect(url_of(server(kind), name)) for name in names]
    for students, store in enumerate(stores, start=1):
        store.know_lake(LAKE, None)
        store.put_many(block(students))
    assert [store.count() for store in stores] == [1, 2, 3, 4]
    for store in stores:
        store.close()


@each_server
def test_a_damaged_record_is_told_and_costs_the_others_nothing(server: Url, block: Block, kind: str) -> None:
    url, name = server(kind), uuid4().hex
    store, student = seeded(url_of(url, name), block)
    if kind == "postgresql":
        with psycopg.connect(url) as db:
            cut = f'UPDATE "mastery_{name}".records SET body = substr(body, 1, 40) WHERE student_id = %s'
            db.execute(cut, (student,))
        db.close()
    else:
        with redis.Redis.from_url(url) as client:
            client.hset(f"mastery:{name}:record:1:{student}", "b", b"MREC and nothing of a record")
    with pytest.raises(CorruptRecord):
        store.get(student, "v1")
    found = store.get_many([f"s_{number:032x}" for number in range(3)], "v1")
    assert len(found.records) == 2 and found.outdated[student].damaged is not None
    again = replace(decode(encode_many(block(1))[0].tobytes()), version=found.outdated[student].version)
    assert store.put_each([again]) == []
    mended = store.get(student, "v1")
    assert mended is not None and encode(mended) == encode(again)
    store.close()


@each_server
@pytest.mark.slow
def test_a_server_that_is_away_or_hangs_is_named_with_what_to_do_and_used_when_it_is_back(
    own: services.Server, block: Block, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (postgresql, redis_store):
        monkeypatch.setattr(module, "SILENT_S", 8.0)  # long enough for a server on a busy machine
    monkeypatch.setattr(server, "AWAY_S", 0.0)
    store, student = seeded(url_of(own.url, "north"), block)
    before = folded(store, student)
    own.kill()
    for ask in (lambda: store.get(student, "v1"), lambda: store.note_events([student], LAKE.position)):
        with pytest.raises(StateUnusable, match="does not answer: .*see whether it runs"):
            ask()
    own.start()
    assert folded(store, student) == before, "what was written is there"
    assert own.process is not None
    os.killpg(own.process.pid, signal.SIGSTOP)
    if kind == "postgresql":  # a process for each connection, in sessions of their own
        children = subprocess.check_output(["pgrep", "-P", str(own.process.pid)], text=True).split()
        for child in map(int, children):
            os.kill(child, signal.SIGSTOP)
    with pytest.raises(StateUnusable, match="does not answer"):
        store.get(student, "v1")
    os.killpg(own.process.pid, signal.SIGCONT)
    if kind == "postgresql":
        for child in map(int, children):
            os.kill(child, signal.SIGCONT)
    assert folded(store, student) == before
    store.close()


@pytest.mark.slow
def test_a_writer_who_hangs_in_the_middle_of_a_write_holds_nobody_up_for_long(
    server: Url, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "SILENT_S", 3.0)
    url = url_of(server("postgresql"), uuid4().hex)
    other, student = seeded(url, block)
    record = other.get(student, "v1")
    assert record is not None
    port = url.rpartition("@")[2].partition("/")[0].rpartition(":")[2]
    with Forwarder(int(port)) as network:
        hangs = connect(url.replace(f":{port}/", f":{network.port}/"))
        hangs.note_events([], LAKE.position)  # which connects
        network.hold(b"COMMIT")
        with pytest.raises(StateUnusable, match="does not answer"):
            hangs.put(replace(record, counters=record.counters + 1), record.version)
        for _ in range(10):
            try:
                other.put(record, record.version)
                break
            except StateUnusable:  # the row is locked until the server gives up on the other
                time.sleep(1.0)
        assert other.version(student, "v1") == record.version + 1
        network.forward()
        time.sleep(AWAY_S)
        assert folded(hangs, student) == record.events_folded
        hangs.close()
    written = other.get(student, "v1")
    assert written is not None and encode(written) == encode(replace(record, version=record.version + 1))
    other.close()


@each_server
def test_a_server_that_did_not_answer_is_left_alone_for_a_moment(kind: str) -> None:
    url = f"{kind}://127.0.0.1:{services.free_port()}/0"
    store = connect(url_of(url, "north"))
    for _ in range(2):
        with pytest.raises(StateUnusable, match="does not answer"):
            store.known_lake()
    store.close()
    now = [0.0]
    availability = server.Availability(lambda: now[0])
    availability.lost("does not answer")
    with pytest.raises(StateUnusable, match="does not answer"):
        availability.require()
    now[0] += server.AWAY_S
    availability.require()


@each_server
def test_a_store_of_a_later_version_is_refused(server: Url, block: Block, kind: str, monkeypatch: Any) -> None:
    url = url_of(server(kind), uuid4().hex)
    module = postgresql if kind == "postgresql" else redis_store
    with monkeypatch.context() as later:
        later.setattr(module, "LAYOUT", module.LAYOUT + 1)
        seeded(url, block)[0].close()
    store = connect(url)
    with pytest.raises(StateUnusable, match=r"has layout \d, this version knows \d: a later version made it"):
        store.count()
    store.close()


@each_server
def test_a_store_of_an_earlier_version_is_brought_up_to_date_and_keeps_its_records(
    server: Url, block: Block, kind: str, monkeypatch: Any, caplog: Any
) -> None:
    url = url_of(server(kind), uuid4().hex)
    module = postgresql if kind == "postgresql" else redis_store
    store, student = seeded(url, block)
    store.close()
    steps = {
        "postgresql": ("ALTER TABLE records ADD COLUMN added text", "ALTER TABLE records DROP COLUMN added"),
        "redis": ("redis.call('SET', KEYS[1] .. 'added', 1)", "redis.call('DEL', KEYS[1] .. 'added')"),
    }[kind]
    monkeypatch.setattr(module, "UPGRADES", dict(enumerate(steps, start=module.LAYOUT)))
    monkeypatch.setattr(module, "LAYOUT", module.LAYOUT + len(steps))
    for _ in range(2):
        store = connect(url)
        assert store.count() == 3 and store.get(student, "v1") is not None
        store.close()
    assert caplog.text.count("made by an earlier version") == (1 if kind == "postgresql" else 2)


def test_a_schema_without_places_of_streams_gets_a_table_for_them(server: Url, block: Block) -> None:
    url = url_of(server("postgresql"), uuid4().hex)
    store, student = seeded(url, block)
    store.close()
    address, _, name = url.rpartition("#")
    with psycopg.connect(address) as db:
        db.execute(f'SET search_path TO "mastery_{name}"')
        db.execute("DROP TABLE offsets")
        db.execute("UPDATE store SET layout = 1")
    store = connect(url)
    store.raise_stream_offsets({"kafka:a/0": 3}, LAKE.lineage)
    assert store.stream_offsets() == {"kafka:a/0": 3}
    assert store.get(student, "v1") is not None
    store.close()


@pytest.mark.parametrize(
    ("options", "wrong"), [({"appendonly": "no"}, "aof_enabled is 0"), ({"maxmemory-policy": "allkeys-lru"}, "lru")]
)
def test_a_redis_that_may_lose_records_is_refused_with_what_to_set(options: dict[str, str], wrong: str) -> None:
    with ExitStack() as until:
        own = services.found_or_skipped(lambda: services.started("redis", until, **options))
        store = connect(url_of(own.url, "north"))
        with pytest.raises(
            StateUnusable, match=rf"may lose records.*{wrong}.*`appendonly yes`.*`maxmemory-policy noev"
        ):
            store.known_lake()
        with redis.Redis.from_url(own.url) as client:
            client.config_set("appendonly", "yes")
            client.config_set("maxmemory-policy", "noeviction")
        assert store.known_lake() is None, "asked again once that is set"
        store.close()


def test_a_redis_without_memory_keeps_what_it_has_and_says_what_to_do(block: Block) -> None:
    from mastery.errors import Unwritable

    with ExitStack() as until:
        own = services.found_or_skipped(lambda: services.started("redis", until))
        store, student = seeded(url_of(own.url, "north"), block)
        with redis.Redis.from_url(own.url) as client:
            client.config_set("maxmemory", "1")
        with pytest.raises(Unwritable, match="no room to write student records.*maxmemory"):
            store.put_many(block(3, seed=2))
        assert store.get(student, "v1") is not None
        store.close()


@each_server
def test_a_password_is_in_no_message(kind: str) -> None:
    url = f"{kind}://mastery:s%40cret@127.0.0.1:{services.free_port()}/0"
    assert shown(url) == url.replace("s%40cret", "***")
    assert (
        shown(f"{kind}://host/db?password=secret&sslmode=require") == f"{kind}://host/db?password=***&sslmode=require"
    )
    store = connect(url_of(url, "north"))
    with pytest.raises(StateUnusable) as told:
        store.count()
    assert "cret" not in str(told.value)
    store.close()
    with pytest.raises(BadInput, match="holds a #") as refused:
        url_of(f"{url}#1", "north")
    assert "cret" not in str(refused.value)
    with pytest.raises(BadInput, match=r"names no store on a server"):
        connect(f"{kind}:localhost")


@each_server
def test_one_who_read_a_version_that_is_gone_is_overtaken(server: Url, block: Block, kind: str) -> None:
    store, student = seeded(url_of(server(kind), uuid4().hex), block)
    record = store.get(student, "v1")
    assert record is not None
    store.drop_students([student], LAKE.position._replace(version=9))
    with pytest.raises(Overtaken, match="expected version 1, found 0"):
        store.put(record, record.version)
    assert store.put_each([record]) == [student] and store.count() == 2
    store.close()


def test_redis_over_tls(tmp_path):
    folder, keys = tmp_path / "redis", tmp_path / "keys"
    folder.mkdir()
    keys.mkdir()
    key, certificate = str(keys / "key.pem"), str(keys / "certificate.pem")
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run([*made.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    server = services.Redis(folder)
    files = {"tls-cert-file": certificate, "tls-key-file": key, "tls-ca-cert-file": certificate}
    server.options |= {"port": "0", "tls-port": str(server.port), "tls-auth-clients": "no", **files}
    services.found_or_skipped(server.start)
    try:
        location = f"//127.0.0.1:{server.port}/0?ssl_ca_certs={certificate}"
        with closing(connect(f"rediss:{location}#north")) as store:
            assert store.know_lake(LAKE, None)
            assert store.known_lake() == LAKE
        with closing(connect(f"redis:{location.partition('?')[0]}#north")) as plain, pytest.raises(StateUnusable):
            plain.known_lake()
        unknown = f"rediss:{location.partition('?')[0]}#north"
        with closing(connect(unknown)) as store, pytest.raises(StateUnusable):  # nobody vouches for the server
            store.known_lake()
    finally:
        server.stop()
