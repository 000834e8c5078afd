"""`mastery demo`: the whole way once, on a small school: rows in, explained scores out."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import Chosen
from mastery.errors import BadInput, NotFound

if TYPE_CHECKING:
    from mastery.engine import Engine

HOME, SAMPLE = Path(".demo"), Path("data/sample")
TOPICS_SHOWN = 8
MARK = "made-by-mastery-demo"
"""A file in a home of the demo's own making. A home without it is somebody's data, and is left alone."""


def demo(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Folder of source tables; data/sample when left out.")] = None,
) -> None:
    """Run every step once on a small school: read its files, compute scores, show who needs help and why."""
    from mastery.engine import Engine
    from mastery.settings import load_settings

    chosen = context.obj.home if isinstance(context.obj, Chosen) else None
    home = HOME if chosen is None else chosen
    source = _sample() if data is None else data
    if not source.exists():  # before an earlier demo goes
        raise NotFound(
            f"{source}: no such folder; make a school with `mastery simulate --out school`, or leave --data out"
        )
    _fresh(home)
    settings = load_settings(home=home).settings
    engine = Engine.connect(settings)
    try:
        _walk(engine, source, f"{_typed()} --home {home}")
    finally:
        engine.close()


def _walk(engine: Engine, source: Path, command: str) -> None:
    from rich.text import Text

    from mastery.apps.cli.class_report import show_class
    from mastery.apps.cli.console import console
    from mastery.apps.cli.ingest import show_counts, show_reasons, show_revised
    from mastery.apps.cli.recompute import run, show_report
    from mastery.apps.cli.show import show_student
    from mastery.apps.progress import progress
    from mastery.engine import now_us
    from mastery.instants import instant

    out = console()

    def step(title: str, typed: str) -> None:
        out.print(Text(f"\n{title}  ", "bold").append(f"$ {command} {typed}", "not bold bright_black"))
        out.print()

    step("1. Read what students did", f"ingest {source}")
    now = now_us()
    with progress("Reading files") as report:

        def read(name: str, done: int, size: int) -> None:
            report.update(done=done, total=size, title=name)

        counts = engine.ingest(source, now_us=now, progress=read)
    show_counts(counts)
    show_revised(counts.revised, f"{command} rejected")
    show_reasons(engine.rejected_at(instant(now)), counts.rejected, f"{command} rejected")

    step("2. Compute every score", "recompute --as-of latest")
    show_report(run(engine, "latest"), engine.days)

    step("3. The class", "class-report")
    document, help_first = engine.class_report(in_need=8, students=0)
    show_class(document, help_first)
    if not help_first:
        return

    student = help_first[0].student_id
    step("4. Who needs help first", f"show {student} --as-of latest")
    show_student(engine.student(student, as_of="latest"), in_full=False, most=TOPICS_SHOWN)

    out.print(Text("\nNext", "bold"))
    for what, typed in (
        ("one topic in full", f"show {student} --topic {help_first[0].topics[0].topic_id} --as-of latest"),
        ("how it came about", f"history {student} {help_first[0].topics[0].topic_id}"),
        ("what was not accepted", "rejected"),
        ("scores for other programs", "export student_mastery --format csv"),
        ("API and dashboard (`make setup` first)", "serve"),
    ):
        out.print(Text(f"  {what:<40}").append(f"{command} {typed}", "cyan"), soft_wrap=True)
    own = "your own files, into another home"
    out.print(Text(f"  {own:<40}").append(f"{_typed()} ingest --help", "cyan"), soft_wrap=True)


def _typed() -> str:
    """Return how this command is typed here: by its path, where the shell would not find it."""
    given, found = Path(sys.argv[0]), shutil.which("mastery")
    in_path = found is not None and Path(found).resolve() == given.resolve()
    return "mastery" if in_path or given.name != "mastery" else str(given)


def _sample() -> Path:
    """Return the sample school: in the working directory, or in the checkout that this file lies in."""
    for folder in (SAMPLE, Path(__file__).parents[4] / SAMPLE):
        if folder.is_dir():
            return folder
    raise NotFound(
        f"there is no {SAMPLE} here; make a school with `mastery simulate --out school`, "
        "then `mastery demo --data school`"
    )


def _fresh(home: Path) -> None:
    """Make an empty home; one that a demo made before goes."""
    if home.exists() and any(home.iterdir()):
        if not (home / MARK).is_file():
            raise BadInput(f"{home} holds something that no demo made; name another folder: mastery --home .demo demo")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).write_text("The demo makes this folder again each time it runs.\n", "utf-8")
