"""The pages under test: links lead somewhere, what is named exists, and numbers stand where they are quoted from."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main

from mastery.apps.cli import build
from mastery.tables import TABLES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mastery"
FOLDERS = ("docs", "data", "src", "tests", "benchmarks", "notebooks", "deploy")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

NOT_IN_GIT = ("benchmarks/results", "benchmarks/.work")


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def fences(page: Path) -> list[str]:
    """The lines of a page's code blocks, without their prompt."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"(?:^    [^\n]*\n)+", text_of(page), re.MULTILINE)
    return [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def spans(page: Path) -> list[str]:
    """What stands between backticks in a page's prose."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


def commands(page: Path, name: str) -> list[str]:
    """Whatever calls a program in a page: its arguments."""
    call = re.compile(rf"(?:\S*/)?{name} (?P<arguments>.+)")
    return [found["arguments"] for text in [*fences(page), *spans(page)] if (found := call.fullmatch(text)) is not None]


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, fragment = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{target}: there is no such file"
        assert not fragment or fragment in anchors(there), f"{target}: no such heading"


@every_page
def test_every_file_that_is_named_exists(page):
    known = {path.name for path in [*SOURCE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]}
    for span in spans(page):
        if span.endswith(".py") and re.fullmatch(r"[a-z_]+\.py", span):
            assert span in known, f"{span}: no file of that name"
        inside = re.fullmatch(r"(src|tests|scripts|data|docs|requirements|benchmarks|[a-z]+)/[a-z0-9_./-]*", span)
        if inside is None or span.startswith(NOT_IN_GIT):
            continue
        if span.endswith((".py", ".yaml")) or f"{inside[1]}/" in ("src/", "tests/", "scripts/", "docs/", "benchmarks/"):
            places = (ROOT, SOURCE, ROOT / "src", page.parent)
            assert any((place / span).exists() for place in places), f"{span}: there is no such file"


@every_page
def test_every_module_that_is_named_exists(page):
    for name in re.findall(r"`(mastery(?:\.[a-z_]+)+)`", prose(page)):
        path = ROOT / "src" / Path(*name.split("."))
        first = SOURCE / name.split(".")[1]
        if not first.is_dir() and not first.with_suffix(".py").is_file():
            continue  # mastery.yaml, and names of the lake's own
        attribute = path.parent.with_suffix(".py")
        found = path.is_dir() or path.with_suffix(".py").is_file()
        assert found or (attribute.is_file() and path.name in text_of(attribute)), f"{name}: no such module"


@every_page
def test_every_command_and_option_that_is_named_exists(page):
    group = typer.main.get_command(build())
    everywhere = {option for parameter in group.params for option in parameter.opts} | {"--help", "-h"}
    for call in commands(page, "mastery"):
        words = shlex.split(call.replace("…", ""), comments=True)
        while words and words[0] in everywhere:
            words = words[2:] if words[0] == "--home" else words[1:]
        if not words or words[0].isupper():
            continue
        assert words[0] in group.commands, f"mastery {call}: no such command"
        of_command = {
            option
            for parameter in group.commands[words[0]].params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in words[1:]:
            if word.startswith("-"):
                assert word.split("=")[0] in of_command | everywhere, f"mastery {call}: no option {word}"


@every_page
def test_every_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    for call in commands(page, "make"):
        assert call.split()[0] in targets, f"make {call}: no such target"


def test_every_page_of_the_docs_is_in_their_index():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", text_of(index))}
    assert {page for page in PAGES if (ROOT / "docs") in page.parents} - {index} <= linked


def section(page: str, heading: str) -> str:
    return text_of(ROOT / page).split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_layers_of_the_page_are_those_that_are_enforced():
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    contracts = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    exists = lambda name: (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").is_file()  # noqa: E731
    enforced = [
        [name for name in re.findall(r"[a-z_]+", line) if exists(name)] for line in contracts["layers"]["layers"]
    ]
    block = re.findall(r"^```\n(.*?)^```", section("ARCHITECTURE.md", "Layers"), re.MULTILINE | re.DOTALL)[0]
    told = [re.findall(r"[a-z_]+", re.split(r"\s{2,}", line)[0]) for line in block.splitlines()]
    assert told == [line for line in enforced if line]
    pure = re.findall(r"`([a-z]+)`", section("ARCHITECTURE.md", "Layers").split("are **pure**")[0].split("```")[-1])
    assert {f"mastery.{name}" for name in pure} == set(contracts["pure"]["source_modules"])


def test_the_tables_of_the_page_are_those_of_the_lake():
    rows = re.findall(r"^\| (`.+?) \|.*\| (yes|no) \|$", section("ARCHITECTURE.md", "What is stored"), re.MULTILINE)
    told = {name: cut == "yes" for names, cut in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {name: table.partition_by == ("bucket",) for name, table in TABLES.items()}


def test_every_measured_number_stands_in_the_file_it_is_quoted_from():
    quoted = 0
    for row in section("ARCHITECTURE.md", "Decisions, and what was measured").splitlines():
        files = [SOURCE / name for name in re.findall(r"`([a-z_]+/[a-z_]+\.py)`", row)]
        files += [ROOT / name for name in re.findall(r"\]\((docs/[a-z]+\.md)\)", row)]
        if not row.startswith("| ") or not files:
            continue
        said = re.sub(r"[_,]", "", " ".join(text_of(file) for file in [*files, SOURCE / "lake" / "layout.py"]))
        for number in re.findall(r"\d[\d,.]*\d|\d", re.sub(r"`[^`]*`|\([^)]*\)", "", row)):
            assert re.search(rf"(?<![\d.]){re.escape(number.replace(',', ''))}(?![\d])", said), f"{number}: {row}"
            quoted += 1
    assert quoted > 10
