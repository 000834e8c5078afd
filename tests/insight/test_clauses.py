from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.features.counters import RECENT
from mastery.insight.activity_summary import ActivitySummary, activity_from
from mastery.insight.clauses import CLAUSES, failed_so_far
from mastery.insight.words import decimal, percent
from mastery.tables import CONTRIBUTIONS

RAISES, LOWERS = True, False


def test_every_part_of_every_scorer_has_a_clause():
    assert set(CLAUSES) == set(CONTRIBUTIONS)


@pytest.mark.parametrize(
    ("part", "raises", "told", "text"),
    [
        ("start", RAISES, {}, "a high starting point before any answer"),
        ("start", LOWERS, {}, "a low starting point before any answer"),
        ("answers_right", RAISES, {"recent": "-+++"}, "3 of 4 answers right"),
        ("answers_right", RAISES, {"recent": "-+++++++", "older_wrong": 9}, "7 of the last 8 answers right"),
        ("answers_right", RAISES, {"recent": "+-+-----", "older_right": 3}, "5 right answers so far"),
        ("answers_right", RAISES, {"recent": "+-+-+-+-", "older_right": 3}, "4 of the last 8 answers right"),
        ("answers_right", RAISES, {"recent": "+-------"}, "1 right answer so far"),
        ("answers_right", RAISES, {"recent": "--------", "older_right": 3}, "3 earlier answers right"),
        ("answers_right", RAISES, {"recent": "+-------", "older_right": 20}, "21 of 28 answers right"),
        ("answers_right", RAISES, {"recent": "--"}, "answers right in part"),
        ("answers_wrong", LOWERS, {"recent": "---+-"}, "4 of 5 answers wrong"),
        ("answers_wrong", LOWERS, {"recent": "--------", "older_right": 1}, "all of the last 8 answers wrong"),
        ("answers_wrong", LOWERS, {"recent": "+++++++-"}, "1 wrong answer so far"),
        ("answers_wrong", LOWERS, {"recent": "++++++++", "older_wrong": 1}, "1 earlier answer wrong"),
        ("accuracy", RAISES, {"recent": "++-+----", "older_right": 2}, "3 of the last 8 answers right"),
        ("accuracy", RAISES, {"recent": "+"}, "the only answer right"),
        ("accuracy", RAISES, {"recent": "++"}, "both answers right"),
        ("accuracy", LOWERS, {"recent": "--------"}, "none of the 8 answers right"),
        ("accuracy", RAISES, {"recent": "--------", "older_right": 2}, "2 earlier answers right"),
        ("accuracy", RAISES, {"recent": "--"}, "none of the 2 answers right (a little is credited from the start)"),
        (
            "accuracy",
            RAISES,
            {"recent": "+-+", "assignments": 2, "assignment_ppm": 1_200_000},
            "2 of 3 answers right and 60 % on average in 2 assignments",
        ),
        (
            "accuracy",
            RAISES,
            {"recent": "--", "assignments": 1, "assignment_ppm": 900_000},
            "90 % on the only assignment",
        ),
        ("accuracy", RAISES, {}, "no answers yet (a usual value is assumed)"),
        ("accuracy", LOWERS, {"recent": "++"}, "both answers right (less than expected)"),
        (
            "practice",
            RAISES,
            {"practice_attempts": 20, "practice_right_ppm": 14_000_000},
            "14 of 20 practice answers right",
        ),
        ("practice", RAISES, {"practice_attempts": 20, "practice_right_ppm": 6_000_000}, "6 right answers in practice"),
        (
            "practice",
            LOWERS,
            {"practice_attempts": 20, "practice_right_ppm": 6_000_000},
            "6 of 20 practice answers right",
        ),
        ("practice", LOWERS, {"practice_attempts": 10, "practice_right_ppm": 9_000_000}, "1 wrong answer in practice"),
        (
            "practice",
            LOWERS,
            {"practice_attempts": 3, "practice_right_ppm": 2_500_000},
            "83 % right in 3 practice answers (less than expected)",
        ),
        (
            "practice_success",
            RAISES,
            {"practice_attempts": 20, "practice_right_ppm": 6_000_000},
            "6 of 20 practice answers right",
        ),
        ("practice_success", LOWERS, {"practice_attempts": 6}, "none of the 6 practice answers right"),
        ("assignments", RAISES, {"assignments": 1, "assignment_ppm": 820_000}, "82 % on the only assignment"),
        ("assignments", LOWERS, {"assignments": 3, "assignment_ppm": 1_350_000}, "45 % on average in 3 assignments"),
        (
            "assignments",
            LOWERS,
            {"assignments": 1, "assignment_ppm": 880_000},
            "88 % on the only assignment (less than expected)",
        ),
        ("learning", RAISES, {"active_days": 1}, "learning from work on 1 day"),
        ("learning", RAISES, {"active_days": 5}, "learning from work on 5 days"),
        ("other_topics", RAISES, {}, "does well on other topics"),
        ("other_topics", LOWERS, {}, "has trouble on other topics too"),
        ("spaced_practice", RAISES, {"active_days": 3}, "right answers when coming back after a break"),
        ("revisit", RAISES, {"active_days": 5}, "came back to the topic 4 times (5 days of work)"),
        ("revisit", LOWERS, {"active_days": 2}, "came back to the topic once (2 days of work, less than expected)"),
        ("video", RAISES, {"videos": 3, "video_ppm": 2_700_000}, "watched 90 % of the videos"),
        ("video", RAISES, {"videos": 1, "video_ppm": 500_000}, "watched half of the video"),
        ("video", RAISES, {"videos": 2, "video_ppm": 2_000_000}, "watched all of the videos"),
        ("hints", LOWERS, {"recent": "+-+-+-+-", "hints": 4}, "4 hints on 8 questions"),
        ("hints", LOWERS, {"recent": "+-+", "help_requests": 1}, "1 help request on 3 questions"),
        (
            "hints",
            LOWERS,
            {"recent": "+-+", "hints": 1, "help_requests": 2},
            "1 hint and 2 help requests on 3 questions",
        ),
        ("hints", LOWERS, {"recent": "+-+-+", "hints": 7}, "7 hints on 5 questions"),
        ("recency", RAISES, {"last_days_ago": 1}, "last worked on yesterday"),
        ("past_answers", RAISES, {"recent": "-+++"}, "3 of 4 answers right, with those on other topics"),
        ("past_answers", LOWERS, {"recent": "---+-"}, "4 of 5 answers wrong, with those on other topics"),
        ("past_answers", LOWERS, {"recent": "++"}, "trouble on other topics"),
        ("past_answers", RAISES, {"recent": "--"}, "right answers on other topics"),
        ("past_answers", RAISES, {}, "does well on other topics"),
        ("calibration", LOWERS, {}, "such scores have turned out too high before"),
        ("calibration", RAISES, {}, "such scores have turned out too low before"),
        ("limit", LOWERS, {}, "kept at the top of the scale"),
        ("limit", RAISES, {}, "kept at the bottom of the scale"),
        ("forgetting", LOWERS, {"last_days_ago": 40, "first_days_ago": 45}, "faded (last worked on 40 days ago)"),
        (
            "forgetting",
            LOWERS,
            {"last_days_ago": 1, "first_days_ago": 90, "active_days": 3},
            "faded over time (last worked on yesterday)",
        ),
    ],
)
def test_a_clause_says_what_was_seen(counters, as_of_us, part, raises, told, text):
    assert CLAUSES[part](activity_from(counters(**told), as_of_us), raises)[0] == text


@st.composite
def seens(draw):
    """Any past that counters can hold."""
    count = st.integers(0, 40)
    recent = tuple(draw(st.lists(st.booleans(), max_size=RECENT)))
    older, older_right = 0, 0
    if len(recent) == RECENT:
        older = draw(count)
        older_right = draw(st.integers(0, older))
    practice, assignments, videos, timed = draw(count), draw(count), draw(count), draw(count)
    return ActivitySummary(
        evidence=draw(count),
        answers=len(recent) + older,
        right=sum(recent) + older_right,
        recent=recent,
        hints=draw(count),
        help_requests=draw(count),
        practice_attempts=practice,
        practice_right=draw(st.integers(0, practice) | st.floats(0, practice)),
        assignments=assignments,
        assignment_share=draw(st.floats(0, 1)) if assignments else math.nan,
        videos=videos,
        video_share=draw(st.floats(0, 1)) if videos else math.nan,
        timed=timed,
        mean_time_ms=draw(st.floats(0, 1e6)) if timed else math.nan,
        active_days=draw(count),
        span_days=draw(count),
        idle_days=draw(count | st.none()),
        practice_idle_days=draw(count | st.none()),
    )


@given(seens(), st.sampled_from(CONTRIBUTIONS), st.booleans())
def test_every_number_in_a_clause_is_among_its_values(seen, part, raises):
    text, value = CLAUSES[part](seen, raises)
    numbers = {decimal(number, 1) for number in value.values()} | {percent(v).split()[-2] for v in value.values()}
    assert set(re.findall(r"\d+(?:\.\d+)?", text)) <= numbers


@given(seens(), st.sampled_from(CONTRIBUTIONS), st.booleans())
def test_a_clause_has_no_gaps_and_no_wrong_plural(seen, part, raises):
    text, value = CLAUSES[part](seen, raises)
    assert text
    assert text[0] != text[0].upper() or text[0].isdigit()
    assert not text.endswith(".")
    assert "nan" not in re.findall(r"[a-z]+", text)
    assert all(math.isfinite(number) for number in value.values())
    assert not re.search(r"(?<!\d)1 (of the )?(\w+ )?(answers|days|assignments|questions|hints)\b", text)
    assert not re.search(r"(?<!\d)0 (?!%)", text)


@given(seens(), st.sampled_from(["answers_right", "answers_wrong", "accuracy", "practice", "practice_success"]))
def test_what_raises_is_not_worded_as_a_failing_nor_the_reverse(seen, part):
    raising = CLAUSES[part](seen, RAISES)[0]
    in_spite = ("(a little is credited from the start)", "(more than expected)", "that count for little")
    if re.search(r"\bnone\b|\bwrong\b", raising):
        assert any(words in raising for words in in_spite)
    lowering = CLAUSES[part](seen, LOWERS)[0]
    if re.search(r"^(all|both|the only)\b.* right", lowering):
        assert "(less than expected)" in lowering


def test_a_part_of_nothing_but_wrong_answers_is_told_from_one_without_data(counters, as_of_us):
    def failed(part, **told):
        return failed_so_far(part, activity_from(counters(**told), as_of_us))

    assert failed("accuracy", recent="---")
    assert not failed("accuracy")
    assert not failed("accuracy", recent="--+")
    assert not failed("accuracy", recent="--", assignments=1, assignment_ppm=1)
    assert failed("practice_success", practice_attempts=4)
    assert not failed("practice_success")
    assert not failed("video", videos=3)
