"""`mastery simulate`: a made-up school whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mastery.apps.cli.reading import given_path


def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write the files to.", metavar="DIR", parser=given_path)],
    students: Annotated[int, typer.Option(help="How many students.")] = 100,
    days: Annotated[int, typer.Option(help="How many days of activity.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed gives the same school, byte for byte.")] = 7,
    topics: Annotated[int, typer.Option(help="How many topics the school teaches.")] = 40,
    late: Annotated[float, typer.Option(help="Share of rows that arrive late, 0 to 1.", metavar="SHARE")] = 0.0,
    duplicates: Annotated[float, typer.Option(help="Share of rows that arrive twice.", metavar="SHARE")] = 0.0,
    malformed: Annotated[float, typer.Option(help="Share of rows that arrive broken.", metavar="SHARE")] = 0.0,
    file_format: Annotated[str, typer.Option("--format", help="csv, parquet or ndjson.")] = "csv",
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress csv or ndjson.")] = False,
    truth: Annotated[
        bool,
        typer.Option(
            help="Also write the truth: mastery day by day, which is the largest file, and traits of students."
        ),
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write the files of a simulated school: what students did, topics, items and their true mastery."""
    from typing import cast

    from mastery.apps.progress import progress
    from mastery.pipelines.simulation.simulate import Format, write_school
    from mastery.simulation import SchoolPlan

    plan = SchoolPlan(
        students=students,
        days=days,
        seed=seed,
        topics=topics,
        late_share=late,
        duplicate_share=duplicates,
        malformed_share=malformed,
        truth=truth,
    )
    with progress("Simulating students", total=students) as report:

        def students_done(done: int, total: int) -> None:
            report.update(done=done, total=total)

        # What is no format, write_school refuses.
        written = write_school(plan, out, cast(Format, file_format), gzip, students_done, overwrite=overwrite)

    if as_json:
        rows = {name: counts.rows for name, counts in written.counts.items()}
        typer.echo(json.dumps({"out": str(out), "events": written.events, "rows": rows}))
        return
    for name, path in written.files.items():
        typer.echo(f"{written.counts[name].rows:>12,}  {path}")
    typer.echo(f"{written.events:>12,}  events in all. Next: mastery ingest {out}")
