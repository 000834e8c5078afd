"""What can be set, with its default, its limits and one line on what it does."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, model_validator

from mastery.disk import obstacle
from mastery.errors import BadInput
from mastery.time_zones import UTC_NAME, zone_named

BUILT_IN_RULES = ("classic", "spaced")
STATE_SERVERS = ("postgresql", "redis", "rediss")
STATE_BACKENDS = ("sqlite", *STATE_SERVERS)

DEFAULT_TENANT = "default"
"""The institution where none is named."""

AUTO = "auto"
"""The scorer of a deployment that has not chosen one."""


def cpu_count() -> int:
    """Return how many CPUs this process may use (a container may be given fewer than the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _loopback(host: str) -> str:
    if host == "localhost":
        return host
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise ValueError(
        "is not an address of this machine alone, and there is no access control yet: "
        "use 127.0.0.1 (or ::1, localhost) and put a proxy that knows who may see what in front of it"
    )


def _folder(path: Path) -> Path:
    folder = path.expanduser()
    why = obstacle(folder)
    if why is not None:
        raise ValueError(f"cannot be used: {why}; give a folder, or a path where one can be made")
    return folder


def _scorer(name: str | None) -> str | None:
    if name in (None, AUTO):
        return None
    return name  # the engine knows which scorers there are; loading them takes longer than all settings


def _tenant(name: str) -> str:
    if not name or name != name.strip() or not name.isprintable():
        raise ValueError("must be a name of printable characters, not blank, without space around it")
    return name


def _timezone(name: str) -> str:
    if name != UTC_NAME:
        try:
            zone_named(name)
        except BadInput as error:
            raise ValueError(str(error).removeprefix(f"{name!r} ")) from None
    return name


def state_url(location: str) -> str:
    """Return the place of a state store as it was given: one that the setting `state` may name.

    Raises:
        ValueError: It is none; the message says what it must be.
    """
    backend, colon, path = location.partition(":")
    if not colon or not path or backend not in STATE_BACKENDS:
        raise ValueError(f"must read backend:location, with a backend among: {', '.join(STATE_BACKENDS)}")
    if backend in STATE_SERVERS and not path.startswith("//"):
        raise ValueError(f"must be the URL of a server, like {backend}://user:password@host:port/database")
    return location


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


LoopbackHost = Annotated[str, AfterValidator(_loopback)]
Port = Annotated[int, Field(ge=1, le=65_535)]
TimeZone = Annotated[str, AfterValidator(_timezone)]


class ApiSettings(BaseModel, frozen=True, extra="forbid"):
    """Where the API listens."""

    host: LoopbackHost = Field("127.0.0.1", description="Address the API listens on; loopback only, for now.")
    port: Port = Field(8321, description="Port the API listens on.")
    stream: str | None = Field(
        None,
        min_length=1,
        description="Stream that posted events are written to, for `mastery work` to take, such as "
        "kafka:127.0.0.1:9092/answers; left out: they go straight into the lake and into scores.",
        json_schema_extra={"shown": "none"},
    )
    publish_every_s: int = Field(
        300,
        ge=0,
        le=31_622_400,
        description="Seconds after which the API publishes what posted events have changed, for classes, histories and "
        "tables, where they go straight into scores; 0: workers and recomputes publish.",
    )

    @property
    def url(self) -> str:
        """Where a client on this machine finds the API, without a slash at the end."""
        return _url(self.host, self.port)


class DashboardSettings(BaseModel, frozen=True, extra="forbid"):
    """Where the dashboard listens, and where it finds the API."""

    host: LoopbackHost = Field("127.0.0.1", description="Address the dashboard listens on; loopback only, for now.")
    port: Port = Field(8322, description="Port the dashboard listens on.")
    api_url: str | None = Field(None, description="Where the dashboard finds the API; left out: the API set above.")

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the dashboard."""
        return _url(self.host, self.port)


class WorkSettings(BaseModel, frozen=True, extra="forbid"):
    """What `mastery work` does beside the batches."""

    publish_every_s: int = Field(
        300,
        ge=0,
        le=31_622_400,
        description="Seconds after which `mastery work` publishes what has changed, for classes, histories and tables; "
        "0: only a recompute publishes.",
    )
    publish_share: float = Field(
        0.25,
        gt=0.0,
        le=1.0,
        description="Share of the time that publishing works while it lasts: between buckets it rests, so that batches "
        "go on meanwhile. 1: without a rest, four times as fast as with 0.25.",
    )
    compact_every_s: int = Field(
        600,
        ge=0,
        le=31_622_400,
        description="Seconds after which `mastery work` puts events of some buckets in order of students, beside the "
        "batches; 0: only small files are merged, between them.",
    )


class MetricsSettings(BaseModel, frozen=True, extra="forbid"):
    """Where the metrics for Prometheus are."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address that metrics are served on. They name tenants and partitions, and nobody.",
    )
    work_port: Port | None = Field(
        None, description="Port of the metrics of `mastery work`; left out: none.", json_schema_extra={"shown": "none"}
    )
    api_port: Port | None = Field(
        None, description="Port of the metrics of the API; left out: none.", json_schema_extra={"shown": "none"}
    )


class GateSettings(BaseModel, frozen=True, extra="forbid"):
    """What a fitted model set has to reach before it is activated without force."""

    answers: int = Field(500, ge=0, description="Fewest quiz answers that a model set has to be fitted to.")
    students: int = Field(10, ge=0, description="Fewest students that a model set has to be fitted to.")
    auc: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="What the lower end of the 95 % interval of the AUC has to exceed, on answers of students who were "
        "held out; 0.5 is guessing.",
    )
    ece: float = Field(
        0.10, ge=0.0, le=1.0, description="Largest calibration error (ECE) on answers of students who were held out."
    )
    pooled: float = Field(
        0.5, ge=0.0, le=1.0, description="Largest share of topics with too few answers for numbers of their own."
    )
    degenerate: float = Field(
        0.3,
        ge=0.0,
        le=1.0,
        description="Largest share of topics whose numbers cannot describe learning: guesses and slips that hide "
        "knowing, or answers from which nobody learns.",
    )
    unknown: float = Field(
        0.5, ge=0.0, le=1.0, description="Largest share of the answers on topics that the fit has not seen."
    )
    drift: float = Field(
        0.3,
        ge=0.0,
        le=1.0,
        description="Largest mean change of the score that people see, against the active model set.",
    )


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _in_home(*parts: str, prefix: str = "") -> Any:
    """Return a default factory: prefix + <home>/parts."""
    return lambda data: prefix + str(Path(data["home"]).joinpath(*parts))


class Settings(BaseModel, frozen=True, extra="forbid"):
    """All that a deployment can choose. Built once at the door by `load_settings`, passed down by value."""

    home: Annotated[Path, AfterValidator(_folder)] = Field(
        Path(".mastery"), description="Folder of lake, state and keys."
    )
    tenant: Annotated[str, AfterValidator(_tenant)] = Field(
        DEFAULT_TENANT, max_length=200, description="Institution that scopes student, topic and item ids."
    )
    scorer: Annotated[str | None, AfterValidator(_scorer)] = Field(
        None,
        description="Scorer whose score people are shown; all are computed. auto: blend, or the best that the "
        "active model set has. docs/scorers/README.md lists the others.",
        json_schema_extra={"shown": AUTO},
    )
    rules: str = Field(
        "classic",
        min_length=1,
        description=f"Weights of the rule-based score: {', '.join(BUILT_IN_RULES)}, or the path of a YAML file.",
    )
    buckets: int = Field(
        64,
        ge=1,
        le=4096,
        description="Folders over which a new lake spreads its students; an existing lake keeps its number.",
    )
    workers: int = Field(
        default_factory=cpu_count,
        ge=1,
        le=1024,
        description="Workers of a recompute.",
        json_schema_extra={"shown": "<number of CPUs>"},
    )
    active_days: int = Field(
        30,
        ge=1,
        description="Students active in this many days get their state from a recompute, and while `mastery work` runs "
        "with each of their events; others when it is needed.",
    )
    derived_history: bool = Field(
        True,
        description="Whether a recompute makes the history of ml and blend, for which it folds everybody once more.",
    )
    min_evidence: int = Field(
        3, ge=1, description="With fewer graded answers than this, the band is not_enough_evidence."
    )
    target: float = Field(
        0.6, gt=0.0, lt=1.0, description="Score to keep: each topic shows when its score will fall below it."
    )
    timezone: TimeZone = Field("UTC", description="Zone of time stamps that name none, like Europe/Berlin.")
    school_timezone: TimeZone = Field(
        "UTC",
        description="Zone of the schools: at its midnights one day ends and the next begins. After a change the next "
        "recompute makes all scores again.",
    )
    school_timezones: dict[Annotated[str, AfterValidator(_tenant)], TimeZone] = Field(
        default_factory=dict,
        description="The same by tenant, where some are elsewhere: `north: Asia/Kolkata`; in the environment as JSON.",
        json_schema_extra={"shown": "none"},
    )
    pseudonym_key: SecretStr | None = Field(
        None, description="Key of the pseudonyms, 64 hex digits; left out: read from, or made in, the key file."
    )
    pseudonym_key_file: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        default_factory=_in_home("keys", "pseudonym.key"),
        validate_default=True,
        description="File of the key of the pseudonyms, mode 0600.",
        json_schema_extra={"shown": "<home>/keys/pseudonym.key"},
    )
    lake: str = Field(
        default_factory=_in_home("lake"),
        min_length=1,
        description="Root of the Delta tables, tenants/NAME for each tenant: a folder, or the URL of an object store.",
        json_schema_extra={"shown": "<home>/lake"},
    )
    lake_options: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Options of the object store, such as its keys.",
        json_schema_extra={"shown": "none"},
    )
    state: Annotated[str, AfterValidator(state_url)] = Field(
        default_factory=_in_home("state", prefix="sqlite:"),
        description="Store of the students' states, with one for each tenant: `sqlite:FOLDER`, "
        "`postgresql://user:password@host:port/database` or `redis://user:password@host:port/0` (`rediss://`: TLS).",
        json_schema_extra={"shown": "sqlite:<home>/state"},
    )
    kafka_options: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Options of the client of Kafka, by their names in librdkafka, such as `security.protocol`; in the "
        "environment as JSON.",
        json_schema_extra={"shown": "none"},
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        "info", description="Log lines of this level and above are written: debug, info, warning or error."
    )
    bounds: dict[str, Any] = Field(
        default_factory=dict,
        description="What a fit may find of parameters: `guess: [0.05, 0.3]` bounds one, `slip: 0.1` fixes it, for all "
        "topics, or under `topics: ID:` for one; in the environment as JSON. docs/models.md lists the parameters; a "
        "fit checks them.",
        json_schema_extra={"shown": "none"},
    )
    gate: GateSettings = GateSettings()
    api: ApiSettings = ApiSettings()
    dashboard: DashboardSettings = DashboardSettings()
    work: WorkSettings = WorkSettings()
    metrics: MetricsSettings = MetricsSettings()

    @model_validator(mode="after")
    def _ports_differ(self) -> Settings:
        if (self.api.host, self.api.port) == (self.dashboard.host, self.dashboard.port):
            raise ValueError(f"api.port and dashboard.port are both {self.api.port}; give them different ports")
        return self

    @property
    def api_url(self) -> str:
        """Where the dashboard finds the API."""
        return self.api.url if self.dashboard.api_url is None else self.dashboard.api_url.rstrip("/")

    @property
    def school_zone(self) -> str:
        """The zone of the tenant's schools."""
        return self.school_timezones.get(self.tenant, self.school_timezone)

    @property
    def stream_options(self) -> dict[str, str]:
        """The options of the client of Kafka in plain text, for that client and nobody else."""
        return {name: value.get_secret_value() for name, value in self.kafka_options.items()}

    @property
    def storage_options(self) -> dict[str, str]:
        """The lake's options in plain text, for the object store's client and nobody else."""
        return {name: value.get_secret_value() for name, value in self.lake_options.items()}
