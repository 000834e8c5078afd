from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mastery.features.counters import NEVER
from mastery.insight.activity_summary import NO_OTHERS, activity_from
from mastery.insight.bands import BANDS
from mastery.insight.known import Known
from mastery.insight.reference import Reference
from mastery.insight.tags import STRENGTHS, WEAKNESSES, Habits, Tags, habits, tags
from mastery.tables import COUNTERS

USUAL = Habits(mean_time_ms=20_000.0, practises=True, asks_for_hints=True)
PRACTISED = {"practice_attempts": 4, "practice_right_ppm": 2_000_000, "practice_days_ago": 1}


@pytest.fixture
def tagged(known):
    def of(*, habits=USUAL, trend=None, band="developing", told=(), **what):
        return tags(known(**PRACTISED | what), habits, band=band, told=told, trend=trend)

    return of


@pytest.fixture
def weak(tagged):
    return lambda **what: {tag.name: tag.text for tag in tagged(**what).weaknesses}


@pytest.fixture
def strong(tagged):
    return lambda **what: {tag.name: tag.text for tag in tagged(**what).strengths}


def test_single_misses_among_right_answers_are_careless(weak):
    assert weak(recent="+-++-+++", older_right=4) == {
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
def test_other_misses_are_not_careless(weak, told):
    assert "careless" not in weak(**told)


@pytest.mark.parametrize(
    ("forgotten", "said"),
    [(0.1499, {"forgetting": "stood at 64 when last worked on, 24 days ago"}), (0.09, {})],
)
def test_forgetting_is_a_tenth_of_the_scale(weak, forgotten, said):
    told = {"recent": "+++", "last_days_ago": 24}
    assert weak(forgotten=forgotten, **told) == said
    assert weak(forgotten=forgotten, **told | {"last_days_ago": 0}) == {}
    assert weak(forgotten=forgotten, **told, went_well_days_ago=told["last_days_ago"] + 1) == {}  # it stood lower then


def test_a_hint_on_every_other_question_is_dependence(weak):
    assert weak(recent="+-", hints=3) == {"hint_dependent": "3 hints on 6 questions"}
    assert weak(recent="+-", hints=2) == {}
    assert weak(recent="+-", hints=2, practice_attempts=2) == {}  # four questions are too few


def test_slow_is_measured_by_the_students_own_time(weak):
    told = {"recent": "+++++", "timed": 5, "time_ms": 5 * 30_000}
    assert weak(**told) == {"slow_but_right": "30 s per answer here, 20 s over all topics"}
    assert weak(habits=replace(USUAL, mean_time_ms=30_000.0), **told) == {}
    assert weak(habits=replace(USUAL, mean_time_ms=None), **told) == {}
    assert weak(**told | {"recent": "+-+-+"}) == {}


@pytest.mark.parametrize(
    ("told", "practises", "text"),
    [
        ({"practice_days_ago": 24}, True, "no practice for 24 days"),
        ({"practice_days_ago": 24, "last_days_ago": 1}, True, None),  # worked on yesterday
        ({"practice_days_ago": 13, "last_days_ago": 13}, True, None),
        ({"practice_attempts": 0, "practice_days_ago": None}, True, "no practice yet, and not worked on for 20 days"),
        ({"practice_attempts": 0, "practice_days_ago": None, "last_days_ago": 3}, True, None),
        ({"practice_attempts": 0, "practice_days_ago": None}, False, "not worked on for 20 days"),
    ],
)
def test_not_practised_says_since_when_nothing_was_done(weak, told, practises, text):
    told = {"last_days_ago": 20} | told
    found = weak(habits=replace(USUAL, practises=practises), recent="+--", **told)
    assert found.get("not_practised") == text


def test_a_topic_that_is_mostly_right_or_proficient_needs_no_practice(weak):
    old = {"practice_days_ago": 24, "last_days_ago": 24}
    assert "not_practised" in weak(recent="++--", **old)
    assert "not_practised" not in weak(recent="+++-", **old)
    assert "not_practised" not in weak(recent="++--", band="proficient", **old)


def test_answers_right_less_often_than_before_are_declining_and_more_often_improving(weak, strong):
    quiet = {"habits": replace(USUAL, asks_for_hints=False), "hints": 2}
    fell = {"recent": "++--++--", "older_right": 5, **quiet}
    rose = {"recent": "++++++--", "older_right": 1, "older_wrong": 4, **quiet}
    falls = {"declining": "4 of the last 8 answers right, 5 of 5 before"}
    rises = {"improving": "6 of the last 8 answers right, 1 of 5 before"}
    assert weak(trend=-0.08, **fell) == falls
    assert strong(trend=0.08, **rose) == rises
    for trend in (None, 0.04, -0.04, math.nan):
        assert strong(trend=trend, **rose) == weak(trend=trend, **fell) == {}
    assert strong(trend=-0.47, **rose) == weak(trend=0.47, **fell) == {}, "a slope is not enough"
    assert strong(trend=0.47, **rose | {"older_wrong": 2}) == {}, "three answers before are too few"
    assert strong(trend=0.47, **rose | {"older_right": 4, "older_wrong": 1}) == {}


def test_seven_of_the_last_eight_right_is_steady(strong):
    habits = replace(USUAL, asks_for_hints=False)
    assert strong(habits=habits, recent="+++++++-") == {"steady": "7 of 8 answers right"}
    assert strong(habits=habits, recent="++++++--") == {}
    assert strong(habits=habits, recent="+++++") == {}


def test_right_without_hints_is_independent_only_where_hints_are_recorded(strong):
    assert strong(recent="+++-+") == {"independent": "no hints on 9 questions"}
    assert strong(recent="+++-+", habits=replace(USUAL, asks_for_hints=False)) == {}
    assert strong(recent="+++-+", hints=1) == {}
    assert strong(recent="+-+-+") == {}


def test_three_quarters_of_the_usual_time_is_quick(strong):
    found = strong(recent="+++-+", timed=5, time_ms=5 * 15_000, hints=2)
    assert found == {"quick_and_right": "15 s per answer here, 20 s over all topics"}


def test_right_on_days_after_a_break_is_remembering_unless_the_score_has_faded(strong):
    told = {"recent": "+++-+", "hints": 2, "returned": 6, "returned_right": 5.0}
    said = {"remembers_after_gaps": "5 of 6 answers right on days after a break"}
    assert strong(**told) == said
    assert strong(**told | {"returned_right": 4.0}) == {}
    assert strong(**told | {"returned": 4, "returned_right": 4.0}) == {}
    assert strong(**told, forgotten=0.02, last_days_ago=9) == strong(**told, told=["forgetting"]) == {}
    assert strong(**told, forgotten=0.02, last_days_ago=0) == said


@pytest.mark.parametrize("band", BANDS)
def test_no_strength_where_help_is_needed_and_no_weakness_where_nothing_is_left_to_do(tagged, band):
    able = tagged(band=band, recent="++++++++", older_right=2, older_wrong=3, trend=0.1, timed=8, time_ms=8 * 9_000)
    names = {tag.name for tag in able.strengths}
    assert {"steady", "independent", "quick_and_right"} <= names or band in ("not_enough_evidence", "needs_help")
    assert not names - {"improving"} or band != "needs_help"
    weak = tagged(band=band, recent="--+-----", older_right=5, hints=9, trend=-0.1, last_days_ago=30, forgotten=0.2)
    names = {tag.name for tag in weak.weaknesses}
    assert {"forgetting", "hint_dependent", "declining"} <= names or band in ("not_enough_evidence", "mastered")
    assert ("not_practised" in names) == (band in ("needs_help", "developing"))
    if band == "not_enough_evidence":
        assert able == weak == Tags((), ())
    assert not weak.weaknesses or band != "mastered"


def test_habits_are_means_over_all_answers_of_a_student(counters):
    both = np.stack([counters(timed=3, time_ms=30_000), counters(timed=1, time_ms=50_000, practice_attempts=2)])
    assert habits(both) == Habits(mean_time_ms=20_000.0, practises=True, asks_for_hints=False)
    assert habits(both[:0]) == Habits(mean_time_ms=None, practises=False, asks_for_hints=False)


@given(
    fact=hnp.arrays(
        np.int64, len(COUNTERS), elements=st.integers(-(2**62), 2**62) | st.integers(0, 9) | st.just(NEVER)
    ),
    usual=st.floats(0, 1e9) | st.none(),
    numbers=st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 40), st.floats(0, 40)),
    trend=st.floats() | st.none(),
    band=st.sampled_from(BANDS),
)
def test_any_counters_have_tags_without_gaps_and_no_tag_both_ways(as_of_us, fact, usual, numbers, trend, band):
    known = Known(activity_from(fact, as_of_us), NO_OTHERS, *numbers, "log_odds", Reference(0.5))
    found = tags(known, Habits(usual, practises=True, asks_for_hints=True), band=band, told=(), trend=trend)
    names = [tag.name for tag in (*found.strengths, *found.weaknesses)]
    assert set(names) <= {*STRENGTHS, *WEAKNESSES}
    assert not {"steady", "careless"} <= set(names)
    assert not {"quick_and_right", "slow_but_right"} <= set(names)
    assert not {"independent", "hint_dependent"} <= set(names)
    assert not {"improving", "declining"} <= set(names)
    assert not {"remembers_after_gaps", "forgetting"} <= set(names)
    assert all(band in {**STRENGTHS, **WEAKNESSES}[name].bands for name in names)
    assert all(tag.text and "nan" not in tag.text.split() for tag in (*found.strengths, *found.weaknesses))
