"""What `mastery show` does not load: half of scipy, which numba would look for on its first use."""

from __future__ import annotations

import subprocess
import sys

SHOW = """
import sys
from mastery.apps.cli import build
from typer.testing import CliRunner
done = CliRunner().invoke(build(), ["--home", sys.argv[1], "show", "S000014", "--as-of", "latest"])
assert done.exit_code == 0, done.output
assert "numba.np.arraymath" in sys.modules, "numba was not used, so this shows nothing"
print("scipy.linalg" in sys.modules, flush=True)
import scipy.linalg
print(float(scipy.linalg.det([[2.0, 0.0], [0.0, 3.0]])))
"""


def test_show_loads_no_linear_algebra_and_others_may_still_do_so(home):
    done = subprocess.run([sys.executable, "-c", SHOW, str(home)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "6.0"], done.stderr
