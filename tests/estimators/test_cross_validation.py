"""Models compared on students that they have not learnt from."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import mastery as ms
from mastery.evaluation.measures import bootstrap
from mastery.evaluation.reliability import bootstrap_ece, ece


@pytest.fixture(scope="module")
def found(school):
    models = [ms.RuleBased(), ms.BKT(items=False), ms.BKT(items=False), ms.Elo()]
    frame = ms.cross_validate(models, ms.read_answers(pl.from_arrow(school.answers.frame.table)), folds=3)
    return models, frame


@pytest.mark.slow
def test_every_model_has_a_row_of_measures_with_intervals(found):
    models, frame = found
    assert isinstance(frame, pl.DataFrame)
    assert frame["model"].to_list() == ["RuleBased()", "BKT(items=False) #1", "BKT(items=False) #2", "Elo()"]
    assert frame.columns[:5] == ["model", "answers", "auc", "auc_lower", "auc_upper"]
    for measure in ("auc", "log_loss", "rmse", "ece"):
        values, lower, upper = (frame[f"{measure}{end}"].to_numpy() for end in ("", "_lower", "_upper"))
        assert np.all(lower < upper), measure
        if measure != "ece":  # drawn students calibrate worse than all of them: its interval may lie above it
            assert np.all((lower < values) & (values < upper)), measure
    assert (frame["auc"] > 0.55).all()
    assert frame.row(1)[2:] == frame.row(2)[2:]
    assert all(not hasattr(model, "model_set_") for model in models)  # those given stay unfitted


def test_answers_after_a_moment_are_predicted_from_those_before(school):
    frame = ms.cross_validate(ms.BKT(items=False), school.answers, by="time")
    assert 0 < frame["answers"][0].as_py() < len(school.answers) / 2


def test_a_split_that_cannot_be_made_is_refused(school):
    with pytest.raises(ms.BadInput, match="unknown split 'students'.*did you mean 'student'"):
        ms.cross_validate(ms.BKT(), school.answers, by="students")
    with pytest.raises(ms.BadInput, match="there is no model to validate"):
        ms.cross_validate([], school.answers)


def test_a_draw_of_everybody_once_has_the_ece_of_the_sample():
    rng = np.random.default_rng(0)
    p = rng.random(600)
    y, student = (rng.random(600) < p).astype(float), np.zeros(600, np.int64)
    np.testing.assert_allclose(bootstrap_ece(p, y, student, 3, 0), ece(p, y), atol=1e-12)


def test_an_ece_is_drawn_on_the_students_that_the_other_measures_are_drawn_on():
    rng = np.random.default_rng(1)
    student = np.repeat(np.arange(40), 25)
    good = student < 20
    p = np.full(1_000, 0.5)
    y = good.astype(float)
    share = bootstrap(p, y, student, 50, 7)["accuracy"]
    off = bootstrap_ece(p, y, student, 50, 7, bins=1)
    np.testing.assert_allclose(off, np.abs(share - 0.5), atol=1e-12)
    assert rng is not None and np.ptp(off) > 0.0


def test_groups_have_rows_of_their_own_below_everybodys_and_small_ones_no_measures():
    table = ms.simulate(students=50, days=40, seed=2).answers.frame.table
    number = {name: k for k, name in enumerate(sorted(set(table["student_id"].to_pylist())))}
    group = ["c" if number[name] < 2 else "ab"[number[name] % 2] for name in table["student_id"].to_pylist()]
    frame = pl.from_arrow(table.append_column("class", pa.array(group)))
    found = ms.cross_validate([ms.Elo(), ms.RuleBased()], frame, folds=2, groups="class")
    assert found["group"].to_list() == [None, *sorted("ab", key=lambda g: -group.count(g)), "c"] * 2
    plain = ms.cross_validate([ms.Elo(), ms.RuleBased()], frame, folds=2)
    everybody = found.filter(pl.col("group").is_null())
    assert everybody.select(plain.columns).equals(plain)
    second, small = found.row(2, named=True), found.row(3, named=True)
    assert second["abroca_lower"] <= second["abroca"] <= second["abroca_upper"]
    assert 0.0 < second["abroca_if_equal"] < second["abroca_if_equal_95"]
    assert small["students"] == 2
    assert np.isnan(small["auc"])
    with pytest.raises(ms.BadInput, match="no column 'clas' in the log .did you mean 'class'"):
        ms.cross_validate(ms.Elo(), frame, groups="clas")
