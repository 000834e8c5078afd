"""A broker of Kafka for a benchmark: the one that `make services` has brought up, or one of its own."""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack
from uuid import uuid4

from benchmarks.line import ROOT
from benchmarks.run import Skip


def new_topic(until: ExitStack, partitions: int) -> str:
    """Return the URL of a new topic; a broker that is started for it ends with the stack.

    Raises:
        Skip: The machine has no Kafka.
    """
    sys.path.append(str(ROOT / "tests"))  # where servers for tests are found and started
    try:
        services = importlib.import_module("services")
    finally:
        sys.path.remove(str(ROOT / "tests"))
    try:
        broker = services.url("kafka", until)
    except services.Missing as missing:
        raise Skip(str(missing)) from None
    from confluent_kafka.admin import AdminClient, NewTopic

    name = f"bench-{uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": broker.removeprefix("kafka:")})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result()
    return f"{broker}/{name}"
