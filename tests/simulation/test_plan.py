"""What a plan refuses."""

from __future__ import annotations

from datetime import date

import pytest

from mastery.errors import BadInput
from mastery.simulation import SchoolPlan, check_schools


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"students": 0}, "students of the simulated school is 0; expected 1 to"),
        ({"days": 0}, "days of the simulated school is 0"),
        ({"seed": -1}, "seed of the simulated school is -1"),
        ({"topics": 0}, "topics of the simulated school is 0"),
        ({"late_share": 1.5}, "late_share of the simulated school is 1.5; expected 0 to 1"),
        ({"active_share": float("nan")}, "active_share of the simulated school is nan"),
        ({"events_per_active_day": 0.5}, "expected 1 to 60"),
        ({"quiz_share": 0.5}, "add up to 0.72; expected 1"),
        ({"late_share": 0.5, "malformed_share": 0.6}, "add up to more than 1"),
        ({"start": date(1980, 1, 1)}, "expected a day from 1990"),
    ],
)
def test_what_cannot_be_lived_is_refused_with_its_value(changed, said):
    with pytest.raises(BadInput, match=said):
        SchoolPlan(**({"students": 5, "days": 5} | changed))


def test_a_school_with_few_topics_gives_all_of_them_to_each_student():
    assert SchoolPlan(students=1, days=1, topics=5, topics_per_student=20).path_length == 5


def test_schools_to_check_on_differ_in_kind_and_seed_and_are_the_same_wherever_something_is_checked():
    schools, few = check_schools(400, 901), check_schools(200, 801, kinds=4)
    assert [one.seed for one in schools.values()] == [*range(901, 907)]
    assert len({(one.days, one.topics, one.active_share, one.starting_skill) for one in schools.values()}) == 6
    assert [*few] == [*schools][:4] and {one.students for one in few.values()} == {200}
