"""Model sets that nobody needs go when somebody says so, and no others."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from pathlib import Path

import pytest

from mastery.errors import NotFound
from mastery.instants import DAY_US
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.prune import prunable, prune
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import load_model_set, store_model_set, versions
from mastery.pipelines.scoring.activate import activate, rollback, set_shadow
from mastery.pipelines.scoring.recompute import recompute
from mastery.scorers.model_set import ModelSet, version_of
from mastery.tables import MODEL_ARRAYS, MODEL_PARAMS
from school import NOW_US, SAMPLE, Deployment

RULES = load_rules("classic").params
LATER_US = NOW_US + 91 * DAY_US


@pytest.fixture
def school(tmp_path: Path) -> Deployment:
    deployment = Deployment.at(tmp_path, buckets=1)
    deployment.ingest(SAMPLE / "quiz_attempts.csv")
    deployment.recompute()
    return deployment


def stored(school: Deployment, name: str, now_us: int = NOW_US) -> str:
    base = current_model_set(school.lake, RULES)
    version = f"{version_of('fit', base.scorers)}-{name}"
    store_model_set(school.lake, ModelSet(version, base.scorers), now_us)
    return version


def publisher(school: Deployment):
    moments = {"as_of_us": school.newest_us(), "now_us": NOW_US}
    return partial(recompute, school.lake, **moments, min_evidence=3, workers=1, state=school.state)


@pytest.mark.slow
def test_all_go_that_are_old_enough_but_the_active_one_the_one_before_and_the_shadow(school):
    first, was_active, active, shadow, old, new = (
        stored(school, name) for name in ("first", "was", "is", "beside", "old", "other")
    )
    recent = stored(school, "recent", LATER_US - DAY_US)
    for version in (first, was_active, active):
        activate(school.lake, RULES, version, NOW_US, publisher(school))
    set_shadow(school.lake, RULES, shadow, NOW_US)
    default = current_model_set(school.lake, RULES).version
    found = prunable(school.lake, RULES, LATER_US, 90)
    assert {one.version for one in found.goes} == {first, old, new}
    assert all(one.bytes > 1_000 for one in found.goes)
    assert found.stays == {
        default: "default",
        was_active: "previous",
        active: "active",
        shadow: "shadow",
        recent: "recent",
    }
    young = prunable(school.lake, RULES, LATER_US, 92)
    assert young.goes == [] and young.stays[first] == young.stays[old] == "recent"
    assert set(versions(school.lake)) == {*found.stays, first, old, new}, "nothing has gone yet"
    assert prune(school.lake, RULES, LATER_US, 90) == found
    assert set(versions(school.lake)) == {default, was_active, active, shadow, recent}
    for table in (MODEL_PARAMS, MODEL_ARRAYS):
        assert set(school.lake.scan(table)["model_version"].to_pylist()) == set(versions(school.lake))
    with pytest.raises(NotFound):
        load_model_set(school.lake, old)
    assert load_model_set(school.lake, active).version == active
    assert prune(school.lake, RULES, LATER_US, 90).goes == []
    rollback(school.lake, RULES, NOW_US, publisher(school))
    with pytest.raises(NotFound, match=f"{first}, which was active before {was_active}, has been removed"):
        rollback(school.lake, RULES, NOW_US, publisher(school))


def test_a_file_that_holds_other_sets_too_is_written_again_without_the_rows_and_can_be_stored_again(school):
    old, recent = stored(school, "old"), stored(school, "recent", LATER_US)
    before = load_model_set(school.lake, recent)
    for table in (MODEL_PARAMS, MODEL_ARRAYS):
        school.lake.replace(table, school.lake.scan(table))
        assert len(school.lake.snapshot(table).files) == 1
    prune(school.lake, RULES, LATER_US, 90)
    assert old not in versions(school.lake)
    after = load_model_set(school.lake, recent)
    assert {name: one.digest() for name, one in after.scorers.items()} == {
        name: one.digest() for name, one in before.scorers.items()
    }
    assert stored(school, "old") == old in versions(school.lake)


@pytest.mark.slow
def test_the_space_is_given_back_by_a_recompute_after_a_day(school, tmp_path):
    stored(school, "old")
    prune(school.lake, RULES, LATER_US, 90)
    folder = tmp_path / "lake" / MODEL_ARRAYS.name
    live = {file.path for file in school.lake.snapshot(MODEL_ARRAYS).files}
    dead = [path for path in folder.glob("*.parquet") if path.name not in live]
    assert dead, "for who still reads them"
    a_day_ago = int((time.time() - 25 * 3600) * 1000)
    for log in (folder / "_delta_log").glob("*.json"):
        lines = [line if '"remove"' not in line else aged(line, a_day_ago) for line in log.read_text().splitlines()]
        log.write_text("\n".join(lines))
    for path in dead:
        os.utime(path, (a_day_ago / 1000, a_day_ago / 1000))
    Deployment.at(tmp_path).recompute()
    assert not any(path.exists() for path in dead)


def aged(line: str, at_ms: int) -> str:
    action = json.loads(line)
    action["remove"]["deletionTimestamp"] = at_ms
    return json.dumps(action)


def test_an_activation_that_had_begun_before_its_set_was_removed_stores_it_again(school):
    version = stored(school, "old")

    def meanwhile(_events):
        prune(school.lake, RULES, LATER_US, 90)

    activate(school.lake, RULES, version, NOW_US, partial(publisher(school), progress=meanwhile))
    assert load_model_set(school.lake, version).version == version
    assert school.reader.metadata().model_set.version == version
