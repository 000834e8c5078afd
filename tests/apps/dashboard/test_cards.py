"""Colours, words and HTML of the dashboard."""

from __future__ import annotations

from copy import deepcopy

import pytest

from mastery.apps.api.examples import CLASS, HISTORY, IN_NEED, STUDENT
from mastery.apps.dashboard import cards, charts, look
from mastery.insight import bands

TOPIC = STUDENT["topics"][0]


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_dashboard_knows_every_band_and_the_thresholds():
    assert set(look.BANDS) == set(bands.BANDS)
    assert look.THRESHOLDS == bands.THRESHOLDS


@pytest.mark.parametrize("name", list(look.BANDS))
def test_the_ink_on_a_band_can_be_read_and_its_line_can_be_seen(name):
    band = look.BANDS[name]
    assert contrast(band.fill, band.ink) >= 4.5
    assert contrast(band.line, "#ffffff") >= 2.9


def test_neighbouring_bands_differ_in_lightness_or_in_side():
    order = ("needs_help", "developing", "proficient", "mastered")
    light = [luminance(look.BANDS[name].fill) for name in order]
    assert light[0] < light[1]
    assert light[3] < light[2]


def test_a_text_from_outside_is_never_markup():
    topic = deepcopy(TOPIC)
    attack = "<script>alert(1)</script>"
    topic["title"] = topic["explanation"]["summary"] = attack
    topic["weaknesses"] = [{"name": attack, "text": '"><b>', "value": {}}]
    shown = cards.topic(topic)
    assert "<script>" not in shown
    assert '"><b>' not in shown
    assert "&lt;script&gt;" in shown


def test_a_student_in_need_is_shown_once_with_the_topics_the_reason_and_the_step():
    one = deepcopy(IN_NEED)
    first = one["students"][0]["topics"][0]
    one["students"][0]["topics"].append(first | {"topic_id": "<b>other</b>"})
    shown = cards.in_need(one)
    assert shown.count("m-need") == shown.count(cards.short(first["student_id"])) == 1
    assert "Comparing fractions" in shown and "&lt;b&gt;other&lt;/b&gt;" in shown and "<b>other" not in shown
    assert first["reason"] in shown and one["students"][0]["next_step"] in shown
    one["students"][0]["next_step"] = None
    assert "→" not in cards.in_need(one)
    assert cards.in_need(IN_NEED | {"students": []}) == ""


def test_a_topic_without_enough_evidence_shows_no_score():
    shown = cards.topic(TOPIC | {"band": "not_enough_evidence"})
    assert ">–" in shown
    assert "Too little evidence" in shown
    assert ">24" in cards.topic(TOPIC)


def test_a_score_is_rounded_down_so_that_it_never_leaves_its_band():
    shares = {0.0: "0", 0.29: "29", 0.2999: "29", 0.3: "30", 0.599: "59", 0.57: "57", 1.0: "100"}
    assert {share: cards.hundredths(share) for share in shares} == shares


def test_the_numbers_of_a_class_count_all_of_it_and_not_the_page_that_is_shown():
    shown = cards.class_tiles(CLASS | {"students": [], "scores": []})
    assert '<b>30</b><span class="m-faint">students<' in shown
    assert '<b>1</b><span class="m-faint">topic<' in shown
    assert "<b>5 of 27</b>" in shown


def test_charts_are_whole_vega_documents():
    chart = charts.heatmap(CLASS, STUDENT["student_id"], TOPIC["topic_id"]).to_dict()
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["rect", "point", "text", "rect"]
    points = charts.history_chart(HISTORY, TOPIC, STUDENT["as_of"]).to_dict()
    assert [layer["mark"]["type"] for layer in points["layer"]] == [
        "rule",
        "rule",
        "point",
        *2 * ["area", "line", "point"],
    ]


def test_a_history_leads_on_from_its_last_day_to_the_score_of_today():
    def dashed(as_of):
        layers = charts.history_chart(HISTORY, TOPIC, as_of).to_dict()["layer"]
        return [point["shown"] for point in layers[7]["data"]["values"]]

    assert dashed("2026-04-11T15:02:11Z") == ["20 March 2026", "11 April 2026"]
    assert dashed("2026-03-20T23:00:00Z") == []


def test_days_of_several_years_are_named_with_their_year():
    """Thirteen months from October to November read like five weeks."""

    def label(as_of):
        layers = charts.history_chart(HISTORY, TOPIC, as_of).to_dict()["layer"]
        return layers[1]["encoding"]["x"]["axis"]["labelExpr"]

    assert "%-d %b'" in label("2026-04-11T15:02:11Z")
    assert "%-d %b %Y'" in label("2027-01-11T15:02:11Z")


def test_a_day_with_too_little_evidence_is_grey_on_no_line_and_says_no_score():
    unsure, *judged = HISTORY["points"]
    assert unsure["band"] == "not_enough_evidence"
    layers = charts.history_chart(HISTORY, TOPIC, STUDENT["as_of"]).to_dict()["layer"]
    lines = [layer["data"]["values"] for layer in layers if layer["mark"]["type"] == "line"]
    assert [len(points) for points in lines] == [len(judged), 2]
    grey = [layer for layer in layers if layer["mark"].get("color") == charts.UNSURE]
    assert [layer["mark"]["type"] for layer in grey] == ["rule", "point"]
    assert [point["text"] for point in grey[1]["data"]["values"]] == ["Too little evidence (11 to 70)"]
    nobody_knows = HISTORY | {"points": [unsure]}
    layers = charts.history_chart(nobody_knows, TOPIC, STUDENT["as_of"]).to_dict()["layer"]
    assert not [point for layer in layers if layer["mark"]["type"] == "line" for point in layer["data"]["values"]]


def test_the_interval_of_a_single_day_is_a_bar_and_not_an_area_without_width():
    one_day = HISTORY | {"points": HISTORY["points"][-1:]}
    layers = charts.history_chart(one_day, TOPIC, HISTORY["points"][-1]["day"]).to_dict()["layer"]
    assert layers[1]["mark"]["type"] == "rule"
    assert layers[1]["mark"]["strokeWidth"] > 4
    assert layers[1]["encoding"]["y2"]["field"] == "upper"


def test_two_topics_of_one_title_are_two_columns():
    topics = [CLASS["topics"][0], CLASS["topics"][0] | {"topic_id": "other"}]
    chart = charts.heatmap(CLASS | {"topics": topics}, STUDENT["student_id"], None).to_dict()
    domain = chart["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert domain == ["Comparing fractions (frac-compare)", "Comparing fractions (other)"]
