"""Servers for tests, as processes on loopback, with their data in a temporary folder: PostgreSQL, Redis, Kafka, S3.

`make services` starts those that the machine can run and writes where they are into `.services.json`, until it is ended
with Ctrl-C. Tests use what is up there, else start one of their own, once for each process that runs tests. Whoever
started a server ends it, by its process id; nobody else's is touched.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

VERSIONS = {"postgresql": "15", "redis": "7.0", "kafka": "4.1.0", "s3": "1.8.0"}
"""What the tests have been run with. Of PostgreSQL and Redis, those of Debian 12, later ones are taken as they are. S3
is the Versity gateway; `MOTO` is what stands in for it where there is no Go."""

MOTO = "5.2.5"

UP = Path(__file__).parents[1] / ".services.json"
"""Name → URL of what `make services` has started."""

READY_S = 60.0


T = TypeVar("T")


class Missing(Exception):
    """The machine has no such server; the message says how to get it."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1.0)
        return one.connect_ex(("127.0.0.1", port)) == 0


class Server(ABC):
    """One server, as a process of ours.

    Attributes:
        url: Where clients find it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def make(self) -> None: ...

    def ready(self) -> bool:
        return answers(self.port)

    def start(self) -> None:
        """Start it, or start it again with the data that it had, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **self.user()
            )
        deadline = time.monotonic() + READY_S
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")[-2_000:]
                self.kill()
                raise RuntimeError(f"{type(self).__name__} did not start: {said}")
            time.sleep(0.05)

    def user(self) -> dict[str, object]:
        return {}

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(READY_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Postgresql(Server):
    """PostgreSQL, which refuses to run as root: then it runs as nobody else but `postgres`."""

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @staticmethod
    def program(name: str) -> str:
        found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
        if found is None:
            raise Missing("PostgreSQL is not installed: apt-get install postgresql")
        return found

    def user(self) -> dict[str, object]:
        if os.getuid():
            return {}
        try:
            postgres = pwd.getpwnam("postgres")
        except KeyError:
            raise Missing(
                "PostgreSQL does not run as root, and there is no user postgres: apt-get install postgresql"
            ) from None
        return {"user": postgres.pw_uid, "group": postgres.pw_gid, "extra_groups": [], "cwd": "/"}

    def make(self) -> None:
        user = self.user()
        if user:
            os.chown(self.folder, int(str(user["user"])), int(str(user["group"])))
        initdb = [
            self.program("initdb"),
            "-D",
            str(self.folder / "data"),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **user)

    def command(self) -> list[str]:
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "64MB"}
        return [
            self.program("postgres"),
            "-D",
            str(self.folder / "data"),
            "-p",
            str(self.port),
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def ready(self) -> bool:
        asked = [self.program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked).returncode == 0

    def stop(self, how: int = signal.SIGINT) -> None:
        super().stop(how)


class Redis(Server):
    """Redis as a state store needs it; `options` come after what it needs, and win."""

    def __init__(self, folder: Path, **options: str) -> None:
        super().__init__(folder)
        self.options = {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": "", **options}

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def make(self) -> None:
        pass

    def command(self) -> list[str]:
        program = shutil.which("redis-server")
        if program is None:
            raise Missing("Redis is not installed: apt-get install redis-server")
        options = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.folder), **self.options}
        return [program, *(word for name, value in options.items() for word in (f"--{name}", value))]


JARS = Path(__file__).parents[1] / ".services" / f"kafka-{VERSIONS['kafka']}"
"""Kafka and what it needs, from Maven Central; fetched once for a clone."""

POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mastery.tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSIONS["kafka"]}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version>
    </dependency>
  </dependencies>
</project>
"""

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.dirs={folder}/data
"""


class Kafka(Server):
    """Apache Kafka, one broker that is its own controller (KRaft); `options` come after what it needs, and win. Its own
    port, that of its controller and its folder may stand in them, as in `{port}`.
    """

    def __init__(self, folder: Path, **options: str) -> None:
        super().__init__(folder)
        self.options = options

    @property
    def url(self) -> str:
        return f"kafka:127.0.0.1:{self.port}"

    @staticmethod
    def jars() -> Path:
        if not JARS.exists():
            maven = shutil.which("mvn")
            if maven is None:
                raise Missing("Kafka is fetched by Maven, which is not installed: apt-get install maven")
            JARS.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=JARS.parent) as folder:
                (Path(folder) / "pom.xml").write_text(POM)
                fetch = [maven, "-q", "-B", "-f", f"{folder}/pom.xml", "dependency:copy-dependencies"]
                done = subprocess.run(
                    [*fetch, "-DincludeScope=runtime", f"-DoutputDirectory={folder}/jars"],
                    capture_output=True,
                    text=True,
                )
                if done.returncode:
                    said = (done.stdout + done.stderr).strip().partition("\n")[0]
                    raise Missing(f"Kafka cannot be fetched from Maven Central ({said}): give Maven a way there")
                with suppress(OSError):  # another process of the tests was faster
                    (Path(folder) / "jars").rename(JARS)
        return JARS

    def java(self, name: str, *words: str) -> list[str]:
        program = shutil.which("java")
        if program is None:
            raise Missing("Kafka needs Java, which is not installed: apt-get install default-jre-headless")
        return [program, "-Xmx512m", "-cp", f"{self.jars()}/*", name, *words, str(self.folder / "server.properties")]

    def make(self) -> None:
        more = "".join(f"{name}={value}\n" for name, value in self.options.items())
        properties = (PROPERTIES + more).format(port=self.port, controller=free_port(), folder=self.folder)
        (self.folder / "server.properties").write_text(properties)
        # 0 at first: an id that began with - would be taken for an option
        cluster = base64.urlsafe_b64encode(bytes(1) + uuid4().bytes[1:]).decode().rstrip("=")
        format_ = self.java("kafka.tools.StorageTool", "format", "-t", cluster, "-c")
        subprocess.run(format_, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def command(self) -> list[str]:
        return self.java("kafka.Kafka")

    def ready(self) -> bool:
        """Whether it makes topics: it answers before it does."""
        if not answers(self.port):
            return False
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.port}", "log_level": 2})
        try:
            admin.create_topics([NewTopic("ready", 1, 1)], request_timeout=2.0)["ready"].result()
        except KafkaException as error:
            return bool(error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS)
        return True


FETCHED = JARS.parent
"""What is fetched or built once for a clone."""

KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "for-tests-only", "AWS_REGION": "us-east-1"}
"""Of the S3 server of tests: no secret, for it answers this machine alone and is gone with the tests."""

GATEWAY = FETCHED / f"versitygw-{VERSIONS['s3']}"
STAND_IN = FETCHED / f"moto-{MOTO}"
OLDEST_GO = (1, 21)
"""From this one on, Go fetches the newer one that the gateway asks for."""


class S3(Server):
    """A server with the API of S3: the Versity gateway, over a folder; where there is no Go, moto, which keeps nothing
    when it ends.
    """

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keeps(self) -> bool:
        """Whether what it holds is there again when it is started again."""
        return self.program().name != "moto_server"

    @staticmethod
    def program() -> Path:
        installed = shutil.which("versitygw")
        if installed is not None:
            return Path(installed)
        go = shutil.which("go")
        with _one_at_a_time():
            if go is not None and _go_version(go) >= OLDEST_GO:
                return _gateway(go)
            return _stand_in()

    def make(self) -> None:
        (self.folder / "data").mkdir()

    def user(self) -> dict[str, object]:
        keys = {"ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"]}
        return {"env": os.environ | keys}

    def command(self) -> list[str]:
        program = str(self.program())
        if not self.keeps:
            return [program, "-H", "127.0.0.1", "-p", str(self.port)]
        return [program, "--port", f"127.0.0.1:{self.port}", "posix", str(self.folder / "data")]


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run([go, "version"], capture_output=True, text=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0,)


def _gateway(go: str) -> Path:
    """Build the gateway: some 100 s of processor time the first time on a machine, 43 modules."""
    program = GATEWAY / "versitygw"
    if not program.exists():
        module = f"github.com/versity/versitygw/cmd/versitygw@v{VERSIONS['s3']}"
        built = subprocess.run(
            [go, "install", module],
            env=os.environ | {"GOBIN": str(GATEWAY), "CGO_ENABLED": "0"},
            cwd=FETCHED,
            capture_output=True,
            text=True,
        )
        if built.returncode:
            said = built.stderr.strip().rpartition("\n")[2]
            raise Missing(f"the S3 server cannot be built ({said}): give Go a way to its module proxy")
    return program


def _stand_in() -> Path:
    """Install moto into an environment of its own."""
    program = STAND_IN / "bin" / "moto_server"
    if not program.exists():
        uv = [sys.executable, "-m", "uv"]
        for step in (
            [*uv, "venv", "-q", "--clear", str(STAND_IN)],
            [*uv, "pip", "install", "-q", "--python", str(STAND_IN / "bin" / "python"), f"moto[server]=={MOTO}"],
        ):
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                said = done.stderr.strip().partition("\n")[0]
                raise Missing(
                    f"there is no S3 server ({said}): install Go 1.21 or later, from which the Versity gateway is "
                    "built, or give pip a way to PyPI, from where moto comes"
                )
    return program


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one process of the tests build; the others find what it has built."""
    FETCHED.mkdir(exist_ok=True)
    with (FETCHED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


SERVERS: dict[str, type[Server]] = {"postgresql": Postgresql, "redis": Redis, "kafka": Kafka, "s3": S3}


def started(kind: str, until: ExitStack, **options: str) -> Server:
    """Start a server of a kind, with its data in a folder of its own; both end with the stack.

    Raises:
        Missing: The machine has none.
    """
    folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix=f"mastery-{kind}-")))
    server = SERVERS[kind](folder, **options)
    server.make()
    server.start()
    until.callback(server.stop)
    return server


def url(kind: str, until: ExitStack) -> str:
    """Return where a server of a kind is: the one that is up, else one that ends with the stack.

    Raises:
        Missing: Neither is to be had.
    """
    up = json.loads(UP.read_text()).get(kind) if UP.exists() else None
    if up is not None and answers(int(up.rpartition(":")[2].partition("/")[0])):
        return str(up)
    return started(kind, until).url


def found_or_skipped(find: Callable[[], T]) -> T:
    """Return what is found; where the machine lacks it, skip the test, or fail it where REQUIRE_SERVICES is 1."""
    try:
        return find()
    except Missing as missing:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"REQUIRE_SERVICES=1, and {missing}", pytrace=False)
        pytest.skip(str(missing))


def main() -> None:
    """Start what can be started, say where, and end it with Ctrl-C."""
    with ExitStack() as until:
        found = {}
        for kind, version in VERSIONS.items():
            try:
                found[kind] = started(kind, until).url
                print(f"{kind} (tested with {version}): {found[kind]}", flush=True)
            except Missing as missing:
                print(f"{kind}: {missing}", flush=True)
        UP.write_text(json.dumps(found))
        until.callback(UP.unlink)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print("Ctrl-C ends them", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
