"""What `--help` says of options: types in words, and which may be repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from mastery.apps.cli import build


def options() -> Iterator[tuple[str, object, typer.Context]]:
    """Every option of every command, with the command's path."""
    left = [(get_command(build()), "mastery", None)]
    while left:
        command, name, parent = left.pop()
        context = typer.Context(command, info_name=name, parent=parent)
        left += [(inner, path, context) for path, inner in getattr(command, "commands", {}).items()]
        for one in command.get_params(context):
            if one.param_type_name == "option":
                yield context.command_path, one, context


@pytest.mark.parametrize("command", [["show"], ["preview"], ["models", "list"], ["models"], []])
def test_help_names_no_type_of_python_and_no_inequality(command):
    shown = CliRunner().invoke(build(), [*command, "--help"], env={"COLUMNS": "120"}).stdout
    assert re.findall(r"<\w+[^>]*>|[<>]=", shown) == []
    assert "--help" in shown


def test_no_option_of_any_command_is_shown_with_a_type_of_python():
    shown = [(path, one.get_help_record(context)) for path, one, context in options()]
    assert len(shown) > 200
    assert [
        (path, *record) for path, record in shown if record and re.search(r"<|(?<![A-Z])>=|<=", " ".join(record))
    ] == []


def test_a_number_is_shown_with_its_bounds_in_words_and_held_to_them():
    run = CliRunner()
    shown = run.invoke(build(), ["show", "--help"], env={"COLUMNS": "120"}).stdout
    assert re.search(r"--limit +NUMBER, 0 or more ", shown)
    assert "NUMBER, 0 to 100 " in run.invoke(build(), ["preview", "--help"], env={"COLUMNS": "120"}).stdout
    for limit, code in (("-1", 2), ("many", 2)):
        assert run.invoke(build(), ["show", "S1", "--limit", limit]).exit_code == code


def test_an_option_that_may_be_repeated_says_so():
    repeated = [(path, one) for path, one, _ in options() if one.multiple]
    assert len(repeated) > 10
    assert [(path, one.opts) for path, one in repeated if "may be repeated" not in one.help.lower()] == []
