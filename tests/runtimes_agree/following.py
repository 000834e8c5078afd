"""Reads a stream into a deployment, killed again and again at random writes until it comes through.

    python -m runtimes_agree.following FOLDER URL EXPECTED SEED MOST_KILLS

EXPECTED is what the stored places add up to when all is read. Each run is a fork of this process, which has loaded
everything and touched neither Delta nor SQLite nor a broker.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np

from any_stream import AllRead
from crash.points import install
from crash.server import forked
from mastery.pipelines.live.follow import Follower
from mastery.streams import connect, connect_sink
from runtimes_agree.test_live import intake_of
from school import Deployment


def follow(
    of: Deployment, url: str, stop: threading.Event, seed: int, group: str, dead_letters: str | None = None
) -> None:
    """Read the stream from the stored places on, in batches of a random size."""
    rng = np.random.default_rng(seed)
    source, intake = connect(url, group), intake_of(of)
    sink = None if dead_letters is None else connect_sink(dead_letters)
    Follower(
        source,
        intake,
        of.lake,
        of.state,
        tenant="default",
        dead_letters=sink,
        batch_s=0.05,
        batch_messages=int(rng.integers(5, 60)),
    ).follow(stop)
    intake.close()
    source.close()


def main(folder: Path, url: str, expected: int, seed: int, kills: int) -> None:
    """Be killed up to `kills` times, unless all is read before, then come through; print how often."""
    rng, killed, run = np.random.default_rng(seed), 0, 0
    while True:
        at = None if killed == kills else int(rng.integers(5, 100))
        run += 1

        def work(at: int | None = at, run: int = run) -> None:
            install(at)
            # a group of its own: a broker waits for a reader that was killed for as long as it may be silent
            of = Deployment.at(folder)
            follow(of, url, AllRead(of, expected), seed + run, f"{folder.name}-{run}")

        ended = forked(work, folder / "answer.json")
        if ended == 0:
            print(killed)
            return
        if ended != -signal.SIGKILL:
            raise SystemExit(f"a run ended with {ended}")
        killed += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6]))
    sys.stdout.flush()
    os._exit(0)
