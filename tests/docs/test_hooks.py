"""What runs before a commit is what `make check` runs, and the forms for issues can be read."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TOOLS = re.compile(r"ruff check|ruff format|mypy|lint-imports")


def test_the_hooks_before_a_commit_run_the_tools_of_make_check():
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[1]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    run = [tool for hook in hooks for tool in TOOLS.findall(hook["entry"])]
    assert sorted(run) == sorted(TOOLS.findall(recipe))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}  # nothing is downloaded for them


def test_every_form_for_issues_asks_for_something_and_says_what():
    forms = [yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")]
    forms = [form for form in forms if "body" in form]
    assert len(forms) == 2
    for form in forms:
        assert {"name", "description", "body"} <= set(form)
        assert all(part["attributes"].get("label") for part in form["body"] if part["type"] != "markdown")
