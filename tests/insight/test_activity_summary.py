from __future__ import annotations

import math

import numpy as np

from mastery.insight.activity_summary import NO_OTHERS, AllTopics, OtherTopics, activity_from


def test_the_last_answers_come_oldest_first(counters, as_of_us):
    assert activity_from(counters("+--"), as_of_us).recent == (True, False, False)
    assert activity_from(counters("+-------", older_right=3), as_of_us).recent == (True, *[False] * 7)


def test_what_has_not_happened_has_no_mean_and_no_day(counters, as_of_us):
    seen = activity_from(counters(), as_of_us)
    assert seen.practice_idle_days is None
    assert all(
        math.isnan(mean)
        for mean in (seen.assignment_share, seen.video_share, seen.mean_time_ms, seen.hint_rate, seen.right_share)
    )


def test_days_are_calendar_days_and_a_later_activity_counts_as_today(counters, as_of_us):
    assert activity_from(counters(last_days_ago=1), as_of_us).idle_days == 1
    assert activity_from(counters(last_days_ago=-2), as_of_us).idle_days == 0
    assert activity_from(counters(first_days_ago=9, last_days_ago=4), as_of_us).span_days == 5


def test_work_on_other_topics_is_that_on_all_but_one(counters):
    rows = np.stack(
        [
            counters("+--", assignments=1, assignment_ppm=500_000),
            counters("++", practice_attempts=4, practice_right_ppm=2_500_000),
            counters(practice_attempts=6, practice_right_ppm=6_000_000, assignments=2, assignment_ppm=1_000_000),
        ]
    )
    topics = AllTopics(rows)
    assert topics.but(rows[0]) == OtherTopics(1, 2, 2, 2, 10, 8.5, 1, 2, 0.5)
    assert topics.but(rows[1]) == OtherTopics(1, 3, 1, 1, 6, 6.0, 2, 3, 0.5)
    one = AllTopics(rows, np.array([True, False, False])).but(rows[0])
    assert (one.answers, one.answered, math.isnan(one.assignment_share)) == (
        0,
        0,
        math.isnan(NO_OTHERS.assignment_share),
    )


def test_what_changed_lately_is_told_against_what_was_before(counters, as_of_us):
    seen = activity_from(counters("++++++--", older_right=1, older_wrong=3, active_days=4, first_days_ago=20), as_of_us)
    assert (seen.older, seen.older_right, seen.change, seen.paused_days) == (4, 1, 0.5, 17)
    assert math.isnan(activity_from(counters("++"), as_of_us).change)
