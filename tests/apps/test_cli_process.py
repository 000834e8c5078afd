"""The command line as a process: what a shell, a pipe and Ctrl-C see of it."""

from __future__ import annotations

import csv
import ctypes
import io
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from mastery.apps.memory import ARENAS

pytestmark = pytest.mark.slow  # a process for each call

ROOT = Path(__file__).parents[2]
MAIN = "from mastery.apps.cli import main; main()"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MASTERY_")} | {
    "PYTHONPATH": str(ROOT / "src"),
    "COLUMNS": "140",
}


@pytest.fixture
def mastery(tmp_path):
    def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", MAIN, *map(str, arguments)]
        return subprocess.run(line, cwd=tmp_path, env=ENVIRONMENT | variables, capture_output=True, text=True)

    return run


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_the_demo_ends_with_0_after_the_class_who_needs_help_with_reasons_and_what_to_type_next(mastery, tmp_path):
    done = mastery("demo", "--data", ROOT / "data" / "sample")
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    read, accepted, revised, duplicates, rejected = (
        int(text.replace(",", ""))
        for text in next(x for x in done.stdout.splitlines() if x.startswith("all rows ")).split()[2:]
    )
    assert read == accepted + revised + duplicates + rejected == 5_681
    assert "Class: 30 students" in done.stdout
    assert "Who needs help first" in done.stdout
    assert "answers right" in done.stdout
    assert "mastery --home .demo show s_" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("mastery ingest --help")  # one's own files: not into .demo
    again = mastery("demo", "--data", ROOT / "data" / "sample")
    assert again.returncode == 0, again.stderr


def test_the_demo_leaves_a_home_alone_that_it_did_not_make(mastery, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "state.db").write_text("precious")
    done = mastery("--home", "ours", "demo", "--data", ROOT / "data" / "sample")
    assert done.returncode == 2
    assert "no demo made" in done.stderr
    assert (tmp_path / "ours" / "state.db").read_text() == "precious"


def test_a_demo_of_a_folder_that_is_not_there_keeps_the_one_before(mastery, tmp_path):
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "made-by-mastery-demo").write_text("")
    (tmp_path / "earlier" / "state.db").write_text("as it was")
    done = mastery("--home", "earlier", "demo", "--data", tmp_path / "nowhere")
    assert done.returncode == 3
    assert "no such folder" in done.stderr
    assert (tmp_path / "earlier" / "state.db").read_text() == "as it was"


@pytest.mark.parametrize("arguments", [("ingest", ""), ("preview", ""), ("evaluate", ""), ("simulate", "--out", "")])
def test_an_empty_path_is_not_the_current_folder(mastery, arguments):
    done = mastery(*arguments)
    assert done.returncode == 2
    assert "the path is empty" in done.stderr


def test_an_export_without_a_file_goes_into_the_pipe_and_nothing_else_does(mastery, home):
    done = mastery("--home", home, "export", "student_mastery", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 4 * 586
    assert "2,344 rows of student_mastery" in done.stderr


def test_an_error_ends_with_its_code_and_one_line_on_standard_error(mastery, home, tmp_path):
    for arguments, code in (
        (("show", "nobody"), 3),
        (("show", "S000014", "--scorer", "btk"), 2),
        (("ingest", tmp_path / "no.csv"), 3),
        (("ingest",), 2),
    ):
        done = mastery("--home", home, *arguments)
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr


def test_no_output_holds_the_key_of_the_pseudonyms(mastery, home):
    key = (home / "keys" / "pseudonym.key").read_text().strip()
    for arguments in (("show", "S000014", "--json"), ("config",), ("config", "--json"), ("class-report",)):
        done = mastery("--home", home, *arguments)
        assert done.returncode == 0, done.stderr
        assert key not in done.stdout + done.stderr


def test_show_loads_no_pandas_and_once_warm_neither_a_compiler_nor_linear_algebra(home):
    program = (
        "import sys; sys.argv = ['mastery', '--home', sys.argv[1], 'show', 'S000014', '--json']\n"
        "from mastery.apps.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'pandas', 'duckdb', 'rich.table', 'polars', 'fastapi', 'scipy.linalg', 'numba', 'numba.np.arrayobj'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    for _ in range(2):  # the first one may have to compile
        done = subprocess.run(
            [sys.executable, "-c", program, str(home)], env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
    assert json.loads(done.stdout)["topics"]
    assert done.stderr.strip() == "['numba']"


def test_a_server_on_a_taken_port_is_refused_with_the_setting_that_moves_it(mastery, home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = mastery("--home", home, "serve", "--no-dashboard", MASTERY_API__PORT=str(taken.getsockname()[1]))
    assert done.returncode == 4
    assert "MASTERY_API__PORT=" in done.stderr


@pytest.mark.parametrize("tenant", [None, "north"])
def test_a_server_makes_no_lake_where_there_is_none(mastery, home, tmp_path, tenant):
    if tenant is not None:
        shutil.copytree(home, tmp_path / "home")
    before = sorted(tmp_path.rglob("*"))
    environ = {} if tenant is None else {"MASTERY_TENANT": tenant}
    done = mastery("--home", tmp_path / "home", "serve", "--no-dashboard", **environ)
    assert done.returncode == 3
    assert "no lake at" in done.stderr if tenant is None else "no events of tenant 'north'" in done.stderr
    alone = subprocess.run(
        [sys.executable, "-m", "mastery.apps.api"],
        env=ENVIRONMENT | {"MASTERY_HOME": str(tmp_path / "home")} | environ,
        capture_output=True,
        text=True,
    )
    assert alone.returncode == 1
    assert alone.stderr.startswith("error: no lake at" if tenant is None else "error: there are no events of tenant")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_until_it_is_interrupted_and_leaves_nobody_behind(home, tmp_path, how):
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "--home", str(home), "serve", "--no-dashboard"],
        cwd=tmp_path,
        env=ENVIRONMENT | {"MASTERY_API__PORT": str(port), "PYTHONUNBUFFERED": "1", "MASTERY_LOG_LEVEL": "warning"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        assert process.stdout.readline().split() == ["API", url]
        with urllib.request.urlopen(f"{url}/mastery/S000014?as_of=latest") as answer:
            assert json.load(answer)["topics"]
    finally:
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/healthz")


HEAP_BYTES = 64 << 20
"""Where glibc puts the first heap of an arena: at a multiple of this, with as much reserved."""


def arenas_of(process: int) -> int:
    """Return in how many of glibc's arenas the threads of a process allocate."""
    maps = [line.split() for line in Path(f"/proc/{process}/maps").read_text().splitlines()]
    regions = [(*(int(end, 16) for end in one[0].split("-")), one[1], len(one) == 5) for one in maps]
    return 1 + sum(
        used[2] == "rw-p" and left[2] == "---p" and used[3] and left[0] == used[1] and left[1] - used[0] == HEAP_BYTES
        for used, left in pairwise(regions)
        if used[0] % HEAP_BYTES == 0
    )


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="arenas are glibc's")
def test_the_threads_of_serve_share_a_few_arenas(home, tmp_path):
    """Each of the forty had one of its own, up to eight a core, and kept in it what was freed."""
    (port,) = free_ports(1)
    others = {name: value for name, value in ENVIRONMENT.items() if name != "MALLOC_ARENA_MAX"}
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "--home", str(home), "serve", "--no-dashboard"],
        cwd=tmp_path,
        env=others | {"MASTERY_API__PORT": str(port), "PYTHONUNBUFFERED": "1", "MASTERY_LOG_LEVEL": "warning"},
        stdout=subprocess.PIPE,
    ) as process:
        try:
            process.stdout.readline()
            url = f"http://127.0.0.1:{port}/mastery/S000014?as_of=latest"
            with ThreadPoolExecutor(16) as pool:
                sizes = list(pool.map(lambda _: len(urllib.request.urlopen(url).read()), range(64)))
            assert min(sizes) > 0
            assert 1 < arenas_of(process.pid) <= ARENAS
        finally:
            process.terminate()


def reads_one_byte(*arguments: str | Path, cwd: Path) -> tuple[int, str]:
    """Run the command line with a reader that goes away after one byte; return its exit code and standard error."""
    line = [sys.executable, "-c", MAIN, *map(str, arguments)]
    with subprocess.Popen(
        line, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        process.stdout.read(1)
        process.stdout.close()
        said = process.stderr.read().decode()
        return process.wait(timeout=120), said


@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_an_export_ends_quietly_when_its_reader_goes_away(home, tmp_path, file_format):
    for _ in range(4):
        ended = reads_one_byte("--home", home, "export", "gold", "--format", file_format, cwd=tmp_path)
        assert ended == (141, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "S000014"),
        ("class-report", "--json"),
        ("rejected",),
        ("history", "S000014", "frac-equiv"),
        ("--help",),
        ("--version",),
        ("show", "--help"),
        ("models", "--help"),
        ("models", "show", "-h"),
    ],
)
def test_what_is_printed_for_nobody_ends_quietly(home, tmp_path, arguments):
    # The reader is gone before anything is written, so even the shortest output finds a closed pipe.
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "--home", str(home), *arguments],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_export_is_appended_to_a_file_and_follows_what_a_group_wrote_before(home, tmp_path):
    command = f"{sys.executable} -c '{MAIN}' --home {home} export topics --format csv"
    script = f"(echo first; {command}; echo last) > out.txt; {command} >> out.txt"
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True)
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert lines[0] == "first"
    whole = lines[1 : lines.index("last")]
    assert len(whole) > 20
    assert lines[lines.index("last") + 1 :] == whole


def test_ctrl_c_in_a_fit_ends_with_a_clean_line_and_leaves_nothing(mastery, home, tmp_path):
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "--home", str(copy), "fit"],
        env=ENVIRONMENT | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown, sent = b"", False
        while part := read_terminal(ours):
            shown += part
            if b"Fitt" in shown and not sent:  # the bar is up
                process.send_signal(signal.SIGINT)
                sent = True
        assert process.wait(timeout=60) == 130
    os.close(ours)
    assert shown.endswith(b"\r\ninterrupted\r\n")
    assert b"Traceback" not in shown
    assert len(json.loads(mastery("--home", copy, "models", "list", "--json").stdout)) == 1


def read_terminal(terminal: int) -> bytes:
    """Return what a terminal shows next; nothing once the other end has gone."""
    try:
        return os.read(terminal, 65_536)
    except OSError:  # what Linux says then
        return b""


def test_ctrl_c_in_a_simulation_leaves_no_file(tmp_path):
    school = tmp_path / "school"
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "simulate", "--students", "100000", "--out", str(school)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not (school.is_dir() and list(school.rglob("*.part"))):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed, said) == (130, "", "interrupted\n")
    assert [path for path in school.rglob("*") if path.is_file()] == []


STUCK = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
from mastery.apps.progress import progress
with progress("Working"), ThreadPoolExecutor(1) as pool:
    pool.submit(time.sleep, 60)
    print("begun", flush=True)
    threading.Event().wait()
"""


def test_ctrl_c_ends_work_whose_threads_go_on():
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=50)
    assert (process.returncode, said) == (130, "interrupted\n")
    assert time.monotonic() - began < 20.0


def test_a_standard_output_that_was_closed_before_is_no_error():
    run = f"{sys.executable} -c 'from mastery.apps.cli import main; main()' version >&-"
    done = subprocess.run(["/bin/sh", "-c", run], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
