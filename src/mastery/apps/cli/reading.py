"""How files are read: the options that `ingest` and `evaluate` share."""

from __future__ import annotations

from typing import Annotated

import typer

from mastery.errors import BadInput

As = Annotated[
    str | None,
    typer.Option(
        "--as",
        help="Source table that the files are, such as quiz_attempts; recognised from the columns when left out.",
        metavar="TABLE",
    ),
]

Renamed = Annotated[
    list[str] | None,
    typer.Option(
        "--map", help="A column's name in the file and ours, such as pupil=student_id. May be repeated.",
        metavar="THEIRS=OURS",
    ),
]  # fmt: skip

Units = Annotated[
    list[str] | None,
    typer.Option(
        "--unit", help="Unit of a column, such as watch_pct=fraction. May be repeated.", metavar="COLUMN=UNIT"
    ),
]

Timezone = Annotated[
    str | None,
    typer.Option(
        help="Zone of time stamps that name none, such as Europe/Berlin; the one of the settings when left out.",
        metavar="ZONE",
    ),
]


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
