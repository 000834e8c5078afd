"""`mastery profiles`: what is known about the files of other platforms and data sets."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mastery.apps.cli.options import AsJson


def profiles(
    name: Annotated[str | None, typer.Argument(help="Print this profile, to begin one of your own with.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the profiles for `--profile`: the platforms and data sets whose files are known; or print one of them.

    A profile says which columns of a file are which of ours, in which units, with which values. One of your own is a
    YAML file of the same kind: docs/integrations/files.md. For example:

    \b
    mastery ingest skill_builder_data.csv --profile assistments-2009
    mastery profiles assistments-2009 > ours.yaml
    mastery ingest answers.csv --profile ours.yaml
    """
    from mastery.pipelines.ingest.profiles import load_profile, shipped_profiles

    if name is not None:
        typer.echo(load_profile(name).text, nl=False)
        return
    found = [load_profile(one) for one in shipped_profiles()]
    if as_json:
        shown = [
            {"name": one.name, "title": one.title, "tables": one.tables, "documented": one.documented, "lost": one.lost}
            for one in found
        ]
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return

    from rich.text import Text

    from mastery.apps.cli.console import console, first_that_fits, plain_table

    table = plain_table("profile", "files", "read as", wrap={"files": 20, "read as": 16})
    for one in found:
        table.add_row(one.name, Text(one.title), ", ".join(one.tables))
    out = console()
    out.print(first_that_fits(out, table))
