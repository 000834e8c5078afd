"""`mastery version`."""

from __future__ import annotations

import json
import platform
from typing import Annotated

import typer

from mastery import __version__

LIBRARIES = ("numpy", "numba", "pyarrow", "duckdb", "deltalake")
"""Named because scores are bit-equal only for one set of these."""


def version(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the versions of the engine, of Python and of the libraries that compute."""
    from importlib.metadata import version as installed

    versions = {"mastery": __version__, "python": platform.python_version()}
    versions |= {name: installed(name) for name in LIBRARIES}
    if as_json:
        typer.echo(json.dumps(versions))
        return
    for name, number in versions.items():
        typer.echo(f"{name:<10} {number}")


def print_version(wanted: bool) -> None:
    """Print the engine's version and end, when `--version` was given."""
    if wanted:
        typer.echo(f"mastery {__version__}")
        raise typer.Exit
