"""Settings found once are taken over: what cross-fitting rests on."""

import numpy as np
import pytest

from histories import many
from mastery.features.batch import make_batch
from mastery.scorers import SPECS, of_stage
from mastery.scorers.fits import some_students
from mastery.scorers.spec import Stage


@pytest.fixture(scope="module")
def batch():
    return make_batch(many(np.random.default_rng(5), students=60, events=40, topics=4))


@pytest.mark.parametrize("name", of_stage(Stage.ANSWERS))
def test_a_fit_with_the_settings_it_chose_itself_finds_the_same_numbers(batch, name):
    fit = SPECS[name].load_fit()
    first = fit(batch, given={}, seed=3)
    assert first.chosen is not None
    again = fit(batch, given={}, seed=3, chosen=first.chosen)
    assert again.parameters.digest() == first.parameters.digest()


def test_some_students_are_whole_students_and_about_as_many_answers_as_asked_for(batch):
    some = some_students(batch, batch.row.size // 3)
    assert 0.1 < some.row.size / batch.row.size < 0.7
    assert np.all(np.diff(some.student_ptr) == 40)
    assert some_students(batch, batch.row.size) is batch
