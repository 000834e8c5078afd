"""`mastery evaluate` on a file, on the lake and on simulated students."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mastery.errors import BadInput, NotFound
from school import SAMPLE


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """A log of 40 students; half of their probabilities depend on who they are."""
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(40), 25)
    right = rng.random(who.size) < rng.beta(1, 1, 40)[who]
    path = tmp_path_factory.mktemp("log") / "answers.parquet"
    pq.write_table(
        pa.table({
            "student_id": [f"s{s}" for s in who], "topic_id": [f"t{k % 4}" for k in range(who.size)],
            "question_id": [f"q{k % 20}" for k in range(who.size)], "is_correct": right.astype(np.int8),
            "order": np.arange(who.size), "fold": 1 + who % 2,
        }),
        path,
    )  # fmt: skip
    return path


def test_json_is_the_document_and_nothing_else(mastery, answers):
    done = mastery("evaluate", answers, "--unfitted", "--split", "column:fold", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert [fold["name"] for fold in found["folds"]] == ["fold=1", "fold=2"]
    for name in ("rule_based", "bkt", "elo"):
        assert {"auc", "rmse", "logloss", "ece", "n"} <= set(found["scorers"][name])
        assert found["scorers"][name]["n"] == 1_000


def test_people_see_a_table_and_the_files_are_written(mastery, answers, tmp_path):
    done = mastery("evaluate", answers, "--unfitted", "--scorers", "elo", "--out", tmp_path / "report")
    assert done.exit_code == 0
    assert "elo" in done.stdout
    assert "bkt" not in done.stdout
    assert "if perfect" in done.stdout
    assert "no time stamps" in done.stdout
    assert {"evaluation.json", "evaluation.md"} <= {path.name for path in (tmp_path / "report").iterdir()}


def test_what_was_predicted_is_written_for_an_audit(mastery, answers, tmp_path):
    arguments = ("--unfitted", "--scorers", "bkt,elo", "--split", "column:fold", "--audit", tmp_path / "rows.parquet")
    found = json.loads(mastery("evaluate", answers, *arguments, "--json").stdout)
    rows = pq.read_table(tmp_path / "rows.parquet").to_pandas()
    assert rows.groupby(["fold", "split"]).size().to_dict() == {
        (f"fold={fold}", split): 500 for fold in (1, 2) for split in ("train", "test")
    }
    tested = rows[rows["split"] == "test"]
    brier = ((tested["y_pred"] - tested["y_true"]) ** 2).groupby(tested["fold"]).mean().mean()
    assert brier == pytest.approx(found["scorers"]["elo"]["brier"], abs=1e-6)


def test_the_lake_is_evaluated_by_student_and_by_time_and_has_no_columns(mastery):
    for split in ("student", "time"):
        found = json.loads(mastery("evaluate", "--lake", "--unfitted", "--split", split, "--json").stdout)
        assert found["scorers"]["elo"]["n"] > 100
        assert found["scorers"]["elo"]["next_week"]["student_topic_days"] > 0
    refused = mastery("evaluate", "--lake", "--unfitted", "--split", "column:fold").exception
    assert isinstance(refused, BadInput)
    assert "no columns to split by" in str(refused)


def test_simulated_students_are_told_beside_the_truth(mastery, tmp_path):
    done = mastery("evaluate", "--simulated", "--unfitted", "--students", "5,10", "--json", "--out", tmp_path)
    found = json.loads(done.stdout)["learnt_from"]
    assert [one["students"] for one in found] == [5, 10]
    assert set(found[0]["scorers"]) == {"rule_based", "bkt", "elo", "blend"}
    assert (tmp_path / "simulated.md").exists()
    assert "Share of 90 % intervals" in mastery("evaluate", "--simulated", "--unfitted", "--students", "5").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one thing to evaluate on"),
        (("--lake", "--as", "quiz_attempts"), "say how files are read; give a FILE"),
        (("--simulated", "--strict"), "say how files are read; give a FILE"),
        (("--lake", "--simulated"), "give one thing to evaluate on"),
        (("--simulated", "--audit", "rows.parquet"), "give a FILE or --lake"),
        (("--simulated", "--students", "many"), "--students is 'many'"),
        (("--simulated", "--unfitted", "--students", "0"), "0 simulated students"),
        (("--lake", "--clock", "noon"), "unknown clock 'noon'"),
        (("--lake", "--split", "studnet"), "unknown split 'studnet'.*did you mean 'student'"),
        (("--lake", "--scorers", "btk"), "unknown scorer 'btk'.*did you mean 'bkt'"),
        (("--lake", "--folds", "0"), "0 folds; expected 1 or more"),
    ],
)
def test_what_cannot_be_used_says_why(mastery, arguments, said):
    error = mastery("evaluate", *arguments).exception
    assert isinstance(error, BadInput)
    with pytest.raises(BadInput, match=said):
        raise error


def test_the_sample_is_evaluated_as_it_is_and_says_what_was_left_out(mastery):
    done = mastery("evaluate", SAMPLE / "quiz_attempts.csv", "--unfitted", "--scorers", "elo", "--json")
    found = json.loads(done.stdout)
    assert found["log"]["answers"] == 4_131
    assert found["scorers"]["elo"]["auc"] > 0.55
    (rejected,) = [note for note in found["notes"] if "were rejected" in note]
    assert "18 rows were rejected and are not counted, of 4,186 read" in rejected
    refused = mastery("evaluate", SAMPLE / "quiz_attempts.csv", "--unfitted", "--strict").exception
    assert isinstance(refused, BadInput)
    assert "18 of 4,186 rows cannot be used" in str(refused)


def test_other_names_units_and_zones_are_declared_as_for_an_ingest(mastery, tmp_path):
    path = tmp_path / "answers.csv"
    rows = [f"p{k % 8},{int(k % 3 > 0)},2026-03-{1 + k // 8:02d} 10:00" for k in range(80)]
    path.write_text("pupil,ok,at\n" + "\n".join(rows))
    columns = ("--map", "pupil=student_id", "--map", "ok=is_correct", "--map", "at=timestamp")
    done = mastery("evaluate", path, *columns, "--unfitted", "--scorers", "elo", "--split", "time", "--json")
    assert json.loads(done.stdout)["log"]["answers"] == 80
    refused = mastery("evaluate", path, *columns, "--as", "practice_sessions", "--unfitted").exception
    assert "for practice_sessions, columns 'topic_id'" in str(refused)


def test_a_file_that_is_not_there_is_not_found(mastery, tmp_path):
    assert isinstance(mastery("evaluate", tmp_path / "none.parquet").exception, NotFound)


def test_groups_of_a_table_of_students_or_of_a_column_are_measured_apart(mastery, answers, tmp_path):
    people = "student_id,region\n" + "".join(f"s{s},{'north' if s % 3 else 'south'}\n" for s in range(39))
    (tmp_path / "people.csv").write_text(people)
    arguments = ("--unfitted", "--scorers", "elo", "--folds", "2")
    by_region = ("--by", "region", "--roster", tmp_path / "people.csv")
    found = json.loads(mastery("evaluate", answers, *arguments, *by_region, "--json").stdout)
    assert [*found["by_group"]["scorers"]["elo"]] == ["north"]
    assert found["by_group"]["too_small"] == [{"name": "south", "students": 13, "n": 325}]
    assert any("1 student with no value of region belongs to no group" in note for note in found["notes"])
    shown = mastery("evaluate", answers, *arguments, "--by", "fold").stdout
    assert "By fold, all tests together" in shown
    assert "ABROCA" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--lake", "--by", "region"), "--by, --outcome, --cohort and --roster are about the students of files"),
        (("{answers}", "--roster", "{answers}"), "say with --by or --outcome which of its columns is wanted"),
        (("{answers}", "--by", "reg", "--unfitted"), "no column 'reg'"),
        (("{answers}", "--by", "fold", "--roster", "{people}", "--unfitted"), "no column 'student_id'"),
    ],
)
def test_groups_that_are_not_there_are_refused(mastery, answers, tmp_path, arguments, said):
    (tmp_path / "people.csv").write_text("name,region\ns1,north\n")
    paths = {"{answers}": answers, "{people}": tmp_path / "people.csv"}
    error = mastery("evaluate", *(paths.get(one, one) for one in arguments)).exception
    assert isinstance(error, BadInput)
    assert said in str(error)


def test_scores_are_compared_with_an_outcome_of_the_students(mastery, tmp_path):
    rng = np.random.default_rng(3)
    who = np.repeat(np.arange(60), 20)
    right = rng.random(who.size) < (0.3 + 0.4 * (who % 2))
    day = np.tile(np.arange(20), 60)
    pq.write_table(
        pa.table({
            "student_id": [f"s{s}" for s in who], "topic_id": [f"t{k % 3}" for k in range(who.size)],
            "is_correct": right.astype(np.int8), "question_id": [f"q{k % 9}" for k in range(who.size)],
            "timestamp": pa.array((1_700_000_000 + day * 86_400) * 1_000, pa.timestamp("ms", "UTC")),
            "result": np.where(who % 2, "pass", "fail"),
        }),
        tmp_path / "log.parquet",
    )  # fmt: skip
    arguments = ("evaluate", tmp_path / "log.parquet", "--unfitted", "--scorers", "elo", "--folds", "2")
    found = json.loads(mastery(*arguments, "--outcome", "result=pass", "--json").stdout)["outcome"]
    assert [week["week"] for week in found["weeks"]] == [1, 2, 3]
    assert found["weeks"][-1]["scores"]["elo"]["auc"] > 0.9
    shown = mastery(*arguments, "--outcome", "result=pass").stdout
    assert "Beside result (good: result pass)" in shown
    error = mastery(*arguments, "--cohort", "result").exception
    assert "--cohort says when the weeks of --outcome begin" in str(error)
    error = mastery(*arguments, "--outcome", "result").exception
    assert "is 'pass', which is no number" in str(error) or "is 'fail', which is no number" in str(error)
