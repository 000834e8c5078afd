"""A damaged element of a JSON array costs itself, wherever the damage is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mastery.pipelines.ingest.json_elements import INSIDE, Elements

NOTES = ("{1}", "[2]", 'said "no"', "a, b; c", "two\nlines", None, '5" ruler', "x")
LETTERS = '"{}[],:\\'


def rows(shift: int) -> list[str]:
    return [
        json.dumps(
            {
                "actor": {"account": {"name": f"S{n}"}},
                "tags": ["a", "b"],
                "at": n,
                "note": NOTES[(n + shift) % len(NOTES)],
            }
        )
        for n in range(7)
    ]


def found(texts: list[str], *, within: bool) -> set[str]:
    """Return the elements of an array of these texts, which is all of the file or within an object."""
    before, after = ("", '], "more": [{"a": 1}]}') if within else ("[", "]")
    data = np.frombuffer((before + "".join(texts) + after).encode(), np.uint8)
    elements = Elements(within)
    elements.state[INSIDE] = within
    starts, stops, *_ = elements.cut(data, 1, last=True)
    return {data[start:stop].tobytes().decode() for start, stop in zip(starts, stops, strict=True)}


def damaged(text: str) -> list[str]:
    """Return the text with one letter lost, added or changed, at every place."""
    texts = []
    for at in range(len(text)):
        texts.append(text[:at] + text[at + 1 :])
        for letter in LETTERS:
            texts += [text[:at] + letter + text[at:], text[:at] + letter + text[at + 1 :]]
    return texts


@pytest.mark.parametrize("within", [False, True], ids=["an array", "an array within an object"])
@pytest.mark.parametrize("shift", [0, 3, 4, 5])
def test_one_letter_costs_at_most_its_element_and_the_next(shift, within):
    whole = rows(shift)
    assert found([f"{row}, " for row in whole[:-1]] + whole[-1:], within=within) == set(whole)
    for text in damaged(f"{whole[2]}, "):
        texts = [f"{row}, " for row in whole[:2]] + [text] + [f"{row}, " for row in whole[3:-1]] + whole[-1:]
        lost = set(whole) - found(texts, within=within)
        assert lost <= {whole[2], whole[3]}, text


@pytest.mark.parametrize("within", [False, True], ids=["an array", "an array within an object"])
def test_where_each_element_is_on_a_line_one_letter_costs_its_element_alone(within):
    whole = rows(0)
    for text in damaged(whole[2]):
        lines = [*whole[:2], text, *whole[3:]]
        lost = set(whole) - found([",\n".join(lines)], within=within)
        assert lost <= {whole[2]}, text


@pytest.mark.parametrize("garbage", ['["a", ', '[[1, "b", [', "[x, ", '["', "{[", "[1, [2, "])
def test_garbage_that_opens_a_list_takes_in_the_next_element_at_most(garbage):
    whole = rows(0)
    for within in (False, True):
        texts = [f"{row}, " for row in whole[:2]] + [garbage] + [f"{row}, " for row in whole[3:-1]] + whole[-1:]
        assert set(whole) - found(texts, within=within) <= {whole[2], whole[3]}, garbage
