"""What a fitted set has to pass before it is activated, and what is said of each threshold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mastery.errors import Conflict
from mastery.pipelines.models.card import DataDocument, ModelCard, ScorerCard
from mastery.pipelines.models.gate import Drift, Unknown, judge, judged, refuse
from mastery.settings.model import GateSettings

LIMITS = GateSettings()
DRIFT = Drift(
    against="default-1",
    old_scorer="rule_based",
    new_scorer="blend",
    student_topics=100,
    mean_difference=0.1,
    band_changes=0.2,
)


def card(*, answers=1_000, students=50, topics=10, pooled=1, auc=0.7, low=0.65, ece=0.02, degenerate=0.0, **scorers):
    data = DataDocument(
        since=None, until=None, first_event=None, last_event=None, events=answers, answers=answers, students=students,
        topics=topics, items=5, pooled_topics=pooled, buckets_read=1, buckets=1, hash="1-0",
    )  # fmt: skip
    held_out = {"auc": auc, "ece": ece}
    interval = None if low is None else (low, 0.75)
    blend = ScorerCard(fitted=True, topics=topics, items=0, answers=answers, held_out=held_out, auc_95=interval)
    bkt = ScorerCard(fitted=True, topics=topics, items=0, measures={"degenerate_topics": degenerate})
    return ModelCard(
        version="fit-1", parent="default-1", created_at=datetime(2026, 6, 1, tzinfo=UTC), code_version="1", seed=0,
        settings={}, data=data, scorers={"bkt": bkt, "blend": blend} | scorers,
    )  # fmt: skip


KNOWN = Unknown(share=0.0, sentences=[])


def failed(found, drift=DRIFT, limits=LIMITS):
    return [check.name for check in judge(found, limits, None, drift, KNOWN).checks if check.passed is False]


def test_a_set_that_is_good_enough_passes_every_check_and_is_not_refused():
    gate = judge(card(), LIMITS, None, DRIFT, KNOWN)
    assert gate.passed and all(check.passed for check in gate.checks) and gate.scorer == "blend"
    assert [check.name for check in gate.checks] == list(GateSettings.model_fields)
    refuse(gate)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"answers": 499}, "answers"),
        ({"students": 9}, "students"),
        ({"auc": 0.47, "low": 0.4}, "auc"),
        ({"low": 0.5}, "auc"),
        ({"auc": None, "low": None}, "auc"),
        ({"ece": 0.11}, "ece"),
        ({"pooled": 6}, "pooled"),
        ({"degenerate": 4.0}, "degenerate"),
    ],
)
def test_each_threshold_refuses_by_itself_and_says_why(change, name):
    gate = judge(card(**change), LIMITS, None, DRIFT, KNOWN)
    assert failed(card(**change)) == [name] and not gate.passed
    with pytest.raises(Conflict, match=rf"fit-1 is not activated: {name}: .*--force \(in Python, force=True\)"):
        refuse(gate)


def test_scores_that_move_too_far_are_refused_unless_the_threshold_says_otherwise():
    far = DRIFT.model_copy(update={"mean_difference": 0.31})
    assert failed(card(), far) == ["drift"]
    assert failed(card(), far, LIMITS.model_copy(update={"drift": 0.4})) == []


def test_a_set_that_knows_few_of_the_topics_is_refused_and_says_which_not():
    """One of other subjects passed every check, and scored all answers by what is expected of any topic."""
    foreign = Unknown(share=0.51, sentences=["510 of 1,000 answers of the lake are on 2 topics"])
    gate = judge(card(), LIMITS, None, DRIFT, foreign)
    assert [check.name for check in gate.checks if check.passed is False] == ["unknown"]
    assert gate.warnings == foreign.sentences
    assert judge(card(), LIMITS.model_copy(update={"unknown": 0.6}), None, DRIFT, foreign).passed


def test_what_was_not_measured_hinders_nothing_and_says_so():
    gate = judge(card(low=None, pooled=None), LIMITS, None, None, None)
    assert gate.passed
    unknown = {check.name: check.sentence for check in gate.checks if check.passed is None}
    assert list(unknown) == ["auc", "pooled", "unknown", "drift"] and "by an earlier version" in unknown["auc"]


def test_the_score_that_people_see_is_judged_where_the_fit_found_it():
    assert judged(card(), None) == "blend" and judged(card(), "bkt") == "bkt" and judged(card(), "elo") == "blend"
    kept = ScorerCard(fitted=False, topics=1, items=0)
    assert judged(card(blend=kept), None) == "bkt" and judged(card(blend=kept, bkt=kept), None) is None


def test_every_sentence_tells_what_was_found_and_what_is_needed():
    for check in judge(card(), LIMITS, None, DRIFT, KNOWN).checks:
        assert check.sentence.startswith(f"{check.name}: ")
        assert any(word in check.sentence for word in ("needed", "accepted")), check.sentence
