"""`mastery work`: the events of a stream into the lake and into scores, until it is stopped."""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import Tenant
from mastery.apps.json_log import OneLine
from mastery.apps.memory import share_arenas
from mastery.errors import BadInput

GRACE_S = 4.0
"""How long a batch may take after SIGTERM; then the process ends without it, and the next one reads it again."""


def work(
    context: typer.Context,
    stream: Annotated[
        str, typer.Option("--from", help="The stream, such as kafka:127.0.0.1:9092/answers.", metavar="URL")
    ],
    dead_letters: Annotated[
        str | None,
        typer.Option(
            help="A stream to send messages to that cannot be used, besides listing them as rejected.",
            metavar="URL",
        ),
    ] = None,
    batch_s: Annotated[float, typer.Option(help="How long a batch waits for messages, in seconds.")] = 0.25,
    batch_messages: Annotated[int, typer.Option(help="How many messages a batch takes at most.")] = 10_000,
    batch_mb: Annotated[
        float, typer.Option(help="How many megabytes they come to at most; a larger message comes alone.")
    ] = 32.0,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Serve metrics for Prometheus on this port. Left out: the setting metrics.work_port.",
            min=1,
            max=65_535,
        ),
    ] = None,
    tenant: Tenant = None,
) -> None:
    """Take events from a stream and score them as they come, until Ctrl-C or SIGTERM.

    Started again, it goes on where it stopped. Several workers of one deployment share the partitions of a topic. The
    log on standard error is JSON, one object per line. More: docs/live.md.
    """
    if not (0 < batch_s < math.inf and batch_messages > 0 and 0 < batch_mb < math.inf):
        raise BadInput(
            f"--batch-s {batch_s:g}, --batch-messages {batch_messages}, --batch-mb {batch_mb:g}: expected more than 0 "
            "of each, and an end"
        )
    share_arenas()
    engine = engine_of(context, tenant)
    from mastery.apps.metrics import served

    chosen = engine.settings.metrics
    port = chosen.work_port if metrics_port is None else metrics_port
    with (
        served(chosen.host, port, "--metrics-port, or MASTERY_METRICS__WORK_PORT") as metrics,
        _log_as_json(),
        _until_stopped() as stop,
        engine,
        ThreadPoolExecutor(1) as pool,  # this thread only waits: where a store hangs, it still hears of signals
    ):
        pool.submit(
            engine.follow,
            stream,
            stop,
            dead_letters=dead_letters,
            batch_s=batch_s,
            batch_messages=batch_messages,
            batch_mb=batch_mb,
            watch=None if metrics is None else metrics.of(engine.tenant),
        ).result()


@contextmanager
def _log_as_json() -> Iterator[None]:
    root, handler = logging.getLogger(), logging.StreamHandler()
    handler.setFormatter(OneLine())
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Give what SIGTERM and Ctrl-C set; the process ends `GRACE_S` after one of them, whatever it is at."""
    stop = threading.Event()
    end = threading.Timer(GRACE_S, os._exit, (0,))
    end.daemon = True

    def stop_soon(_signal: int, _frame: object) -> None:
        if not stop.is_set():
            stop.set()
            end.start()

    before = {number: signal.signal(number, stop_soon) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        end.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
