"""How files are read: the options that `ingest`, `evaluate` and other commands share.

A command takes them all as one value: its parameter `how: ReadOptions` becomes these options on the command line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions


def read_options(
    table: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Source table that the files are, such as quiz_attempts; recognised from the columns when left out.",
            metavar="TABLE",
        ),
    ] = None,
    renamed: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="A column's name in the file and ours, such as pupil=student_id. May be repeated.",
            metavar="THEIRS=OURS",
        ),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(
            "--unit", help="Unit of a column, such as watch_pct=fraction. May be repeated.", metavar="COLUMN=UNIT"
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            help="Zone of time stamps that name none, such as Europe/Berlin; the one of the settings when left out.",
            metavar="ZONE",
        ),
    ] = None,
) -> ReadOptions:  # fmt: skip
    """Return what the command line says about files."""
    return ReadOptions(table, pairs(renamed, "--map"), pairs(units, "--unit"), timezone)


OPTIONS = inspect.signature(read_options, eval_str=True).parameters
"""The options on the command line, by name."""


def reads_files(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with these options in place of its parameter `how`."""
    own = inspect.signature(command, eval_str=True).parameters

    @wraps(command)
    def with_options(**given: Any) -> None:
        how = read_options(**{name: given.pop(name) for name in OPTIONS})
        command(**given, how=how)

    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        parameters += OPTIONS.values() if name == "how" else [parameter]
    with_options.__dict__["__signature__"] = inspect.Signature(
        [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Return `a=b` texts as a → b.

    Raises:
        BadInput: One has no `=`, nothing on one of its sides, or names its left side again.
    """
    found: dict[str, str] = {}
    for text in given or []:
        left, equals, right = (part.strip() for part in text.partition("="))
        if not (left and equals and right):
            raise BadInput(f"{option} {text!r}: expected NAME=NAME")
        if left in found:
            raise BadInput(f"{option}: {left!r} is given twice; give it once")
        found[left] = right
    return found
