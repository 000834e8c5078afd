"""Servers for a benchmark: the broker that `make services` has started, else one of its own; stores of its own."""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack
from types import ModuleType
from uuid import uuid4

from benchmarks.line import ROOT
from benchmarks.run import Skip


def broker(until: ExitStack) -> str:
    """Return the URL of a broker of Kafka; one that is started for it ends with the stack.

    Raises:
        Skip: The machine has none.
    """
    services = _services()
    try:
        return str(services.url("kafka", until))
    except services.Missing as missing:
        raise Skip(str(missing)) from None


def new_topic(at: str, partitions: int) -> str:
    """Return the URL of a new topic of a broker."""
    from confluent_kafka.admin import AdminClient, NewTopic

    name = f"bench-{uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": at.removeprefix("kafka:")})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result()
    return f"{at}/{name}"


def empty_store(until: ExitStack, kind: str) -> str:
    """Return the URL of a state store on a server that holds nothing else, and ends with the stack.

    Raises:
        Skip: The machine has no such server.
    """
    services = _services()
    try:
        return str(services.started(kind, until).url)
    except services.Missing as missing:
        raise Skip(str(missing)) from None


def _services() -> ModuleType:
    sys.path.append(str(ROOT / "tests"))  # where servers for tests are found and started
    try:
        return importlib.import_module("services")
    finally:
        sys.path.remove(str(ROOT / "tests"))
