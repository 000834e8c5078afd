"""Everything once, on a small simulated school in a folder that is thrown away, so that every kernel is compiled."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
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
)
"""What is gone through, in this order."""

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
    begins = iter(range(len(STEPS)))

    def step(name: str) -> None:
        done = next(begins)
        assert STEPS[done] == name
        if progress is not None:
            progress(name, done, len(STEPS))

    with tempfile.TemporaryDirectory(prefix="mastery-warm-up-") as folder:
        _walk(Path(folder), step)
    note_warm()


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
    # Of two buckets each has the rows from which on a file has a filter of its ids.
    engine = Engine.connect(Settings(home=folder / "home", tenant=TENANT, workers=2, buckets=2))
    try:
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
    finally:
        engine.close()


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
