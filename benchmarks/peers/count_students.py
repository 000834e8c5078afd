"""quixstreams on a topic: a count per key in its state store, and nothing else.

`python count_students.py BROKER TOPIC MESSAGES WARM FOLDER RESULT`, in .venv-peers-streams. RESULT: seconds and
processor seconds from the message after the first WARM ones to the last one, the most memory the process held, and what
the counts add up to.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any


def main(broker: str, topic: str, messages: int, warm: int, folder: str, result: str) -> None:
    """Count, and write down what it took."""
    from quixstreams import Application

    logging.getLogger("quixstreams").setLevel(logging.WARNING)
    at: dict[int, tuple[float, float]] = {}
    read, total = 0, 0

    def count(_value: Any, state: Any) -> None:
        nonlocal read, total
        before = state.get("answers", 0)
        state.set("answers", before + 1)
        read, total = read + 1, total + (before + 1) - before
        if read in (warm, messages):
            at[read] = time.monotonic(), time.process_time()

    app = Application(broker_address=broker, consumer_group=topic, auto_offset_reset="earliest", state_dir=folder)
    answers = app.topic(topic, key_deserializer="str", value_deserializer="json")
    app.dataframe(answers).update(count, stateful=True)
    app.run(count=messages)
    (began, began_cpu), (ended, ended_cpu) = at[warm], at[messages]
    found = {
        "seconds": ended - began,
        "cpu_s": ended_cpu - began_cpu,
        "peak_mb": _peak_mb(),
        "counted": total,
    }
    Path(result).write_text(json.dumps(found), encoding="utf-8")


def _peak_mb() -> float:
    """Return the most memory that this process has held, MiB; `ru_maxrss` is the parent's where that was larger."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6])
