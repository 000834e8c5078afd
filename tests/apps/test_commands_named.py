"""Every command that a message names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command

import mastery
from mastery.apps.cli import build

NAMED = re.compile(r"`mastery ([a-z][a-z-]*)((?: [a-z][a-z-]*)*)")


def named() -> Iterator[tuple[str, str, list[str]]]:
    """Yield file, command and the plain words after it, of every `mastery …` in a text of the package."""
    for path in sorted(Path(mastery.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for command, words in NAMED.findall(node.value):
                    yield path.name, command, words.split()


def test_every_command_that_a_message_names_is_there():
    commands = get_command(build()).commands
    found = list(named())
    assert ("zone_check.py", "ingests", ["undo"]) in found
    for file, name, words in found:
        assert name in commands, f"{file}: mastery {name}"
        inner = getattr(commands[name], "commands", None)
        assert inner is None or not words or words[0] in inner, f"{file}: mastery {name} {words[0]}"
