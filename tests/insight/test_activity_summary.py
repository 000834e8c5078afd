from __future__ import annotations

import math

from mastery.insight.activity_summary import activity_from


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
