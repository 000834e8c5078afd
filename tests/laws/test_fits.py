"""A fit depends on data, and on nothing else: not on the order of rows, the number of ingests, files or threads."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow.csv import read_csv

import mastery as ms
from mastery.log_odds import sigmoid_of
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.fit import fit
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import load_model_set, store_model_set
from mastery.pipelines.scoring.activate import activate
from mastery.pipelines.scoring.recompute import recompute
from mastery.pipelines.simulation.simulate import write_school
from mastery.scorers import of_stage
from mastery.scorers.boosting.features import FEATURES
from mastery.scorers.boosting.fit import BOOSTING, _boost
from mastery.scorers.boosting.training_rows import Labelled
from mastery.scorers.model_set import ModelSet
from mastery.scorers.spec import Stage
from mastery.simulation import SchoolPlan
from mastery.tables import EVENTS, GOLD, HISTORY
from school import NOW, NOW_US, Deployment

RULES = load_rules("classic").params
WEEKS = 4
PLAN = SchoolPlan(
    students=40, days=7 * WEEKS, topics=6, topics_per_student=5, items_per_topic=6, active_share=0.6, truth=False
)

Ingests = list[dict[str, str]]
"""What each ingest reads: text by name of the file."""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("school")
    write_school(PLAN, folder)
    return {path.name: path.read_text() for path in sorted(folder.glob("*.csv"))}


def shuffled(text: str, seed: int) -> str:
    head, *rows = text.splitlines(keepends=True)
    return head + "".join(rows[k] for k in np.random.default_rng(seed).permutation(len(rows)))


def at_once(files: dict[str, str]) -> Ingests:
    return [files]


def in_another_order(files: dict[str, str]) -> Ingests:
    return [{name: shuffled(files[name], seed) for seed, name in enumerate(sorted(files, reverse=True))}]


def week_by_week(files: dict[str, str]) -> Ingests:
    return [{name: of_week(text, week) for name, text in files.items()} for week in range(WEEKS)]


def of_week(text: str, week: int) -> str:
    """Return the rows of a week; those of metadata, which have no time, in the first one."""
    head, *rows = text.splitlines(keepends=True)
    columns = head.strip().split(",")
    if "timestamp" not in columns:
        return head + "".join(rows) * (week == 0)
    place = columns.index("timestamp")
    days = [(date.fromisoformat(next(csv.reader(io.StringIO(row)))[place][:10]) - PLAN.start).days for row in rows]
    return head + "".join(row for row, day in zip(rows, days, strict=True) if min(day // 7, WEEKS - 1) == week)


def school(folder: Path, ingests: Ingests) -> Deployment:
    one = Deployment.at(folder)
    for number, contents in enumerate(ingests):
        (folder / str(number)).mkdir()
        for name, text in contents.items():
            (folder / str(number) / name).write_text(text)
        one.ingest(folder / str(number), now=NOW + timedelta(days=7 * number))
    return one


def fitted(one: Deployment, threads: int = 1) -> ModelSet:
    base = current_model_set(one.lake, RULES)
    card = fit(one.lake, base, RULES, now_us=NOW_US, code_version="1", seed=3, threads=threads).card
    return load_model_set(one.lake, card.version)


def digests(found: ModelSet) -> dict[str, str]:
    return {name: parameters.digest() for name, parameters in found.scorers.items()}


def week_by_week_with_a_revision(files: dict[str, str]) -> Ingests:
    """The same answers in the end, one of which at first named a question and a topic that nothing else names."""
    first, *others = week_by_week(files)
    head, row, *rows = first["quiz_attempts.csv"].splitlines(keepends=True)
    names, values = head.strip().split(","), row.strip().split(",")
    wrong = {"question_id": "none-such-q01", "topic_id": "none-such"}
    before = ",".join(wrong.get(name, value) for name, value in zip(names, values, strict=True)) + "\n"
    return [first | {"quiz_attempts.csv": head + before + "".join(rows)}, first, *others]


@pytest.fixture(scope="module")
def plainly(files, tmp_path_factory) -> tuple[Deployment, ModelSet]:
    """Ingested at once, and fitted by one thread."""
    one = school(tmp_path_factory.mktemp("plainly"), at_once(files))
    return one, fitted(one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ingests", "compacted", "threads"),
    [(in_another_order, False, 2), (week_by_week_with_a_revision, False, 1), (week_by_week_with_a_revision, True, 3)],
)
def test_the_same_data_give_the_same_model_set_however_they_came(plainly, files, tmp_path, ingests, compacted, threads):
    one = school(tmp_path, ingests(files))
    if compacted:
        one.lake.compact(EVENTS)
    found = fitted(one, threads)
    assert set(of_stage(*Stage)) <= set(found.scorers), "every scorer of the registry that is fitted"
    assert digests(found) == digests(plainly[1])
    assert found.version == plainly[1].version


@pytest.mark.slow
def test_the_same_model_set_shows_the_same_however_the_data_came(plainly, files, tmp_path):
    """Law 3 to the end: what is published of an unchanged set."""
    mine, model_set = plainly
    other = school(tmp_path, week_by_week_with_a_revision(files))
    other.lake.compact(EVENTS)
    shown = []
    for one, workers in ((mine, 1), (other, 3)):
        store_model_set(one.lake, model_set, NOW_US)
        publish = partial(recompute, one.lake, as_of_us=one.newest_us(), now_us=NOW_US, min_evidence=3, workers=workers)
        activate(one.lake, RULES, model_set.version, NOW_US, publish)
        shown.append({table.name: sorted(map(repr, one.lake.scan(table).to_pylist())) for table in (GOLD, HISTORY)})
    assert len(shown[0]["gold"]) > 1_000
    assert shown[0] == shown[1]


@pytest.mark.slow
def test_the_python_api_learns_and_measures_the_same_of_rows_in_another_order(files):
    quiz = read_csv(io.BytesIO(files["quiz_attempts.csv"].encode()))
    other = quiz.take(pa.array(np.random.default_rng(5).permutation(quiz.num_rows)))
    found = [ms.estimator("irt").fit(rows).model_set_ for rows in (quiz, other)]
    assert digests(found[0]) == digests(found[1])
    models = [ms.Elo(), ms.BKT(), ms.RuleBased()]
    assert ms.cross_validate(models, quiz, folds=3).equals(ms.cross_validate(models, other, folds=3))


def test_trees_are_the_same_for_any_number_of_threads():
    """XGBoost cuts its sums by threads: of single-precision numbers in double precision they come out the same, also
    where probabilities come close to 0 and 1."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20_000, len(FEATURES))).astype(np.float32)
    certain = 8.0 * features[:, 0] + 6.0 * features[:, 1]
    label = (rng.random(certain.size) < sigmoid_of(certain)).astype(np.float64)
    rows = Labelled(features, label, np.where(rng.random(certain.size) < 0.2, 0.35, 1.0),
                    np.zeros(certain.size, np.int32), np.zeros(certain.size, np.int64), label >= 0.0)  # fmt: skip
    steep = BOOSTING | {"min_child_weight": 0.1, "eta": 0.5, "lambda": 0.1}
    found = [_boost(rows, None, 20, 0.0, steep, 0, threads)[0].shared() for threads in (1, 2, 3)]
    for name, values in found[0].items():
        for other in found[1:]:
            np.testing.assert_array_equal(values, other[name])
