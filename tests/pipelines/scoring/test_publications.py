"""What people see is of one publication: whoever else publishes, switches, is killed or clears files away meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from mastery.errors import Conflict
from mastery.instants import DAY_US, instant
from mastery.lake import Lake
from mastery.lake.leftovers import LogDeleted
from mastery.lake.publication import MOST_FILES, NOTHING, TABLES
from mastery.pipelines.models.activations import active_choice, choices
from mastery.pipelines.models.active import current_model_set, shadow_model_set
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring.activate import activate, rollback, set_shadow
from mastery.pipelines.scoring.recompute import RecomputeReport, recompute
from mastery.scorers import SCORERS
from mastery.scorers.blend.scorer import PARAMETERS, Mixture
from mastery.scorers.model_set import ModelSet, version_of
from mastery.scorers.parameters import Parameters, no_rows
from mastery.tables import ACTIVATIONS, EVENTS, GOLD, HISTORY, LEDGER, PUBLICATIONS, SHADOW
from school import NOW_US, SAMPLE, Deployment

pytestmark = pytest.mark.slow  # homes are recomputed several times

ROOT = Path(__file__).parents[3]
RULES = load_rules("classic").params
HEADER = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_id,timestamp\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "school"
    deployment = Deployment.at(folder)
    deployment.ingest(SAMPLE / "quiz_attempts.csv")
    deployment.recompute()
    deployment.state.close()
    return folder


@pytest.fixture
def school(prepared: Path, tmp_path: Path) -> Deployment:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return Deployment.at(tmp_path)


def one_more_answer(school: Deployment, folder: Path, number: int) -> None:
    file = folder / f"answer-{number}.csv"
    moment = f"2026-04-12T{number // 60:02d}:{number % 60:02d}:00Z"
    file.write_text(f"{HEADER}S{number % 7:06d},Q1,frac-add,1,10,more-{number},{moment}\n")
    school.ingest(file)


def other_set(base: ModelSet, learn: float = 0.3) -> ModelSet:
    """The same set, but bkt thinks that one learns faster."""
    bkt = base.scorers["bkt"]
    row = bkt.default.copy()
    row[SCORERS["bkt"].column("p_learn")] = learn
    scorers = dict(base.scorers) | {"bkt": replace(bkt, default=row)}
    return ModelSet(version_of("fit", scorers), scorers)


def with_a_blend(base: ModelSet) -> ModelSet:
    half = Mixture(("bkt", "elo"), np.array([0.5, 0.5]), 0.0, np.array([-9.0, 9.0]), np.array([-9.0, 9.0]))
    row = np.array([parameter.default for parameter in PARAMETERS])
    scorers = dict(base.scorers) | {"blend": Parameters(row, no_rows(row.size), no_rows(0), half.shared())}
    return ModelSet(version_of("fit", scorers), scorers)


def stored(school: Deployment, model_set: ModelSet) -> str:
    store_model_set(school.lake, model_set, NOW_US)
    return model_set.version


def run(school: Deployment, model_set: ModelSet | None = None, **options) -> RecomputeReport:
    settings = {"as_of_us": school.newest_us(), "now_us": NOW_US, "min_evidence": 3, "workers": 1}
    model_set = school.reader.metadata().model_set if model_set is None else model_set
    return recompute(school.lake, model_set, **(settings | {"state": school.state} | options))


def publish(school: Deployment):
    return lambda model_set, *, shadow, switch: run(school, model_set, shadow=shadow, switch=switch)


def whole(lake: Lake) -> dict[str, object]:
    """Return what one look at the publication and the tables it names says; the same of each where it is whole."""
    shown = lake.publication()
    columns = {"ledger": ["q_attempts"], "gold": ["score_source", "evidence_count", "as_of", "model_version"]}
    rows = {
        name: lake.read_files(table, [file.path for file in lake.shown(table, shown).files], columns.get(name))
        for name, table in ((table.name, table) for table in TABLES)
    }
    gold, features = rows["gold"], rows["features"]
    mine = gold.filter(pc.equal(gold["score_source"], "bkt"))
    assert {one.as_py() for one in pc.unique(gold["as_of"])} == {shown.as_of}
    assert {one.as_py() for one in pc.unique(features["as_of"])} == {shown.as_of}
    assert pc.unique(gold["model_version"]).to_pylist() == [shown.model_version]
    history = rows["history"]
    assert shown.model_version in set(history["model_version"].to_pylist())
    last = history.filter(pc.equal(history["score_source"], "bkt")).group_by(["student_id", "topic_id"])
    evidence = pc.sum(last.aggregate([("evidence_count", "max")])["evidence_count_max"]).as_py()
    answers = pc.sum(rows["ledger"]["q_attempts"]).as_py()
    assert pc.sum(mine["evidence_count"]).as_py() == evidence == answers
    return {"number": shown.number, "answers": answers, "set": shown.model_version}


PROGRAM = """
import json, sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
from test_publications import *

folder = Path(sys.argv[1])
school = Deployment.at(folder)
{body}
"""


@contextmanager
def program(folder: Path, body: str) -> Iterator[subprocess.Popen[str]]:
    """Run lines of Python in a process of their own, on a home of this folder; ended when the body has run."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    lines = PROGRAM.format(tests=str(ROOT / "tests"), here=str(Path(__file__).parent), body=body)
    process = subprocess.Popen(
        [sys.executable, "-c", lines, str(folder)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[str]) -> dict[str, object]:
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    found: dict[str, object] = json.loads(out)
    return found


def appears(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


FOLDING = """
def wait(_events):
    (folder / "folding").touch()
    appears(folder / "go")

report = run(school, progress=wait)
print(json.dumps({"generation": report.generation, "events": report.events}))
"""


def test_a_recompute_that_began_first_and_ends_last_publishes_nothing_over_newer_tables(school, tmp_path):
    with program(tmp_path, FOLDING) as first:
        appears(tmp_path / "folding")
        one_more_answer(school, tmp_path, 1)
        second = run(school)
        before = whole(school.lake)
        (tmp_path / "go").touch()
        told = answer(first)
    assert told == {"generation": None, "events": second.events - 1}
    assert second.generation == before["number"]
    assert whole(school.lake) == before
    assert len(files_of(tmp_path, GOLD.name)) == 2 * school.lake.buckets, "its own files are gone"


def files_of(folder: Path, table: str) -> list[Path]:
    return list((folder / "lake" / table).glob("bucket=*/*.parquet"))


def test_a_recompute_that_ends_last_and_has_read_the_newer_events_publishes_over_the_other(school, tmp_path):
    with program(tmp_path, "print(json.dumps({'generation': run(school, progress=lambda _: appears(folder / 'go'))"
                           ".generation}))") as first:  # fmt: skip
        one_more_answer(school, tmp_path, 1)
        report = run(school, progress=lambda _: (tmp_path / "go").touch())
        answer(first)
    assert whole(school.lake)["answers"] == report.events


def test_an_activation_that_newer_tables_overtake_is_refused_and_switches_nothing(school, tmp_path):
    version = stored(school, other_set(current_model_set(school.lake, RULES)))

    def meanwhile(_events):
        if not (tmp_path / "done").exists():
            (tmp_path / "done").touch()
            one_more_answer(school, tmp_path, 1)
            run(school)

    def publishing(model_set, *, shadow, switch):
        return run(school, model_set, shadow=shadow, switch=switch, progress=meanwhile)

    with pytest.raises(Conflict, match="events came in meanwhile, and another recompute .* nothing was switched"):
        activate(school.lake, RULES, version, NOW_US, publishing)
    assert active_choice(school.lake).active is None
    seen = whole(school.lake)
    assert str(seen["set"]).startswith("default-")
    activate(school.lake, RULES, version, NOW_US, publish(school))
    assert whole(school.lake) == seen | {"number": seen["number"] + 1, "set": version}


@pytest.mark.parametrize("compacted", [False, True], ids=["same", "moved"])
def test_an_activation_is_not_kept_back_by_a_recompute_of_the_same_events(school, tmp_path, compacted):
    version = stored(school, other_set(current_model_set(school.lake, RULES)))
    one_more_answer(school, tmp_path, 1)
    events: list[int | None] = []

    def meanwhile(_events):
        if not events:
            if compacted:
                before = school.lake.version(EVENTS)
                school.lake.compact(EVENTS)
                assert school.lake.version(EVENTS) > before
            assert run(school, now_us=NOW_US + DAY_US).generation is not None
            events.append(school.lake.publication().events)

    def publishing(model_set, *, shadow, switch):
        return run(school, model_set, shadow=shadow, switch=switch, progress=meanwhile)

    activate(school.lake, RULES, version, NOW_US, publishing)
    assert active_choice(school.lake).active == version
    assert whole(school.lake)["set"] == version
    assert events == [school.lake.publication().events], "it never falls"


TOGETHER = """
appears(folder / "go")
kind = {kind!r}
try:
    if kind == "recompute":
        done = run(school).generation
    else:
        done = activate(school.lake, RULES, {version!r}, NOW_US, publish(school)).generation
    print(json.dumps({{"done": done}}))
except Conflict as error:
    print(json.dumps({{"refused": str(error)}}))
"""


@pytest.mark.parametrize("kinds", [("recompute", "recompute"), ("activate", "recompute")], ids=" and ".join)
def test_two_at_once_leave_tables_of_one_moment_and_of_the_active_set(school, tmp_path, kinds):
    sets = [other_set(current_model_set(school.lake, RULES), 0.1 + 0.1 * number) for number in range(2)]
    for round_, one in enumerate(sets):
        version = stored(school, one)
        (tmp_path / "go").unlink(missing_ok=True)
        one_more_answer(school, tmp_path, round_)
        bodies = [TOGETHER.format(kind=kind, version=version) for kind in kinds]
        with program(tmp_path, bodies[0]) as first, program(tmp_path, bodies[1]) as second:
            (tmp_path / "go").touch()
            told = [answer(first), answer(second)]
        seen, active = whole(school.lake), active_choice(school.lake).active
        assert seen["answers"] == school.lake.count(EVENTS)
        assert active == (version if kinds[0] == "activate" else None)
        assert seen["set"] == active or (active is None and str(seen["set"]).startswith("default-"))
        assert any(one.get("done") == seen["number"] for one in told), told


READING = """
import threading
seen = []
(folder / "reading").touch()
while not (folder / "stop").exists():
    seen.append(whole(school.lake))
    document, help_first = school.reader.class_report(tenant="default", source="bkt", in_need=3)
    assert len(help_first) == 3
seen.append(whole(school.lake))
print(json.dumps({"seen": seen}))
"""


def test_whoever_reads_during_twenty_publications_sees_only_whole_ones(school, tmp_path):
    version = stored(school, other_set(current_model_set(school.lake, RULES)))
    with program(tmp_path, READING) as reader:
        appears(tmp_path / "reading")
        for number in range(17):
            one_more_answer(school, tmp_path, number)
            run(school)
        school.lake.compact(GOLD)
        activate(school.lake, RULES, version, NOW_US, publish(school))
        rollback(school.lake, RULES, NOW_US, publish(school))
        (tmp_path / "stop").touch()
        seen = answer(reader)["seen"]
    numbers = [one["number"] for one in seen]
    assert numbers == sorted(numbers)
    assert numbers[-1] == school.lake.publication().number
    assert [one["answers"] for one in seen] == sorted(one["answers"] for one in seen)
    assert len(set(numbers)) > 2, "it has read while they were published"


def test_a_rollback_shows_the_set_before_with_its_tables_and_not_earlier(school):
    before, version = whole(school.lake), stored(school, other_set(current_model_set(school.lake, RULES)))
    activate(school.lake, RULES, version, NOW_US, publish(school))

    def looking(_events):
        assert active_choice(school.lake).active == version == school.reader.metadata().model_set.version
        assert whole(school.lake)["set"] == version

    def publishing(model_set, *, shadow, switch):
        return run(school, model_set, shadow=shadow, switch=switch, progress=looking)

    rollback(school.lake, RULES, NOW_US, publishing)
    assert whole(school.lake) == before | {"number": before["number"] + 2}
    assert [one.action for one in choices(school.lake)] == ["activate", "rollback"]


def test_a_recompute_of_a_set_that_is_not_active_any_more_is_refused_before_anything_is_folded(school):
    default = school.reader.metadata().model_set
    activate(school.lake, RULES, stored(school, other_set(default)), NOW_US, publish(school))
    with pytest.raises(Conflict, match="another became active meanwhile"):
        run(school, default, progress=lambda _: pytest.fail("nothing is folded"))


def test_a_shadow_is_chosen_without_showing_other_tables(school):
    before = whole(school.lake)
    version = stored(school, other_set(current_model_set(school.lake, RULES)))
    set_shadow(school.lake, RULES, version, NOW_US)
    assert whole(school.lake) == before | {"number": before["number"] + 1}
    run(school, shadow=shadow_model_set(school.lake))
    assert set(school.lake.scan(TABLES[-1])["model_version"].to_pylist()) == {version}


def blends(school: Deployment) -> dict[tuple[str, str, object], float]:
    rows = school.lake.scan(HISTORY).to_pylist()
    return {
        (row["student_id"], row["topic_id"], row["day"]): row["mastery_score"]
        for row in rows
        if row["score_source"] == "blend"
    }


def test_the_blend_has_its_whole_past_once_it_is_activated(school):
    version = stored(school, with_a_blend(current_model_set(school.lake, RULES)))
    activate(school.lake, RULES, version, NOW_US, publish(school))
    rows = school.lake.scan(HISTORY).to_pylist()
    days = {(row["student_id"], row["topic_id"], row["day"]) for row in rows if row["score_source"] == "bkt"}
    assert blends(school).keys() == days and len(days) > 1000
    before = blends(school)
    run(school, derived_history=False)
    assert not blends(school)
    run(school)
    assert blends(school) == before


@pytest.mark.parametrize("fault", ["damaged", "missing"])
def test_a_damaged_file_of_history_is_made_again_whole(school, tmp_path, caplog, fault):
    version = stored(school, with_a_blend(current_model_set(school.lake, RULES)))
    activate(school.lake, RULES, version, NOW_US, publish(school))
    before, lost = blends(school), school.lake.shown(HISTORY).files[0]
    path = tmp_path / "lake" / HISTORY.name / lost.path
    if fault == "missing":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes(whole[:1000] + bytes(200) + whole[1200:])
    again = Deployment.at(tmp_path)
    run(again)
    assert blends(again) == before
    assert not caplog.messages


@pytest.mark.parametrize("older_home", [True, False])
def test_history_of_derived_scorers_outlives_a_change_of_columns(school, tmp_path, older_home):
    version = stored(school, with_a_blend(current_model_set(school.lake, RULES)))
    activate(school.lake, RULES, version, NOW_US, publish(school))
    before = blends(school)
    assert len(before) > 100
    rows, uri = school.lake.scan(HISTORY), str(tmp_path / "lake" / HISTORY.name)
    if older_home:  # of a version that kept its choices elsewhere, and whose history lacks a column
        shutil.rmtree(tmp_path / "lake" / PUBLICATIONS.name)
        choice = {"number": 1, "at": instant(NOW_US), "action": "activate", "version": version}
        school.lake.append(ACTIVATIONS, pa.Table.from_pylist([choice], schema=ACTIVATIONS.schema))
        rows = rows.drop_columns(["evidence_count"])
    else:  # of one whose history has a column more
        rows = rows.append_column("mood", pa.array(["good"] * rows.num_rows))
    write_deltalake(uri, rows, mode="overwrite", schema_mode="overwrite", partition_by=["bucket"])
    if not older_home:
        shown = school.lake.publication()
        versions = {**shown.versions, HISTORY.name: shown.versions[HISTORY.name] + 1}
        school.lake.publish(shown.after("recompute", instant(NOW_US), versions=versions))
    again = Deployment.at(tmp_path)
    assert blends(again) == before, "read by the names of its columns"
    assert active_choice(again.lake).active == version
    run(again)
    assert blends(again) == before
    assert again.lake.scan(HISTORY).schema == HISTORY.schema


@pytest.mark.parametrize("table", [GOLD, HISTORY, SHADOW], ids=lambda table: table.name)
def test_a_table_whose_log_was_deleted_is_made_again_once_its_folder_is_removed(school, tmp_path, table):
    model_set = with_a_blend(current_model_set(school.lake, RULES))
    activate(school.lake, RULES, stored(school, model_set), NOW_US, publish(school))
    run(school, shadow=other_set(model_set))
    before = whole(school.lake)
    folder = Path(school.lake.root) / table.name
    shutil.rmtree(folder / "_delta_log")
    with pytest.raises(LogDeleted, match="or remove the folder, and run 'mastery recompute'"):
        run(Deployment.at(tmp_path))
    shutil.rmtree(folder)
    again = Deployment.at(tmp_path)
    run(again)
    assert whole(again.lake) == before | {"number": before["number"] + 2}


def test_files_that_people_are_shown_or_were_within_a_day_outlive_a_vacuum(school, monkeypatch):
    clock = time.time
    shown = [file.path for file in school.lake.shown(GOLD).files]
    version = school.lake.commit(GOLD, [], mode="overwrite")  # by an activation that was killed before its switch
    log = Path(school.lake.root) / GOLD.name / "_delta_log" / f"{version:020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "remove" in action:
            action["remove"]["deletionTimestamp"] -= 72 * 3_600_000  # three days ago
    log.write_text("\n".join(json.dumps(action) for action in actions))
    assert school.lake.snapshot(GOLD).files == ()
    school.lake.vacuum(GOLD, retain_hours=1)
    assert school.lake.read_files(GOLD, shown).num_rows > 0
    run(school)
    assert school.lake.shown(GOLD).version == school.lake.version(GOLD)
    school.lake.vacuum(GOLD, retain_hours=1)
    assert school.lake.read_files(GOLD, shown).num_rows > 0, "who reads an earlier page still does"
    monkeypatch.setattr("mastery.lake.publication.time.time", lambda: clock() + 25 * 3600)
    assert set(school.lake.vacuum(GOLD, retain_hours=1)) == set(shown)
    assert whole(school.lake)


def test_a_compacted_table_is_shown_compacted_and_one_that_is_not_shown_is_left_alone(school):
    before = whole(school.lake)
    files = len(school.lake.shown(LEDGER).files)
    assert school.lake.compact(LEDGER).buckets == files
    assert school.lake.shown(LEDGER) == school.lake.snapshot(LEDGER)
    assert whole(school.lake) == before | {"number": before["number"] + 1}
    school.lake.commit(GOLD, [], mode="overwrite")  # of an activation that was killed
    assert school.lake.compact(GOLD).buckets == 0
    assert whole(school.lake)["answers"] == before["answers"]


def test_of_two_publications_made_from_the_same_one_the_later_is_refused(school, tmp_path):
    shown = school.lake.publication()
    other = Lake.open(str(tmp_path / "lake"))
    assert other.publication() == shown
    school.lake.publish(shown.after("recompute", instant(NOW_US)))
    with pytest.raises(Conflict, match="generation 2"):
        other.publish(shown.after("recompute", instant(NOW_US)))
    assert Lake.open(str(tmp_path / "lake")).publication().number == shown.number + 1


def test_publications_are_kept_in_few_files_and_none_is_forgotten(school):
    first = school.lake.publication().number
    for _ in range(MOST_FILES + 5):
        school.lake.publish(school.lake.publication().after("recompute", instant(NOW_US)))
    assert len(school.lake.snapshot(PUBLICATIONS).files) <= MOST_FILES
    numbers = sorted(school.lake.scan(PUBLICATIONS, ["number"])["number"].to_pylist())
    assert numbers == list(range(first + MOST_FILES + 6))


def test_publications_of_a_version_with_fewer_tables_are_read_and_continued(school, tmp_path):
    rows = school.lake.scan(PUBLICATIONS).drop_columns(["class_topics"])
    write_deltalake(str(tmp_path / "lake" / PUBLICATIONS.name), rows, mode="overwrite", schema_mode="overwrite")
    again = Deployment.at(tmp_path)
    assert "class_topics" not in again.lake.publication().versions
    before = whole(again.lake)
    assert run(again).generation == before["number"] + 1
    assert "class_topics" in Deployment.at(tmp_path).lake.publication().versions


def test_a_new_lake_has_published_nothing(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"))
    assert lake.publication() is NOTHING
    assert lake.begin_publishing().number == 0
    assert lake.count(GOLD) == 0
