"""The accuracy benchmark on a made-up log: the lines it writes, and the tables made of them."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.accuracy import docs
from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.line import AccuracyLine, newest, read
from benchmarks.accuracy.rows import ROWS
from benchmarks.accuracy.table import calibrated, markdown

LINE = AccuracyLine(
    data="statics2011",
    split="column:lpp_split=test",
    folds=1,
    scorer="blend_unconstrained",
    n=33_600,
    auc=0.8451,
    auc_low=0.83,
    auc_high=0.86,
    accuracy=0.8,
    rmse=0.36,
    logloss=0.4,
    ece=0.009,
    ece_perfect=0.006,
    ece_perfect_95=0.008,
    fitted=True,
    seed=0,
    seconds=60.0,
    peak_mb=900.0,
    machine="a machine",
    at="2026-11-23T00:00:00+00:00",
)


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 10)
    log = {
        "student_id": [f"s{s}" for s in who],
        "topic_id": [f"t{k % 3}" for k in range(who.size)],
        "is_correct": (rng.random(who.size) < 0.6).astype(np.int8),
        "order": np.arange(who.size),
        "akt_fold": 1 + who % 5,
    }
    pq.write_table(pa.table(log), tmp_path / "assist2015.parquet")
    return tmp_path


def test_every_scorer_of_a_data_set_writes_one_line_and_folds_can_be_fewer(data, tmp_path, capsys):
    results = tmp_path / "lines.jsonl"
    how = ["--unfitted", "--here", "--data", str(data), "--results", str(results), "--folds", "2"]
    assert main(["assist2015", "statics2011", *how]) == 0
    written = [json.loads(text) for text in results.read_text().splitlines()]
    assert [line["scorer"] for line in written] == ["rule_based", "bkt", "elo", "blend"]
    assert all(list(line) == [field.name for field in fields(AccuracyLine)] for line in written)
    assert {(line["data"], line["folds"], line["n"]) for line in written} == {("assist2015", 2, 160)}
    shown = capsys.readouterr().out
    assert "2 tests, 160 answers" in shown
    assert "statics2011: left out" in shown
    assert newest(read(results)) == {}  # nothing was fitted


def test_the_newest_line_with_most_tests_counts_and_what_is_missed_is_told():
    one, other = replace(LINE, data="assist2017", folds=5, auc=0.80), replace(LINE, data="assist2017", folds=1, auc=0.9)
    found = newest([one, other, LINE, replace(LINE, fitted=False, auc=0.5)])
    assert found["assist2017", "blend_unconstrained"].folds == 5
    assert found["statics2011", "blend_unconstrained"].auc == 0.8451
    rows = {row.split(",")[0].strip("| "): row for row in markdown(found).splitlines()}
    assert "≥ 0.81 **(missed)**" in rows["assist2017"]
    assert "≥ 0.842 |" in rows["statics2011"]


def test_calibration_is_asked_of_the_blend_and_no_more_than_perfect_predictions_show():
    assert calibrated(LINE)
    assert not calibrated(replace(LINE, ece=0.0101))
    assert calibrated(replace(LINE, ece=0.0101, ece_perfect_95=0.0102))
    assert calibrated(replace(LINE, scorer="bkt")) is None


def test_the_tables_are_put_between_their_marks_and_nothing_else_changes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{docs.BEGIN}\nold\n{docs.END}\nafter\n")
    assert docs.write([LINE], page) == {"statics2011"}
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "0.8451 (0.830–0.860)" in text
    with pytest.raises(ValueError, match="nothing fitted"):
        docs.write([], page)
    page.write_text("no marks")
    with pytest.raises(ValueError, match="once each"):
        docs.write([LINE], page)


def test_the_page_has_the_marks_and_every_data_set_has_bars():
    text = docs.PAGE.read_text("utf-8")
    assert text.count(docs.BEGIN) == text.count(docs.END) == 1
    assert len(ROWS) == 7
    assert all(row.blend > row.rnn > 0.7 for row in ROWS.values())
