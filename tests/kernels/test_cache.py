"""What was compiled is used again, and never after a change in anything that was compiled in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mastery.kernels.cache import _remove_unused

pytestmark = pytest.mark.slow  # each compiles in processes of its own

ROOT = Path(__file__).parents[2]

PROBE = {
    "sizes.py": "WIDTH = 2.0\nLIMIT = 100.0\n",
    "steps.py": """
        from mastery.kernels import inlined_kernel, kernel
        from probe import sizes
        from probe.sizes import WIDTH

        @inlined_kernel
        def widen(x):
            return x * WIDTH

        @kernel
        def limit(x):
            return min(x, sizes.LIMIT)
    """,
    "shape.py": """
        from typing import NamedTuple

        class Pair(NamedTuple):
            left: float
            right: float
    """,
    "work.py": '''
        import numpy as np
        from mastery.kernels import kernel
        from probe.shape import Pair
        from probe.steps import limit, widen

        @kernel
        def total(values, pair):
            """Return a sum and a pair."""
            sums = np.zeros(2)
            for x in values:
                sums[0] += limit(widen(x))
            sums[1] = max(sums[0], pair.left)
            return Pair(sums[0], sums[1])
    ''',
}
"""A package whose kernel reaches a constant and an inlined kernel, another kernel and a constant by its module, and a
NamedTuple, each in a file of its own."""

RUN = """
import json, logging, sys
heard = []
class Listener(logging.Handler):
    def emit(self, record):
        heard.append(record.getMessage())
logging.getLogger("mastery.kernels").addHandler(Listener())
logging.getLogger("mastery.kernels").setLevel(logging.INFO)
import numpy as np
from probe.shape import Pair
from probe.work import total
found = total(np.array([1.0, 80.0]), Pair(left=300.0, right=5.0))
print(json.dumps({"found": found._asdict(), "compiled": heard, "compiler": "numba.np.arrayobj" in sys.modules}))
"""

AS_IT_IS = {"left": 102.0, "right": 300.0}


@pytest.fixture
def probe(tmp_path):
    folder = tmp_path / "package" / "probe"
    folder.mkdir(parents=True)
    for name, text in {"__init__.py": "", **PROBE}.items():
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def environment(probe, **more):
    kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    paths = os.pathsep.join([str(ROOT / "src"), str(probe.parent)])
    # Python's own files of bytecode tell changes by whole seconds; a test is faster.
    return {**kept, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": str(cache(probe)), **more}


def cache(probe):
    return probe.parents[1] / "cache"


def files(probe):
    return sorted(path.name for path in (cache(probe) / "mastery" / "kernels").iterdir())


def run(probe, **more):
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment(probe, **more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"said": done.stderr}


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_second_process_compiles_nothing_and_does_not_load_the_compiler(probe):
    first, second = run(probe), run(probe)
    assert first["found"] == second["found"] == AS_IT_IS
    assert {line.rpartition(".")[2] for line in first["compiled"]} == {"total", "limit"}
    assert second["compiled"] == []
    assert first["compiler"]
    assert not second["compiler"]


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        ("sizes.py", "WIDTH = 2.0", "WIDTH = 3.0", {"left": 103.0, "right": 300.0}),
        ("sizes.py", "LIMIT = 100.0", "LIMIT = 50.0", {"left": 52.0, "right": 300.0}),
        ("steps.py", "x * WIDTH", "x + WIDTH", {"left": 85.0, "right": 300.0}),
        ("steps.py", "min(x, sizes.LIMIT)", "max(x, sizes.LIMIT)", {"left": 260.0, "right": 300.0}),
        ("shape.py", "left: float\n    right: float", "right: float\n    left: float", {"right": 102.0, "left": 300.0}),
    ],
    ids=["constant", "constant of a module", "inlined kernel", "called kernel", "order of fields"],
)
def test_a_change_in_another_file_is_seen_by_a_warm_cache(probe, file, old, new, found):
    assert run(probe)["found"] == AS_IT_IS
    change(probe / file, old, new)
    assert run(probe)["found"] == found
    change(probe / file, new, old)
    back = run(probe)
    assert (back["found"], back["compiled"]) == (AS_IT_IS, [])


def test_comments_docstrings_and_moved_lines_compile_nothing(probe):
    run(probe)
    change(probe / "work.py", '"""Return a sum and a pair."""', '"""Return two numbers."""  # the larger one last')
    change(probe / "steps.py", "@kernel", "# A kernel of its own.\n\n\n@kernel")
    assert run(probe)["compiled"] == []


def test_another_copy_of_the_same_code_is_warm_at_once(probe):
    run(probe)
    moved = probe.parents[1] / "elsewhere"
    probe.parent.rename(moved)
    done = run(probe, PYTHONPATH=os.pathsep.join([str(ROOT / "src"), str(moved)]))
    assert (done["found"], done["compiled"]) == (AS_IT_IS, [])


def test_the_folder_of_numba_is_respected(probe, tmp_path):
    assert run(probe, NUMBA_CACHE_DIR=str(tmp_path / "numba"))["found"] == AS_IT_IS
    assert list((tmp_path / "numba" / "mastery-kernels").iterdir())
    assert not cache(probe).exists()


def test_without_a_home_to_write_in_a_private_temporary_folder_serves(probe, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    where = {"XDG_CACHE_HOME": "", "HOME": "/dev/null", "TMPDIR": str(temporary)}
    assert run(probe, **where)["compiled"] != []
    second = run(probe, **where)
    assert (second["found"], second["compiled"], second["said"]) == (AS_IT_IS, [], "")
    (folder,) = temporary.iterdir()
    assert folder.stat().st_mode & 0o077 == 0


def test_a_relative_cache_folder_is_not_made_where_a_command_is_run(probe, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert run(probe, XDG_CACHE_HOME="somewhere", TMPDIR=str(temporary))["compiled"] != []
    assert not Path("somewhere").exists()
    assert list(temporary.iterdir())


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a matter of POSIX permissions")
def test_a_temporary_folder_that_others_can_write_is_not_trusted_and_nothing_fails(probe, tmp_path):
    folder = tmp_path / f"mastery-kernels-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    where = {"XDG_CACHE_HOME": "/dev/null/cache", "TMPDIR": str(tmp_path)}
    for _ in range(2):
        done = run(probe, **where)
        assert done["found"] == AS_IT_IS
        assert done["compiled"] != []
        assert done["said"].count("set NUMBA_CACHE_DIR") == 1
    assert list(folder.iterdir()) == []


def test_a_damaged_file_is_compiled_again(probe):
    run(probe)
    for name in files(probe):
        path = cache(probe) / "mastery" / "kernels" / name
        path.write_bytes(path.read_bytes()[:1000])
    again = run(probe)
    assert again["found"] == AS_IT_IS
    assert again["compiled"] != []
    assert run(probe)["compiled"] == []


def test_processes_that_compile_at_the_same_time_do_no_harm(probe):
    started = [
        subprocess.Popen([sys.executable, "-c", RUN], env=environment(probe), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for one in started:
        out, _ = one.communicate()
        assert one.returncode == 0
        assert json.loads(out)["found"] == AS_IT_IS
    assert not [name for name in files(probe) if name.startswith(".")]
    assert run(probe)["compiled"] == []


def test_what_nobody_has_used_for_weeks_goes_when_something_is_compiled_and_the_rest_stays(probe):
    run(probe)
    folder = cache(probe) / "mastery" / "kernels"
    before = files(probe)
    old = time.time() - 30 * 86_400
    for name in before:
        os.utime(folder / name, (old, old))
    (folder / "of-another-version").write_bytes(b"")
    os.utime(folder / "of-another-version", (old, old))
    assert run(probe)["compiled"] == []  # loading marks as used
    change(probe / "sizes.py", "WIDTH = 2.0", "WIDTH = 3.0")
    run(probe)
    after = files(probe)
    assert "of-another-version" not in after
    assert {name for name in before if "work.total" in name} < set(after)
    assert len([name for name in after if "work.total" in name]) == 2


def test_old_files_of_another_user_in_a_shared_folder_stay_and_nothing_fails(tmp_path, monkeypatch):
    old = tmp_path / "of-another-user"
    old.write_bytes(b"")
    os.utime(old, (0, 0))

    def not_permitted(_self, missing_ok=False):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", not_permitted)
    _remove_unused(tmp_path)
    assert old.exists()


def test_a_folder_that_may_be_written_and_not_listed_does_no_harm(tmp_path, monkeypatch):
    def not_permitted(_self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", not_permitted)
    _remove_unused(tmp_path)
