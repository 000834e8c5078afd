"""A model set becomes active, or the one before again, while a worker follows: killed in the middle, and done."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from any_stream import MemoryStream
from crash.commands import eager
from mastery.pipelines.live.follow import Follower
from mastery.pipelines.live.watch import Watch
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.records import record_of
from mastery.state import NOWHERE, encode
from mastery.streams import connect
from mastery.tables import EVENTS
from pipelines.live.test_batch import answer, intake_of, post
from runtimes_agree.test_live import RULES, STUDENTS, deployment, publisher, students
from runtimes_agree.test_streams import agree, sent
from school import KEY, NOW_US, ROOT, Deployment
from stream import files, stream

SWITCH = """
import sys
from pathlib import Path
from crash.points import install
from crash.commands import eager, RULES, publisher
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.scoring.activate import activate, rollback
from school import NOW_US, Deployment
of = Deployment.at(Path(sys.argv[1]))
install(int(sys.argv[3]) if sys.argv[3] else None)
if sys.argv[2] == "activate":
    activate(of.lake, RULES, eager(current_model_set(of.lake, RULES)).version, NOW_US, publisher(of))
else:
    rollback(of.lake, RULES, NOW_US, publisher(of))
"""


def switched(folder: Path, how: str, kill_at: int | None = None) -> int:
    """Activate, or roll back, in a process of its own, which is killed at one of its writes; return how it ended."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    line = [sys.executable, "-c", SWITCH, str(folder), how, "" if kill_at is None else str(kill_at)]
    return subprocess.run(line, env=os.environ | {"PYTHONPATH": paths}).returncode


class Counting(Watch):
    def __init__(self) -> None:
        self.batches = threading.Semaphore(0)

    def rows(self, outcomes) -> None:
        self.batches.release()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["activate", "rollback"])
def test_a_worker_goes_on_under_the_other_set_without_a_restart_and_loses_nothing(tmp_path, how):
    rows = stream(21, STUDENTS)
    live, through = deployment(tmp_path / "live", False), MemoryStream(None, tmp_path)
    first, rest = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    live.ingest(*files(first, tmp_path / "first"))
    live.recompute(NOW_US, active_days=900)
    default, new = live.reader.metadata().model_set.version, eager(current_model_set(live.lake, RULES))
    store_model_set(live.lake, new, NOW_US)
    before, after = default, new.version
    if how == "rollback":
        assert switched(tmp_path / "live", "activate") == 0
        before, after = after, before

    stop, watch = threading.Event(), Counting()
    source, intake = connect(through.url, "workers"), intake_of(live)
    follower = Follower(source, intake, live.lake, live.state, tenant="default", batch_s=0.02, watch=watch)
    expected = 0
    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(follower.follow, stop)
        parts = [rest[at : at + 12] for at in range(0, len(rest), 12)]
        for number, kill_at in enumerate([30, None]):
            activating = pool.submit(switched, tmp_path / "live", how, kill_at)
            while not activating.done() and len(parts) > 4 * (2 - number):
                expected += sent(through, parts.pop())
                watch.batches.acquire(timeout=1.0)
            assert activating.result() == (-9 if kill_at else 0)
            assert live.reader.metadata().model_set.version == (before if kill_at else after)
        for part in parts:
            expected += sent(through, part)
        while sum(live.state.stream_offsets().values()) < expected:
            assert not working.done(), working.result()
            stop.wait(0.02)
        stop.set()
        working.result()
    intake.close()
    source.close()

    whole = deployment(tmp_path / "whole", False)
    whole.ingest(*files(rows, tmp_path / "files"))
    store_model_set(whole.lake, new, NOW_US)
    for step in dict.fromkeys(["activate", how]):
        assert switched(tmp_path / "whole", step) == 0
    publisher(whole)(whole.reader.metadata().model_set)
    for of in (live, whole):
        for student in students(of):
            of.reader.student(student, tenant="default", as_of_us=NOW_US)
    assert live.reader.metadata().model_set.version == whole.reader.metadata().model_set.version == after
    agree(live, whole)


def test_records_of_a_set_that_is_being_activated_are_fed_and_none_are_made(tmp_path):
    school = Deployment.at(tmp_path / "home")
    intake = intake_of(school)
    post(intake, *(answer(n) for n in range(4)), *(answer(n, student_id="S2", attempt_id=f"b{n}") for n in range(4)))
    new = eager(current_model_set(school.lake, RULES))
    store_model_set(school.lake, new, NOW_US)
    mine, other = (KEY.student("default", name) for name in ("S1", "S2"))

    def folded() -> bytes:
        events = school.lake.read_student(EVENTS, mine)
        return encode(replace(record_of(events, fold_events(events, new, 2**62, history=False)), seen=NOWHERE))

    events = school.lake.read_student(EVENTS, mine)
    known = school.state.known_lake()
    school.state.put(record_of(events, fold_events(events, new, 2**62, history=False), seen=known.position), 0)
    again = intake_of(school)  # which has not looked yet
    post(again, answer(5), answer(5, student_id="S2", attempt_id="b5"))
    record = school.state.get(mine, new.version)
    assert record is not None
    assert encode(replace(record, seen=NOWHERE, version=0)) == folded()
    assert school.state.get(other, new.version) is None
