"""`mastery items` over the sample school."""

from __future__ import annotations

import json

import pytest

from mastery.errors import BadInput, NotFound

LATEST = ("--as-of", "latest")


def test_items_are_printed_the_likeliest_to_be_answered_rightly_first(mastery):
    document = json.loads(mastery("items", "S000014", "frac-equiv", *LATEST, "--json").stdout)
    printed = mastery("items", "S000014", "frac-equiv", *LATEST).stdout
    assert printed.startswith("Equivalent fractions (frac-equiv), student s_")
    assert f"UTC · blend · model {document['model_version']}" in printed
    rows = [line.split() for line in printed.splitlines() if line.startswith("frac-equiv-")]
    assert [row[0] for row in rows] == [one["item_id"] for one in document["items"]]
    assert [row[1] for row in rows] == [f"{100 * one['p_correct']:.0f}" for one in document["items"]]
    before = [int(row[2]) if len(row) > 2 else 0 for row in rows]
    assert before == [one["answered"] for one in document["items"]] and max(before) > 0


def test_some_items_can_be_asked_for(mastery):
    whole = json.loads(mastery("items", "S000014", "frac-equiv", *LATEST, "--json").stdout)["items"]
    two = [whole[0]["item_id"], whole[-1]["item_id"]]
    options = [word for item in two for word in ("--item", item)]
    some = json.loads(mastery("items", "S000014", "frac-equiv", *options, *LATEST, "--json").stdout)["items"]
    assert some == [whole[0], whole[-1]]


@pytest.mark.parametrize(
    ("arguments", "error"), [(("frac-equvi",), NotFound), (("frac-equiv", "--item", "nothing like it"), NotFound)]
)
def test_what_nobody_has_heard_of_is_refused(mastery, arguments, error):
    assert isinstance(mastery("items", "S000014", *arguments, *LATEST).exception, error)


def test_an_item_of_another_topic_is_refused(mastery):
    other = json.loads(mastery("items", "S000014", "frac-compare", *LATEST, "--json").stdout)["items"][0]["item_id"]
    assert isinstance(mastery("items", "S000014", "frac-equiv", "--item", other, *LATEST).exception, BadInput)
