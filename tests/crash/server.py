"""Run a command, kill it at each point in turn, run it again, and compare; one JSON document a line.

    python -m crash.server COMMAND FOLDER MOST [MOMENTS]

Each run is a fork of this process, which has loaded everything and touched neither Delta nor SQLite: a fork is ready
in milliseconds, a new interpreter takes seconds. MOST points at most are tried, evenly spread; 0 tries all. With
MOMENTS no points are tried: as many kills come at any moment of a run instead.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crash.commands import COMMANDS, everything, moments_shown, school, sets_shown
from crash.points import install


def forked(work: Callable[[], Any], answer: Path, kill_after_s: float | None = None) -> int:
    """Run in a child, which writes what comes out as JSON; return how the child ended: −9 for a kill.

    kill_after_s: When it is killed, unless it has ended by then.
    """
    child = os.fork()
    if child == 0:
        try:
            answer.write_text(json.dumps(work()))
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent is told by the exit code
            traceback.print_exc()
            os._exit(1)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)  # one that has ended is there until it is waited for
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(name: str, folder: Path, most: int, moments: int = 0) -> None:
    command = COMMANDS[name]
    answer = folder / "answer.json"

    def done(work: Callable[[], Any]) -> Any:
        if forked(work, answer) != 0:
            raise SystemExit(f"{name}: a run that nobody killed failed")
        return json.loads(answer.read_text())

    def prepared() -> None:
        (folder / "base").mkdir()
        command.prepare(folder / "base")

    def uninterrupted() -> list[Any]:
        points, began = install(None), time.monotonic()
        command.run(folder / "whole")
        passed, lasts_s = points.passed, time.monotonic() - began
        return [passed, lasts_s, everything(school(folder / "whole"))]

    def killed(kill_at: int) -> None:
        install(kill_at)
        command.run(folder / "killed")

    def looked_at_and_run_again() -> list[Any]:
        before: list[Any] = [None, None]
        if command.shows:
            before = [sets_shown(folder / "killed"), moments_shown(folder / "killed")]
        command.run(folder / "killed")
        return [before, everything(school(folder / "killed"))]

    done(prepared)
    shutil.copytree(folder / "base", folder / "whole")
    points, lasts_s, whole = done(uninterrupted)
    rng = random.Random(name)

    def killed_at_random() -> int:
        """Try until it is killed: a run may take less time than the first one did."""
        nonlocal lasts_s
        ended = 0
        while ended == 0:
            shutil.rmtree(folder / "killed", ignore_errors=True)
            shutil.copytree(folder / "base", folder / "killed")
            after_s = rng.uniform(0.0, lasts_s)
            ended = forked(lambda: command.run(folder / "killed"), answer, after_s)
            lasts_s = after_s if ended == 0 else lasts_s
        return ended

    tried = range(points) if not most else sorted({round(k * (points - 1) / (most - 1)) for k in range(most)})
    for kill_at in range(moments) if moments else tried:
        if moments:
            ended = killed_at_random()
        else:
            shutil.copytree(folder / "base", folder / "killed")
            ended = forked(lambda at=kill_at: killed(at), answer)  # type: ignore[misc]
        before, after = done(looked_at_and_run_again)
        print(
            json.dumps(
                {
                    "point": kill_at,
                    "of": points,
                    "killed": ended == -signal.SIGKILL,
                    "sets": before[0],
                    "moments": before[1],
                    "differs": {part: [whole[part], after[part]] for part in whole if whole[part] != after[part]},
                }
            ),
            flush=True,
        )
        shutil.rmtree(folder / "killed")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
