from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mastery.errors import BadInput
from mastery.features.counters import NEVER
from mastery.insight.activity_summary import NO_OTHERS, OtherTopics, activity_from
from mastery.insight.clauses import WORDINGS
from mastery.insight.known import Known
from mastery.insight.points import in_points, whole_points
from mastery.insight.reasons import MOST_OF_MANY, ROUNDING, SILENT, explain
from mastery.insight.reference import LEAST_STUDENTS, Reference, reference_of
from mastery.log_odds import bounded_log_odds_of
from mastery.scorers import DERIVED, SCORERS
from mastery.tables import CONTRIBUTIONS, COUNTERS

RULES = SCORERS["rule_based"].contributions
BKT = SCORERS["bkt"].contributions
BLEND = DERIVED["blend"].contributions


def parts_of(names, **parts):
    return np.array([parts.get(name, 0.0) for name in names])


def log_odds(share):
    return math.log(share / (1.0 - share))


@pytest.fixture
def why(known):
    """Why a score made of these contributions is what it is; one of whom nothing is known has `began`, and 0.5."""

    def of(names, parts, scale="log_odds", least=3, began=None, **told):
        whole = sum(parts.values())
        score = whole if scale == "index" else 1.0 / (1.0 + math.exp(-whole))
        about = known(**{"score": score, "scale": scale} | told)
        return explain(names, parts_of(names, **parts), parts_of(names, **(began or {})), about, least)

    return of


def test_points_are_what_a_score_has_more_than_its_reference_by_hand(why):
    told = {"recent": "+-+--+--", "older_right": 4, "active_days": 5, "hints": 6, "videos": 2, "video_ppm": 1_800_000}
    parts = {"accuracy": 0.19, "revisit": 0.12, "video": 0.09, "hints": -0.025, "forgetting": -0.01}
    began = {"accuracy": 0.25, "practice_success": 0.06}
    found = why(RULES, parts, "index", began=began, **told, last_days_ago=3)
    # 36.5 against 50: -13.5, of which accuracy -6, practice_success -6, revisit +12, video +9, hints -2.5, fading -1,
    # and 31 - 50 = -19 because everybody starts there; printed 36 - 50 = -14
    assert found.points == {
        "start": -19, "accuracy": -6, "practice_success": -6, "spaced_practice": 0, "revisit": 12, "video": 9,
        "hints": -3, "recency": 0, "limit": 0, "calibration": 0, "forgetting": -1,
    }  # fmt: skip
    assert [(factor.name, factor.points, factor.direction) for factor in found.factors] == [
        ("start", -19, "lowers"),
        ("revisit", 12, "raises"),
        ("video", 9, "raises"),
    ]
    assert found.factors[1].value == {"returning_days": 4, "active_days": 5}
    assert found.summary == (
        "14 points below the topic's typical student (50). What lowers it: all students start below the typical "
        "score (−19); what raises it: came back to the topic 4 times (5 days of work) (+12), watched 90 % of "
        "the videos (+9); all else: −16."
    )
    assert found.contributions == dict(zip(RULES, parts_of(RULES, **parts).tolist(), strict=True))
    assert found.enough_evidence


def test_points_of_log_odds_are_shared_by_what_raises_and_what_lowers_by_hand(why):
    found = why(BKT, {"answers_right": 2.0, "practice": 1.0, "answers_wrong": -3.0}, recent="++--", score=0.5)
    # from 0.5 up to sigma(3) = 0.953 and down again, or down to 0.047 and up: 45.3 points each way
    assert found.points["answers_wrong"] == -45
    assert (found.points["answers_right"], found.points["practice"]) == (30, 15)
    assert found.summary.startswith("As high as the topic's typical student (50). What raises it: 2 of 4 answers right")


def test_the_reference_is_named(why):
    parts = {"answers_right": log_odds(0.81)}
    far = why(BKT, parts, recent="++++", reference=Reference(0.8, 20))
    assert far.summary.startswith("1 point above the topic's typical student (80). What raises it: all 4 answers")
    began = why(BKT, {"start": log_odds(0.4)} | parts, began={"start": log_odds(0.4)}, recent="++++",
                reference=Reference(0.4), score=0.7397)  # fmt: skip
    assert (
        began.summary == "33 points above where every student starts (40). What raises it: all 4 answers right (+33)."
    )
    assert began.points["start"] == 0


@pytest.mark.parametrize(
    ("score", "reference", "first"),
    [(0.2, 0.1, "lowers"), (0.5, 0.6, "lowers"), (0.5, 0.4, "raises"), (0.7, 0.8, "lowers"), (0.9, 0.95, "raises")],
)
def test_a_low_score_begins_with_what_lowers_it_and_a_high_one_with_what_raises_it(why, score, reference, first):
    parts = {"answers_right": 2.0, "answers_wrong": log_odds(score) - log_odds(reference) - 2.0}
    started = {"start": log_odds(reference)}
    found = why(BKT, started | parts, began=started, recent="+-+-", reference=Reference(reference, 9))
    assert found.factors[0].direction == first
    said = [found.summary.index("hat raises it"), found.summary.index("hat lowers it")]
    assert (said[0] < said[1]) == (first == "raises")


def test_the_largest_is_named_where_nothing_true_can_be_said_of_it(why):
    few = why(BKT, {"answers_right": 0.3}, recent="+++", reference=Reference(0.8, 9))
    assert few.summary == (
        "23 points below the topic's typical student (80). What lowers it: few answers since a start "
        "below the typical score (−29); what raises it: all 3 answers right (+6)."
    )
    many = why(BKT, {"answers_right": 0.3}, recent="++++++++", older_right=2, reference=Reference(0.8, 9))
    assert "What lowers it: all students start below the typical score (−29)" in many.summary
    # right answers elsewhere, and a contribution that has it otherwise: it is named, and nothing is said of them
    others = OtherTopics(3, 36, 36, 0, 0, 0.0, 0, 0, math.nan)
    odd = why(BLEND, {"other_topics": -0.5, "answers_right": 0.1}, recent="+++", elsewhere=others)
    assert [factor.text for factor in odd.factors] == ["results on other topics, taken together", "all 3 answers right"]
    nothing = why(RULES, {"accuracy": 0.0}, "index", recent="---")
    assert nothing.factors[0].text == "none of the 3 answers right", "rules that expect nothing of who has no data"


def test_what_trees_owe_to_the_time_since_the_last_work_is_the_same_for_everybody_and_not_told(why):
    told = {"recent": "++-", "last_days_ago": 1}
    found = why(BLEND, {"start": -0.2, "answers_right": 0.3, "recency": 0.9}, began={"start": -0.2}, **told)
    assert "recency" not in [factor.name for factor in found.factors]
    assert found.contributions["recency"] == 0.9
    rules = why(RULES, {"accuracy": 0.2, "recency": 0.3}, "index", began={"accuracy": 0.5}, **told)
    assert "last worked on yesterday (+30)" in rules.summary


def test_what_moves_a_score_by_less_than_a_point_is_not_told(why):
    found = why(BKT, {"answers_right": 6.0, "answers_wrong": -0.03}, recent="+++-")
    assert [factor.name for factor in found.factors] == ["answers_right"]
    found = why(RULES, {"accuracy": 0.5, "video": 0.009}, "index", began={"accuracy": 0.25}, recent="++", videos=1)
    assert "video" not in [factor.name for factor in found.factors]


@pytest.mark.parametrize(
    ("told", "least", "summary"),
    [
        ({}, 3, "No graded answers so far; 3 are needed to judge."),
        ({"recent": "+"}, 3, "Only 1 graded answer so far; 3 are needed to judge."),
        ({"recent": "+-"}, 3, "Only 2 graded answers so far; 3 are needed to judge."),
        ({"recent": "+", "assignments": 1}, 3, "Only 2 pieces of graded work so far; 3 are needed to judge."),
        ({"evidence": 1}, 3, "Only 1 piece of graded work so far; 3 are needed to judge."),
        ({}, 1, "No graded answers so far; 1 is needed to judge."),
    ],
)
def test_too_little_evidence_is_said_and_not_guessed(why, told, least, summary):
    found = why(BKT, {"answers_right": 1.5}, least=least, **told)
    assert not found.enough_evidence
    assert found.summary == summary


@pytest.mark.parametrize(("own", "all_topics"), [(-2.0, -1.0), (-1.0, -2.0)])
def test_the_same_answers_are_told_once(why, own, all_topics):
    others = OtherTopics(2, 20, 6, 0, 0, 0.0, 0, 0, math.nan)
    told = {"recent": "+----+--"}
    parts = {"answers_wrong": own, "past_answers": all_topics}
    found = why(BLEND, parts, elsewhere=others, **told)
    assert [factor.points for factor in found.factors] == sorted(factor.points for factor in found.factors)
    assert {factor.name: factor.text for factor in found.factors} == {
        "answers_wrong": "6 of 8 answers wrong",
        "past_answers": "on average 70 % of answers wrong on 2 other topics",
    }
    thrice = why(BLEND, parts | {"other_topics": -0.08}, elsewhere=others, **told)
    assert {factor.name: factor.text for factor in thrice.factors} == {
        factor.name: factor.text for factor in found.factors
    }, "the other topics are told already"
    alone = why(BLEND, {"past_answers": -1.0}, **told)
    assert alone.factors[0].text == "6 of 8 answers wrong"
    named = {factor.name: factor.text for factor in why(BLEND, parts, **told).factors}
    assert named.pop("answers_wrong") == "6 of 8 answers wrong"
    assert named in ({}, {"past_answers": "all answers so far, taken together"})


def test_right_and_wrong_ones_of_the_same_answers_are_counted_once(why):
    found = why(BKT, {"answers_right": 1.0, "answers_wrong": -2.0}, recent="+--+--+-", score=0.2)
    assert [factor.text for factor in found.factors] == ["5 of 8 answers wrong", "the other 3 answers right"]
    assert found.factors[1].value == {"right": 3, "answers": 8}
    one = why(BKT, {"answers_right": 2.0, "answers_wrong": -0.5}, recent="+++-", score=0.8)
    assert [factor.text for factor in one.factors] == ["3 of 4 answers right", "the other answer wrong"]
    earlier = why(BKT, {"answers_right": 2.0, "answers_wrong": -0.5}, recent="++++++++", older_right=2, older_wrong=3)
    assert [factor.text for factor in earlier.factors] == ["all of the last 8 answers right", "3 earlier answers wrong"]


def test_more_than_three_are_told_while_much_is_left_out(why):
    told = {"recent": "++++++++", "practice_attempts": 9, "practice_right_ppm": 9_000_000, "assignments": 2,
            "assignment_ppm": 2_000_000, "videos": 2, "video_ppm": 2_000_000, "hints": 1}  # fmt: skip
    parts = {"answers_right": 0.5, "practice": 0.49, "assignments": 0.48, "video": 0.47}
    found = why(BLEND, parts, **told)
    assert [factor.name for factor in found.factors] == ["answers_right", "practice", "assignments", "video"]
    assumed = why(BLEND, {"answers_right": 0.5, "practice": 0.4, "assignments": 0.45, "learning": 0.39}, **told)
    assert [factor.text for factor in assumed.factors if factor.name == "learning"] == [
        "what 1 day of work usually brings"
    ], "much is named if nothing can be said of it"
    small = {"answers_right": 0.9, "practice": 0.8, "assignments": 0.7, "video": 0.06, "hints": 0.05}
    few = why(BLEND, small, **told)
    assert [factor.name for factor in few.factors] == ["answers_right", "practice", "assignments"]


def test_a_score_that_nothing_moved_says_where_it_stands(why):
    found = why(BKT, {}, recent="+++")
    assert (found.factors, found.summary) == (
        (),
        "As high as the topic's typical student (50). No single reason stands out.",
    )


def test_a_part_without_words_is_refused_by_name(known):
    with pytest.raises(BadInput, match=r"'acuracy'.*did you mean 'accuracy'"):
        explain(["acuracy"], np.array([0.1]), np.zeros(1), known(recent="+++", scale="index"), 3)


part_values = st.floats(-20, 20) | st.just(0.0) | st.just(math.nan)


@given(
    parts=hnp.arrays(np.float64, len(CONTRIBUTIONS), elements=part_values),
    start=hnp.arrays(np.float64, len(CONTRIBUTIONS), elements=part_values),
    fact=hnp.arrays(
        np.int64, len(COUNTERS), elements=st.integers(-(2**62), 2**62) | st.integers(0, 9) | st.just(NEVER)
    ),
    scale=st.sampled_from(["log_odds", "index"]),
    score=st.floats(0, 1),
    reference=st.floats(0, 1),
    students=st.sampled_from([0, 5]),
    least=st.integers(1, 5),
)
def test_any_contributions_and_any_counters_are_explained_by_the_largest_that_can_be_told(
    as_of_us, parts, start, fact, scale, score, reference, students, least
):
    compared = Reference(reference, students)
    about = Known(activity_from(fact, as_of_us), NO_OTHERS, score, 0.0, 0, 0.0, scale, compared)
    why = explain(CONTRIBUTIONS, parts, start, about, least)
    given = {name: part for name, part in zip(CONTRIBUTIONS, parts, strict=True) if not math.isnan(part)}
    assert why.contributions == {name: 0.0 if abs(part) < ROUNDING else part for name, part in given.items()}
    assert not [one for one in why.contributions.values() if one == 0.0 and math.copysign(1.0, one) < 0.0]
    assert sum(why.points.values()) == math.floor(score * 100 + 1e-9) - math.floor(reference * 100 + 1e-9)
    assert len({factor.name for factor in why.factors}) == len(why.factors) <= MOST_OF_MANY
    assert all(factor.points == why.points[factor.name] != 0 for factor in why.factors)
    assert not {factor.name for factor in why.factors} & SILENT[scale]
    counted_by = [one.tells for factor in why.factors for one in _said(factor, about)]
    assert sum(map(len, counted_by)) == len(frozenset().union(*counted_by)), "each fact once"
    directions = [factor.direction for factor in why.factors]
    assert directions == sorted(directions, reverse=not about.low)
    for direction in ("lowers", "raises"):
        sizes = [abs(one.points) for one in why.factors if one.direction == direction and _told(one, about)]
        assert all(one >= other - 1 for one, other in pairwise(sizes))
    assert why.summary.endswith(".")
    assert why.summary[0] == why.summary[0].upper()
    assert "nan" not in why.summary


def _said(factor, about):
    """The wording of a factor, as the table has it; none where it is only named."""
    fitting = [one for one in WORDINGS[factor.name][factor.points > 0] if one.holds(about)]
    return [one for one in fitting if one.says(about)[0] == factor.text][:1]


def _told(factor, about):
    """Whether a factor is told, and not only named."""
    return any(not one.alone for one in _said(factor, about))


@given(
    way=hnp.arrays(np.float64, (6, 7), elements=st.floats(-30, 30) | st.just(0.0)),
    score=hnp.arrays(np.float64, 6, elements=st.floats(0, 1)),
    reference=hnp.arrays(np.float64, 6, elements=st.floats(0, 1)),
)
def test_points_add_up_as_printed_keep_their_signs_and_are_the_same_alone_as_among_others(way, score, reference):
    names = ("start", *(name for name in CONTRIBUTIONS if name != "start"))[:7]
    # The start takes the way that the others leave, as in a score whose contributions add up to its log-odds.
    way[:, 0] = bounded_log_odds_of(score) - way[:, 1:].sum(axis=1)
    found = in_points(names, way, np.zeros_like(way), score, reference, "log_odds")
    np.testing.assert_allclose(found.exact.sum(axis=1), 100.0 * (score - reference), atol=1e-6)
    np.testing.assert_array_equal(found.printed.sum(axis=1), whole_points(score) - whole_points(reference))
    assert np.abs(found.exact).max() <= 100.01
    assert (np.abs(found.printed[:, 1:] - found.exact[:, 1:]) <= 1.0).all()
    assert (found.printed[:, 1:] * np.sign(way[:, 1:]) >= 0.0).all()
    for i in range(6):
        alone = in_points(names, way[i : i + 1], np.zeros((1, 7)), score[i : i + 1], reference[i : i + 1], "log_odds")
        np.testing.assert_array_equal(alone.printed[0], found.printed[i])


def test_what_a_scale_makes_of_the_answers_is_the_answers_and_no_reason_of_its_own(why):
    told = {"recent": "++", "practice_attempts": 4, "practice_right_ppm": 4_000_000}
    stretched = why(BLEND, {"answers_right": 0.6, "practice": 0.3, "limit": 0.4}, **told, score=0.78)
    plain = why(BLEND, {"answers_right": 0.6 * 1.3 / 0.9, "practice": 0.3 * 1.3 / 0.9}, **told, score=0.78)
    assert stretched.points["limit"] == 0 and stretched.contributions["limit"] == 0.4
    assert stretched.points == plain.points and stretched.summary == plain.summary
    cut = why(BKT, {"answers_right": 30.0, "answers_wrong": -1.0, "limit": -15.0}, **told, score=0.999)
    assert cut.points["limit"] == 0 and cut.points["answers_wrong"] > -25 < cut.points["answers_right"]


def test_a_factor_that_is_only_named_has_the_numbers_of_its_text(why):
    named = why(BKT, {"answers_right": 0.5, "learning": 1.5}, recent="++", active_days=4).factors[-1]
    assert (named.text, named.value) == ("what 4 days of work usually bring", {"active_days": 4})


def test_a_topic_with_too_few_students_is_compared_with_where_everybody_starts():
    assert reference_of(0.7, LEAST_STUDENTS, 0.4) == Reference(0.7, LEAST_STUDENTS)
    assert reference_of(0.7, LEAST_STUDENTS - 1, 0.4) == Reference(0.4) == reference_of(None, 0, 0.4)
    assert (Reference(0.4).name, Reference(0.4, 5).name) == ("start", "typical_student")
