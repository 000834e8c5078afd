"""What is printed on terminals of several widths, as a process on a terminal of that many columns sees it."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.console import Console

from mastery.apps.cli.console import JOINED, below, console, first_that_fits, plain_table, prose
from mastery.apps.progress import Bar

pytestmark = pytest.mark.slow  # commands on a home, at several widths

ROOT = Path(__file__).parents[2]
MAIN = "from mastery.apps.cli import main; main()"
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("MASTERY_") and name not in ("COLUMNS", "LINES")
} | {"PYTHONPATH": str(ROOT / "src"), "TERM": "xterm"}
LATEST = ("--as-of", "latest")
NARROW = pytest.param(60, marks=pytest.mark.slow)
WIDE = pytest.param(200, marks=pytest.mark.slow)


@pytest.fixture
def shown(home, tmp_path):
    """The lines that a command shows on a terminal: shown(width, *arguments, home=…)."""

    def run(width: int, *arguments: str, home: Path = home) -> list[str]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        line = [sys.executable, "-c", MAIN, "--home", str(home), *arguments]
        with subprocess.Popen(
            line, cwd=tmp_path, env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            text = b""
            while part := _read(ours):
                text += part
            assert process.wait() == 0, text.decode()
        os.close(ours)
        left = text.decode().rpartition("\x1b[2K")[2]  # a progress bar, which a slow machine brings up, is erased
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", left).replace("\r", "").splitlines()

    return run


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # what Linux says once the other end has gone
        return b""


@pytest.mark.parametrize("width", [NARROW, 80, 120, WIDE])
def test_a_class_report_shows_whole_titles_and_ids_at_every_width(shown, mastery, width):
    lines = shown(width, "class-report")
    document = json.loads(mastery("class-report", "--json").stdout)
    text = "\n".join(lines)
    assert "…" not in text
    assert max(len(line.rstrip()) for line in lines if not line.startswith("note:")) <= width
    words = " ".join(text.split())
    for topic in document["topics"]:
        assert topic["topic_id"] in text
        assert topic["title"] is None or set(topic["title"].split()) <= set(re.split(r"[\s(]+", words))
    for one in document["in_need"]:
        assert one["student_id"] in text  # whole, so that it can be given to another command
        assert f"({one['topics'][0]['topic_id']})" in text


@pytest.mark.parametrize("width", [NARROW, 80, WIDE])
def test_a_student_is_shown_with_the_ids_of_topics_and_no_word_is_cut(shown, mastery, width):
    lines = shown(width, "show", "S000014", *LATEST)
    assert "…" not in "\n".join(lines)
    assert max(len(line.rstrip()) for line in lines) <= width
    for topic in json.loads(mastery("show", "S000014", *LATEST, "--json").stdout)["topics"]:
        assert f"({topic['topic_id']})" in "\n".join(lines)


@pytest.mark.parametrize("width", range(70, 171))
def test_no_letter_is_cut_where_two_columns_are_wrapped(width):
    # At 140 columns "came back to" ended in "came back t": two columns had more characters than the line has.
    cells = ("Adding and subtracting fractions (frac-add)", "17", "came back to the topic once (2 days of work); " * 3)
    table = plain_table("topic", "score", "why", right=("score",), wrap={"topic": 20, "why": 36})
    table.add_row(*cells)
    out = Console(width=width, file=io.StringIO())
    out.print(first_that_fits(out, table))
    lines = out.file.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    at = lines[0].index("score"), lines[0].index("why")
    for cell, first, end in ((cells[0], 0, at[0]), (cells[2], at[1], width)):
        assert " ".join(line[first:end] for line in lines[2:]).split() == cell.split()


@pytest.mark.parametrize("width", [24, 40])
def test_no_letter_is_lost_where_columns_have_no_room(width):
    heads = ("topic", "score", "answered before", "why")
    cells = ("Adding and subtracting fractions (frac-add)", "17", "3 ×", "came back to the topic once (2 days of work)")
    table = plain_table(*heads, right=("score", "answered before"), wrap={"topic": 20, "why": 36})
    table.add_row(*cells)
    out = Console(width=width, file=io.StringIO())
    out.print(first_that_fits(out, table))
    text = out.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    assert cells[0] in words and cells[3] in words and "score: 17, answered before: 3 ×" in words


def test_a_narrow_terminal_shows_reasons_in_few_lines(shown):
    # 152 lines when each of six columns was wrapped into what was left for it.
    assert len(shown(80, "show", "S000014", *LATEST)) < 125


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "list"),
        ("models", "show", "default"),
        ("models", "compare", "default", "default"),
        ("rejected",),
        ("history", "S000014", "frac-equiv"),
        ("items", "S000014", "frac-equiv", *LATEST),
        ("config",),
        ("tenants",),
    ],
)
@pytest.mark.parametrize("width", [NARROW, 80])
def test_no_table_of_another_command_is_cut(shown, width, arguments):
    lines = shown(width, *arguments)
    assert "…" not in "\n".join(lines)
    if arguments == ("models", "show", "default"):  # it has lists of numbers, and no table
        assert max(map(len, lines[1:])) <= width
    rule = next((at for at, line in enumerate(lines) if line.startswith("──")), None)
    assert rule is None or len(lines[rule].rstrip()) <= width


def test_wide_terminals_show_a_row_for_each_topic_with_reasons_beside_it(shown):
    heads = next(line for line in shown(200, "show", "S000014", *LATEST) if line.startswith("topic "))
    assert heads.split()[-3:] == ["band", "graded", "why"]


@pytest.mark.parametrize("width", [NARROW, 80, WIDE])
def test_files_and_counts_of_an_ingest_are_whole_at_every_width(shown, tmp_path, width):
    sample = ROOT / "data" / "sample"
    files = [str(sample / name) for name in ("chatbot_interactions.csv", "teacher_feedback.csv")]
    text = "\n".join(shown(width, "ingest", *files, home=tmp_path / "new"))
    assert "chatbot_interactions.csv" in text and "teacher_feedback.csv" in text
    assert {"143", "142", "198"} <= set(text.split())


def test_measures_of_an_evaluation_stand_below_each_other_where_there_is_little_room(shown):
    file = str(ROOT / "data" / "sample" / "quiz_attempts.csv")
    lines = shown(80, "evaluate", file, "--unfitted", "--scorers", "rule_based,elo")
    assert any(line.split()[:2] == ["rule_based", "AUC"] for line in lines)
    assert any(line.split()[:2] == ["log", "loss"] for line in lines)


def test_a_long_title_leaves_room_for_the_numbers_of_a_bar(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    bar = Bar("Reading", 19)
    bar.update(done=6, title="Fitted bkt, elo, irt, linear_rnn, linear_rnn_unconstrained")
    console = Console(width=80)
    with console.capture() as captured:
        console.print(bar._progress.get_renderable())
    (line,) = captured.get().splitlines()
    assert "Fitted bkt, elo, irt" in line
    assert "6/19" in line and line.count("0:00:00") + line.count("-:--:--") == 2


def test_no_line_is_broken_between_a_number_and_its_per_cent(monkeypatch, capsys):
    for width in range(14, 40):
        monkeypatch.setenv("COLUMNS", str(width))
        table = plain_table("why", wrap={"why": 12})
        table.add_row(below("topic", prose("watched 95 % of the video; 28 % on the only assignment")))
        console().print(table)
    shown = capsys.readouterr().out
    assert "95 %" in shown and "28 %" in shown and JOINED not in shown
    assert not [line for line in shown.splitlines() if line.startswith("%")]
