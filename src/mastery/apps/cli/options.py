"""Options that more than one command takes, said once."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]

Tenant = Annotated[str | None, typer.Option(help="Institution to work on; the setting tenant when left out.")]

AllTenants = Annotated[bool, typer.Option("--all-tenants", help="Every tenant there is, one after the other.")]

Scorer = Annotated[
    str | None,
    typer.Option(help="Whose score, such as rule_based, bkt or blend; the setting scorer when left out."),
]

AsOf = Annotated[
    str,
    typer.Option(
        help="At this moment: now, latest (the newest event of the lake), a date (the end of that day) or an ISO time.",
        metavar="TIME",
    ),
]

Topic = Annotated[str, typer.Argument(help="Topic: its id, or its title.", metavar="TOPIC")]

Student = Annotated[str, typer.Argument(help="Student: the source's own id, or the pseudonym s_….", metavar="STUDENT")]
