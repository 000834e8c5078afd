"""The pages about commands and API say what there is."""

from __future__ import annotations

import re
from pathlib import Path

import typer
from typer.main import get_command

from mastery import errors
from mastery.apps.api.problems import EXAMPLES
from mastery.apps.cli import NOBODY_READS, build
from mastery.apps.cli.reference import reference
from mastery.apps.interrupt import INTERRUPTED

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_about_commands_lists_the_commands_as_they_are():
    page = (DOCS / "cli.md").read_text("utf-8")
    listed = page.split("<!-- python -m mastery.apps.cli.reference -->\n")[1].split("\n<!-- end -->")[0]
    assert listed == reference(), "paste what `python -m mastery.apps.cli.reference` prints into docs/cli.md"


def test_every_command_in_the_pages_exists_with_its_options():
    group = get_command(build())
    top = typer.Context(group, info_name="mastery")
    known = {
        name: {
            option
            for one in command.get_params(typer.Context(command, parent=top))
            for option in [*one.opts, *one.secondary_opts]
        }
        for name, command in group.commands.items()
    }
    text = "\n".join(path.read_text("utf-8") for path in (DOCS / "cli.md", DOCS / "api.md"))
    typed = re.findall(r"^mastery ([a-z][a-z-]+)(.*?)(?:  .*)?$|`mastery ([a-z][a-z-]+)([^`]*)`", text, re.MULTILINE)
    assert len(typed) > 8
    for name, options, quoted, more in typed:
        command = name or quoted
        assert command in known, command
        assert set(re.findall(r"--[a-z-]+", options + more)) - {"--home", "--help"} <= known[command], command


def test_the_page_about_the_api_lists_the_status_of_every_problem():
    page = (DOCS / "api.md").read_text("utf-8")
    for kind, example in EXAMPLES.items():
        assert f"| `{kind}` | {example['status']} |" in page, kind


def test_the_page_about_commands_lists_every_exit_code():
    page = (DOCS / "cli.md").read_text("utf-8")
    codes = {error.exit_code for error in (errors.MasteryError, *errors.MasteryError.__subclasses__())}
    for code in codes | {INTERRUPTED, NOBODY_READS}:
        assert f"| {code} |" in page, code
