from __future__ import annotations

import pytest

from mastery.insight.words import ago, counted, decimal, every, percent, portion, seconds, tally


@pytest.mark.parametrize(("number", "words"), [(0, "0 answers"), (1, "1 answer"), (2, "2 answers")])
def test_only_one_is_singular(number, words):
    assert counted(number, "answer") == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0 %"),
        (0.001, "less than 1 %"),
        (0.125, "13 %"),
        (0.994, "99 %"),
        (0.9999, "more than 99 %"),
        (1.0, "100 %"),
    ],
)
def test_per_cents_never_round_to_nothing_or_to_all(share, words):
    assert percent(share) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "none"),
        (1 / 4, "a quarter"),
        (1 / 3, "a third"),
        (0.5, "half"),
        (2 / 3, "two thirds"),
        (0.75, "three quarters"),
        (0.49, "49 %"),
        (1.0, "all"),
    ],
)
def test_common_portions_have_names(share, words):
    assert portion(share) == words


@pytest.mark.parametrize(
    ("part", "total", "last", "words"),
    [
        (3, 8, True, "3 of the last 8 answers right"),
        (8, 8, True, "all of the last 8 answers right"),
        (0, 8, True, "none of the last 8 answers right"),
        (3, 5, False, "3 of 5 answers right"),
        (5, 5, False, "all 5 answers right"),
        (2, 2, False, "both answers right"),
        (0, 2, False, "none of the 2 answers right"),
        (1, 1, False, "the only answer right"),
        (0, 1, False, "the only answer wrong"),
    ],
)
def test_a_tally_says_how_many_of_how_many(part, total, last, words):
    assert tally(part, total, "answer", "right", "wrong", last=last) == words


@pytest.mark.parametrize(
    ("days", "words"), [(None, "never"), (0, "today"), (1, "yesterday"), (2, "2 days ago"), (24, "24 days ago")]
)
def test_days_have_words(days, words):
    assert ago(days) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(4_500, "4.5 s"), (9_000, "9 s"), (45_300, "45 s"), (90_000, "90 s"), (150_000, "2.5 min")],
)
def test_durations_are_as_fine_as_they_are_short(milliseconds, words):
    assert seconds(milliseconds) == words


def test_decimals_lose_their_zeros_and_whole_numbers_keep_theirs():
    assert [decimal(1.40, 2), decimal(2.0, 1), decimal(100.0, 0)] == ["1.4", "2", "100"]


@pytest.mark.parametrize(("number", "words"), [(1, "the only topic"), (2, "both topics"), (1_200, "all 1,200 topics")])
def test_all_of_a_number_are_said_as_people_say_it(number, words):
    assert every(number, "topic") == words
