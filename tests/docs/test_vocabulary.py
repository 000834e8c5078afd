"""docs/vocabulary.md under test: the words it replaces are in no code, message or page."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = "docs/vocabulary.md"
READ = {".py", ".md", ".toml", ".yaml", ".yml", ".js", ".css", ".html", ".ipynb", ".sh", ".sql", ""}
"""Kinds of text files; "" is what has no ending: Makefile, scripts, .ci/run."""
NOT_OURS = ("LICENSE", "requirements/", "data/", PAGE, "tests/docs/test_vocabulary.py")


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of the page, without its head."""
    section = (ROOT / PAGE).read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return rows[2:]


def phrases(heading: str) -> list[str]:
    return [one.strip(" `") for row in table(heading) for one in row[0].split(",")]


def pattern(some: list[str]) -> re.Pattern[str]:
    """Whole words in any case; words of a phrase may be joined as they are in names, or stand on two lines."""
    joined = "|".join(re.escape(one).replace(r"\ ", r"[\s_#>*\"'-]+") for one in some)
    return re.compile(rf"(?<![a-z])(?:{joined})(?![a-z])", re.IGNORECASE)


WORDS, ALLOWED, NAMES = pattern(phrases("Words")), pattern(phrases("Exceptions")), set(phrases("Names"))


def old_words(text: str) -> list[tuple[int, str]]:
    """Line and word, for each word of the first table outside of the phrases that are allowed."""
    text = ALLOWED.sub(lambda found: re.sub(r"\S", "·", found[0]), text)
    return [(text.count("\n", 0, found.start()) + 1, " ".join(found[0].split())) for found in WORDS.finditer(text)]


def old_names(text: str) -> list[tuple[int, str]]:
    """Line and name, for each name of the second table that a module defines: class, function, argument, variable."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        else:
            continue
        if name in NAMES:
            found.append((node.lineno, name))
    return found


def files() -> list[Path]:
    """Every text file of ours that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    if not listed:  # an archive, without git
        folders = ("src", "tests", "docs", "benchmarks", "scripts", "notebooks", "deploy", ".github", ".ci")
        known = [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
        listed = [str(path.relative_to(ROOT)) for path in known if "__pycache__" not in path.parts]
    ours = [ROOT / name for name in listed if not name.startswith(NOT_OURS)]
    return sorted(path for path in ours if path.suffix in READ and path.is_file() and not path.is_symlink())


def test_no_old_word_is_used():
    read = files()
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word!r}"
        for path in read
        for line, word in old_words(path.read_text("utf-8"))
    ]
    assert len(read) > 300
    assert not found, f"see {PAGE}:\n" + "\n".join(found)


def test_no_old_name_is_defined():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in (ROOT / "src").rglob("*.py")
        for line, name in old_names(path.read_text("utf-8"))
    ]
    assert not found, f"see {PAGE}:\n" + "\n".join(found)


def test_the_names_given_for_words_kept_to_one_meaning_are_names_in_the_code():
    given = {name for row in table("Words kept to one meaning") for name in re.findall(r"`(\w+)`", row[2])}
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert len(given) >= 5
    assert not [name for name in sorted(given) if not re.search(rf"\b{name}\b", source)]


def test_a_word_kept_to_one_meaning_has_what_it_is_otherwise_called_among_the_terms():
    terms = {row[0] for row in table("Terms")}
    assert {"fold", "CV fold", "pre-answer features", "training order", "contribution", "slice", "counters"} <= terms
    assert all(len(row) == 3 and all(row) for row in table("Words kept to one meaning"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("What was foretold.", [(1, "foretold")]),
        ("def chance_of(item):", [(1, "chance")]),
        ("Weights by\n# hand, for want\n# of data", [(2, "for want # of")]),
        ("LANDING_ROWS = 4\nis_in_force = True", [(1, "LANDING"), (2, "in_force")]),
        ("So many answers", [(1, "So many")]),
        ("the five\nfolds", [(1, "five folds")]),
        ("knowledge tracing, a traceback", []),
        ("A predictor at chance level.", []),
        ("an understanding that enhances reinforcement", []),
    ],
)
def test_an_old_word_is_found_in_a_name_in_a_comment_and_over_two_lines(text, said):
    assert old_words(text) == said


def test_an_old_name_is_found_where_it_is_defined_and_not_where_it_is_part_of_another():
    source = "class Place: ...\ndef read(standing): ...\nPlaceOfWork = reading = 1\n"
    assert old_names(source) == [(1, "Place"), (2, "standing")]
