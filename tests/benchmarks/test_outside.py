"""The benchmark of scores beside outcomes, on made-up logs of the public ones' form."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.outside import BEGIN, END, main, markdown, quizzes_and_marks, write_docs


@pytest.fixture
def logs(tmp_path):
    rng = np.random.default_rng(1)
    who = np.repeat(np.arange(60), 16)
    ability = 0.3 + 0.5 * (who % 2)
    log = pa.table({
        "student_id": [f"s{s}" for s in who],
        "question_id": [f"q{k % 8}" for k in range(who.size)],
        "topic_id": [f"t{k % 2}" for k in range(who.size)],
        "is_correct": (rng.random(who.size) < ability).astype(np.int8),
        "score": ability.astype(np.float32),
        "event_type": ["assignment" if k % 16 == 15 else "quiz" for k in range(who.size)],
        "timestamp": pa.array((1_700_000_000 + np.tile(np.arange(16), 60) * 86_400) * 1_000, pa.timestamp("ms", "UTC")),
        "order": np.tile(np.arange(16), 60),
    })  # fmt: skip
    pq.write_table(log, tmp_path / "moodle_delfi22.parquet")
    return tmp_path


def test_marks_are_those_of_assignments_and_answers_those_of_quizzes(logs):
    answers, marks = quizzes_and_marks(pq.read_table(logs / "moodle_delfi22.parquet"))
    assert set(answers["event_type"].to_pylist()) == {"quiz"}
    assert "score" not in answers.column_names
    assert marks.num_rows == 60
    assert {round(float(mark), 3) for mark in marks["mark"].to_pylist()} == {0.3, 0.8}


def test_scores_are_kept_and_printed_into_the_page(logs, tmp_path, capsys):
    results = tmp_path / "results"
    assert main(["--unfitted", "--data", str(logs), "--results", str(results)]) == 0
    assert "oulad_assessments: left out" in capsys.readouterr().out
    document = json.loads((results / "moodle_delfi22.json").read_text())
    scores = document["outcome"]["weeks"][1]["scores"]
    assert scores["elo"]["auc"] > 0.8
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    if "blend" not in scores:
        with pytest.raises(ValueError, match="results with the blend"):
            write_docs(results, page)
    for week in document["outcome"]["weeks"]:
        if week["scores"]:
            week["scores"]["blend"] = week["scores"]["elo"]
    (results / "moodle_delfi22.json").write_text(json.dumps(document))
    assert write_docs(results, page) == ["moodle_delfi22"]
    text = page.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    assert markdown({"moodle_delfi22": document}) in text
