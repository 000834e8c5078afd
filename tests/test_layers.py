"""The layers hold, and the check that says so can fail."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the check reads."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout / "src")},
        capture_output=True,
        text=True,
    )


def plant(checkout: Path, module: str, line: str) -> None:
    path = checkout / "src" / "mastery" / module
    path.write_text(path.read_text("utf-8") + f"\n{line}\n", "utf-8")


def test_the_layers_hold(checkout):
    done = lint_imports(checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("events/__init__.py", "import mastery.lake", "mastery.events is not allowed to import mastery.lake"),
        ("errors.py", "import mastery.tables", "mastery.errors is not allowed to import mastery.tables"),
        ("state/__init__.py", "import mastery.lake", "mastery.state is not allowed to import mastery.lake"),
        ("scorers/__init__.py", "import mastery.insight", "mastery.scorers is not allowed to import mastery.insight"),
        ("features/__init__.py", "import deltalake", "mastery.features is not allowed to import deltalake"),
        ("events/__init__.py", "import time", "mastery.events is not allowed to import time"),
        ("lake/__init__.py", "import typer", "mastery.lake is not allowed to import typer"),
    ],
)
def test_a_planted_wrong_import_fails_the_check(checkout, module, line, broken):
    plant(checkout, module, line)
    done = lint_imports(checkout)
    assert done.returncode == 1
    assert broken in " ".join(done.stdout.split())


@pytest.mark.slow
def test_a_module_without_a_place_in_the_layers_fails_the_check(checkout):
    (checkout / "src" / "mastery" / "helpers.py").write_text('"""A module of no layer."""\n')
    done = lint_imports(checkout)
    assert done.returncode == 1
    assert "helpers" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("line", ["datetime.datetime.now(datetime.UTC)", "os.environ['HOME']", "time.time()"])
def test_a_planted_look_at_the_clock_or_the_environment_fails_the_check(checkout, line):
    (checkout / "src" / "mastery" / "events" / "planted.py").write_text(
        f'"""A pure module that is not."""\n\nimport datetime\nimport os\nimport time\n\nVALUE = {line}\n'
    )
    done = subprocess.run(
        [Path(sys.executable).parent / "ruff", "check", "--no-cache", "--select", "TID251", "src"],
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "pure layers take no" in done.stdout


def imported(path: Path, modules: set[str]) -> set[str]:
    """The modules that a file imports anywhere: inside functions and for type checkers too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {f"{node.module}.{name.name}" for name in node.names if f"{node.module}.{name.name}" in modules}
            found |= {node.module} if any(f"{node.module}.{name.name}" not in modules for name in node.names) else set()
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found & modules


def circles(source: Path) -> list[str]:
    """One text for each circle of files that import each other."""
    files = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(source.rglob("*.py"))
    }
    # The package's face is imported with every module, and loads what it names when that is first used.
    left = {name: imported(path, set(files)) - {name, "mastery"} for name, path in files.items() if name != "mastery"}
    while free := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in free}
    while free := left.keys() - {other for others in left.values() for other in others}:
        left = {name: others for name, others in left.items() if name not in free}
    return [f"{name} -> {', '.join(sorted(others & left.keys()))}" for name, others in sorted(left.items())]


@pytest.mark.slow
def test_no_files_import_each_other(checkout):
    assert circles(checkout / "src") == []


@pytest.mark.slow
def test_a_planted_import_within_a_function_closes_a_circle(checkout):
    plant(checkout, "insight/words.py", "def late():\n    import mastery.insight.rollups")
    assert circles(checkout / "src") == [
        "mastery.insight.rollups -> mastery.insight.words",
        "mastery.insight.words -> mastery.insight.rollups",
    ]


@pytest.mark.slow
def test_what_is_computed_once_holds_no_lock_that_other_instances_wait_for():
    """Before Python 3.12 functools.cached_property has one lock for all instances: workers took turns at scores."""
    takes = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "src").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module == "functools"
        and any(name.name == "cached_property" for name in node.names)
    ]
    assert takes == []
