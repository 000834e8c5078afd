"""A stream cut into random batches ends in the bits of one ingest and one recompute: in every store, at every door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow.compute as pc
import pytest

import small_sets
from mastery.instants import DAY_US
from mastery.pipelines.live.batch import ACCEPTED, DUPLICATE, REJECTED_ROW, REVISED_ROW, Taken
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring.activate import activate
from mastery.pipelines.scoring.recompute import recompute
from mastery.pipelines.scoring.reconcile import reconcile
from mastery.scorers.model_set import version_of
from mastery.state import NOWHERE, STORES, encode, url_of
from mastery.tables import EVENTS, GOLD, HISTORY, REJECTED
from school import KEY, NOW, NOW_US, Deployment
from stream import files, stream

RULES = load_rules("classic").params
STUDENTS = 6
OF_AN_INGEST = ("ingest", "source", "received_at")


def deployment(folder: Path, fitted: bool, state_url: str | None = None) -> Deployment:
    found = Deployment.at(folder, state_url=state_url)
    if fitted:
        scorers = small_sets.even().scorers
        model_set = replace(small_sets.even(), version=version_of("fit", scorers))
        store_model_set(found.lake, model_set, NOW_US)
        activate(found.lake, RULES, model_set.version, NOW_US, publisher(found))
    return found


def publisher(of: Deployment) -> Any:
    return partial(
        recompute, of.lake, as_of_us=NOW_US, now_us=NOW_US, min_evidence=3, workers=1, state=of.state, active_days=900
    )


def intake_of(of: Deployment) -> Intake:
    model_set = lambda: of.reader.metadata().model_set  # noqa: E731
    return Intake(of.lake, of.state, model_set, KEY, tenant="default", door="http", now=lambda: NOW)


def posted(intake: Intake, rows: Sequence[tuple[str, bytes]]) -> list[Taken]:
    """Post rows that follow each other as requests, one for each run of rows of a table, all at once."""
    requests: list[tuple[str, list[bytes]]] = []
    for table, row in rows:
        if not requests or requests[-1][0] != table:
            requests.append((table, []))
        requests[-1][1].append(row)
    futures = [
        intake.post(some, table) if len(some) % 3 else intake.submit(intake.understand(some, table))
        for table, some in requests
    ]
    return [future.result() for future in futures]


def students(of: Deployment) -> list[str]:
    """Everybody of whom there is an event."""
    return sorted(pc.unique(of.lake.scan(EVENTS, ["student_id"])["student_id"]).to_pylist())


def records(of: Deployment) -> dict[str, bytes | None]:
    """What the store has of each student that is current, but for the version of the lake that it has seen."""
    version = of.reader.metadata().model_set.version
    found = {student: of.state.get(student, version) for student in students(of)}
    return {
        student: None if record is None else encode(replace(record, seen=NOWHERE)) for student, record in found.items()
    }


def nothing_to_reconcile(of: Deployment) -> bool:
    """Whether a reconciliation finds what it is expected to: that every record has the bits of a fold of the lake."""
    found = reconcile(of.lake, of.state, of.reader.metadata().model_set, now_us=NOW_US, workers=2)
    return not found.causes and found.same == found.students == len(students(of))


def shown(of: Deployment) -> dict[str, str]:
    return {
        student: of.reader.student(student, tenant="default", as_of_us=NOW_US + DAY_US).model_dump_json()
        for student in students(of)
    }


def rows_of(of: Deployment, table: Any) -> list[str]:
    rows = of.lake.scan(table)
    kept = [name for name in rows.column_names if name not in (*OF_AN_INGEST, "line")]
    return sorted(repr(row) for row in rows.select(kept).to_pylist())


@pytest.mark.slow
@pytest.mark.parametrize("fitted", [False, True], ids=["default", "fitted"])
@pytest.mark.parametrize(
    ("store", "seed"), [("sqlite", 0), ("sqlite", 1), *((kind, 0) for kind in STORES if kind != "sqlite")]
)
def test_batches_cut_at_random_end_in_the_bits_of_one_ingest_and_recompute(tmp_path, server, store, seed, fitted):
    rows, rng = stream(seed, STUDENTS), np.random.default_rng(seed)
    state_url = None if store == "sqlite" else url_of(server(store), uuid4().hex)
    whole, live = deployment(tmp_path / "whole", fitted), deployment(tmp_path / "live", fitted, state_url)
    report = whole.ingest(*files(rows, tmp_path / "files"))
    publisher(whole)(whole.reader.metadata().model_set)

    intake, first, taken = intake_of(live), 0, []
    while first < len(rows):
        size = int(rng.choice([1, 2, 7, 40]))
        taken += posted(intake, rows[first : first + size])
        first += size
    intake.close()
    outcomes = np.concatenate([one.rows for one in taken])
    assert outcomes.size == len(rows) == report.read
    assert int((outcomes == REJECTED_ROW).sum()) == report.rejected > 0
    assert int((outcomes == DUPLICATE).sum()) == report.duplicates > 0
    assert int((outcomes == REVISED_ROW).sum()) == report.revised > 0
    assert int((outcomes == ACCEPTED).sum()) == report.accepted
    assert [len(one.refusals) for one in taken] == [one.count(REJECTED_ROW) for one in taken]

    assert records(live) == records(whole)
    assert None not in records(live).values()
    assert nothing_to_reconcile(live)
    assert rows_of(live, EVENTS) == rows_of(whole, EVENTS)
    publisher(live)(live.reader.metadata().model_set, state=None)  # the records stay those of the batches
    assert shown(live) == shown(whole)
    assert rows_of(live, GOLD) == rows_of(whole, GOLD)
    assert rows_of(live, HISTORY) == rows_of(whole, HISTORY)
    assert len(rows_of(live, REJECTED)) > 0
    live.state.close()
    whole.state.close()
