"""Estimators on frames: fit, predict, scores, explanations, settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import mastery as ms
from mastery.estimators.scorers import ESTIMATORS

KINDS = {
    "pyarrow": (lambda table: table, pa.Table),
    "pandas": (lambda table: table.to_pandas().set_index(pd.Index(range(table.num_rows, 0, -1))), pd.DataFrame),
    "polars": (pl.from_arrow, pl.DataFrame),
    "lazy polars": (lambda table: pl.from_arrow(table).lazy(), pl.LazyFrame),
    "duckdb": (duckdb.from_arrow, duckdb.DuckDBPyRelation),
}


def as_arrow(frame):
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame.to_arrow()
    if isinstance(frame, pd.DataFrame):
        return pa.Table.from_pandas(frame, preserve_index=False)
    return frame if isinstance(frame, pa.Table) else frame.to_arrow_table()


@pytest.mark.parametrize("kind", KINDS)
def test_the_frame_that_came_in_comes_back_with_p_correct(fitted, school, kind):
    make, expected = KINDS[kind]
    table = school.answers.frame.table.take(np.random.default_rng(0).permutation(len(school.answers)))
    given = make(table)
    found = fitted["BKT"].predict(given)
    assert isinstance(found, expected)
    back = as_arrow(found)
    assert back.column_names == [*table.column_names, "p_correct"]
    assert back["attempt_id"].to_pylist() == table["attempt_id"].to_pylist()
    if kind == "pandas":
        pd.testing.assert_frame_equal(found.drop(columns="p_correct"), given)
    p = dict(zip(back["attempt_id"].to_pylist(), back["p_correct"].to_pylist(), strict=True))
    whole = fitted["BKT"].predict(school.answers)
    assert p == dict(zip(whole["attempt_id"].to_pylist(), whole["p_correct"].to_pylist(), strict=True))


def test_frames_that_cannot_be_read_are_refused_and_an_index_is_no_column(fitted):
    frame = pd.DataFrame({"student_id": ["a", "b"], "is_correct": [0, 1]}, index=["x", "y"])
    assert ms.read_answers(frame).frame.table.column_names == ["student_id", "is_correct"]
    with pytest.raises(ms.BadInput, match="the frame cannot be read .*give each column one type"):
        ms.read_answers(frame.assign(is_correct=[0, "wrong"]))
    twice = pd.DataFrame([["a", 0, 1]], columns=["student_id", "is_correct", "is_correct"])
    with pytest.raises(ms.BadInput, match="the frame cannot be read: .*is_correct"):
        ms.read_answers(twice)
    with pytest.raises(ms.BadInput, match="unknown kind of frame 'excel'; expected pandas, polars, pyarrow or duckdb"):
        ms.read_answers(frame, frames="excel")


@pytest.mark.parametrize("kind", KINDS)
def test_a_p_correct_that_is_there_already_is_replaced_where_it_stands(fitted, school, kind):
    make, _ = KINDS[kind]
    table = school.answers.frame.table
    once = as_arrow(fitted["BKT"].predict(make(table)))
    first = [*table.column_names[:2], "p_correct", *table.column_names[2:]]
    again = as_arrow(
        fitted["BKT"].predict(make(once.set_column(len(first) - 1, "p_correct", once["is_correct"]).select(first)))
    )
    assert again.column_names == first
    assert again["p_correct"].to_pylist() == once["p_correct"].to_pylist()


def test_a_column_that_nobody_needs_may_hold_anything(fitted):
    given = {"student_id": ["a", "b"], "topic_id": ["t", "t"], "is_correct": [0, 1]}
    pandas = pd.DataFrame(given | {"remark": [1, "two"], "photo": [object(), {}]}, index=["x", "y"])
    answers = ms.read_answers(pandas)
    assert answers.frame.table.column_names == [*given]
    assert [note.split(",")[0] for note in answers.notes] == [
        "column 'remark' was left out",
        "column 'photo' was left out",
    ]
    found = fitted["BKT"].predict(answers)
    pd.testing.assert_frame_equal(found.drop(columns="p_correct"), pandas)
    polars = pl.DataFrame(given | {"photo": pl.Series([object(), object()], dtype=pl.Object)})
    assert fitted["BKT"].predict(polars).columns == [*given, "photo", "p_correct"]
    with pytest.raises(ms.BadInput, match="the frame cannot be read .*topic_id.*give each column one type"):
        ms.read_answers(pandas.assign(topic_id=[1, "t"]))
    renamed = pandas.rename(columns={"remark": "skill"}).drop(columns="topic_id")
    with pytest.raises(ms.BadInput, match="the frame cannot be read .*skill.*give each column one type"):
        ms.read_answers(renamed, columns={"skill": "topic_id"})


def test_outcomes_apart_from_the_answers_are_refused_in_words(fitted, school):
    with pytest.raises(ms.BadInput, match="fit takes answers alone; their column is_correct"):
        ms.BKT().fit(school.answers, [0, 1])
    assert ms.RuleBased().fit(school.answers, None).model_set_


def test_messages_name_what_is_written_in_python():
    frame = pa.table({"student_id": ["a"], "is_correct": [1]})
    with pytest.raises(ms.BadInput) as told:
        ms.read_answers(frame, units={"watch": "fraction"})
    assert "--unit" not in str(told.value)


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_a_file_is_read_as_its_frame_is(fitted, school, tmp_path, ending):
    table, path = school.answers.frame.table, tmp_path / f"answers.{ending}"
    if ending == "csv":
        pacsv.write_csv(table, path)
    elif ending == "parquet":
        pq.write_table(table, path)
    else:
        rows = [row | {"timestamp": row["timestamp"].isoformat()} for row in table.to_pylist()]
        path.write_text("\n".join(json.dumps(row) for row in rows))
    found = fitted["BKT"].predict(ms.read_answers(path, frames="pandas"))
    assert isinstance(found, pd.DataFrame)
    expected = fitted["BKT"].predict(school.answers)["p_correct"].to_numpy()
    np.testing.assert_array_equal(found["p_correct"].to_numpy(), expected)


def test_a_row_without_an_outcome_has_null(fitted):
    table = {"student_id": ["S1"] * 3, "topic_id": ["t"] * 3, "is_correct": [1, None, 0]}
    assert [p is None for p in fitted["BKT"].predict(pa.table(table))["p_correct"].to_pylist()] == [False, True, False]
    assert fitted["BKT"].predict(pl.DataFrame(table))["p_correct"].is_null().to_list() == [False, True, False]
    assert fitted["BKT"].predict(pd.DataFrame(table))["p_correct"].isna().tolist() == [False, True, False]


def test_each_prediction_is_made_before_its_own_answer(fitted, school):
    table = school.answers.frame.table.sort_by([("student_id", "ascending"), ("timestamp", "ascending")]).slice(0, 30)
    outcomes = table["is_correct"].to_pylist()
    place = table.column_names.index("is_correct")
    for name, model in fitted.items():
        before = model.predict(table)["p_correct"].to_numpy()
        for k in (4, 17):
            other = [not right if i == k else right for i, right in enumerate(outcomes)]
            after = model.predict(table.set_column(place, "is_correct", pa.array(other)))["p_correct"].to_numpy()
            np.testing.assert_array_equal(after[: k + 1], before[: k + 1], err_msg=name)
            assert not np.array_equal(after[k + 1 :], before[k + 1 :]), name


def test_no_answers_have_no_scores():
    nobody = pa.table({"student_id": ["a"], "topic_id": ["t"], "is_correct": [1]}).slice(0, 0)
    assert ms.RuleBased().scores(nobody).num_rows == 0


def test_ids_stay_what_they_are():
    frame = pd.DataFrame({"pupil": [7, 7, 12] * 4, "skill": [1, 2, 1] * 4, "right": [True, False, True] * 4})
    answers = ms.read_answers(frame, columns={"pupil": "student_id", "skill": "topic_id", "right": "is_correct"})
    scores = ms.RuleBased().scores(answers)
    assert sorted(zip(scores["student_id"], scores["topic_id"], strict=True)) == [(7, 1), (7, 2), (12, 1)]
    assert scores["student_id"].dtype == frame["pupil"].dtype
    assert ms.RuleBased().explain(answers, student=7, topic=1).evidence_count == 4
    gaps = frame.assign(pupil=[7.0, None, 12.0] * 4, skill=[1.0, 2.0, None] * 4)
    scores = ms.RuleBased().scores(
        ms.read_answers(gaps, columns={"pupil": "student_id", "skill": "topic_id", "right": "is_correct"})
    )
    assert dict(zip(scores["student_id"], scores["topic_id"].isna(), strict=True)) == {7.0: False, 12.0: True}


def test_scores_hold_intervals_and_bands_and_know_the_past(fitted, school):
    for name, model in fitted.items():
        if name == "LinearRNN unconstrained":
            continue
        now = model.scores(school.answers, as_of="2026-12-31").to_pandas()
        assert ((now.lower <= now.mastery_score) & (now.mastery_score <= now.upper)).all()
        assert (now.band == "not_enough_evidence").equals(now.evidence_count < 3)
        past = model.scores(school.answers, as_of=datetime(2026, 1, 31, tzinfo=UTC)).to_pandas()
        assert past.evidence_count.sum() < now.evidence_count.sum()
    with pytest.raises(ms.BadInput, match="is not a moment"):
        fitted["BKT"].scores(school.answers, as_of="soon")
    with pytest.raises(ms.BadInput, match="there are no answers by 2001-01-01"):
        fitted["BKT"].scores(school.answers, as_of="2001-01-01")


@pytest.mark.slow
def test_an_explanation_adds_up_to_the_score(fitted, blend, school):
    student = school.answers.students[2]
    for model in [*(m for n, m in fitted.items() if "unconstrained" not in n), blend]:
        row = model.scores(school.answers).to_pandas().query("student_id == @student").iloc[0]
        found = model.explain(school.answers, student=student, topic=row.topic_id)
        assert found.mastery_score == pytest.approx(row.mastery_score, abs=1e-12)
        total, score = sum(found.contributions.values()), found.mastery_score
        expected = score if found.scale == "index" else np.log(score / (1.0 - score))
        assert total == pytest.approx(expected, abs=1e-5), model
        assert found.summary.endswith(".") and found.summary in str(found)
        assert {factor.name for factor in found.factors} <= set(found.contributions)
    with pytest.raises(ms.NotFound, match="no answer on topic 'geometry'.*there are answers on "):
        blend.explain(school.answers, student=student, topic="geometry")
    with pytest.raises(ms.NotFound, match="no answer of student 'nobody'"):
        blend.explain(school.answers, student="nobody", topic="geometry")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_settings_are_stored_as_they_are_and_come_back(name):
    kind = ESTIMATORS[name]
    one = kind(random_state=5, min_evidence=7)
    again = kind(**one.get_params())
    assert again.get_params() == one.get_params() and again is not one
    for setting, value in one.get_params(deep=False).items():
        assert getattr(one, setting) is value
    assert again.set_params(random_state=6) is again and again.random_state == 6
    assert repr(one) == f"{name}(min_evidence=7, random_state=5)"
    assert not [attribute for attribute in vars(one) if attribute.endswith("_")]
    with pytest.raises(ms.BadInput, match="has no setting 'random_sate' .did you mean 'random_state'"):
        one.set_params(random_sate=1)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "RuleBased"])
def test_what_has_not_been_fitted_says_so(name, school, tmp_path):
    model = ESTIMATORS[name]()
    for ask in (
        lambda: model.predict(school.answers),
        lambda: model.scores(school.answers),
        lambda: model.params_,
        lambda: model.save(tmp_path / "model"),
    ):
        with pytest.raises(
            ms.NotFitted, match=rf"this {name} has not learnt anything yet; call fit\(answers\)"
        ) as told:
            ask()
        assert isinstance(told.value, ValueError) and isinstance(told.value, AttributeError)


def test_settings_that_make_another_model_need_another_fit(school, tmp_path):
    model = ms.LinearRNN().fit(school.answers).set_params(monotone=False)
    with pytest.raises(ms.NotFitted, match=r"LinearRNN\(monotone=False\) was fitted with other settings"):
        model.predict(school.answers)
    rules = ms.RuleBased()
    before = rules.p_correct(rules.state(student="new"), topic="t")
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nfactors: {accuracy: {weight: 1.0, prior: 0.9}}\n")
    rules.set_params(rules=path)
    assert rules.p_correct(rules.state(student="new"), topic="t") > before


def test_what_was_learnt_is_a_tidy_frame(fitted):
    assert set(fitted["IRT"].params_["level"].to_pylist()) == {"default", "topic", "item"}
    params = fitted["BKT"].params_.to_pandas()
    assert list(params.columns) == ["level", "id", "parameter", "value"]
    guess = params.query("level == 'topic' and id == 'frac-equiv' and parameter == 'guess'")
    assert len(guess) == 1 and 0.0 < guess.value.iloc[0] < 1.0
    assert params.query("level == 'default'").id.isna().all()


def test_settings_of_bkt_leave_less_to_be_chosen(school):
    classic = ms.BKT(forgetting="none", items=False).fit(school.answers)
    assert set(classic.params_.to_pandas().level) == {"default", "topic"}
    assert "forgets nothing; " in classic.measures_["variant"] and "items alike" in classic.measures_["variant"]
    assert "forgets by answers and days" in ms.BKT(forgetting="both").fit(school.answers).measures_["variant"]
    with pytest.raises(ms.BadInput, match="forgetting is 'day'; expected auto, none, answers, days, both .did"):
        ms.BKT(forgetting="day").fit(school.answers)
    untimed = pa.table({"student_id": ["a", "b"] * 20, "is_correct": [0, 1, 1, 0] * 10})
    with pytest.raises(ms.BadInput, match="the answers have no time stamps"):
        ms.BKT(forgetting="days").fit(untimed)


def test_topics_of_one_chapter_move_together_where_that_predicts_better():
    rng, rows = np.random.default_rng(0), []
    for student in range(150):
        strong = dict(zip("AB", rng.normal(0.0, 2.5, 2), strict=True))
        for k in range(24):
            topic = f"{'AB'[k % 2]}{rng.integers(4)}"
            right = rng.random() < 1.0 / (1.0 + np.exp(-strong[topic[0]]))
            rows.append({"student_id": f"S{student}", "topic_id": topic, "is_correct": right, "order": k})
    frame, topics = pd.DataFrame(rows), sorted({row["topic_id"] for row in rows})
    for chapters, together in (
        ({topic: topic[0] for topic in topics}, True),
        ({topic: topic for topic in topics}, False),
    ):
        params = ms.Elo(chapters=chapters).fit(frame).params_
        numbers = params[(params.level == "topic") & (params.parameter == "chapter")].set_index("id").value
        assert (numbers["A0"] == numbers["A1"] >= 0.0) == together
        assert (numbers["A0"] != numbers["B0"]) or not together


def test_settings_of_the_others_reach_their_fits(school, tmp_path):
    def learnt(model, parameter, level="item"):
        params = model.params_.to_pandas()
        return params[(params.level == level) & (params.parameter == parameter)].value

    assert learnt(ms.IRT(discrimination=False).fit(school.answers), "discrimination").nunique() == 1
    assert learnt(ms.IRT(discrimination=True).fit(school.answers), "discrimination").nunique() > 1
    with pytest.raises(ms.BadInput, match="discrimination is '2pl'; expected 'auto', True or False"):
        ms.IRT(discrimination="2pl").fit(school.answers)
    rules = tmp_path / "own.yaml"
    rules.write_text("name: own\nfactors: {accuracy: {weight: 1.0, prior: 0.5}}\n")
    shipped = ms.RuleBased().scores(school.answers)
    assert ms.RuleBased(rules=rules).scores(school.answers) != shipped


def test_the_same_answers_and_settings_give_the_same_parameters(school, fitted):
    assert ms.BKT(forgetting="both").fit(school.answers).model_set_.version == fitted["BKT"].model_set_.version
    again = ms.LinearRNN(random_state=1).fit(school.answers).model_set_.version
    assert again != fitted["LinearRNN"].model_set_.version
    assert again == ms.LinearRNN(random_state=1).fit(school.answers).model_set_.version


def test_the_unconstrained_form_predicts_and_gives_no_scores(fitted, school):
    model = fitted["LinearRNN unconstrained"]
    assert model.predict(school.answers)["p_correct"].null_count == 0
    with pytest.raises(ms.BadInput, match=r"LinearRNN\(monotone=False\) only predicts answers"):
        model.scores(school.answers)


def test_answers_say_what_was_not_used(school):
    table = pa.table({"student_id": ["S1", None, "S2"], "topic_id": ["t"] * 3, "is_correct": ["yes", "no", "perhaps"]})
    answers = ms.read_answers(table)
    assert repr(answers) == "<Answers: 1 by 1 student on 1 topic and 0 items, 2 rows rejected>"
    assert sorted(answers.rejected["column"].to_pylist()) == ["is_correct", "student_id"]
    assert "2 rows were rejected" in answers.notes[-1]
    with pytest.raises(ms.BadInput, match="2 of 3 rows cannot be used"):
        ms.read_answers(table, strict=True)
    with pytest.raises(ms.BadInput, match=r"'student_id' .* rename them .*in Python, columns=\{"):
        ms.read_answers(pa.table({"pupil": ["S1"], "is_correct": [1]}))
    with pytest.raises(ms.BadInput, match=r"column student_id .*give each column one type"):
        ms.read_answers(pd.DataFrame({"student_id": ["1", 1], "is_correct": [1, 0]}))
    with pytest.raises(ms.BadInput, match=r"^dict cannot be read; expected a frame of pandas, polars"):
        ms.read_answers({"student_id": ["S1"]})
    with pytest.raises(ms.NotFound, match="no such file"):
        ms.read_answers("nowhere.csv")


def test_answers_of_one_day_are_told_apart_by_their_order():
    rows = {"student_id": ["S1"] * 3, "topic_id": ["t"] * 3, "is_correct": [1, 0, 1]}
    days = {"timestamp": ["2026-03-02"] * 3}
    assert ms.read_answers(pd.DataFrame(rows)).read.events.num_rows == 3
    assert ms.read_answers(pd.DataFrame(rows | days | {"order": [0, 1, 2]})).read.events.num_rows == 3
    same = ms.read_answers(pd.DataFrame(rows | days))
    assert same.read.events.num_rows == 3
    assert "3 events share their moment" in same.notes[0]
    repeats = ms.read_answers(pd.DataFrame(rows | days), repeats="duplicates")
    assert repeats.read.events.num_rows == 1


def test_a_school_is_the_same_for_the_same_seed(school):
    again = ms.simulate(students=25, days=40, seed=3, topics=5)
    assert again.answers.frame.table == school.answers.frame.table and again.truth == school.truth
    assert ms.simulate(students=25, days=40, seed=4, topics=5).truth != school.truth
    assert isinstance(ms.simulate(students=3, days=5, frames="polars").truth, pl.DataFrame)
    assert set(school.truth["student_id"].to_pylist()) >= set(school.answers.students)
