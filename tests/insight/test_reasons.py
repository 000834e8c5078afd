from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mastery.errors import BadInput
from mastery.features.counters import NEVER
from mastery.insight.activity_summary import NO_OTHERS, OtherTopics, activity_from
from mastery.insight.clauses import WORDINGS
from mastery.insight.known import POINT, Known
from mastery.insight.reasons import HIGH, LOW, MOST_FACTORS, ROUNDING, SILENT, explain, points
from mastery.scorers import DERIVED, SCORERS
from mastery.tables import CONTRIBUTIONS, COUNTERS

RULES = SCORERS["rule_based"].contributions
BKT = SCORERS["bkt"].contributions
BLEND = DERIVED["blend"].contributions


def parts_of(names, **parts):
    return np.array([parts.get(name, 0.0) for name in names])


@pytest.fixture
def why(known):
    """Why a score made of these contributions is what it is: (names, parts by name, scale, what is known)."""

    def of(names, parts, scale="log_odds", least=3, **told):
        whole = sum(parts.values())
        score = whole if scale == "index" else 1.0 / (1.0 + math.exp(-whole))
        return explain(names, parts_of(names, **parts), known(**{"score": score, "scale": scale} | told), least)

    return of


def test_the_three_largest_parts_come_first_with_their_numbers(why):
    told = {"recent": "+-+--+--", "older_right": 4, "active_days": 5, "hints": 6, "videos": 2, "video_ppm": 1_800_000}
    parts = {"accuracy": 0.19, "revisit": 0.12, "video": 0.09, "hints": -0.025, "forgetting": -0.01}
    found = why(RULES, parts, "index", **told, last_days_ago=3)
    assert [(factor.name, factor.contribution, factor.direction) for factor in found.factors] == [
        ("accuracy", 0.19, "raises"),
        ("revisit", 0.12, "raises"),
        ("video", 0.09, "raises"),
    ]
    assert found.factors[0].value == {"right": 3, "answers": 8}
    assert found.summary == (
        "It rests on: 3 of the last 8 answers right, came back to the topic 4 times (5 days of work), "
        "watched 90 % of the videos."
    )
    assert found.contributions == dict(zip(RULES, parts_of(RULES, **parts).tolist(), strict=True))
    assert found.enough_evidence


def test_what_raises_and_what_lowers_a_score_stand_apart(why):
    found = why(
        BKT,
        {"start": -1.0, "answers_right": 3.1, "answers_wrong": -1.2, "forgetting": -2.0},
        recent="+++++++-", older_wrong=1, active_days=4, first_days_ago=50, last_days_ago=40, forgotten=0.3,
    )  # fmt: skip
    assert found.summary == (
        "What lowers it: faded (last worked on 40 days ago), 2 wrong answers so far; "
        "what raises it: 7 of the last 8 answers right."
    )


def test_what_trees_owe_to_the_time_since_the_last_work_is_the_same_for_everybody_and_not_told(why):
    told = {"recent": "++-", "last_days_ago": 1}
    found = why(BLEND, {"start": -0.2, "answers_right": 0.3, "recency": 0.9}, **told)
    assert [factor.name for factor in found.factors] == ["answers_right"]
    assert found.contributions["recency"] == 0.9
    parts = {"accuracy": 0.2, "recency": 0.3}
    assert why(RULES, parts, "index", **told).factors[0].text == "last worked on yesterday"
    only = why(BLEND, {"start": -0.2, "recency": 0.9}, **told)
    assert [factor.name for factor in only.factors] == ["start"]


@pytest.mark.parametrize(("start", "right", "wrong"), [(0.0, 0.4, -2.9), (0.0, 3.1, -0.4), (-2.0, 2.5, -2.2)])
def test_a_low_score_begins_with_what_lowers_it_and_a_high_one_with_what_raises_it(why, start, right, wrong):
    found = why(BKT, {"start": start, "answers_right": right, "answers_wrong": wrong}, recent="+----+--")
    clauses = ["what raises it: 2 right answers so far", "what lowers it: 6 of 8 answers wrong"]
    said = "; ".join(clauses if start + right + wrong > 0.0 else reversed(clauses))
    assert found.summary == f"{said[0].upper()}{said[1:]}."


def test_a_low_score_has_a_reason_that_lowers_it_were_it_where_everybody_starts(why):
    told = {"recent": "+----+--", "practice_attempts": 4, "practice_right_ppm": 3_000_000, "assignments": 1,
            "assignment_ppm": 800_000}  # fmt: skip
    parts = {"answers_right": 0.9, "practice": 0.8, "assignments": 0.7}
    began_low = why(BKT, parts | {"start": -6.0}, **told)
    assert began_low.summary == (
        "What lowers it: a low starting point before any answer; what raises it: 2 right answers so far, "
        "3 of 4 practice answers right."
    )
    wrong = why(BKT, parts | {"start": -3.0, "answers_wrong": -0.5}, **told)
    assert wrong.summary.startswith("What lowers it: 6 of 8 answers wrong; what raises it: 2 right answers so far")
    assert len(began_low.factors) == len(wrong.factors) == MOST_FACTORS


def test_what_moves_a_score_by_less_than_a_point_is_not_told(why):
    parts = {"answers_right": 6.0, "answers_wrong": -0.3}
    assert [factor.name for factor in why(BKT, parts, recent="+++-").factors] == ["answers_right"]
    assert points(parts, "log_odds")["answers_wrong"] > -POINT
    parts = {"accuracy": 0.5, "video": 0.009}
    assert [factor.name for factor in why(RULES, parts, "index", recent="++", videos=1).factors] == ["accuracy"]


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
def test_too_little_evidence_is_said_and_not_guessed(why, told, least, summary):
    found = why(BKT, {"answers_right": 1.5}, least=least, **told)
    assert not found.enough_evidence
    assert found.summary == summary


@pytest.mark.parametrize(("own", "all_topics"), [(-2.0, -1.0), (-1.0, -2.0)])
def test_the_same_answers_are_told_once(why, own, all_topics):
    others = OtherTopics(2, 20, 6, 0, 0, 0.0, 0, 0, math.nan)
    told = {"recent": "+----+--"}
    parts = {"answers_wrong": own, "past_answers": all_topics}
    found = why(BLEND, parts, elsewhere=others, **told)
    assert [factor.contribution for factor in found.factors] == sorted([own, all_topics])
    assert {factor.name: factor.text for factor in found.factors} == {
        "answers_wrong": "6 of 8 answers wrong",
        "past_answers": "14 of 20 answers wrong on 2 other topics",
    }
    thrice = why(BLEND, parts | {"other_topics": -0.8}, elsewhere=others, **told)
    assert {factor.name: factor.text for factor in thrice.factors} == {
        factor.name: factor.text for factor in found.factors
    }, "the other topics are told already"
    alone = why(BLEND, {"past_answers": -1.0}, **told)
    assert alone.factors[0].text == "6 of 8 answers wrong"
    assert [factor.name for factor in why(BLEND, parts, **told).factors] == ["answers_wrong"]


def test_the_start_is_told_only_when_nothing_else_moved_the_score(why):
    alone = why(BKT, {"start": -0.8}, recent="+++")
    assert [factor.name for factor in alone.factors] == ["start"]
    moved = why(BKT, {"start": -0.8, "answers_right": 0.1}, recent="+++")
    assert [factor.name for factor in moved.factors] == ["answers_right"]


def test_a_score_without_any_part_that_can_be_told_says_what_it_rests_on(why):
    found = why(BKT, {}, recent="+++")
    assert (found.factors, found.summary) == (
        (),
        "It rests on 3 pieces of graded work; no single reason stands out.",
    )
    # right answers elsewhere, and a contribution that has it otherwise: nothing is said of them
    others = OtherTopics(3, 36, 36, 0, 0, 0.0, 0, 0, math.nan)
    assert why(BLEND, {"other_topics": -0.5}, recent="+++", elsewhere=others).factors == ()


def test_answers_all_wrong_are_told_although_they_add_nothing(why):
    told = {"recent": "--------", "active_days": 2, "videos": 1, "video_ppm": 500_000, "hints": 4}
    little = why(RULES, {"revisit": 0.07}, "index", **told)
    assert [(f.name, f.direction) for f in little.factors] == [("revisit", "raises"), ("accuracy", "adds_nothing")]
    crowded = why(RULES, {"revisit": 0.07, "video": 0.05, "hints": -0.02}, "index", **told)
    assert [factor.name for factor in crowded.factors] == ["revisit", "video", "hints"]
    assert crowded.summary.endswith("; what adds nothing: none of the 8 answers right.")
    nothing = why(RULES, {}, "index", recent="---")
    assert nothing.summary == "Nothing has raised it yet: none of the 3 answers right."


def test_a_factor_without_data_is_not_told(why):
    found = why(RULES, {"accuracy": 0.5}, "index", recent="+++")
    assert [factor.name for factor in found.factors] == ["accuracy"]


def test_a_part_without_words_is_refused_by_name(known):
    with pytest.raises(BadInput, match=r"'acuracy'.*did you mean 'accuracy'"):
        explain(["acuracy"], np.array([0.1]), known(recent="+++", scale="index"), 3)


part_values = st.floats(-20, 20) | st.just(0.0) | st.just(math.nan)


@given(
    parts=hnp.arrays(np.float64, len(CONTRIBUTIONS), elements=part_values),
    fact=hnp.arrays(
        np.int64, len(COUNTERS), elements=st.integers(-(2**62), 2**62) | st.integers(0, 9) | st.just(NEVER)
    ),
    scale=st.sampled_from(["log_odds", "index"]),
    score=st.floats(0, 1),
    forgotten=st.floats(0, 1),
    least=st.integers(1, 5),
)
def test_any_contributions_and_any_counters_are_explained_by_the_largest_that_can_be_told(
    as_of_us, parts, fact, scale, score, forgotten, least
):
    about = Known(activity_from(fact, as_of_us), NO_OTHERS, score, forgotten, 0, 0.0, scale)
    why = explain(CONTRIBUTIONS, parts, about, least)
    told = {factor.name for factor in why.factors}
    sizes = [abs(factor.contribution) for factor in why.factors]
    assert len(told) == len(sizes) <= MOST_FACTORS
    assert sizes == sorted(sizes, reverse=True)
    given = {name: part for name, part in zip(CONTRIBUTIONS, parts, strict=True) if not math.isnan(part)}
    assert why.contributions == {name: 0.0 if abs(part) < ROUNDING else part for name, part in given.items()}
    assert not [one for one in why.contributions.values() if one == 0.0 and math.copysign(1.0, one) < 0.0]
    assert not told & SILENT[scale]
    moved = points(why.contributions, scale)
    little = {factor.name for factor in why.factors if abs(moved[factor.name]) < POINT}
    assert little <= {"accuracy", "practice_success"}, "only that nothing was right is told whatever it moves"
    counted_by = [one.tells for factor in why.factors for one in _said(factor, about)]
    assert sum(map(len, counted_by)) == len(frozenset().union(*counted_by)), "each fact once"
    directions = [factor.direction for factor in why.factors]
    if scale == "log_odds" and why.enough_evidence and directions:
        if score < LOW and "lowers" in directions:
            assert why.summary.startswith("What lowers it")
        if score >= HIGH and "raises" in directions:
            assert why.summary.startswith("What raises it")
    assert why.summary.endswith(".")
    assert why.summary[0].isupper()
    assert "nan" not in why.summary


def _said(factor, about):
    """The wording of a factor, as the table has it."""
    fitting = [one for one in WORDINGS[factor.name][factor.contribution > 0.0] if one.holds(about)]
    return [next(one for one in fitting if one.says(about)[0] == factor.text)]
