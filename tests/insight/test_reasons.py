from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mastery.errors import BadInput
from mastery.features.counters import NEVER
from mastery.insight.reasons import CONSTANT, MOST_FACTORS, NOTHING, ROUNDING, SILENT, explain
from mastery.scorers import DERIVED, SCORERS
from mastery.tables import CONTRIBUTIONS, COUNTERS

RULES = SCORERS["rule_based"].contributions
BKT = SCORERS["bkt"].contributions
BLEND = DERIVED["blend"].contributions


def parts_of(names, **parts):
    return np.array([parts.get(name, 0.0) for name in names])


def test_the_three_largest_parts_come_first_with_their_numbers(counters, as_of_us):
    told = counters(
        "+-+--+--", older_right=4, active_days=5, hints=6, videos=2, video_ppm=1_800_000, last_days_ago=3, evidence=12
    )
    parts = parts_of(RULES, accuracy=0.19, revisit=0.12, video=0.09, hints=-0.025, forgetting=-0.01)
    why = explain(RULES, parts, "index", told, as_of_us, 3)
    assert [(factor.name, factor.contribution, factor.direction) for factor in why.factors] == [
        ("accuracy", 0.19, "raises"),
        ("revisit", 0.12, "raises"),
        ("video", 0.09, "raises"),
    ]
    assert why.factors[0].value == {"right": 3, "answers": 8}
    assert why.summary == (
        "It rests on: 3 of the last 8 answers right, came back to the topic 4 times (5 days of work), "
        "watched 90 % of the videos."
    )
    assert why.contributions == dict(zip(RULES, parts.tolist(), strict=True))
    assert why.enough_evidence


def test_what_raises_and_what_lowers_a_score_stand_apart(counters, as_of_us):
    told = counters("+++++++-", older_wrong=1, active_days=4, first_days_ago=50, last_days_ago=40)
    parts = parts_of(BKT, start=-9.0, answers_right=3.1, answers_wrong=-1.2, forgetting=-2.0)
    why = explain(BKT, parts, "log_odds", told, as_of_us, 3)
    assert why.summary == (
        "What raises it: 7 of the last 8 answers right; what lowers it: faded (last worked on 40 days ago), "
        "2 wrong answers so far."
    )


def test_what_trees_owe_to_the_time_since_the_last_work_is_the_same_for_everybody_and_not_told(counters, as_of_us):
    told = counters("++-", last_days_ago=1, evidence=3)
    parts = parts_of(BLEND, start=-0.2, answers_right=0.3, recency=0.9)
    why = explain(BLEND, parts, "log_odds", told, as_of_us, 3)
    assert [factor.name for factor in why.factors] == ["answers_right"]
    assert why.contributions["recency"] == 0.9
    parts = parts_of(RULES, accuracy=0.2, recency=0.3)
    assert explain(RULES, parts, "index", told, as_of_us, 3).factors[0].text == "last worked on yesterday"
    only = explain(BLEND, parts_of(BLEND, start=-0.2, recency=0.9), "log_odds", told, as_of_us, 3)
    assert [factor.name for factor in only.factors] == ["start"]


@pytest.mark.parametrize(("right", "wrong"), [(0.4, -2.9), (3.1, -0.4)])
def test_the_sentence_begins_with_what_counts_most_for_a_low_score_with_what_lowers_it(
    counters, as_of_us, right, wrong
):
    told = counters("+----+--", evidence=8)
    why = explain(BKT, parts_of(BKT, answers_right=right, answers_wrong=wrong), "log_odds", told, as_of_us, 3)
    clauses = ["what raises it: 2 right answers so far", "what lowers it: 6 of 8 answers wrong"]
    said = "; ".join(clauses if right > -wrong else reversed(clauses))
    assert why.summary == f"{said[0].upper()}{said[1:]}."


@pytest.mark.parametrize(
    ("told", "least", "summary"),
    [
        ({}, 3, "No graded answers so far; 3 are needed to judge."),
        ({"recent": "+"}, 3, "Only 1 graded answer so far; 3 are needed to judge."),
        ({"recent": "+-"}, 3, "Only 2 graded answers so far; 3 are needed to judge."),
        ({"recent": "+", "assignments": 1}, 3, "Only 2 pieces of graded work so far; 3 are needed to judge."),
        ({"evidence": 1}, 3, "Only 1 piece of graded work so far; 3 are needed to judge."),
        ({}, 1, "No graded answers so far; 1 is needed to judge."),
    ],
)
def test_too_little_evidence_is_said_and_not_guessed(counters, as_of_us, told, least, summary):
    why = explain(BKT, parts_of(BKT, answers_right=1.5), "log_odds", counters(**told), as_of_us, least)
    assert not why.enough_evidence
    assert why.summary == summary


@pytest.mark.parametrize(("own", "all_topics"), [(-2.0, -1.0), (-1.0, -2.0)])
def test_the_same_answers_are_told_once(counters, as_of_us, own, all_topics):
    told = counters("+----+--", evidence=8)
    parts = parts_of(BLEND, answers_wrong=own, past_answers=all_topics)
    why = explain(BLEND, parts, "log_odds", told, as_of_us, 3)
    assert [factor.contribution for factor in why.factors] == sorted([own, all_topics])
    texts = {factor.name: factor.text for factor in why.factors}
    assert texts == {
        "answers_wrong": "6 of 8 answers wrong",
        "past_answers": "answers on all topics together speak against mastery",
    }
    alone = explain(BLEND, parts_of(BLEND, past_answers=-1.0), "log_odds", told, as_of_us, 3)
    assert alone.factors[0].text == "6 of 8 answers wrong, with those on other topics"


def test_the_start_is_told_only_when_nothing_else_moved_the_score(counters, as_of_us):
    alone = explain(BKT, parts_of(BKT, start=-0.8), "log_odds", counters("+++"), as_of_us, 3)
    assert [factor.name for factor in alone.factors] == ["start"]
    moved = explain(BKT, parts_of(BKT, start=-0.8, answers_right=0.1), "log_odds", counters("+++"), as_of_us, 3)
    assert [factor.name for factor in moved.factors] == ["answers_right"]


def test_a_score_without_any_part_says_that_nothing_moved_it(counters, as_of_us):
    why = explain(BKT, parts_of(BKT), "log_odds", counters("+++"), as_of_us, 3)
    assert (why.factors, why.summary) == ((), "Nothing has moved this score from where it started.")


def test_answers_all_wrong_are_told_although_they_add_nothing(counters, as_of_us):
    told = counters("--------", active_days=2, videos=1, video_ppm=500_000, hints=4)
    little = explain(RULES, parts_of(RULES, revisit=0.07), "index", told, as_of_us, 3)
    assert [(f.name, f.direction) for f in little.factors] == [("revisit", "raises"), ("accuracy", "adds_nothing")]
    crowded = explain(RULES, parts_of(RULES, revisit=0.07, video=0.05, hints=-0.02), "index", told, as_of_us, 3)
    assert [factor.name for factor in crowded.factors] == ["revisit", "video", "hints"]
    assert crowded.summary.endswith("; what adds nothing: none of the 8 answers right.")
    nothing = explain(RULES, parts_of(RULES), "index", counters("---"), as_of_us, 3)
    assert nothing.summary == "Nothing has raised it yet: none of the 3 answers right."


def test_a_factor_without_data_is_not_told(counters, as_of_us):
    why = explain(RULES, parts_of(RULES, accuracy=0.5), "index", counters("+++"), as_of_us, 3)
    assert [factor.name for factor in why.factors] == ["accuracy"]


def test_a_part_without_words_is_refused_by_name(counters, as_of_us):
    with pytest.raises(BadInput, match=r"'acuracy'.*did you mean 'accuracy'"):
        explain(["acuracy"], np.array([0.1]), "index", counters("+++"), as_of_us, 3)


part_values = st.floats(-20, 20) | st.just(0.0) | st.just(math.nan)


@given(
    parts=hnp.arrays(np.float64, len(CONTRIBUTIONS), elements=part_values),
    fact=hnp.arrays(
        np.int64, len(COUNTERS), elements=st.integers(-(2**62), 2**62) | st.integers(0, 9) | st.just(NEVER)
    ),
    scale=st.sampled_from(["log_odds", "index"]),
    least=st.integers(1, 5),
)
def test_any_contributions_and_any_counters_are_explained_by_the_largest(as_of_us, parts, fact, scale, least):
    why = explain(CONTRIBUTIONS, parts, scale, fact, as_of_us, least)
    told = {factor.name for factor in why.factors}
    sizes = [abs(factor.contribution) for factor in why.factors]
    assert len(told) == len(sizes) <= MOST_FACTORS
    assert sizes == sorted(sizes, reverse=True)
    given = {name: part for name, part in zip(CONTRIBUTIONS, parts, strict=True) if not math.isnan(part)}
    assert why.contributions == {name: 0.0 if abs(part) < ROUNDING else part for name, part in given.items()}
    assert not [one for one in why.contributions.values() if one == 0.0 and math.copysign(1.0, one) < 0.0]
    left_out = [abs(part) for name, part in given.items() if name not in told | CONSTANT | SILENT[scale]]
    if told and not told <= CONSTANT:
        assert not told & CONSTANT
        assert max(left_out, default=0.0) <= max(sizes[-1], NOTHING)
    assert not told & SILENT[scale]
    assert why.summary.endswith(".")
    assert why.summary[0].isupper()
    assert "nan" not in why.summary
