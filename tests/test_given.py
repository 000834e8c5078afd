"""Values of another type are refused where they come in, and not far inside."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.errors import BadInput
from mastery.given import flag, mapping, text, texts, whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_any_kind_are_taken(value):
    assert whole("folds", value, 1) == 3 and type(whole("folds", value, 1)) is int


@pytest.mark.parametrize("value", ["3", 3.0, True, None, float("nan"), [3], 0, 6])
def test_what_is_no_whole_number_within_bounds_is_refused(value):
    with pytest.raises(BadInput, match="folds is .*; expected a whole number, 1 to 5"):
        whole("folds", value, 1, 5)
    with pytest.raises(BadInput, match="expected a whole number, 7 or more"):
        whole("folds", value, 7)


@pytest.mark.parametrize("value", ["no", 1, None, np.bool_(True)])
def test_only_true_and_false_are_yes_and_no(value):
    with pytest.raises(BadInput, match="items is .*; expected True or False"):
        flag("items", value)
    assert flag("items", True) is True and flag("items", False) is False


def test_a_text_alone_is_one_text_and_not_its_letters():
    assert texts("only", "fractions") == ("fractions",)
    assert texts("only", ["a", "b"]) == ("a", "b")
    for value in (3, None, ["a", 3], {"a": "b"}):
        with pytest.raises(BadInput, match="only is .*; expected a text, or several in a list"):
            texts("only", value)


def test_a_mapping_is_told_by_an_example():
    example = '{"pupil": "student_id"}'
    assert mapping("columns", {"pupil": 3}, example) == {"pupil": 3}
    for value in ("pupil", ["pupil"], {3: "pupil"}, None):
        with pytest.raises(BadInput, match="columns is .*; expected a mapping such as .*student_id"):
            mapping("columns", value, example)


@pytest.mark.parametrize("value", [None, 3, b"bkt", ["bkt"]])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(BadInput, match="scorer is .*; expected a text"):
        text("scorer", value)
