"""A broker that wants TLS and a password is reached by the setting `kafka_options`, at every door that needs it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

import services
from any_stream import make_topic, take
from apps.working import row
from mastery.engine import Engine
from mastery.settings import load_settings
from mastery.streams import StreamUnusable, connect, connect_sink, key_of

pytestmark = pytest.mark.slow

PASSWORD = "no secret: it is gone with the test"

MODULE = "org.apache.kafka.common.security"
MECHANISMS = {
    "PLAIN": f'{MODULE}.plain.PlainLoginModule required user_worker="{PASSWORD}";',
    "SCRAM-SHA-512": f"{MODULE}.scram.ScramLoginModule required;",
}


class Safe(NamedTuple):
    """A broker, and its doors.

    Attributes:
        plain: The URL by which tests make topics.
        url: By which the engine is to come.
        options: What it needs there.
    """

    plain: str
    url: str
    options: dict[str, str]


def certificates(folder: Path) -> tuple[Path, Path]:
    """Make an authority and a key that it vouches for; return the authority, and the key with its certificate."""

    def openssl(words: str) -> None:
        subprocess.run(["openssl", *words.split()], check=True, capture_output=True, cwd=folder)

    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tests -keyout ca.key -out ca.pem")
    openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out wish.pem")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    openssl("x509 -req -in wish.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem")
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return folder / "ca.pem", both


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[services.Kafka, int, Path]]:
    """A broker with a door that is open, and one that takes TLS and a password alone."""
    authority, key = certificates(tmp_path_factory.mktemp("keys"))
    safe = services.free_port()
    listeners = f"PLAINTEXT://127.0.0.1:{{port}},SAFE://127.0.0.1:{safe}"
    options = {
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{{controller}}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SAFE:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(key),
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        **{f"listener.name.safe.{name.lower()}.sasl.jaas.config": said for name, said in MECHANISMS.items()},
    }
    with ExitStack() as until:
        found = services.found_or_skipped(lambda: services.started("kafka", until, **options))
        assert isinstance(found, services.Kafka)
        from confluent_kafka.admin import (
            AdminClient,
            ScramCredentialInfo,
            ScramMechanism,
            UserScramCredentialUpsertion,
        )

        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{found.port}"})
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wish = UserScramCredentialUpsertion("worker", scram, PASSWORD.encode())
        for done in admin.alter_user_scram_credentials([wish]).values():
            done.result()
        yield found, safe, authority


@pytest.fixture(params=MECHANISMS)
def safe(request: pytest.FixtureRequest, broker: tuple[services.Kafka, int, Path]) -> Safe:
    server, port, authority = broker
    name = uuid4().hex
    make_topic(f"{server.url}/{name}")
    options = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": request.param,
        "sasl.username": "worker",
        "sasl.password": PASSWORD,
        "ssl.ca.location": str(authority),
    }
    return Safe(f"{server.url}/{name}", f"kafka:127.0.0.1:{port}/{name}", options)


def test_events_are_posted_worked_on_and_refused_through_it(safe, tmp_path):
    dead = f"{safe.plain}-dead"
    make_topic(dead)
    environ = {"MASTERY_KAFKA_OPTIONS": json.dumps(safe.options), "MASTERY_API__STREAM": safe.url}
    settings = load_settings(home=tmp_path / "home", environ=environ).settings
    (tmp_path / "first.ndjson").write_text(row(0) + "\n")
    with Engine.connect(settings) as engine:
        engine.ingest([str(tmp_path / "first.ndjson")])
        forwarder = engine.forwarder()
        done = forwarder.forward([row(n).encode() for n in range(1, 4)])
        assert done.received == 3
        sink = connect_sink(safe.url, settings.stream_options)
        sink.send(key_of("default", "S1"), b"no row")
        sink.flush()
        sink.close()
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            worker = pool.submit(engine.follow, safe.url, stop, dead_letters=f"{safe.url}-dead", batch_s=0.05)
            try:
                while sum(engine.state.stream_offsets().values()) < 4:
                    assert not worker.done(), worker.result()
                    stop.wait(0.05)
            finally:
                stop.set()
            worker.result()
        assert not any(forwarder.progress(done.receipt).waiting.values())
        assert engine.student("S1", as_of="latest").topics[0].evidence_count == 4
    buried = connect(dead, "readers")
    buried.start(lambda _: {})
    assert [one.value for one in take(buried, 1)] == [b"no row"]
    buried.close()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"sasl.password": "another"}, "Authentication failed|invalid credentials"),
        ({"ssl.ca.location": ""}, "certificate verify failed"),
        ({"security.protocol": "sasl_plaintext"}, ""),
    ],
    ids=["password", "authority", "protocol"],
)
def test_who_may_not_come_in_is_told_why_and_without_the_password(safe, wrong, why, monkeypatch):
    monkeypatch.setattr("mastery.streams.kafka.REACH_S", 3.0)
    options = safe.options | wrong

    def opened() -> None:
        connect(safe.url, "readers", options).start(lambda _: {})

    for use in (lambda: connect_sink(safe.url, options), opened):
        with pytest.raises(StreamUnusable, match=rf"(?s)no Kafka broker .*({why}).* setting kafka_options") as told:
            use()
        assert PASSWORD not in str(told.value)
