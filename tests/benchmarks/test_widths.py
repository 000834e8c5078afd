from __future__ import annotations

import pytest
from benchmarks.widths import ENOUGH, SCHOOLS, main, markdown


def group(word: str, scores: int, share: float, bias: float) -> dict[str, object]:
    return {"group": word, "scores": scores, "share": share, "bias": bias}


def test_a_table_says_shares_by_group_and_leaves_out_those_of_few_scores():
    found = {"one": {"blend": [group("all", 900, 0.9, -0.02), group("needs_help", ENOUGH - 1, 0.5, 0.0)]},
             "two": {"blend": [group("all", 900, 0.913, 0.1), group("needs_help", ENOUGH, 0.88, 0.3)]}}  # fmt: skip
    assert markdown(found, "blend").splitlines() == [
        "| school | all | needs help |",
        "|---|---:|---:|",
        "| one | 90.0 (−0.020) | – |",
        "| two | 91.3 (+0.100) | 88.0 |",
    ]


def test_a_school_that_is_not_known_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["no such school"])
    assert "no such school" in capsys.readouterr().err and len(SCHOOLS) == 6
