"""`mastery produce`: rows of files as events of a stream."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from mastery.apps.cli.context import settings
from mastery.apps.cli.options import AsJson, Tenant
from mastery.apps.cli.reading import given_path
from mastery.errors import BadInput


def produce(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files, folders or patterns: CSV, JSON, Parquet, workbooks, packed or not.",
            metavar="FILE...",
            parser=given_path,
        ),
    ],
    to: Annotated[str, typer.Option("--to", help="The stream, such as kafka:127.0.0.1:9092/answers.", metavar="URL")],
    rate: Annotated[
        float | None,
        typer.Option(
            help="At most this many events a second; as fast as the stream takes them when left out.", metavar="N"
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Source table that the files are, such as quiz_attempts; recognised from the columns when left out.",
            metavar="TABLE",
        ),
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Send the rows of files to a stream as events, one message per row, for demos and load tests.

    A message is a JSON object with the columns of docs/events.md and the field `table`. Its key is the tenant and the
    student, so all events of a student go to one partition. Ids are sent as they are in the file, not as pseudonyms.
    """
    from mastery.apps.interrupt import ends_on_ctrl_c
    from mastery.pipelines.ingest import produce as pipeline
    from mastery.streams import connect_sink

    if rate is not None and not rate > 0:
        raise BadInput(f"--rate {rate:g}: expected events a second, more than 0")
    chosen = settings(context)
    sink = connect_sink(to, chosen.stream_options)
    try:
        with ends_on_ctrl_c():
            done = pipeline.produce(files, sink, table=table, tenant=tenant or chosen.tenant, pace=_pace(rate))
    finally:
        sink.close()
    if as_json:
        typer.echo(json.dumps({"sent": done.sent, "left_out": done.left_out, "notes": done.notes}, ensure_ascii=False))
        return
    typer.echo(f"{done.sent:>12,}  events sent to {to}")
    if done.left_out:
        typer.echo(f"{done.left_out:>12,}  lines left out that are not rows; mastery preview shows them")
    for note in done.notes:
        typer.echo(f"\nnote: {note}")


def _pace(rate: float | None) -> Callable[[int], None]:
    """Return what waits until it is time for the next event, counted from the first one."""
    begun: float | None = None

    def pace(sent: int) -> None:
        nonlocal begun
        if begun is None:
            begun = time.monotonic()
        if rate is not None:
            time.sleep(max(begun + sent / rate - time.monotonic(), 0.0))

    return pace
