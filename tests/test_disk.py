"""Systems that lack what a lake needs: said at once, in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NO_LINKS = """
#include <errno.h>
int link(const char *from, const char *to) { errno = EPERM; return -1; }
int linkat(int a, const char *from, int b, const char *to, int flags) { errno = EPERM; return -1; }
"""
MAIN = "from mastery.apps.cli import main; main()"
WITHOUT_LOCKS = f"import sys; sys.modules['fcntl'] = None; {MAIN}"


def mastery(program: str, home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, "--home", str(home), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def told_in_one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.slow
def test_a_file_system_without_hard_links_is_told_and_nothing_is_left(tmp_path: Path, answers: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a C compiler makes the file system lack hard links")
    source, library = tmp_path / "no_links.c", tmp_path / "no_links.so"
    source.write_text(NO_LINKS)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    home = tmp_path / "home"
    done = mastery(MAIN, home, "ingest", str(answers), LD_PRELOAD=str(library))
    assert "no hard links" in told_in_one_sentence(done)
    assert [path for path in home.rglob("*") if path.is_file() and not path.name.endswith(".lock")] == []


@pytest.mark.slow
@pytest.mark.parametrize("command", [["ingest", "answers.csv"], ["recompute"], ["show", "S1"], ["class-report"]])
def test_a_system_without_file_locks_is_told(tmp_path: Path, command: list[str]) -> None:
    done = mastery(WITHOUT_LOCKS, tmp_path / "home", *command)
    assert "no file locks" in told_in_one_sentence(done)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    file = tmp_path / "answers.csv"
    file.write_text("student_id,question_id,topic_id,is_correct,timestamp\nS1,Q1,T1,1,2024-05-01T00:00:00Z\n")
    return file
