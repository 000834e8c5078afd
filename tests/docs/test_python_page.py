"""The Python API as its pages show it: examples run, types hold, the import is light, notebooks execute."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mastery as ms

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DOCUMENTED = sorted({"mastery", *ms._HOMES.values()})

MOST_NOTEBOOK_BYTES = 400_000
"""Pictures included: a repository keeps every version of them."""


def environment():
    """The environment of a process that uses these sources."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_in_docstrings_run(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.failed == 0
    least = {"mastery": 3, "mastery.estimators.estimator": 20, "mastery.estimators.scorers": 20}
    assert found.attempted >= least.get(name, 0)


@pytest.mark.slow
def test_examples_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MASTERY_")]:
        monkeypatch.delenv(name)
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert repr(names["log"]).startswith("<Answers: 5 by 2 students on 1 topic and 0 items")


def test_everything_offered_is_there_and_told():
    assert set(ms.__all__) == {*ms._HOMES, "__version__", "open"}
    assert set(ms.__all__) <= set(dir(ms))
    for name in set(ms.__all__) - {"__version__"}:
        assert getattr(ms, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'mastery' has no attribute 'Bkt'"):
        ms.Bkt  # noqa: B018 - the attribute is what is tried


def test_every_estimator_and_setting_stands_on_the_page():
    from mastery.estimators.scorers import ESTIMATORS

    for name, kind in ESTIMATORS.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `ms.{name}`"))
        shared = {"min_evidence", "random_state", "n_jobs"}
        for setting in set(kind().get_params()) - shared:
            assert f"`{setting}`" in row, (name, setting)
        assert all(f"`{setting}`" in PAGE for setting in shared)


def test_the_import_alone_loads_nothing_heavy_and_takes_50_ms_at_most():
    heavy = ("numpy", "numba", "pyarrow", "scipy", "pandas", "polars", "xgboost", "narwhals", "pydantic")
    code = (
        "import sys, time; begun = time.process_time(); import mastery; "
        f"print(time.process_time() - begun, [name for name in sys.modules if name in {heavy}])"
    )
    took = []
    for _ in range(5):  # the best of them: other work on the machine only adds
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
        )
        seconds, loaded = done.stdout.split(maxsplit=1)
        assert loaded.strip() == "[]"
        took.append(float(seconds))
    assert min(took) < 0.05


USER_SCRIPT = """
from datetime import UTC, datetime

import mastery as ms

answers, truth = ms.simulate(students=10, days=10, seed=1)
model: ms.BKT = ms.BKT(forgetting="auto", items=True).fit(answers)
models: list[ms.Estimator] = [model, ms.Elo(), ms.IRT(), ms.LinearRNN(), ms.Boosting(), ms.RuleBased(), ms.Blend()]
state: ms.StudentState = model.state(answers, student="S1")
state = model.update(state, topic="fractions", item="q7", correct=True, at=datetime.now(UTC))
p: float = model.p_correct(state, topic="fractions", item="q9")
why: ms.Explained = model.explain(answers, student="S1", topic="fractions")
said: str = why.summary
parts: dict[str, float] = dict(why.contributions)
frame = ms.cross_validate(models, answers, by="student", folds=5)
again: ms.Estimator = ms.load(model.save("bkt.mastery"))
engine: ms.Engine = ms.open(".mastery")
lowest: float = engine.student("S1").topics[0].mastery_score
"""


@pytest.mark.slow
def test_a_users_script_passes_mypy_strict_and_a_wrong_one_does_not(tmp_path):
    def checked(text):
        script = tmp_path / "script.py"
        script.write_text(text)
        # Only what the script itself gets wrong is told, as it is for a package that was installed.
        return subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=",
             f"--cache-dir={ROOT / '.mypy_cache' / 'user'}", str(script)],
            capture_output=True, text=True, env={**environment(), "MYPYPATH": str(ROOT / "src")}, cwd=tmp_path,
        )  # fmt: skip

    good = checked(USER_SCRIPT)
    assert good.returncode == 0, good.stdout
    bad = checked(USER_SCRIPT + '\nms.BKT(forgetting="soon")\nwrong: int = model.p_correct(state, topic="t")\n')
    assert 'Argument "forgetting" to "BKT" has incompatible type' in bad.stdout
    assert "Incompatible types in assignment" in bad.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")  # of the notebook machinery
def test_a_notebook_runs_and_its_stored_outputs_are_small(path, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    stored = nbformat.read(path, as_version=4)
    assert path.stat().st_size <= MOST_NOTEBOOK_BYTES
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run it from top to bottom"
    assert sum("image/png" in out.get("data", {}) for cell in code for out in cell.outputs) >= 3
    assert str(Path.home()) not in path.read_text("utf-8")
    client = NotebookClient(stored, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment())
    assert all(out.output_type != "error" for cell in code for out in cell.outputs)


def test_both_notebooks_are_there():
    assert [path.name for path in NOTEBOOKS] == ["01_first_scores.ipynb", "02_fit_compare_explain.ipynb"]
    for path in NOTEBOOKS:
        for target in re.findall(r"\]\(([^)#\s]+)", json.dumps(json.loads(path.read_text("utf-8")))):
            assert target.startswith("http") or (path.parent / target).exists(), target
