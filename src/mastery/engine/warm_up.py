"""Everything once, on a small simulated school in a folder that is thrown away, so that every kernel is compiled."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import product
from pathlib import Path

from mastery.engine.engine import Engine
from mastery.kernels.warm import is_warm, note_warm
from mastery.scorers import SPECS
from mastery.scorers.student_state import OneByOne
from mastery.settings import Settings
from mastery.simulation.plan import FIRST_DAY

STEPS = (
    "simulate",
    "ingest",
    "recompute",
    "read",
    "tune",
    "fit",
    "evaluate",
    "activate",
    "read with fitted models",
    "single answers",
    "live",
)
"""What is gone through, in this order."""

LIVE_STEPS = ("first answer", "many answers", "live")
"""What is gone through where events are only taken and read as they come."""

LIVE = "warm-up-live"
"""Its name among the warm-ups."""

TENANT, DAYS = "school", 70
HALF_WAY = str(FIRST_DAY + timedelta(days=DAYS // 2))

Progress = Callable[[str, int, int], None]
"""(what begins now, how many steps are done, how many there are)."""


def warm_up(progress: Progress | None = None) -> None:
    """Use every part of the engine that has kernels: each is compiled, or loaded where it was compiled before.

    No setting of the deployment is looked at and nothing of it is touched. Where a warm-up of this version has been
    before, and all that it compiled is still there, nothing is done.
    """
    if is_warm():
        return
    with tempfile.TemporaryDirectory(prefix="mastery-warm-up-") as folder:
        _walk(Path(folder), _steps(STEPS, progress))
    note_warm()


def warm_up_live(progress: Progress | None = None) -> None:
    """Use what takes events as they come, as `warm_up` uses everything.

    Nothing is done where either of them has been before. What `progress` raises ends it.
    """
    if is_warm() or is_warm(LIVE):
        return
    with tempfile.TemporaryDirectory(prefix="mastery-warm-up-") as folder:
        _walk_live(Path(folder), _steps(LIVE_STEPS, progress))
    note_warm(LIVE)


def _steps(names: Sequence[str], progress: Progress | None) -> Callable[[str], None]:
    begins = iter(range(len(names)))

    def step(name: str) -> None:
        done = next(begins)
        assert names[done] == name
        if progress is not None:
            progress(name, done, len(names))

    return step


def _walk_live(folder: Path, step: Callable[[str], None]) -> None:
    with _connect(folder) as engine:
        step("first answer")
        _take(engine, [_answer("first", 8)])
        step("many answers")
        _take(engine, list(_answers()))
        step("live")
        _live(engine)


def _answers() -> Iterator[dict[str, object]]:
    """Return answers of 80 students, 64 of each: no simulation, which has kernels of its own."""
    for student, n in product(range(80), range(64)):
        day = FIRST_DAY + timedelta(days=n)
        yield {
            "student_id": f"s{student}",
            "question_id": f"q{n % 16}",
            "topic_id": f"t{n % 8}",
            "timestamp": f"{day}T08:00:{student % 60:02d}Z",
            "is_correct": (student + n) % 3 // 2,
        }


def _connect(folder: Path) -> Engine:
    # Of two buckets each has the rows from which on a file has a filter of its ids.
    return Engine.connect(Settings(home=folder / "home", tenant=TENANT, workers=2, buckets=2))


def _walk(folder: Path, step: Callable[[str], None]) -> None:
    from mastery.evaluation.splits import parse_split
    from mastery.pipelines.evaluation.evaluate import evaluate
    from mastery.pipelines.evaluation.logs import lake_log
    from mastery.pipelines.evaluation.predictors import unfitted
    from mastery.pipelines.models.tune import tune
    from mastery.pipelines.simulation.simulate import write_school
    from mastery.simulation import SchoolPlan

    step("simulate")
    school = SchoolPlan(
        students=60,
        days=DAYS,
        topics=8,
        topics_per_student=8,
        late_share=0.02,
        duplicate_share=0.02,
        malformed_share=0.02,
    )
    write_school(school, folder / "school")
    with _connect(folder) as engine:
        step("ingest")
        for _ in range(2):  # the second time every row is known
            engine.ingest(folder / "school")
        _revise(engine)
        step("recompute")
        engine.recompute("latest")
        step("read")
        _read(engine)
        step("tune")
        tune(engine.lake, engine.rules, as_of_us=None, days=engine.days)
        step("fit")
        version = engine.models.fit().card.version
        step("evaluate")
        log, _ = lake_log(engine.lake, days=engine.days)
        evaluate(log, parse_split("student"), unfitted(engine.rules.params))
        step("activate")
        engine.models.activate(version, "latest", force=True)
        step("read with fitted models")
        _read(engine, fitted=True)
        step("single answers")
        _answer_by_answer(engine)
        step("live")
        _live(engine)
        engine.publish_changes()


def _revise(engine: Engine) -> None:
    """Bring in an answer, and the same one again as a wrong one."""
    import pyarrow as pa

    answer = {
        "student_id": ["revised"],
        "question_id": ["q"],
        "topic_id": ["t"],
        "timestamp": [f"{HALF_WAY}T08:00:00Z"],
    }
    for right in (1, 0):
        engine.ingest(pa.table({**answer, "is_correct": [right]}), table="quiz_attempts")


def _read(engine: Engine, *, fitted: bool = False) -> None:
    """Read a student and a class in every way there is, by each scorer that is published."""
    document, _ = engine.class_report(in_need=3)
    student, topic = document.scores[0].student_id, document.scores[0].topic_id
    for scorer in document.scorers:
        for as_of in ("latest", HALF_WAY, "now"):
            engine.student(student, as_of=as_of, scorer=scorer.name)
        engine.history(student, topic, scorer=scorer.name)
    engine.item_probabilities(student, topic, as_of="latest")
    if fitted:
        engine.past_answers(student, topic, as_of="latest")


def _answer_by_answer(engine: Engine) -> None:
    """Fold single answers, as programs do that follow a student."""
    scorers = engine.reader.metadata().model_set.scorers
    for name, spec in SPECS.items():
        if name in scorers and spec.scorer is not None and spec.one_answer is not None:
            one_by_one = OneByOne(spec.scorer, spec.load_steps(), scorers[name], "warm-up", TENANT)
            state = one_by_one.nothing_known("nobody", durations_are_gaps=False)
            for item in (None, "unknown"):
                state, _ = one_by_one.after(state, "unknown", item, True, None, None, None, None)


def _live(engine: Engine) -> None:
    """Take answers as they come: of somebody new, the next ones, one again, a late one, another revision, one that
    cannot be used, and several together. Read the student after each.
    """
    next_ones = [_answer("live", hour) for hour in (8, 9, 10)]
    for rows in (
        next_ones[:1],
        next_ones,
        [_answer("live", 7)],
        [_answer("live", 10) | {"is_correct": 0}],
        [_answer("live", 11) | {"is_correct": "perhaps"}],
    ):
        engine.intake().post(_lines(rows)).result()
        engine.student("live", as_of="now")
    _take(engine, next_ones)


def _answer(student: str, hour: int) -> dict[str, object]:
    time = f"{HALF_WAY}T{hour:02d}:00:00Z"
    return {"student_id": student, "question_id": "q", "topic_id": "t", "is_correct": 1, "timestamp": time}


def _take(engine: Engine, rows: Sequence[Mapping[str, object]]) -> None:
    """Take rows as a worker takes a batch."""
    intake = engine.intake()
    intake.submit(intake.understand(_lines(rows))).result()


def _lines(rows: Sequence[Mapping[str, object]]) -> list[bytes]:
    return [json.dumps(row).encode() for row in rows]
