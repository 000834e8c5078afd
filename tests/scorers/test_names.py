"""The registry is the only place outside a scorer's own folder that names it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mastery
from mastery.scorers import SPECS

SRC = Path(mastery.__file__).parent
REGISTRY = "scorers/__init__.py"

NAMING = {
    "estimators/scorers.py": "classes with settings and types of their own, by which users import them",
    "apps/api/examples.py": "examples of documents, as pages of the API show them",
}
"""File → why scorers are named in it."""


def room_of(path: str) -> str | None:
    """The folder of one scorer that a module of src/mastery belongs to."""
    parts = path.split("/")
    return parts[1] if parts[0] == "scorers" and len(parts) > 2 else None


def known_in(room: str | None) -> set[str]:
    """Names that modules of a room may say: its own scorers and those that these need."""
    own = [spec for spec in SPECS.values() if spec.fit.split(":")[0].split(".")[2] == room]
    return {spec.name for spec in own} | {name for spec in own for name in spec.needs}


def named(path: str, text: str) -> Iterator[str]:
    """What a module says about scorers that it should not: their names as texts, and imports from their rooms."""
    known = known_in(room_of(path))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and node.value in SPECS and node.value not in known:
            yield f"{path}:{node.lineno}: {node.value!r}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mastery.scorers"):
            for module in (f"{node.module}.{alias.name}" for alias in node.names):
                room = module.split(".")[2]
                if room != room_of(path) and (SRC / "scorers" / room).is_dir():
                    yield f"{path}:{node.lineno}: {module}"


def test_no_module_outside_its_folder_names_a_scorer():
    modules = {path.relative_to(SRC).as_posix(): path.read_text("utf-8") for path in SRC.rglob("*.py")}
    assert modules.keys() >= {REGISTRY, *NAMING}
    found = {path: [*named(path, text)] for path, text in modules.items() if path != REGISTRY}
    assert [one for path, all_of in found.items() if path not in NAMING for one in all_of] == []
    assert [path for path in NAMING if not found[path]] == []  # an exception without a use goes


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pipelines/queries/reader.py", "NAME = 'linear_rnn'"),
        ("scorers/scale.py", "from mastery.scorers.bkt import scorer"),
        ("scorers/elo/fit.py", "given['irt']"),
        ("scorers/elo/fit.py", "from mastery.scorers.irt.grid import NODES"),
        ("fitting/fit_all.py", "from mastery.scorers import blend"),
    ],
)
def test_a_planted_name_is_found(path, text):
    assert len([*named(path, text)]) == 1
    assert [*named("scorers/elo/fit.py", "given['bkt']; from mastery.scorers.elo import scorer")] == []
