"""mirt or theta-irt on a file of answers. `python irt.py mirt|theta ANSWERS.npz RESULT.json`, in .venv-peers.

ANSWERS holds student, item and correct. RESULT: seconds of the fit, the second of two (the first compiles), the most
memory the process held, and the items' parameters.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from pathlib import Path


def main(peer: str, answers: str, result: str) -> None:
    """Fit, and write down what came of it."""
    warnings.simplefilter("ignore")
    import numpy as np

    held = np.load(answers)
    missing = -1.0 if peer == "mirt" else np.nan
    dense = np.full((int(held["student"].max()) + 1, int(held["item"].max()) + 1), missing)
    dense[held["student"], held["item"]] = held["correct"]
    if peer == "mirt":
        import mirt

        codes = dense.astype(np.int64)
        fit = lambda: mirt.fit_mirt(codes, "2PL", compute_standard_errors=False).model.parameters  # noqa: E731
        names = ("discrimination", "difficulty")
    else:
        import theta

        fit = lambda: vars(theta.fit(dense, "2PL")._r)  # noqa: E731
        names = ("a", "b")
    fit()
    began = time.monotonic()
    found = fit()
    seconds = time.monotonic() - began
    line = {
        "fit_s": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "slope": np.asarray(found[names[0]], dtype=float).ravel().tolist(),
        "difficulty": np.asarray(found[names[1]], dtype=float).ravel().tolist(),
    }
    Path(result).write_text(json.dumps(line), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
