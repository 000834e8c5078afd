"""`mastery warm-up`: compile every kernel beforehand."""

from __future__ import annotations

import json
import time

import typer

from mastery.apps.cli.options import AsJson


def warm_up(as_json: AsJson = False) -> None:
    """Compile every kernel now, once for this version of the engine, so that no later command has to."""
    from mastery.apps.cli.compiling import Compiled
    from mastery.apps.progress import progress
    from mastery.engine.warm_up import warm_up as use_everything
    from mastery.kernels.cache import folders

    began = time.monotonic()
    with Compiled() as compiled, progress("Warming up") as report:

        def step(what: str, done: int, total: int) -> None:
            report.update(done=done, total=total, title=f"Warming up: {what}")

        use_everything(step)
    took_s, folder = time.monotonic() - began, next(iter(folders()), None)
    if as_json:
        said = {
            "compiled": compiled.count,
            "seconds": round(took_s, 1),
            "folder": None if folder is None else str(folder),
        }
        typer.echo(json.dumps(said))
    elif compiled.count == 0:
        typer.echo(f"nothing to compile: every kernel is in {folder} ({took_s:.0f} s to check)")
    else:
        typer.echo(f"{compiled.count} kernels compiled in {took_s:.0f} s, kept in {folder}")
