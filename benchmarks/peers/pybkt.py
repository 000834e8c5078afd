"""pyBKT on a file of answers. `python pybkt.py ANSWERS.npz RESULT.json FITS`, in the environment of `make bench-peers`.

ANSWERS holds student, topic and correct, in order. RESULT: seconds to fit and to predict, parameters by topic, and
whether the C++ core ran: without it pyBKT falls back to Python and says nothing.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path


def main(answers: str, result: str, fits: int) -> None:
    """Fit, predict, and write down what came of it."""
    warnings.simplefilter("ignore")
    import numpy as np
    import pandas as pd
    from pyBKT.fit import E_step
    from pyBKT.models import Model

    held = np.load(answers)
    frame = pd.DataFrame(
        {
            "order_id": np.arange(held["student"].size),
            "skill_name": np.char.add("t", held["topic"].astype(str)),
            "correct": held["correct"].astype(int),
            "user_id": held["student"],
        }
    )
    forgets = bool(held["forgets"]) if "forgets" in held else False
    began = time.monotonic()
    model = Model(seed=42, num_fits=fits)
    model.fit(data=frame, forgets=forgets)
    fitted = time.monotonic()
    predicted = model.predict(data=frame)
    ended = time.monotonic()
    params = {
        name[1:]: [
            float(one["prior"]),
            float(np.ravel(one["guesses"])[0]),
            float(np.ravel(one["slips"])[0]),
            float(np.ravel(one["learns"])[0]),
            float(np.ravel(one["forgets"])[0]),
        ]
        for name, one in model.fit_model.items()
    }
    found = {
        "fit_s": fitted - began,
        "predict_s": ended - fitted,
        "core": "C++" if str(E_step.__file__).endswith((".so", ".pyd")) else "Python",
        "params": params,
        "first": [float(p) for p in predicted["correct_predictions"].to_numpy()[:2000]],
    }
    Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
