from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mastery.features.counters import NEVER
from mastery.insight.tags import STRENGTHS, WEAKNESSES, Habits, habits, tags
from mastery.tables import COUNTERS

USUAL = Habits(mean_time_ms=20_000.0, practises=True, asks_for_hints=True)
PRACTISED = {"practice_attempts": 4, "practice_right_ppm": 2_000_000, "practice_days_ago": 1}


def tagged(counters, as_of_us, *, habits=USUAL, drop=0.0, trend=None, forgetting=-0.5, **told):
    return tags(
        counters(**PRACTISED | told),
        {"forgetting": forgetting},
        forgotten=drop,
        student_mean_time_ms=habits.mean_time_ms,
        practises=habits.practises,
        asks_for_hints=habits.asks_for_hints,
        trend=trend,
        as_of_us=as_of_us,
    )


def weak(counters, as_of_us, **told):
    return {tag.name: tag.text for tag in tagged(counters, as_of_us, **told).weaknesses}


def strong(counters, as_of_us, **told):
    return {tag.name: tag.text for tag in tagged(counters, as_of_us, **told).strengths}


def test_single_misses_among_right_answers_are_careless(counters, as_of_us):
    assert weak(counters, as_of_us, recent="+-++-+++", older_right=4) == {
        "careless": "2 of the last 8 answers wrong though most are right and never two wrong in a row"
    }


@pytest.mark.parametrize(
    "told",
    [
        {"recent": "++--++++"},  # two in a row: something is not understood
        {"recent": "+++++++-"},  # one may be by chance
        {"recent": "+-+-+-+-"},  # too many to be slips
        {"recent": "-+++-+"},  # too few to say
        {"recent": "+-++-+++", "timed": 8, "time_ms": 8 * 21_000},  # takes their time
    ],
)
def test_other_misses_are_not_careless(counters, as_of_us, told):
    assert "careless" not in weak(counters, as_of_us, **told)


@pytest.mark.parametrize(
    ("drop", "tagged"),
    [(0.1499, {"forgetting": "the score has faded by 0.15 (last worked on 24 days ago)"}), (0.09, {})],
)
def test_forgetting_is_a_tenth_of_the_scale(counters, as_of_us, drop, tagged):
    assert weak(counters, as_of_us, drop=drop, last_days_ago=24) == tagged


def test_a_score_whose_parts_know_no_forgetting_is_not_tagged_with_it(counters, as_of_us):
    assert weak(counters, as_of_us, drop=0.3, forgetting=0.0) == {}


def test_a_hint_on_every_other_question_is_dependence(counters, as_of_us):
    assert weak(counters, as_of_us, recent="+-", hints=3) == {"hint_dependent": "3 hints on 6 questions"}
    assert weak(counters, as_of_us, recent="+-", hints=2) == {}
    assert weak(counters, as_of_us, recent="+-", hints=2, practice_attempts=2) == {}  # four questions are too few


def test_slow_is_measured_by_the_students_own_time(counters, as_of_us):
    told = {"recent": "+++++", "timed": 5, "time_ms": 5 * 30_000}
    assert weak(counters, as_of_us, **told) == {
        "slow_but_right": "right and slow: 30 s per answer, 20 s over all topics"
    }
    assert weak(counters, as_of_us, habits=replace(USUAL, mean_time_ms=30_000.0), **told) == {}
    assert weak(counters, as_of_us, habits=replace(USUAL, mean_time_ms=None), **told) == {}
    assert weak(counters, as_of_us, **told | {"recent": "+-+-+"}) == {}


@pytest.mark.parametrize(
    ("told", "practises", "text"),
    [
        ({"practice_days_ago": 24}, True, "no practice for 24 days"),
        ({"practice_days_ago": 13}, True, None),
        ({"practice_attempts": 0, "practice_days_ago": None}, True, "no practice yet"),
        ({"practice_attempts": 0, "practice_days_ago": None}, False, None),
        ({"practice_attempts": 0, "practice_days_ago": None, "last_days_ago": 30}, False, "not worked on for 30 days"),
    ],
)
def test_not_practised_says_since_when(counters, as_of_us, told, practises, text):
    found = weak(counters, as_of_us, habits=replace(USUAL, practises=practises), recent="+--", **told)
    assert found.get("not_practised") == text


def test_a_topic_that_is_mostly_right_needs_no_practice(counters, as_of_us):
    assert "not_practised" in weak(counters, as_of_us, recent="++--", practice_days_ago=24)
    assert "not_practised" not in weak(counters, as_of_us, recent="+++-", practice_days_ago=24)


def test_a_falling_share_of_right_answers_is_declining_and_a_rising_one_improving(counters, as_of_us):
    many = {"recent": "++++++--", "habits": replace(USUAL, asks_for_hints=False), "hints": 2}
    falls = {"declining": "the share of right answers falls by 8 points a week"}
    rises = {"improving": "the share of right answers rises by 8 points a week"}
    assert weak(counters, as_of_us, trend=-0.08, **many) == falls
    assert strong(counters, as_of_us, trend=0.08, **many) == rises
    for trend in (None, 0.04, -0.04, math.nan):
        assert strong(counters, as_of_us, trend=trend, **many) == weak(counters, as_of_us, trend=trend, **many) == {}
    assert strong(counters, as_of_us, trend=0.08, **many | {"recent": "+++++--"}) == {}


def test_seven_of_the_last_eight_right_is_steady(counters, as_of_us):
    habits = replace(USUAL, asks_for_hints=False)
    assert strong(counters, as_of_us, habits=habits, recent="+++++++-") == {"steady": "7 of 8 answers right"}
    assert strong(counters, as_of_us, habits=habits, recent="++++++--") == {}
    assert strong(counters, as_of_us, habits=habits, recent="+++++") == {}


def test_right_without_hints_is_independent_only_where_hints_are_recorded(counters, as_of_us):
    assert strong(counters, as_of_us, recent="+++-+") == {"independent": "no hints on 9 questions"}
    assert strong(counters, as_of_us, recent="+++-+", habits=replace(USUAL, asks_for_hints=False)) == {}
    assert strong(counters, as_of_us, recent="+++-+", hints=1) == {}
    assert strong(counters, as_of_us, recent="+-+-+") == {}


def test_three_quarters_of_the_usual_time_is_quick(counters, as_of_us):
    found = strong(counters, as_of_us, recent="+++-+", timed=5, time_ms=5 * 15_000, hints=2)
    assert found == {"quick_and_right": "right and quick: 15 s per answer, 20 s over all topics"}


def test_right_after_pauses_is_remembering(counters, as_of_us):
    told = {"recent": "+++-+", "hints": 2, "active_days": 4, "first_days_ago": 14, "last_days_ago": 0}
    assert strong(counters, as_of_us, **told) == {
        "remembers_after_gaps": "4 of 5 answers right although the topic was worked on only every 4.7 days on average"
    }
    assert strong(counters, as_of_us, **told | {"active_days": 8}) == {}


def test_habits_are_means_over_all_answers_of_a_student(counters):
    both = np.stack([counters(timed=3, time_ms=30_000), counters(timed=1, time_ms=50_000, practice_attempts=2)])
    assert habits(both) == Habits(mean_time_ms=20_000.0, practises=True, asks_for_hints=False)
    assert habits(both[:0]) == Habits(mean_time_ms=None, practises=False, asks_for_hints=False)


@given(
    fact=hnp.arrays(
        np.int64, len(COUNTERS), elements=st.integers(-(2**62), 2**62) | st.integers(0, 9) | st.just(NEVER)
    ),
    usual=st.floats(0, 1e9) | st.none(),
    drop=st.floats(),
    trend=st.floats() | st.none(),
)
def test_any_counters_have_tags_without_gaps_and_no_tag_both_ways(as_of_us, fact, usual, drop, trend):
    found = tags(
        fact,
        {"forgetting": -1.0},
        forgotten=drop,
        student_mean_time_ms=usual,
        practises=True,
        asks_for_hints=True,
        trend=trend,
        as_of_us=as_of_us,
    )
    names = [tag.name for tag in (*found.strengths, *found.weaknesses)]
    assert set(names) <= {*STRENGTHS, *WEAKNESSES}
    assert not {"steady", "careless"} <= set(names)
    assert not {"quick_and_right", "slow_but_right"} <= set(names)
    assert not {"independent", "hint_dependent"} <= set(names)
    assert not {"improving", "declining"} <= set(names)
    assert all(tag.text and "nan" not in tag.text.split() for tag in (*found.strengths, *found.weaknesses))
