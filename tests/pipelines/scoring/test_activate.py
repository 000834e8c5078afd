"""Another set becomes active: all at once, or not at all; and back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mastery.errors import Conflict, NotFound
from mastery.pipelines.models.activations import ACTIVATE, Switch, active_choice, choice_after, choices, choose
from mastery.pipelines.models.active import current_model_set, shadow_model_set
from mastery.pipelines.models.compare import compare, published_version
from mastery.pipelines.models.listing import list_versions
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import load_model_set, store_model_set
from mastery.pipelines.queries.reader import Reader
from mastery.pipelines.scoring.activate import activate, rollback, set_shadow
from mastery.pipelines.scoring.recompute import recompute
from mastery.scorers import SCORERS
from mastery.scorers.blend.scorer import PARAMETERS, Mixture
from mastery.scorers.model_set import ModelSet, version_of
from mastery.scorers.parameters import Parameters, no_rows
from mastery.tables import GOLD, HISTORY, LEDGER, SHADOW
from school import NOW_US, SAMPLE, Deployment, student

pytestmark = pytest.mark.slow  # homes are recomputed several times

ROOT = Path(__file__).parents[3]
RULES = load_rules("classic").params
SOME = [student(number) for number in (3, 7, 14)]


def eager(base: ModelSet, learn: float = 0.3) -> ModelSet:
    """The same set, but bkt thinks that one learns faster."""
    bkt = base.scorers["bkt"]
    row = bkt.default.copy()
    row[SCORERS["bkt"].column("p_learn")] = learn
    scorers = dict(base.scorers) | {"bkt": replace(bkt, default=row)}
    return ModelSet(version_of("fit", scorers), scorers)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "school"
    deployment = Deployment.at(folder)
    deployment.ingest(SAMPLE)
    deployment.recompute()
    deployment.state.close()
    return folder


@pytest.fixture
def school(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return Deployment.at(tmp_path)


def stored(school: Deployment, learn: float = 0.3) -> str:
    model_set = eager(current_model_set(school.lake, RULES), learn)
    store_model_set(school.lake, model_set, NOW_US)
    return model_set.version


def publisher(school: Deployment, **options):
    return partial(
        recompute,
        school.lake,
        as_of_us=school.newest_us(),
        now_us=NOW_US,
        min_evidence=3,
        workers=1,
        state=school.state,
        **options,
    )


def documents(school: Deployment):
    return [
        school.reader.student(who, tenant="default", as_of_us=school.newest_us(), source="bkt").model_dump_json()
        for who in SOME
    ]


def test_an_activation_changes_every_score_at_once_and_a_rollback_brings_them_back(school):
    before, default = documents(school), school.reader.metadata().model_set.version
    version = stored(school)
    assert documents(school) == before, "a set that is only stored changes nothing"
    activate(school.lake, RULES, version, NOW_US, publisher(school))
    after = documents(school)
    assert all(version in one for one in after) and after != before
    assert set(school.lake.scan(GOLD)["model_version"].to_pylist()) == {version}
    rollback(school.lake, RULES, NOW_US, publisher(school))
    assert documents(school) == before
    assert set(school.lake.scan(GOLD)["model_version"].to_pylist()) == {default}


def test_records_of_the_new_set_are_there_before_the_switch_and_those_of_the_old_one_stay(school):
    default, version = school.reader.metadata().model_set.version, stored(school)
    seeded = school.state.count(default)
    at_switch = []

    class Looking(Switch):
        def make(self, shown, **published):
            at_switch.append((active_choice(school.lake).active, school.state.count(version)))
            super().make(shown, **published)

    def publish(model_set, *, shadow, switch):
        return publisher(school)(model_set, shadow=shadow, switch=Looking(**vars(switch)))

    activate(school.lake, RULES, version, NOW_US, publish)
    assert at_switch == [(None, seeded)]
    assert seeded == school.state.count(default) > 0


def test_a_rollback_folds_whoever_has_new_events_again(school, tmp_path):
    version = stored(school)
    activate(school.lake, RULES, version, NOW_US, publisher(school))
    file = tmp_path / "late.csv"
    file.write_text(
        "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"
        "S000003,Q-late,frac-add,1,10,1,2026-04-11T17:00:00Z\n"
    )
    school.ingest(file)
    choose(
        school.lake, "rollback", None, NOW_US, active_choice(school.lake)
    )  # the switch alone: nothing is published yet
    (topic,) = school.reader.student(SOME[0], tenant="default", as_of_us=NOW_US, topics=["frac-add"]).topics
    other = Deployment.at(tmp_path / "other")
    other.ingest(SAMPLE)
    other.ingest(file)
    (expected,) = other.reader.student(SOME[0], tenant="default", as_of_us=NOW_US, topics=["frac-add"]).topics
    words = {"explanation"}  # against the class as published, which there is of one of them
    assert topic.model_dump(exclude=words) == expected.model_dump(exclude=words)
    assert topic.explanation.contributions == expected.explanation.contributions


KILLED = """
import os, sys
from functools import partial
from pathlib import Path
from mastery.pipelines.models.activations import Switch
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.activate import activate
from mastery.pipelines.scoring.recompute import recompute
from school import NOW_US, Deployment

class Killing(Switch):
    def make(self, shown, **published):
        os._exit(9)

school = Deployment.at(Path(sys.argv[1]))
version, when = sys.argv[2:]
run = partial(recompute, school.lake, as_of_us=school.newest_us(), now_us=NOW_US, min_evidence=3, workers=1,
              state=school.state, progress=(lambda _: os._exit(9)) if when == "folding" else None)

def publish(model_set, *, shadow, switch):
    return run(model_set, shadow=shadow, switch=Killing(**vars(switch)) if when == "published" else switch)

activate(school.lake, load_rules("classic").params, version, NOW_US, publish)
"""


def killed(school: Deployment, folder: Path, version: str, when: str) -> None:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), version, when],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 9, done.stderr


@pytest.mark.parametrize("when", ["folding", "published"])
def test_an_activation_that_is_killed_leaves_the_old_set_active_and_can_be_run_again(school, tmp_path, when):
    before, version = documents(school), stored(school)
    default = school.reader.metadata().model_set.version
    killed(school, tmp_path, version, when)
    again = Deployment.at(tmp_path)
    assert active_choice(again.lake).active is None
    assert documents(again) == before
    help_first = again.reader.class_report(tenant="default", source="bkt", in_need=3)[1]
    assert all(one.topics[0].reason for one in help_first)
    assert again.reader.class_scores(tenant="default").model_version == default
    assert again.lake.newest(GOLD, "as_of", again.lake.shown(GOLD)) == again.newest_us()
    activate(again.lake, RULES, version, NOW_US, publisher(again))
    whole = Deployment.at(tmp_path / "whole")
    whole.ingest(SAMPLE)
    whole.recompute()
    activate(whole.lake, RULES, stored(whole), NOW_US, publisher(whole))
    assert documents(again) == documents(whole)
    assert scores(again) == scores(whole)


def scores(school: Deployment):
    columns = ["student_id", "topic_id", "score_source", "mastery_score", "model_version"]
    return sorted(tuple(row.values()) for row in school.lake.scan(GOLD, columns).to_pylist())


def test_a_recompute_after_a_killed_activation_publishes_the_active_set(school, tmp_path):
    expected, version = scores(school), stored(school)
    default = school.reader.metadata().model_set.version
    killed(school, tmp_path, version, "published")
    again = Deployment.at(tmp_path)
    newest = again.lake.read_bucket(GOLD, 0, ["model_version"], at=again.lake.snapshot(GOLD))
    assert set(newest["model_version"].to_pylist()) == {version}, "what nobody is shown"
    assert set(again.lake.scan(GOLD)["model_version"].to_pylist()) == {default}
    assert published_version(again.lake, GOLD) == default
    again.recompute()
    assert published_version(again.lake, GOLD) == default
    assert scores(again) == expected


def test_who_reads_while_an_activation_runs_sees_the_old_or_the_new_document_never_a_mixture(school):
    version, before = stored(school), documents(school)
    old = school.reader.class_scores(tenant="default", source="bkt").model_dump_json()
    seen, classes, failures = set(), set(), []
    stop = threading.Event()

    def read():
        try:
            while not stop.is_set():
                seen.update(documents(school))
                classes.add(school.reader.class_scores(tenant="default", source="bkt").model_dump_json())
        except Exception as error:  # noqa: BLE001 - whatever a reader meets is a failure of the test
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        activate(school.lake, RULES, version, NOW_US, publisher(school))
        rollback(school.lake, RULES, NOW_US, publisher(school))
        activate(school.lake, RULES, version, NOW_US, publisher(school))
    finally:
        stop.set()
        reader.join()
    assert not failures
    after = documents(school)
    new = school.reader.class_scores(tenant="default", source="bkt").model_dump_json()
    assert seen <= {*before, *after}
    assert classes <= {old, new}


def test_an_open_reader_notices_an_activation_of_another_process(school, tmp_path):
    version = stored(school)
    assert school.reader.metadata().model_set.version != version
    other = Deployment.at(tmp_path)
    activate(other.lake, RULES, version, NOW_US, publisher(other))
    assert school.reader.metadata().model_set.version == version


def test_rollbacks_go_back_one_activation_after_the_other(school):
    one, two = stored(school, 0.2), stored(school, 0.4)
    for version in (one, two):
        activate(school.lake, RULES, version, NOW_US, publisher(school))
    for expected in (one, None):
        rollback(school.lake, RULES, NOW_US, publisher(school))
        assert active_choice(school.lake).active == expected
    with pytest.raises(Conflict, match="nothing to go back to"):
        rollback(school.lake, RULES, NOW_US, publisher(school))
    assert [(one.number, one.action) for one in choices(school.lake)] == [
        (1, "activate"), (2, "activate"), (3, "rollback"), (4, "rollback"),
    ]  # fmt: skip


def test_a_recompute_that_another_activation_overtakes_publishes_nothing_of_the_set_before(school):
    version = stored(school)
    other = publisher(school, progress=None)
    state = {"switched": False}

    def switch_meanwhile(_events):
        if not state["switched"]:
            state["switched"] = True
            activate(school.lake, RULES, version, NOW_US, other)

    with pytest.raises(Conflict, match="run it again"):
        publisher(school, progress=switch_meanwhile)(school.reader.metadata().model_set, shadow=None, switch=None)
    assert published_version(school.lake, GOLD) == version == active_choice(school.lake).active
    named = {file.path for file in school.lake.snapshot(GOLD).files}
    there = {str(path.relative_to(Path(school.lake.root) / "gold")) for path in files_of(school, "gold")}
    before = {str(path) for path in named}
    assert before <= there and len(there) <= 2 * len(before), "its files, which no commit names, are gone"


def files_of(school: Deployment, table: str) -> list[Path]:
    return list((Path(school.lake.root) / table).glob("bucket=*/*.parquet"))


def test_records_of_sets_that_are_neither_active_nor_gone_back_to_are_dropped(school):
    default = school.reader.metadata().model_set.version
    one, two = stored(school, 0.2), stored(school, 0.4)
    activate(school.lake, RULES, one, NOW_US, publisher(school))
    assert {default, one} == {version for version in (default, one, two) if school.state.count(version)}
    activate(school.lake, RULES, two, NOW_US, publisher(school))
    assert {one, two} == {version for version in (default, one, two) if school.state.count(version)}
    before = documents(school)
    rollback(school.lake, RULES, NOW_US, publisher(school))
    assert [version for version in (default, one, two) if school.state.count(version)] == [one]
    activate(school.lake, RULES, two, NOW_US, publisher(school))
    assert documents(school) == before


def test_a_recompute_that_ends_while_an_activation_folds_leaves_the_records_of_its_set(school):
    version, folded, go_on = stored(school), threading.Event(), threading.Event()

    def wait(_events):
        folded.set()
        go_on.wait()

    def switch():
        activate(school.lake, RULES, version, NOW_US + 1, publisher(school, progress=wait))

    switching = threading.Thread(target=switch)

    def meanwhile(_events):
        if not switching.ident:
            switching.start()
            folded.wait()

    publisher(school, progress=meanwhile)(school.reader.metadata().model_set)
    records = school.state.count(version)
    go_on.set()
    switching.join()
    assert records > 0
    assert active_choice(school.lake).active == version


def test_a_default_set_that_metadata_have_replaced_keeps_no_records(school, tmp_path):
    before = school.reader.metadata().model_set.version
    file = tmp_path / "topics.csv"
    file.write_text("topic_id,title,difficulty_estimate\nnew,New,0.2\n")
    school.ingest(file)
    school.recompute()
    assert school.state.count(before) == 0 < school.state.count(school.reader.metadata().model_set.version)


def test_two_who_switch_at_once_do_not_undo_each_other(school):
    seen = active_choice(school.lake)
    choose(school.lake, ACTIVATE, "fit-a", NOW_US, seen)
    with pytest.raises(Conflict, match="now fit-a"):
        choose(school.lake, ACTIVATE, "fit-b", NOW_US, seen)
    assert choice_after(choices(school.lake)).active == "fit-a"


def test_what_cannot_be_activated_is_refused_before_anything_is_folded(school):
    version, before, shown = stored(school), school.lake.version(GOLD), school.lake.publication()
    with pytest.raises(NotFound, match=f"did you mean '{version}'"):
        activate(school.lake, RULES, version[:-1] + "z", NOW_US, publisher(school))
    with pytest.raises(Conflict, match="active already"):
        activate(school.lake, RULES, "default", NOW_US, publisher(school))
    assert school.lake.version(GOLD) == before
    assert school.lake.publication() == shown


def test_course_metadata_changes_the_default_set_and_not_an_activated_one(school, tmp_path):
    file = tmp_path / "topics.csv"
    file.write_text("topic_id,title,difficulty_estimate\nfrac-add,Adding fractions,0.9\nnew,New,0.2\n")
    default, version = school.reader.metadata().model_set.version, stored(school)
    activate(school.lake, RULES, version, NOW_US, publisher(school))
    school.ingest(file)
    assert school.reader.metadata().model_set.version == version
    activate(school.lake, RULES, "default", NOW_US, publisher(school))
    assert school.reader.metadata().model_set.version not in (default, version)


def test_once_a_set_with_a_blend_is_active_people_see_the_blend_and_its_whole_history(school):
    reader = Reader(school.lake, school.state, RULES, min_evidence=3, default_scorer=None)

    def shown():
        student_s = reader.student(SOME[0], tenant="default", as_of_us=NOW_US).score_source
        return student_s, reader.class_scores(tenant="default").score_source

    def points():
        rows = school.lake.scan(HISTORY, ["score_source", "student_id", "topic_id", "mastery_score"]).to_pylist()
        return sorted(tuple(row.values()) for row in rows if row["score_source"] == "blend")

    base = current_model_set(school.lake, RULES)
    half = Mixture(("bkt", "elo"), np.array([0.5, 0.5]), 0.0, np.array([-9.0, 9.0]), np.array([-9.0, 9.0]))
    row = np.array([parameter.default for parameter in PARAMETERS])
    blend = Parameters(row, no_rows(row.size), no_rows(0), half.shared())
    scorers = dict(base.scorers) | {"blend": blend}
    version = version_of("fit", scorers)
    store_model_set(school.lake, ModelSet(version, scorers), NOW_US)
    before = points()
    assert shown() == ("blend", "blend") and len(before) == school.lake.count(LEDGER)
    activate(school.lake, RULES, version, NOW_US, publisher(school))
    first = points()
    assert shown() == ("blend", "blend") and len(first) == school.lake.count(LEDGER)
    assert all(one.topics[0].reason for one in reader.class_report(tenant="default", in_need=3)[1])
    publisher(school)(load_model_set(school.lake, version), shadow=None, switch=None)
    assert points() == first, "the same events, the same history"
    rollback(school.lake, RULES, NOW_US, publisher(school))
    assert shown() == ("blend", "blend") and points() == before != first


def test_a_shadow_is_folded_beside_and_seen_by_nobody(school):
    gold, history, before = scores(school), school.lake.scan(HISTORY).num_rows, documents(school)
    version = stored(school)
    set_shadow(school.lake, RULES, version, NOW_US)
    report = publisher(school)(school.reader.metadata().model_set, shadow=shadow_model_set(school.lake), switch=None)
    assert report.shadow == version
    assert (scores(school), school.lake.scan(HISTORY).num_rows, documents(school)) == (gold, history, before)
    shadow = school.lake.scan(SHADOW)
    assert set(shadow["model_version"].to_pylist()) == {version}
    beside = sorted(
        tuple(row.values()) for row in shadow.select([*GOLD.key, "mastery_score", "model_version"]).to_pylist()
    )
    set_shadow(school.lake, RULES, None, NOW_US)
    activate(school.lake, RULES, version, NOW_US, publisher(school))
    assert scores(school) == beside, "the scores that the activation then brings"
    assert school.lake.count(SHADOW) == 0, "a shadow that has ended is cleared away"


def test_compare_tells_how_the_scores_of_a_shadow_differ(school):
    version = stored(school)
    default = current_model_set(school.lake, RULES)
    new = eager(default)
    found = compare(school.lake, default, new, {})
    assert "is not" in found.notes[0] and found.scorers["bkt"].scores is None
    set_shadow(school.lake, RULES, version, NOW_US)
    publisher(school)(default, shadow=shadow_model_set(school.lake), switch=None)
    found = compare(school.lake, default, new, {})
    assert [found.scorers[name].same_parameters for name in ("rule_based", "bkt", "elo")] == [True, False, True]
    key = list(GOLD.key)
    old_rows, new_rows = (
        {tuple(row[k] for k in key): row for row in school.lake.scan(table).to_pylist()} for table in (GOLD, SHADOW)
    )
    for name in default.scorers:
        mine = [at for at in old_rows if at[2] == name]
        shift = [new_rows[at]["mastery_score"] - old_rows[at]["mastery_score"] for at in mine]
        scores = found.scorers[name].scores
        assert scores.student_topics == len(mine)
        assert scores.mean_difference == pytest.approx(sum(map(abs, shift)) / len(mine))
        assert scores.mean_shift == pytest.approx(sum(shift) / len(mine))
        assert scores.largest_difference == max(map(abs, shift))
        moved = sum(new_rows[at]["band"] != old_rows[at]["band"] for at in mine)
        assert scores.band_changes == pytest.approx(moved / len(mine))
    assert found.scorers["bkt"].scores.mean_shift > 0.01
    assert found.scorers["elo"].scores.mean_difference == 0.0


def test_the_list_says_which_set_is_active_in_shadow_and_published(school):
    one, two = stored(school, 0.2), stored(school, 0.4)
    activate(school.lake, RULES, one, NOW_US, publisher(school))
    set_shadow(school.lake, RULES, two, NOW_US)
    told = {found.version: found for found in list_versions(school.lake, RULES)}
    assert [v for v, found in told.items() if found.active] == [one]
    assert [v for v, found in told.items() if found.shadow] == [two]
    assert [v for v, found in told.items() if found.published] == [one]
    assert [found.is_default for found in told.values()] == [True, False, False]
