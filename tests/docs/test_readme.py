"""What the README shows is what a person sees: its excerpts, its numbers, its picture, its commands."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from mastery.apps.cli import build
from mastery.directory.pseudonyms import KEY_BYTES, Pseudonyms
from mastery.engine import Engine
from mastery.scorers import unfitted
from mastery.settings import load_settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
KEY = bytes(KEY_BYTES)
"""The key of the picture and the excerpts: zeros."""


def picture():
    spec = importlib.util.spec_from_file_location("picture", ROOT / "scripts" / "picture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def block(language: str, after: str) -> str:
    """The first code block in a language after a heading."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.split(f"\n## {after}\n")[1], re.MULTILINE | re.DOTALL)[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The command line as in a terminal of 96 columns, with nothing of this machine's settings."""
    environment = {name: None for name in os.environ if name.startswith("MASTERY_")}
    environment |= {"MASTERY_PSEUDONYM_KEY": KEY.hex(), "COLUMNS": "96"}

    def invoke(*arguments: str) -> str:
        done = CliRunner().invoke(build(), list(arguments), env=environment)
        assert done.exit_code == 0, done.output
        return done.stdout

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))  # where no .env lies
        yield invoke


@pytest.fixture(scope="module")
def demo(tmp_path_factory, run):
    """A home that `mastery demo` made, and what it printed."""
    home = tmp_path_factory.mktemp("demo") / "home"
    return home, run("--home", str(home), "demo", "--data", str(ROOT / "data" / "sample"))


@pytest.fixture(scope="module")
def engine(demo):
    """The engine over that home."""
    engine = Engine.connect(load_settings(home=demo[0], environ={}).settings, create=False)
    yield engine
    engine.close()


def test_the_excerpt_is_what_show_prints(demo, run):
    excerpt = block("", "Example: one student, one topic").splitlines()
    typed = excerpt[0].removeprefix("$ .venv/bin/mastery --home .demo ").split()
    printed = [line.rstrip() for line in run("--home", str(demo[0]), *typed).splitlines()]
    at = 0
    for line in excerpt[1:]:
        if line not in ("…", ""):
            assert line in printed[at:], f"not printed, or not in this place: {line!r}; paste what is printed now"
            at = printed.index(line, at) + 1


def test_the_numbers_of_the_demo_are_what_it_prints(demo):
    told = " ".join(README.split("\n## Quick start\n")[1].split("\n## ")[0].split())
    found = re.search(r"reads ([\d,]+) rows \(([\d,]+) accepted, ([\d,]+) duplicates, ([\d,]+) rejected", told)
    of_scores = re.search(r"of (\d+) students on (\d+) topics", told)
    every_row = next(line.split() for line in demo[1].splitlines() if line.startswith("all rows "))
    assert every_row[2:4] + every_row[5:] == list(found.groups())
    assert every_row[4] == "0"  # revised
    assert f"{of_scores[1]} students, {of_scores[2]} topics" in demo[1]


def test_the_picture_shows_the_scores_that_are_computed_now(engine):
    script = picture()
    document = engine.class_report(in_need=0, scorer=script.SCORER, tenant=None)[0]
    with Image.open(script.PICTURE) as image:
        assert image.text[script.SCORES] == script.digest(document), "run .venv/bin/python scripts/picture.py"


def test_the_picture_can_be_drawn(engine):
    script = picture()
    document = engine.class_report(in_need=0, scorer=None, tenant=None)[0]
    texts = [text.get_text() for text in script.draw(document).axes[0].texts]
    assert {"Equivalent fractions", "Too little evidence", "Nothing yet"} <= set(texts)
    assert "not-in-the-course" not in texts
    assert [text for text in texts if re.fullmatch("[0-9a-f]{4}", text)] == [s[2:6] for s in document.students]


def test_the_intervals_hold_the_truth_about_nine_times_in_ten(engine):
    truth = {}
    with (ROOT / "data" / "sample" / "truth" / "mastery.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):  # in order of time: the last one stands
            truth[Pseudonyms(KEY).student("default", row["student_id"]), row["topic_id"]] = float(row["true_mastery"])
    for scorer in unfitted():
        rows = engine.class_report(in_need=0, scorer=scorer, tenant=None)[0].scores
        held = [
            row.lower <= truth[row.student_id, row.topic_id] <= row.upper
            for row in rows
            if (row.student_id, row.topic_id) in truth
        ]
        assert 0.84 < sum(held) / len(held) < 0.96, f"{scorer}: the README says about nine times in ten"


def test_ones_own_data_goes_through_the_four_commands(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.csv").write_text(block("csv", "Your own data"), "utf-8")
    typed = block("sh", "Your own data").splitlines()
    printed = [run(*line.removeprefix("mastery ").split()) for line in typed]
    assert len(typed) == 4
    assert re.search(r"quiz_attempts +answers.csv +5 +5 +0 +0", printed[0])
    assert all("fractions" in text for text in printed[2:])
    assert "2 of 3 answers right" in printed[3]


def test_the_lines_of_python_run_on_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.csv").write_text(block("csv", "Your own data"), "utf-8")
    names: dict[str, object] = {}
    exec(compile(block("python", "In Python"), "README.md", "exec"), names)
    names["engine"].close()
