"""Fits within what people allow: bounds hold for every topic and item, and what is not bounded finds its best."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.errors import BadInput
from mastery.features.subset import take_students
from mastery.scorers.base import place_of
from mastery.scorers.bkt.fit import CAN_BE_BOUNDED, Variant, fit, fit_variant
from mastery.scorers.bkt.scorer import ITEM_PARAMETERS, PARAMETERS
from mastery.scorers.bounds import bounds_of, parse_bounds
from mastery.scorers.check import check_parameters
from mastery.scorers.scale import shared_scale
from ml_school import school


@pytest.fixture(scope="module")
def batch():
    return school(120, topics=4)


def column(params, name, parameters=PARAMETERS):
    return params[:, place_of(parameters, name).start]


VARIANTS = [
    Variant(),
    Variant(per_step=True, per_day=True, bends=True, tilts=True, pooling=5.0),
    Variant(strength=4.0),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=["plain", "all", "items"])
def test_bounds_hold_for_every_topic_item_and_for_topics_to_come(batch, variant):
    own = batch.topics[1][1]
    said = {"guess": [0.05, 0.12], "slip": 0.1, "topics": {own: {"guess": 0.3, "p_learn": [0.3, 0.4]}}}
    found, _, _ = fit_variant(batch, variant, bounds=parse_bounds(said, CAN_BE_BOUNDED))
    topics = found.topics
    at = [key[1] for key in topics.keys].index(own)
    others = np.arange(topics.count) != at
    guess = column(topics.values, "guess")
    assert guess[at] == 0.3 and np.all((guess[others] >= 0.05) & (guess[others] <= 0.12))
    assert np.all(column(topics.values, "slip") == 0.1) and column(found.default[None], "slip")[0] == 0.1
    assert 0.05 <= column(found.default[None], "guess")[0] <= 0.12
    assert 0.3 <= column(topics.values, "p_learn")[at] <= 0.4
    if found.items.count:
        assert np.all(column(found.items.values, "slip", ITEM_PARAMETERS) == 0.1)
        assert np.all(column(found.items.values, "guess", ITEM_PARAMETERS) <= 0.3)
    check_parameters("bkt", found)


def test_bounds_of_a_topic_without_an_answer_are_noted(batch):
    own = batch.topics[1][1]
    said = {"topics": {own: {"guess": 0.3}, own.upper() + "x": {"guess": 0.1}}}
    _, _, notes = fit_variant(batch, Variant(), bounds=parse_bounds(said, CAN_BE_BOUNDED))
    (note,) = (one for one in notes if "bounds" in one)
    assert note.startswith(f"bkt: bounds.topics.{own.upper()}x changes nothing: no answer of this fit is on it")
    assert f"did you mean '{own}'" in note


def test_bounds_that_hold_anyway_change_no_number_and_bounds_that_bind_cost_likelihood(batch):
    free, best, _ = fit_variant(batch, Variant())
    wide, same, _ = fit_variant(batch, Variant(), bounds=parse_bounds({"guess": [0.002, 0.95]}, CAN_BE_BOUNDED))
    np.testing.assert_array_equal(free.topics.values, wide.topics.values)
    assert best == same
    _, less, _ = fit_variant(batch, Variant(), bounds=parse_bounds({"guess": 0.6}, CAN_BE_BOUNDED))
    assert less < best


def test_a_bound_on_one_topic_leaves_the_others_nearly_as_they_were(batch):
    said = parse_bounds({"topics": {batch.topics[0][1]: {"slip": 0.4}}}, CAN_BE_BOUNDED)
    free, bound = (fit_variant(batch, Variant(), bounds=one)[0].topics.values for one in (None, said))
    assert column(bound, "slip")[0] == 0.4
    np.testing.assert_allclose(column(bound, "slip")[1:], column(free, "slip")[1:], atol=0.02)


def test_the_parameters_keep_their_bounds_and_so_are_another_version(batch):
    some = take_students(batch, np.arange(len(batch.students)) < 60)
    free = fit(some, given={}, chosen=Variant()).parameters
    bound = fit(some, given={}, chosen=Variant(), bounds={"guess": [0.002, 0.95]}).parameters
    assert bounds_of(free) is None and bounds_of(bound).everywhere == {"guess": (0.002, 0.95)}
    assert free.digest() != bound.digest()
    np.testing.assert_array_equal(free.topics.values, bound.topics.values)


def test_a_guess_that_people_fix_is_that_of_the_shared_scale(batch):
    found, _, _ = fit_variant(batch, Variant(), bounds=parse_bounds({"guess": 0.25, "slip": 0.02}, CAN_BE_BOUNDED))
    guess, slip = shared_scale(batch, {"bkt": found})
    assert np.all(guess == 0.25) and np.all(slip == 0.02)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("guess", "bounds is 'guess'; expected names of parameters"),
        ({"gess": 0.1}, "no parameter 'gess' that can be bounded (did you mean 'guess'?)"),
        ({"guess": "low"}, "bounds.guess is 'low'; expected a number, or [least, most]"),
        ({"guess": [0.3, 0.1]}, "expected the least first, then the most"),
        ({"guess": [0.1, 0.2, 0.3]}, "expected a number, or [least, most]"),
        ({"guess": True}, "expected a number"),
        ({"slip": 1.5}, "bounds.slip is 1.5; expected a number from 0.002 to 0.95"),
        ({"slip": [1.2, 1.5]}, "expected a span that meets 0.002 to 0.95"),
        ({"guess": float("nan")}, "expected the least first"),
        ({"guess": 0.6, "topics": {"t": {"slip": 0.5}}}, "bounds.topics.t: guess of 0.6 and slip of 0.5 or more leave"),
        ({"topics": []}, "bounds.topics is []; expected ids of topics"),
        ({"topics": ["t"]}, "bounds.topics is ['t']; expected ids of topics"),
        ({"topics": {"t": 0.3}}, "bounds.topics.t is 0.3; expected names of parameters"),
    ],
)
def test_bounds_that_cannot_be_used_are_refused_with_what_was_expected(said, told):
    with pytest.raises(BadInput) as caught:
        parse_bounds(said, CAN_BE_BOUNDED)
    assert told.replace("(did you mean", "").split("?)")[0][:40] in str(caught.value).replace("(did you mean", "")
    assert "\n" not in str(caught.value)


def test_nothing_said_bounds_nothing():
    assert parse_bounds(None, CAN_BE_BOUNDED) is parse_bounds({}, CAN_BE_BOUNDED) is None
    assert parse_bounds({"topics": {}}, CAN_BE_BOUNDED) is None
    assert parse_bounds({"topics": None}, CAN_BE_BOUNDED) is None
