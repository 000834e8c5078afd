"""An evaluation end to end: splits, predictors, bad input, files; and an audit by somebody else's tool."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from answers import NOW, log_of
from mastery.errors import BadInput
from mastery.evaluation.splits import Split, cv_folds_of, parse_split
from mastery.evaluation.student_columns import column_of_rows, column_of_table
from mastery.features.subset import take_students
from mastery.pipelines.evaluation.audit import Audit, audit_rows
from mastery.pipelines.evaluation.evaluate import evaluate, named
from mastery.pipelines.evaluation.logs import answers_log
from mastery.pipelines.evaluation.predictors import Predicted, fitted, unfitted, wanted_scorers, with_needs
from mastery.pipelines.evaluation.report import as_json, markdown
from mastery.pipelines.evaluation.report_files import write_report
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.models.rules import load_rules
from mastery.simulation import SchoolPlan, simulate
from school import RESEARCH, Deployment

RULES = load_rules("classic").params
CASES = RESEARCH.parent / "cases" / "models"
STATICS = RESEARCH / "statics2011.parquet"


@pytest.fixture(scope="module")
def school() -> pa.Table:
    """Answers of a simulated class, with ids as texts."""
    (chunk,) = simulate(SchoolPlan(students=60, days=60, seed=3, topics=12, topics_per_student=8, truth=False))
    answers = chunk.tables["quiz_attempts"]
    return answers.select(["student_id", "question_id", "topic_id", "is_correct", "timestamp", "time_spent_sec"])


@pytest.fixture(scope="module")
def log(school):
    return log_of(school, "answer")


def test_every_scorer_is_measured_and_beats_probability_on_students_who_can_be_told_apart(log):
    found = evaluate(log, Split("student"), unfitted(RULES), clock="answer")
    assert set(found.summaries) == {"rule_based", "bkt", "elo", "blend"}
    for summary in found.summaries.values():
        assert summary.measures["auc"] > 0.55
        assert summary.answers == found.cv_folds[0].tested.y.size
    assert found.summaries["elo"].weeks > 100
    assert found.summaries["elo"].next_week > 0.1


def test_folds_test_every_answer_once_and_their_mean_is_told(log):
    found = evaluate(log, Split("student"), unfitted(RULES), cv_folds=4, scorers=["elo"])
    assert sum(fold.tested.y.size for fold in found.cv_folds) == found.answers
    one_by_one = [fold.summaries["elo"].measures["auc"] for fold in found.cv_folds]
    assert found.summaries["elo"].measures["auc"] == pytest.approx(np.mean(one_by_one))


def test_later_answers_change_nothing_that_was_said_before_them(school, log):
    """Outcomes from some moment on are turned round: what was said up to it stays, bit for bit."""
    moment = np.quantile(log.batch.at_us, 0.5)
    turned = np.where(
        school["timestamp"].cast(pa.int64()).to_numpy() > moment,
        ~school["is_correct"].to_numpy(),
        school["is_correct"].to_numpy(),
    )
    other = log_of(school.set_column(school.column_names.index("is_correct"), "is_correct", pa.array(turned)), "answer")
    one, two = (evaluate(which, parse_split("time:2026-02-01"), unfitted(RULES)).cv_folds[0] for which in (log, other))
    # Questions are in the same order in both.
    early = np.flatnonzero(one.tested.y == two.tested.y)
    later = np.flatnonzero(one.tested.y != two.tested.y)
    assert early.size > 20
    assert later.size > 20
    for name in one.probability:
        np.testing.assert_array_equal(one.probability[name][early], two.probability[name][early])
        assert np.any(one.probability[name][later] != two.probability[name][later])


def test_a_predictor_is_shown_nothing_of_a_tested_student(log):
    shown = []

    def remember(train, test):
        shown.append((set(train.students), set(test.students)))
        return Predicted({"half": np.full(test.row.size, 0.5)})

    found = evaluate(log, Split("student"), remember, cv_folds=3)
    assert all(not train & test for train, test in shown)
    assert found.summaries["half"].measures["auc"] == 0.5
    assert found.summaries["half"].measures["ece"] < 0.2


def test_rows_of_one_interaction_are_one_answer_and_none_of_them_tells_of_another():
    """Each interaction has two topics with the same outcome: a leak would be an AUC of nearly 1."""
    rng = np.random.default_rng(0)
    n = 2_000
    outcome = rng.integers(0, 2, n)
    log = log_of(
        pa.table({
            "student_id": [f"s{k // 40}" for k in range(n) for _ in (0, 1)],
            "topic_id": [f"t{topic}" for k in range(n) for topic in (k % 3, 3 + k % 2)],
            "is_correct": np.repeat(outcome, 2), "interaction_id": np.repeat(np.arange(n), 2),
            "order": np.arange(2 * n),
        }),
        "start",
    )  # fmt: skip
    found = evaluate(log, Split("student"), unfitted(RULES), cv_folds=2)
    assert found.answers == n
    for summary in found.summaries.values():
        assert 0.42 < summary.measures["auc"] < 0.58


@pytest.mark.parametrize("timed", [True, False])
def test_rows_of_one_answer_that_nothing_names_do_not_tell_of_each_other(timed):
    """Coin tosses, numbered row by row, each on two topics: AUC was .87."""
    rng = np.random.default_rng(1)
    n = 2_000
    rows = {
        "student_id": [f"s{k // 40}" for k in range(n) for _ in (0, 1)],
        "question_id": np.repeat(rng.integers(0, 20, n), 2),
        "topic_id": [f"t{topic}" for k in range(n) for topic in (k % 3, 3 + k % 2)],
        "is_correct": np.repeat(rng.integers(0, 2, n), 2),
        "order": np.arange(2 * n),
    }
    if timed:
        rows["timestamp"] = np.repeat(np.datetime64("2026-01-05T08:00:01") + 60 * np.arange(n), 2)
    found = evaluate(log_of(pa.table(rows), "start"), Split("student"), unfitted(RULES), cv_folds=2)
    # Without moments, one question twice in a row with one outcome is taken as one answer on four topics.
    assert found.answers == n if timed else 0.95 * n < found.answers < n
    for summary in found.summaries.values():
        assert 0.42 < summary.measures["auc"] < 0.58


def test_the_document_has_the_shape_it_is_said_to_have_and_null_for_what_is_undefined(log):
    found = json.loads(json.dumps(as_json(evaluate(log, Split("student"), unfitted(RULES))), allow_nan=False))
    elo = found["scorers"]["elo"]
    assert {"auc", "rmse", "logloss", "ece", "n", "accuracy", "brier", "ece_perfect", "ece_perfect_95"} <= set(elo)
    assert set(elo["cold_start"]) == {"first_5", "first_10", "first_20", "after_20"}
    assert sum(one["n"] for one in elo["reliability"]) == elo["n"]
    assert found["folds"][0]["scorers"]["elo"]["auc"] == elo["auc"]
    low, high = elo["intervals_95"]["auc"]
    assert low < elo["auc"] < high


def test_a_log_without_time_stamps_says_so_and_predicts_no_week(school):
    found = evaluate(log_of(school.drop_columns("timestamp"), "start"), Split("student"), unfitted(RULES))
    assert "no time stamps" in found.notes[0]
    assert as_json(found)["scorers"]["elo"]["next_week"] == {"correlation": None, "student_topic_days": 0}


def test_a_test_of_a_handful_of_answers_says_that_they_are_too_few(school, log):
    first = school["student_id"][0].as_py()
    own = school.filter(pc.equal(school["student_id"], first)).slice(0, 3)
    own = own.set_column(3, "is_correct", pa.array([True, False, True]))
    others = school.filter(pc.not_equal(school["student_id"], first))
    marked = pa.concat_tables(
        [one.append_column("part", pa.array([part] * one.num_rows)) for part, one in (("a", own), ("b", others))]
    )
    found = evaluate(log_of(marked, "start"), parse_split("column:part=a"), unfitted(RULES))
    assert found.notes[0].startswith("3 answers of 1 student were predicted, too few to judge a scorer by")
    assert not any("too few" in note for note in evaluate(log, Split("student"), unfitted(RULES)).notes)


def test_a_test_of_one_outcome_alone_has_no_auc_and_one_of_none_is_refused(school):
    marked = school.append_column(
        "part", pa.array(["a" if right else "b" for right in school["is_correct"].to_pylist()])
    )
    found = evaluate(log_of(marked, "start"), parse_split("column:part"), unfitted(RULES))
    told = [note for note in found.notes if note.endswith("so its AUC is not defined")]
    assert [note.partition(": all ")[0] for note in told] == ["part=a", "part=b"]
    document = as_json(found)
    assert document["scorers"]["elo"]["auc"] is None and document["scorers"]["elo"]["intervals_95"]["auc"] == [None] * 2
    assert 0.0 < document["scorers"]["elo"]["logloss"] < 1.0
    assert "| elo |" in markdown(found)
    with pytest.raises(BadInput, match="the training part holds no answers"):
        evaluate(log_of(school, "start"), parse_split("time:2020-01-01"), unfitted(RULES))
    with pytest.raises(BadInput, match="the test part holds no answers"):
        evaluate(log_of(school, "start"), parse_split("time:2030-01-01"), unfitted(RULES))


def test_topics_that_only_the_test_has_are_named(school):
    topics = school["topic_id"].to_pylist()
    last = sorted(set(topics))[-1]
    marked = school.append_column("part", pa.array(["new" if topic == last else "old" for topic in topics]))
    notes = evaluate(log_of(marked, "start"), parse_split("column:part=new"), unfitted(RULES)).notes
    assert any(f"on 1 topic that the fit has not seen ({last})" in note for note in notes)
    assert not any("has not seen" in note for note in evaluate(log_of(school), Split("student"), unfitted(RULES)).notes)


@pytest.mark.skipif(not CASES.exists(), reason="the small inputs that went wrong are not here")
def test_a_file_whose_rows_stand_twice_is_counted_as_an_ingest_counts_it(tmp_path):
    path = CASES / "ev_dup.csv"
    home = Deployment.at(tmp_path)
    ingested = home.ingest(path)
    read = read_answers(path, now=NOW)
    found = evaluate(answers_log(read, "start"), Split("student"), unfitted(RULES))
    assert found.answers == ingested.accepted == 3_000 and read.report.duplicates == ingested.duplicates == 3_000
    assert any("3,000 of 6,000 rows repeat another one and are counted once" in note for note in read.notes())


@pytest.mark.parametrize("topics", [None, "one"])
def test_a_log_of_students_outcomes_and_nothing_else_is_enough(topics):
    rng = np.random.default_rng(1)
    columns = {"student_id": np.repeat([f"s{k}" for k in range(30)], 4), "is_correct": rng.integers(0, 2, 120)}
    if topics is not None:
        columns["topic_id"] = [topics] * 120
    found = evaluate(log_of(pa.table(columns), "start"), Split("student"), unfitted(RULES))
    assert all(0.0 <= one.measures["auc"] <= 1.0 for one in found.summaries.values())
    assert "NaN" not in json.dumps(as_json(found))
    assert "nan" not in markdown(found)


def test_a_scorer_that_says_nothing_of_an_answer_is_given_the_share_right_and_that_is_told(log):
    def silent(train, test):
        return Predicted({"silent": np.full(test.row.size, np.nan)})

    found = evaluate(log, Split("student"), silent)
    assert "silent predicts nothing for" in found.notes[0]
    assert found.summaries["silent"].measures["auc"] == 0.5


@pytest.mark.parametrize("form", ["parquet", "csv", "csv.gz", "ndjson"])
def test_every_kind_of_file_gives_the_same_answers(school, tmp_path, form):
    plain = school.slice(0, 200).cast(
        pa.schema([f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in school.schema])
    )
    path = tmp_path / f"answers.{form}"
    if form == "parquet":
        pq.write_table(plain, path)
    elif form == "ndjson":
        rows = [row | {"timestamp": row["timestamp"].isoformat()} for row in plain.to_pylist()]
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        with pa.output_stream(path, compression="gzip" if form.endswith("gz") else None) as stream:
            pacsv.write_csv(plain, stream)
    one, two = read_answers(path, now=NOW).batch("answer"), log_of(plain, "answer").batch
    assert (one.students, one.topics, one.items) == (two.students, two.topics, two.items)
    for name in ("y", "weight", "at_us", "duration_ms", "item", "slot"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


def test_fits_of_an_evaluation_keep_to_bounds_too(log):
    def loss(bounds):
        predictor = fitted(RULES, scorers=["bkt"], clock="answer", seed=0, threads=1, bounds=bounds)
        return evaluate(log, Split("student"), predictor, scorers=["bkt"]).summaries["bkt"].measures["logloss"]

    assert loss({"guess": 0.9}) > loss(None)
    with pytest.raises(BadInput, match="no parameter 'gess' that can be bounded"):
        loss({"gess": 0.1})


def test_names_of_scorers_and_what_they_need():
    known = ("bkt", "elo", "blend")
    assert wanted_scorers(None, known) is wanted_scorers("all", known) is None
    assert wanted_scorers("elo, bkt,elo", known) == ["elo", "bkt"]
    with pytest.raises(BadInput, match="unknown scorer 'btk'.*did you mean 'bkt'"):
        wanted_scorers("btk", known)
    with pytest.raises(BadInput, match="no scorer is named"):
        wanted_scorers(" ,", known)
    assert with_needs(["irt"]) == ["bkt", "irt"]
    assert with_needs(None) is None


@pytest.mark.parametrize("text", ["student", "time", "time:2026-01-01", "column:a", "column:a=b"])
def test_a_split_is_named_as_it_was_written(text):
    assert named(parse_split(text)) == text


def test_the_report_is_written_with_a_picture(log, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `charts` is not installed")
    found = evaluate(log, Split("student"), unfitted(RULES), cv_folds=2)
    written, missing = write_report(found, tmp_path / "out")
    assert missing is None
    assert [path.name for path in written] == ["evaluation.json", "evaluation.md", "reliability.png"]
    assert json.loads(written[0].read_text())["scorers"]["elo"]["n"] == found.answers
    assert "| elo |" in written[1].read_text()
    assert written[2].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(BadInput, match="is a file"):
        write_report(found, written[0])


def audited(log, split, predictor, name):
    """The verdict of kt-audit on what was learnt from and what was predicted, and the AUC that we report."""
    kt_audit = pytest.importorskip("kt_audit", reason="kt-audit is not installed")
    audit = Audit(name)
    found = evaluate(log, split, predictor, hear=audit.hear)
    auc = found.summaries[name].measures["auc"]
    frame = pa.concat_tables(audit.tables).to_pandas()
    return kt_audit.audit_frame(frame, kt_audit.AuditConfig(reported_auc=auc, auc_tolerance=1e-9))


@pytest.mark.parametrize("split", ["student", "time"])
def test_kt_audit_finds_nothing_wrong(split):
    """Students are good at some topics and bad at others, which the audit's tree over plain counts does not see."""
    rng = np.random.default_rng(5)
    students, each, topics, items = 120, 60, 5, 400
    skill = rng.normal(0.0, 2.0, (students, topics))
    who = np.repeat(np.arange(students), each)
    item = rng.integers(0, items, who.size)
    right = rng.random(who.size) < 1.0 / (1.0 + np.exp(-skill[who, item % topics]))
    log = log_of(
        pa.table({
            "student_id": [f"s{s}" for s in who], "question_id": [f"q{i}" for i in item],
            "topic_id": [f"t{i % topics}" for i in item], "is_correct": right,
            "timestamp": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=k % each) for k in range(who.size)],
        }),
        "start",
    )  # fmt: skip
    report = audited(log, parse_split(split), unfitted(RULES), "elo")
    assert report.verdict == "pass", [finding for finding in report.findings if finding.severity != "info"]
    # Every check had what it needs: nothing was left out.
    assert not [finding for finding in report.findings if "skipped" in finding.message]
    assert report.baselines


@pytest.mark.slow
@pytest.mark.skipif(not STATICS.exists(), reason="needs the research log statics2011")
def test_kt_audit_finds_nothing_wrong_with_what_fitted_scorers_predict_of_a_real_log():
    log = answers_log(read_answers(STATICS, now=NOW, keep=["lpp_split"]), "start")
    split = parse_split("column:lpp_split=test")
    names = ["bkt", "elo", "irt", "linear_rnn"]
    report = audited(log, split, fitted(RULES, scorers=names, clock="start", seed=0, threads=2), "linear_rnn")
    assert report.verdict == "pass", [finding for finding in report.findings if finding.severity != "info"]


def test_kt_audit_would_notice_a_prediction_that_saw_its_answer(log):
    """The audit is no rubber stamp: what is learnt from later than it is tested on is found."""
    kt_audit = pytest.importorskip("kt_audit", reason="kt-audit is not installed")
    _, folds = cv_folds_of(log, parse_split("time"), None, 0)
    (fold,) = folds
    rows = audit_rows(fold, np.linspace(0, 1, fold.test.row.size)).to_pandas()
    rows["split"] = rows["split"].map({"train": "test", "test": "train"})
    assert kt_audit.audit_frame(rows).verdict == "fail"


def test_the_audit_has_one_row_for_each_question_and_time_goes_on(log):
    _, folds = cv_folds_of(log, Split("student"), None, 0)
    (fold,) = folds
    rows = audit_rows(fold, np.full(fold.test.row.size, 0.5)).to_pandas()
    assert len(rows) == log.batch.row.size
    assert (rows.groupby("user_id")["timestamp"].diff().dropna() > 0).all()


def test_take_students_keeps_what_the_test_is_about(log):
    """The test of a fold is a batch of its own: its students, and the topics' codes of the whole log."""
    _, folds = cv_folds_of(log, Split("student"), 2, 0)
    for fold in folds:
        keep = np.isin(log.batch.students, fold.test.students)
        np.testing.assert_array_equal(take_students(log.batch, keep).row, fold.test.row)
        assert fold.train.topics == fold.test.topics == log.batch.topics


def grouped(school):
    """The class with a column of groups, a and b by turns, and the log of it; of two students nothing is said."""
    place = {name: k for k, name in enumerate(sorted(set(school["student_id"].to_pylist())))}
    group = [None if place[name] < 2 else "ab"[place[name] % 2] for name in school["student_id"].to_pylist()]
    return log_of(school.append_column("class", pa.array(group)), "answer"), place


def test_groups_are_measured_over_all_tests_and_told_in_json_and_on_the_page(school):
    log, place = grouped(school)
    column = column_of_rows(log, "class")
    assert (column.values, column.empty, column.several) == (("a", "b"), 2, 0)
    found = evaluate(log, Split("student"), unfitted(RULES), cv_folds=3, groups=column)
    document = json.loads(json.dumps(as_json(found), allow_nan=False))["by_group"]
    assert document["column"] == "class"
    assert document["too_small"] == []
    for groups in document["scorers"].values():
        first, second = groups.values()
        assert first["n"] >= second["n"]
        assert first["students"] + second["students"] == len(place) - 2
        assert first["abroca"] is None
        assert second["intervals_95"]["abroca"][0] <= second["abroca"] <= second["intervals_95"]["abroca"][1]
    assert "2 students with no value of class belong to no group" in found.notes
    page = markdown(found)
    assert "## By class" in page
    assert page.count("| elo | a |") == 1
    assert as_json(evaluate(log, Split("student"), unfitted(RULES)))["by_group"] is None


def test_groups_that_are_too_small_are_named(school):
    log, _ = grouped(school)
    few = column_of_table(
        log, pa.table({"student_id": log.batch.students[:9], "club": ["chess"] * 4 + ["golf"] * 5}), "club"
    )
    found = evaluate(log, Split("student"), unfitted(RULES), cv_folds=2, groups=few)
    assert found.by_group.scorers["elo"] == ()
    said = " ".join(found.notes)
    assert "too small to be measured apart by club: chess (4 students), golf (5 students)" in said
    assert "no group of club is large enough" in said
    assert "## By club" not in markdown(found)
    each = column_of_table(
        log, pa.table({"student_id": log.batch.students[:40], "no": [f"n{k}" for k in range(10, 50)]}), "no"
    )
    said = " ".join(evaluate(log, Split("student"), unfitted(RULES), cv_folds=2, groups=each).notes)
    assert "n21 (1 student) and 28 more; a group needs" in said


def test_a_column_that_names_no_groups_is_refused(school):
    log, _ = grouped(school)
    with pytest.raises(BadInput, match="knows none of the log's 60 students"):
        column_of_table(log, pa.table({"student_id": ["x"], "club": ["chess"]}), "club")
    with pytest.raises(BadInput, match="no column 'clas' in the log .did you mean 'class'"):
        column_of_rows(log, "clas")
    each = column_of_table(log, pa.table({"student_id": log.batch.students, "no": log.batch.students}), "no")
    with pytest.raises(BadInput, match="no has 60 values; expected the groups of students, 50 at most"):
        evaluate(log, Split("student"), unfitted(RULES), groups=each)
