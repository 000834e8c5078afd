from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.features.counters import RECENT
from mastery.insight.activity_summary import NO_OTHERS, ActivitySummary, OtherTopics
from mastery.insight.clauses import WORDINGS, named, wordings
from mastery.insight.known import PLENTY, Known
from mastery.insight.reference import Reference
from mastery.insight.words import decimal, percent
from mastery.tables import CONTRIBUTIONS

RAISES, LOWERS = True, False
OTHERS = OtherTopics(4, 40, 30, 0, 0, 0.0, 0, 0, math.nan)
FALSE_ELSEWHERE = replace(OTHERS, right=12)


def clause(known, part, raises):
    """What is said of a contribution, None for nothing."""
    return next((one.says(known) for one in wordings(part, raises) if one.holds(known)), None)


def test_every_part_of_every_scorer_has_clauses():
    assert set(WORDINGS) == set(CONTRIBUTIONS)


@pytest.mark.parametrize(
    ("part", "raises", "told", "text"),
    [
        ("start", RAISES, {}, "few answers since a start above the typical score"),
        ("start", RAISES, {"recent": "++++++++", "older_right": 2}, "all students start above the typical score"),
        ("start", LOWERS, {"recent": "++++++++", "older_right": 2}, "all students start below the typical score"),
        ("start", LOWERS, {"recent": "---"}, "none of the 3 answers right"),
        ("answers_right", RAISES, {"recent": "-+++"}, "3 of 4 answers right"),
        ("answers_right", RAISES, {"recent": "-+++++++", "older_wrong": 9}, "7 of the last 8 answers right"),
        ("answers_right", RAISES, {"recent": "+-+-----", "older_right": 3}, "5 right answers so far"),
        ("answers_right", RAISES, {"recent": "+-+-+-+-", "older_right": 3}, "4 of the last 8 answers right"),
        ("answers_right", RAISES, {"recent": "+-------"}, "1 right answer so far"),
        ("answers_right", RAISES, {"recent": "--------", "older_right": 3}, "3 earlier answers right"),
        ("answers_right", RAISES, {"recent": "+-------", "older_right": 20}, "21 of 28 answers right"),
        ("answers_right", RAISES, {"recent": "--"}, "answers right in part"),
        ("answers_right", RAISES, {}, None),
        ("answers_right", LOWERS, {"recent": "++"}, None),
        ("answers_wrong", LOWERS, {"recent": "++"}, None),
        ("answers_wrong", LOWERS, {"recent": "---+-"}, "4 of 5 answers wrong"),
        ("answers_wrong", LOWERS, {"recent": "--------", "older_right": 1}, "all of the last 8 answers wrong"),
        ("answers_wrong", LOWERS, {"recent": "+++++++-"}, "1 wrong answer so far"),
        ("answers_wrong", LOWERS, {"recent": "++++++++", "older_wrong": 1}, "1 earlier answer wrong"),
        ("accuracy", RAISES, {"recent": "++-+----", "older_right": 2}, "5 of 10 answers right"),
        ("accuracy", LOWERS, {"recent": "++-+----", "older_right": 2}, "5 of the last 8 answers wrong"),
        ("accuracy", RAISES, {"recent": "+"}, "the only answer right"),
        ("accuracy", RAISES, {"recent": "++"}, "both answers right"),
        ("accuracy", LOWERS, {"recent": "--------"}, "all 8 answers wrong"),
        ("accuracy", RAISES, {"recent": "--------", "older_right": 2}, "2 earlier answers right"),
        ("accuracy", RAISES, {"recent": "--"}, "answers right in part"),
        (
            "accuracy",
            RAISES,
            {"recent": "+-+", "assignments": 2, "assignment_ppm": 1_200_000},
            "2 of 3 answers right and 60 % on average in 2 assignments",
        ),
        (
            "accuracy",
            RAISES,
            {"assignments": 1, "assignment_ppm": 900_000},
            "90 % on the only assignment",
        ),
        ("accuracy", RAISES, {}, None),
        ("accuracy", LOWERS, {"recent": "++"}, None),
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
            "6 right answers in practice",
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
        ("assignments", LOWERS, {"assignments": 1, "assignment_ppm": 1_000_000}, None),
        ("assignments", RAISES, {}, None),
        ("practice", RAISES, {}, None),
        ("practice", LOWERS, {"practice_attempts": 3, "practice_right_ppm": 3_000_000}, None),
        ("learning", RAISES, {"active_days": 1}, "what 1 day of work usually brings"),
        (
            "learning",
            RAISES,
            {"recent": "+++++++-", "older_right": 5, "older_wrong": 7, "active_days": 5},
            "the last answers better than the 5 of 12 right before",
        ),
        (
            "learning",
            LOWERS,
            {"recent": "-+--+---", "older_right": 4},
            "the last answers worse than the 4 of 4 right before",
        ),
        ("learning", LOWERS, {"recent": "-+--+---", "older_wrong": 4}, None),
        ("other_topics", RAISES, {}, None),
        ("other_topics", LOWERS, {}, None),
        ("other_topics", RAISES, {"elsewhere": OTHERS}, "on average 75 % of answers right on 4 other topics"),
        ("other_topics", LOWERS, {"elsewhere": OTHERS}, None),
        ("other_topics", RAISES, {"elsewhere": replace(OTHERS, answered=1)}, "30 of 40 answers right on 1 other topic"),
        ("other_topics", RAISES, {"elsewhere": replace(OTHERS, right=40)}, "all answers right on 4 other topics"),
        ("other_topics", LOWERS, {"elsewhere": replace(OTHERS, right=0)}, "all answers wrong on 4 other topics"),
        (
            "other_topics",
            LOWERS,
            {"elsewhere": replace(NO_OTHERS, practised=3, practice_attempts=10, practice_right=3.0)},
            "on average 30 % of practice answers right on 3 other topics",
        ),
        ("other_topics", LOWERS, {"elsewhere": FALSE_ELSEWHERE}, "on average 70 % of answers wrong on 4 other topics"),
        ("other_topics", RAISES, {"elsewhere": FALSE_ELSEWHERE}, None),
        (
            "other_topics",
            RAISES,
            {"elsewhere": replace(NO_OTHERS, practised=1, practice_attempts=10, practice_right=9.0)},
            "9 of 10 practice answers right on 1 other topic",
        ),
        (
            "spaced_practice",
            RAISES,
            {"returned": 6, "returned_right": 5.0},
            "5 of 6 answers right on days after a break",
        ),
        (
            "spaced_practice",
            RAISES,
            {"returned": 6, "returned_right": 1.0},
            "1 of 6 answers right on days after a break (more than expected)",
        ),
        (
            "spaced_practice",
            RAISES,
            {"returned": 8, "returned_right": 7.0, "returned_practice": 5},
            "7 of 8 quiz and practice answers right on days after a break",
        ),
        (
            "spaced_practice",
            RAISES,
            {"returned": 8, "returned_right": 8.0, "returned_practice": 8},
            "all 8 practice answers right on days after a break",
        ),
        ("spaced_practice", LOWERS, {"returned": 2}, "none of the 2 answers right on days after a break"),
        ("spaced_practice", RAISES, {"active_days": 3}, None),
        ("revisit", LOWERS, {"active_days": 1}, "has not come back to the topic yet"),
        ("revisit", RAISES, {"active_days": 5}, "came back to the topic 4 times (5 days of work)"),
        ("revisit", RAISES, {"active_days": 2}, "came back to the topic once (2 days of work)"),
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
        ("recency", LOWERS, {"last_days_ago": 40}, "last worked on 40 days ago"),
        ("recency", LOWERS, {}, None),
        ("hints", RAISES, {"recent": "+-+-+-+-", "hints": 1}, "few hints: 1 hint on 8 questions"),
        ("hints", RAISES, {"recent": "+-+-+-+-", "hints": 4}, None),
        ("hints", RAISES, {"recent": "+-+-+-+-"}, None),
        ("past_answers", RAISES, {"recent": "-+++"}, "3 of 4 answers right"),
        (
            "past_answers",
            RAISES,
            {"recent": "-+++", "elsewhere": OTHERS},
            "3 of 4 answers right, and on average 75 % of answers right on 4 other topics",
        ),
        ("past_answers", LOWERS, {"recent": "---+-", "elsewhere": OTHERS}, "4 of 5 answers wrong"),
        ("past_answers", LOWERS, {"recent": "++"}, None),
        (
            "past_answers",
            LOWERS,
            {"recent": "++", "elsewhere": FALSE_ELSEWHERE},
            "on average 70 % of answers wrong on 4 other topics",
        ),
        ("past_answers", RAISES, {"recent": "--"}, None),
        ("calibration", LOWERS, {}, "students with such results usually know less"),
        ("calibration", RAISES, {}, "students with such results usually know more"),
        ("limit", LOWERS, {"score": 0.999}, "kept at the top of the scale"),
        ("limit", RAISES, {"score": 0.0}, "kept at the bottom of the scale"),
        ("limit", RAISES, {}, None),
        ("limit", LOWERS, {}, None),
        (
            "forgetting",
            LOWERS,
            {"last_days_ago": 40, "first_days_ago": 45, "forgotten": 0.02},
            "faded (last worked on 40 days ago)",
        ),
        ("forgetting", LOWERS, {"forgotten": 0.02}, None),  # worked on today
        (
            "forgetting",
            LOWERS,
            {"last_days_ago": 1, "first_days_ago": 9, "active_days": 8, "forgotten": 0.02, "lost_in_pauses": True},
            None,
        ),
        (
            "forgetting",
            LOWERS,
            {"last_days_ago": 1, "first_days_ago": 90, "active_days": 3, "forgotten": 0.02, "lost_in_pauses": True},
            "only 3 days of work in 90",
        ),
        (
            "forgetting",
            LOWERS,
            {"went_well_days_ago": 40, "first_days_ago": 45, "forgotten": 0.02},
            "faded (nothing has gone well for 40 days)",
        ),
        ("forgetting", LOWERS, {"last_days_ago": 1, "first_days_ago": 3, "active_days": 2}, None),
        (
            "forgetting",
            LOWERS,
            {"last_days_ago": 1, "first_days_ago": 90, "active_days": 3},
            "only 3 days of work in 90",
        ),
        ("forgetting", RAISES, {"last_days_ago": 1}, None),
    ],
)
def test_a_clause_says_what_was_seen_and_nothing_where_nothing_true_can_be_said(known, part, raises, told, text):
    said = clause(known(**told), part, raises)
    assert (None if said is None else said[0]) == text


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
        fading_days=draw(count | st.none()),
    )


@st.composite
def anything_known(draw):
    """Anything that can be known of a score."""
    count = st.integers(0, 40)
    answers, practice, assignments = draw(count), draw(count), draw(count)
    others = OtherTopics(
        draw(count), answers, draw(st.integers(0, answers)),
        draw(count), practice, draw(st.integers(0, practice) | st.floats(0, practice)),
        draw(count), assignments, draw(st.floats(0, 1)) if assignments else math.nan,
    )  # fmt: skip
    returned = draw(count)
    return Known(
        draw(seens()), others, draw(st.floats(0, 1)), draw(st.floats(0, 1)), returned,
        draw(st.integers(0, returned) | st.floats(0, returned)), draw(st.sampled_from(["log_odds", "index"])),
        Reference(draw(st.floats(0, 1)), draw(st.sampled_from([0, 7]))),
    )  # fmt: skip


@given(anything_known(), st.sampled_from(CONTRIBUTIONS), st.booleans())
def test_every_number_in_a_clause_is_among_its_values(known, part, raises):
    text, value = clause(known, part, raises) or ("", {})
    numbers = {decimal(number, 1) for number in value.values()} | {percent(v).split()[-2] for v in value.values()}
    assert set(re.findall(r"\d+(?:\.\d+)?", text)) - {"8"} <= numbers  # the last 8 answers


@given(anything_known(), st.sampled_from(CONTRIBUTIONS), st.booleans())
def test_a_clause_has_no_gaps_and_no_wrong_plural(known, part, raises):
    said = clause(known, part, raises)
    if said is None:
        return
    text, value = said
    assert text
    assert text[0] != text[0].upper() or text[0].isdigit()
    assert not text.endswith(".")
    assert "nan" not in re.findall(r"[a-z]+", text)
    assert all(math.isfinite(number) for number in value.values())
    assert not re.search(r"(?<!\d)1 (of the )?(\w+ )?(answers|days|assignments|questions|hints)\b", text)
    assert not re.search(r"(?<!\d)0 (?!%|of)", text)


@given(anything_known(), st.sampled_from(CONTRIBUTIONS))
def test_what_raises_is_not_worded_as_a_failing_nor_the_reverse(known, part):
    raising = (clause(known, part, RAISES) or ("",))[0]
    assert not re.search(r"\bnone\b|\bwrong\b", raising)
    lowering = (clause(known, part, LOWERS) or ("",))[0]
    assert not re.search(r"^(all|both|the only)\b.* right", lowering)


@given(anything_known(), st.sampled_from(CONTRIBUTIONS), st.booleans())
def test_every_contribution_has_a_name_where_nothing_can_be_said_of_it(known, part, raises):
    text, numbers = named(part, raises, known, frozenset())
    assert set(re.findall(r"\d+", text)) <= {f"{number:g}" for number in numbers.values()}
    assert text and text == text.strip() and not text.endswith(".")
    assert "few answers" not in text or max(known.here.evidence, known.here.questions) < PLENTY
