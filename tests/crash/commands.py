"""What is killed: each command on a small school, and everything that is there afterwards."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np

from any_stream import AllRead
from mastery.apps.api.app import create_app
from mastery.errors import MasteryError
from mastery.features.columns import QUIZ
from mastery.instants import DAY_US
from mastery.pipelines.ingest.ingests import entries
from mastery.pipelines.ingest.undo import undo
from mastery.pipelines.live.batch import ACCEPTED, REVISED_ROW
from mastery.pipelines.live.follow import Follower
from mastery.pipelines.live.follow import log as follow_log
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.models.activations import active_choice, choices
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.fit import fit
from mastery.pipelines.models.prune import prune
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring.activate import activate, rollback
from mastery.pipelines.scoring.publish_changed import ChangesPublisher
from mastery.pipelines.scoring.recompute import recompute
from mastery.pipelines.scoring.reconcile import reconcile
from mastery.scorers import SCORERS
from mastery.scorers.model_set import ModelSet, version_of
from mastery.scorers.stacked import Stacked
from mastery.state import NOWHERE, Position, encode
from mastery.state.sqlite import LAYOUT, SqliteStore
from mastery.streams import connect, connect_sink
from mastery.tables import FEATURES, GOLD, HISTORY, INGESTS, MODEL_ARRAYS, MODEL_PARAMS, PUBLICATIONS, TABLES
from school import KEY, NOW, NOW_US, Deployment

RULES = load_rules("classic").params
STUDENTS, ROWS, BUCKETS = 12, 240, 2
HEADER = "student_id,question_id,topic_id,is_correct,timestamp,time_spent_sec,attempt_id\n"


def answers(first: int, last: int, seconds: int) -> str:
    """Rows first … last − 1, one answer each; `seconds` more or less is another body under the same id."""
    return "".join(
        f"S{n % STUDENTS},Q{n % 17},T{n % 5},{n * 7 % 3 // 2},2024-05-{1 + n // 12:02d}T07:08:{n % 60:02d}Z,"
        f"{10 + n % 9 + seconds},A{n}\n"
        for n in range(first, last)
    )


def school(folder: Path) -> Deployment:
    return Deployment.at(folder, buckets=BUCKETS)


def ingest(folder: Path, name: str, rows: str, *, day: int = 0, replace: bool = False) -> None:
    file = folder.parent / f"{name}.csv"  # where it stays when the folder is copied
    file.write_text(HEADER + rows)
    school(folder).ingest(file, now=NOW + timedelta(days=day), replace=replace)


def base(folder: Path) -> None:
    ingest(folder, "first", answers(0, ROWS, 0))
    school(folder).recompute()


def corrections(folder: Path) -> None:
    """Revisions of a third of the rows; new rows, some of them in two revisions; and rows that cannot be used."""
    refused = "S1,Q1,T1,perhaps,2024-05-01T00:00:00Z,1,B1\nS1,Q1,T1,perhaps,2024-05-01T00:00:00Z,1,B1\n,,,1,,,\n"
    third = "".join(answers(n, n + 1, n % 11 - 5 or 6) for n in range(0, ROWS, 3))
    ingest(folder, "second", third + answers(ROWS, ROWS + 40, 0) + refused + answers(ROWS, ROWS + 9, 3), day=1)


def ready_to_undo(folder: Path) -> None:
    """Revisions that count, and those that they replaced, beside them and moved away."""
    ready_to_recompute(folder)
    school(folder).lake.compact()
    ingest(folder, "third", answers(0, ROWS // 2, 50), day=2)


def run_undo(folder: Path) -> None:
    lake = school(folder).lake
    second = next(one for one in entries(lake) if one.files and one.files[0].name == "second.csv")
    undo(lake, second, now=NOW + timedelta(days=3))


def run_replace(folder: Path) -> None:
    ingest(folder, "second", answers(ROWS - 20, ROWS + 30, 9), day=3, replace=True)


def eager(model_set: ModelSet, p_learn: float = 0.3) -> ModelSet:
    """The same set, but bkt thinks that one learns faster."""
    bkt = model_set.scorers["bkt"]
    row = bkt.default.copy()
    row[SCORERS["bkt"].column("p_learn")] = p_learn
    scorers = dict(model_set.scorers) | {"bkt": replace(bkt, default=row)}
    return ModelSet(version_of("fit", scorers), scorers)


def publisher(deployment: Deployment) -> Callable[..., Any]:
    return partial(
        recompute,
        deployment.lake,
        as_of_us=deployment.newest_us(),
        now_us=NOW_US,
        min_evidence=3,
        workers=1,
        state=deployment.state,
    )


def run_recompute(folder: Path) -> None:
    school(folder).recompute()


def run_publish_changes(folder: Path) -> None:
    deployment = school(folder)
    ChangesPublisher(deployment.lake, min_evidence=3).publish(
        deployment.reader.metadata().model_set, as_of_us=deployment.newest_us(), now_us=NOW_US
    )


def quick_fit(batch: Any, *, base: ModelSet, **_options: Any) -> Any:
    """Finds in no time what `eager` says: what is killed here is the storing, not the fitting."""
    quiz = np.flatnonzero(batch.kind == QUIZ)
    held_out = Stacked(
        probabilities={"bkt": np.full(quiz.size, 0.5)},
        y=batch.y[quiz],
        topic=batch.slot_topic[batch.slot[quiz]].astype(np.int64),
        student=batch.slot_student[batch.slot[quiz]].astype(np.int64),
    )
    found = {"bkt": eager(base).scorers["bkt"]}
    return SimpleNamespace(scorers=found, notes={}, measures={"bkt": {"variant": "eager"}}, held_out=held_out)


def run_fit(folder: Path) -> None:
    lake = school(folder).lake
    default = current_model_set(lake, RULES)
    fit(lake, default, RULES, now_us=NOW_US, code_version="1", fit_all=quick_fit)


def with_wrong_records(folder: Path) -> None:
    """One of other bits, one that cannot be read, one that is gone, one of nobody; and answers nobody has folded."""
    base(folder)
    deployment = school(folder)
    state, version = deployment.state, deployment.reader.metadata().model_set.version
    one, two, three = (KEY.student("default", f"S{number}") for number in (1, 2, 3))
    found = state.get(one, version)
    assert found is not None
    nobody = replace(found, student_id=KEY.student("default", "nobody"), version=0)
    assert state.put_each([replace(found, counters=found.counters + 1), nobody]) == []
    state.drop_students([three], Position(9, 0))
    state.close()
    with closing(sqlite3.connect(folder / "state.db")) as db:
        heads = "SELECT id FROM heads WHERE student_id = ?"
        db.execute(f"UPDATE bodies SET body = substr(body, 1, 200) WHERE id = ({heads})", (two,))
        db.commit()
    ingest(folder, "second", answers(ROWS, ROWS + 3, 0), day=1)


def run_reconcile(folder: Path) -> None:
    deployment = school(folder)
    model_set = deployment.reader.metadata().model_set
    reconcile(deployment.lake, deployment.state, model_set, now_us=NOW_US, workers=1, active_days=900)


def with_a_stored_set(folder: Path) -> None:
    base(folder)
    lake = school(folder).lake
    store_model_set(lake, eager(current_model_set(lake, RULES)), NOW_US)


def run_activate(folder: Path, p_learn: float = 0.3) -> None:
    deployment = school(folder)
    version = eager(current_model_set(deployment.lake, RULES), p_learn).version
    if active_choice(deployment.lake).active != version:
        activate(deployment.lake, RULES, version, NOW_US, publisher(deployment))
    else:  # the switch was made before the kill: what is left to do is done by the next recompute
        deployment.recompute()


def with_an_active_set(folder: Path) -> None:
    with_a_stored_set(folder)
    run_activate(folder)


NEXT = 0.4
"""How fast one learns, by the set that becomes active after `eager`."""


def with_a_next_set(folder: Path) -> None:
    with_an_active_set(folder)
    lake = school(folder).lake
    store_model_set(lake, eager(current_model_set(lake, RULES), NEXT), NOW_US)


def run_activate_next(folder: Path) -> None:
    """Records of the set before the one that was active are not needed any more: their space is given back."""
    run_activate(folder, NEXT)


def ready_to_prune(folder: Path) -> None:
    """The set that goes lies in one file with another, which is written again without it."""
    with_a_next_set(folder)
    for table in (MODEL_PARAMS, MODEL_ARRAYS):
        school(folder).lake.compact(table)


def run_prune(folder: Path) -> None:
    prune(school(folder).lake, RULES, NOW_US + 100 * DAY_US, 90)


def with_an_earlier_state_store(folder: Path) -> None:
    base(folder)
    with closing(sqlite3.connect(folder / "state.db")) as db:
        db.execute(f"PRAGMA user_version = {LAYOUT - 1}")


def run_rollback(folder: Path) -> None:
    deployment = school(folder)
    if active_choice(deployment.lake).active is not None:
        rollback(deployment.lake, RULES, NOW_US, publisher(deployment))
    else:
        deployment.recompute()


def in_many_files(folder: Path) -> None:
    for part in range(4):
        ingest(folder, f"part{part}", answers(part * 60, part * 60 + 60, 0))
    corrections(folder)
    school(folder).recompute()


def run_compact(folder: Path) -> None:
    lake = school(folder).lake
    for table in TABLES.values():
        lake.compact(table)
        lake.vacuum(table)


def requests() -> list[list[bytes]]:
    """Rows as they are posted: new ones, again, revisions, late ones, a withdrawal, and some that cannot be used."""
    names = HEADER.strip().split(",")

    def rows(first: int, last: int, seconds: int = 0) -> list[bytes]:
        lines = answers(first, last, seconds).splitlines()
        return [json.dumps(dict(zip(names, line.split(","), strict=True))).encode() for line in lines]

    withdrawn = {"student_id": "S3", "question_id": "Q3", "timestamp": "2024-06-01T00:00:00Z", "attempt_id": "W"}
    return [
        [*rows(ROWS, ROWS + 5), b"{", b"[]"],
        [*rows(ROWS + 3, ROWS + 30), *rows(0, 20, 4)],
        [json.dumps(withdrawn | {"is_correct": None, "replaces": "A3"}).encode(), *rows(ROWS + 30, ROWS + 31)],
        rows(ROWS + 31, ROWS + 50),
    ]


def ready_to_take(folder: Path) -> None:
    base(folder)
    (folder / "answered").write_text("\n")  # what is added to it has its place, also on a full disk


def intake_of(deployment: Deployment, door: str) -> Intake:
    return Intake(
        deployment.lake,
        deployment.state,
        lambda: deployment.reader.metadata().model_set,
        KEY,
        tenant="default",
        door=door,
        now=lambda: NOW + timedelta(days=1),
    )


def run_intake(folder: Path) -> None:
    """Post requests one after the other; run again, what had been answered must be known."""
    deployment, answered = school(folder), folder / "answered"
    known = set(answered.read_text().split())
    intake = intake_of(deployment, "http")
    for number, rows in enumerate(requests()):
        taken = intake.submit(intake.understand(rows, "quiz_attempts")).result()
        if str(number) in known:
            assert taken.count(ACCEPTED) == taken.count(REVISED_ROW) == 0
        with answered.open("a") as file:
            file.write(f"{number}\n")
    intake.close()


def ready_to_work(folder: Path) -> None:
    """What is posted elsewhere lies in two files here, beside the home: they stay the same when it is copied."""
    base(folder)
    incoming = folder.parent / "incoming"
    incoming.mkdir(exist_ok=True)
    messages = [row for rows in requests() for row in rows]
    for part in range(2):
        (incoming / f"{part}.ndjson").write_bytes(b"".join(row + b"\n" for row in messages[part::2]))


class FirstTrouble(logging.Handler):
    """Stops a worker when its log first says that it tries again, and keeps what it says of why."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(logging.ERROR)
        self._stop = stop
        self.error: MasteryError | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.error = next((one for one in record.args or () if isinstance(one, MasteryError)), None)
        self._stop.set()


def run_work(folder: Path) -> None:
    """Follow the files to their ends, a few messages at a time; raise what the worker would wait for."""
    deployment, incoming = school(folder), folder.parent / "incoming"
    source, dead = connect(f"folder:{incoming}", "workers"), connect_sink("memory:dead")
    intake = intake_of(deployment, f"folder:{incoming.name}")
    stop = AllRead(deployment, sum(file.stat().st_size for file in incoming.iterdir()))
    trouble = FirstTrouble(stop)
    follow_log.addHandler(trouble)
    try:
        Follower(
            source,
            intake,
            deployment.lake,
            deployment.state,
            tenant="default",
            dead_letters=dead,
            batch_s=0.001,
            batch_messages=20,
        ).follow(stop)
    finally:
        follow_log.removeHandler(trouble)
        intake.close()
        source.close()
    if trouble.error is not None:
        raise trouble.error


@dataclass(frozen=True)
class Command:
    """What is there before, and what is killed.

    Attributes:
        shows: Whether there is anything to be shown before.
        moments: Of how many moments what is shown may be.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path], None]
    shows: bool = True
    moments: int = 1


def ready_to_recompute(folder: Path) -> None:
    base(folder)
    corrections(folder)


def nothing(_folder: Path) -> None:
    """A home in which no table is made yet."""


COMMANDS = {
    "first": Command(nothing, base, shows=False),
    "ingest": Command(base, corrections),
    "intake": Command(ready_to_take, run_intake),
    "work": Command(ready_to_work, run_work),
    "recompute": Command(ready_to_recompute, run_recompute),
    "reconcile": Command(with_wrong_records, run_reconcile),
    "changes": Command(ready_to_recompute, run_publish_changes, moments=2),
    "fit": Command(base, run_fit),
    "activate": Command(with_a_stored_set, run_activate),
    "rollback": Command(with_an_active_set, run_rollback),
    "activate_next": Command(with_a_next_set, run_activate_next),
    "prune": Command(ready_to_prune, run_prune),
    "earlier_state_store": Command(with_an_earlier_state_store, run_recompute),
    "compact": Command(in_many_files, run_compact),
    "undo": Command(ready_to_undo, run_undo),
    "replace": Command(ready_to_undo, run_replace),
}


def everything(deployment: Deployment) -> dict[str, Any]:
    """Every row that people can see, every record, and what is shown of students: equal if bit for bit equal."""
    lake, reader = deployment.lake, deployment.reader
    found: dict[str, Any] = {"not given back": records_of_no_set(deployment)}
    for name, table in TABLES.items():
        if table in (PUBLICATIONS, INGESTS):  # which have a row more where something was done before the kill
            continue
        rows = lake.scan(table) if not table.partition_by else lake_rows(deployment, table)
        found[name] = sorted(repr(row) for row in ingests_in_order(rows).to_pylist())
    shown = lake.publication()
    found["published"] = [repr(one) for one in (shown.model_version, shown.as_of)]
    found["choices"] = [repr((one.action, one.version, one.previous)) for one in choices(lake)]
    students = [KEY.student("default", f"S{number}") for number in range(STUDENTS)]
    found["shown"] = [
        reader.student(one, tenant="default", as_of_us=NOW_US).model_dump_json() for one in students
    ]  # which also puts records right that are stale
    version = reader.metadata().model_set.version
    records = {one: deployment.state.get(one, version) for one in students}
    # But not what they have seen: a version of events is one more with each commit that a kill made necessary.
    found["records"] = {
        one: None if record is None else encode(replace(record, seen=NOWHERE)).hex() for one, record in records.items()
    }
    found["class"] = reader.class_scores(tenant="default").model_dump_json()
    return found


def records_of_no_set(deployment: Deployment) -> list[int]:
    """Return how many records there are of sets that were dropped, and how many bodies without a head."""
    assert isinstance(deployment.state, SqliteStore)
    unnamed = "SELECT count(*) FROM heads WHERE model_set IN (SELECT id FROM model_sets WHERE name IS NULL)"
    without_head = "SELECT count(*) FROM bodies WHERE id NOT IN (SELECT id FROM heads)"
    return [deployment.state._count(statement) for statement in (unnamed, without_head)]


def ingests_in_order(rows: Any) -> Any:
    """The rows with 1 for the ingest begun first: one that had ended when it was killed is another when run again."""
    if "ingest" not in rows.column_names:
        return rows
    _, number = np.unique(rows["ingest"].to_numpy(), return_inverse=True)
    return rows.set_column(rows.column_names.index("ingest"), "ingest", [number + 1])


def lake_rows(deployment: Deployment, table: Any) -> Any:
    """Rows of a table cut by bucket, as people see it."""
    at = deployment.lake.shown(table)
    paths = [file.path for file in at.files]
    return deployment.lake.read_files(table, paths)


def moments_shown(folder: Path) -> list[str]:
    """Return of which moments gold and features are, and of which the publication says that they are."""
    deployment = school(folder)
    rows = [lake_rows(deployment, table)["as_of"].to_pylist() for table in (GOLD, FEATURES)]
    return sorted({str(one) for one in (*rows[0], *rows[1], deployment.lake.publication().as_of)})


async def answered(app: Any, path: str) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return (await client.get(path)).raise_for_status().json()


def sets_shown(folder: Path) -> dict[str, list[str]]:
    """Return by door which model sets are shown, without anything having been run since."""
    deployment = school(folder)
    reader = deployment.reader
    one = KEY.student("default", "S1")
    app = create_app(lambda _tenant: reader, KEY, lambda: NOW_US)
    history = deployment.lake.read_student(HISTORY, one, at=deployment.lake.shown(HISTORY)).to_pylist()
    return {
        "active": [reader.metadata().model_set.version],
        "show": [reader.student(one, tenant="default", as_of_us=NOW_US).model_version],
        "class-report": [reader.class_scores(tenant="default").model_version],
        "history": sorted({row["model_version"] for row in history}),
        "API, a student": [asyncio.run(answered(app, f"/mastery/{one}"))["model_version"]],
        "API, a class": [asyncio.run(answered(app, "/mastery"))["model_version"]],
        "gold, as exported": sorted(set(lake_rows(deployment, GOLD)["model_version"].to_pylist())),
    }
