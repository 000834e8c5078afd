from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from folding import places
from histories import GAPS, Event, histories, model, seeds, table
from mastery.errors import BadInput
from mastery.evaluation.calibration import Calibration, apply
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import (
    ACTIVE_DAYS,
    EVIDENCE,
    LAST_AT_US,
    NEVER,
    REFRESHED_AT_US,
    REFRESHED_DAYS,
    fold_counters,
    initial_counters,
)
from mastery.scorers import SCORERS
from mastery.scorers.base import Model, Scores, fold, start
from mastery.scorers.blend.scorer import (
    CONTRIBUTIONS,
    DERIVED,
    GROWTH,
    GUESS,
    HALF_LIFE,
    PARAMETERS,
    PRIOR,
    SLIP,
    Mixture,
    Slots,
    blended,
    calibrated,
    check,
    mixture,
    predict,
)
from mastery.scorers.derived import Inputs, at_last_activity
from mastery.scorers.parameters import Parameters, no_rows

DAY = 86_400_000_000
AS_IS = np.array([-1.0, 1.0])
"""Knots of a calibration that changes nothing."""


def params(guess: float = 0.2, slip: float = 0.1, half_life: float = 100.0, prior: float = 0.3) -> np.ndarray:
    row = np.array([[parameter.default for parameter in PARAMETERS]])
    row[0, [GUESS, SLIP, HALF_LIFE, PRIOR]] = guess, slip, half_life, prior
    return row


def reading(score: np.ndarray) -> Scores:
    """A member's scores, with two contributions that add up to its log-odds."""
    logit = np.log(score / (1.0 - score))
    return Scores(score, np.zeros(score.size), np.ones(score.size), np.column_stack([0.3 * logit, 0.7 * logit]))


def expected(scores: dict[str, np.ndarray], row: np.ndarray) -> dict[str, np.ndarray]:
    """What members on the scale of the row expect of the mean item."""
    return {name: row[0, GUESS] + (1.0 - row[0, GUESS] - row[0, SLIP]) * score for name, score in scores.items()}


def counted(slots: int, at_us: int, evidence: int, days: int) -> Slots:
    """Slots of one topic that were all last worked on at a time, and not answered wrong."""
    counters = initial_counters(slots)
    counters[:, [LAST_AT_US, REFRESHED_AT_US]] = at_us
    counters[:, EVIDENCE] = evidence
    counters[:, [ACTIVE_DAYS, REFRESHED_DAYS]] = days
    return Slots(np.zeros(slots, np.int32), counters)


def read_at(
    mix: Mixture, scores: dict[str, np.ndarray], row: np.ndarray, elapsed_us: int = 0, studied: int = 1
) -> Scores:
    slots = next(iter(scores.values())).size
    return blended(
        mix,
        {name: reading(score) for name, score in scores.items()},
        expected(scores, row),
        dict.fromkeys(scores, ("start", "answers_right")),
        counted(slots, 0, 5, studied),
        row,
        elapsed_us,
    )


open_share = st.floats(1e-6, 1.0 - 1e-6)
mixtures = st.builds(
    lambda w, bias, steps, rises: Mixture(
        ("a", "b"), np.array(w), bias, np.cumsum(np.array(steps)) - 4.0, np.cumsum(np.array(rises)) - 4.0
    ),
    st.lists(st.floats(0.0, 3.0), min_size=2, max_size=2),
    st.floats(-3.0, 3.0),
    st.lists(st.floats(0.01, 3.0), min_size=4, max_size=4),
    st.lists(st.floats(0.0, 3.0), min_size=4, max_size=4),
)
rows = st.builds(params, st.floats(0.0, 0.6), st.floats(0.0, 0.39), st.floats(0.1, 1000.0), st.floats(0.001, 0.999))


def test_two_members_by_hand():
    mix = Mixture(("a", "b"), np.array([0.5, 0.25]), 0.1, AS_IS, AS_IS)
    # logit(0.8) = 1.386294, logit(0.4) = −0.405465: z = 0.1 + 0.693147 − 0.101366 = 0.691781
    assert predict(mix, {"a": np.array([0.8]), "b": np.array([0.4])})[0] == pytest.approx(0.666363, abs=1e-6)


def test_a_score_by_hand():
    mix = Mixture(("a",), np.array([1.0]), 0.0, AS_IS, np.array([-1.5, 0.5]))
    # p = 0.2 + 0.7 · 0.5 = 0.55, logit 0.200671, calibrated −0.299329, σ 0.425722, (0.425722 − 0.2) / 0.7 = 0.322459
    row = params(prior=0.25)
    assert read_at(mix, {"a": np.array([0.5])}, row).score[0] == pytest.approx(0.322459, abs=1e-6)
    # after one half-life: 0.25 + 0.5 · 0.072459
    assert read_at(mix, {"a": np.array([0.5])}, row, 100 * DAY).score[0] == pytest.approx(0.286230, abs=1e-6)


def test_with_plenty_of_evidence_the_anchor_has_the_say_by_hand():
    mix = Mixture(("a",), np.array([1.0]), 0.0, AS_IS, AS_IS, None, "b", 5.0)
    # Evidence 5 of plenty 5: half the say each. a: p = 0.2 + 0.7 · 0.5 = 0.55, logit 0.200671; b: p = 0.2 + 0.7 · 0.1 =
    # 0.27, logit −0.994623; the mean −0.396976, σ 0.402039, (0.402039 − 0.2) / 0.7 = 0.288627.
    found = read_at(mix, {"a": np.array([0.5]), "b": np.array([0.1])}, params())
    assert found.score[0] == pytest.approx(0.288627, abs=1e-6)
    assert found.contributions.sum() == pytest.approx(np.log(0.288627 / 0.711373), abs=1e-5)


@given(
    mix=mixtures,
    row=rows,
    plenty=st.floats(0.5, 500.0),
    said=st.lists(open_share, min_size=3, max_size=3),
    better=st.floats(0.0, 1.0),
    which=st.sampled_from("abc"),
)
def test_an_anchored_blend_rises_with_each_of_them_and_its_contributions_add_up(mix, row, plenty, said, better, which):
    mix = replace(mix, anchor="c", plenty=plenty)
    scores = {name: np.array([score]) for name, score in zip("abc", said, strict=True)}
    found = read_at(mix, scores, row)
    score = found.score[0]
    assert found.contributions.sum() == pytest.approx(np.log(score / (1.0 - score)), abs=1e-8)
    risen = read_at(mix, scores | {which: scores[which] + better * (1.0 - 1e-6 - scores[which])}, row)
    assert risen.score[0] >= score - 1e-12


def test_without_an_anchor_and_with_little_evidence_nothing_changes():
    plain = Mixture(("a",), np.array([1.0]), 0.1, AS_IS, AS_IS)
    scores = {"a": np.array([0.3, 0.8]), "b": np.array([0.1, 0.1])}
    far = read_at(replace(plain, anchor="b", plenty=1e9), scores, params())
    np.testing.assert_allclose(far.score, read_at(plain, scores, params()).score, rtol=1e-12)


def test_one_member_alone_with_weight_1_is_read_as_it_is():
    mix = Mixture(("a",), np.array([1.0]), 0.0, AS_IS, AS_IS)
    score = np.array([1e-5, 0.1, 0.5, 0.9])
    found = read_at(mix, {"a": score}, params())
    np.testing.assert_allclose(found.score, score, rtol=1e-9)
    named = dict(zip(CONTRIBUTIONS, found.contributions[2], strict=True))
    assert named["calibration"] == pytest.approx(0.0, abs=1e-12)
    assert named["limit"] == pytest.approx(0.0, abs=1e-12)


@given(mix=mixtures, row=rows, a=open_share, b=open_share, days=st.sampled_from((0, 1, 100, 4000)))
def test_laws_4_and_5_scores_lie_in_their_interval_and_parts_add_up(mix, row, a, b, days):
    found = read_at(mix, {"a": np.array([a]), "b": np.array([b])}, row, days * DAY)
    assert 0.0 <= found.lower[0] <= found.score[0] <= found.upper[0] <= 1.0
    np.testing.assert_allclose(
        found.contributions.sum(axis=1), np.log(found.score / (1.0 - found.score)), rtol=0, atol=2e-9
    )


@given(mix=mixtures, row=rows, a=open_share, b=open_share, higher=open_share, days=st.sampled_from((0, 1, 100, 4000)))
def test_law_6_a_member_that_rises_never_lowers_the_blend(mix, row, a, b, higher, days):
    low, high = min(a, higher), max(a, higher)
    found = read_at(mix, {"a": np.array([low, high]), "b": np.array([b, b])}, row, days * DAY)
    assert found.score[1] >= found.score[0] - 1e-12
    said = predict(mix, {"a": np.array([low, high]), "b": np.array([b, b])})
    assert said[1] >= said[0] - 1e-12


@given(mix=mixtures, row=rows, a=open_share, b=open_share, days=st.integers(0, 4000), more=st.integers(0, 4000))
def test_law_7_idle_time_never_raises_a_score(mix, row, a, b, days, more):
    scores = {"a": np.array([a]), "b": np.array([b])}
    sooner, later = (read_at(mix, scores, row, d * DAY).score[0] for d in (days, days + more))
    assert later <= sooner + 1e-15


@given(mix=mixtures, row=rows, a=st.lists(open_share, min_size=1, max_size=20), seed=st.integers(0, 99))
def test_a_slot_alone_reads_the_same_bits_as_among_others(mix, row, a, seed):
    b = np.random.default_rng(seed).uniform(0.01, 0.99, len(a))
    together = read_at(mix, {"a": np.array(a), "b": b}, row, 5 * DAY)
    for p in range(len(a)):
        alone = read_at(mix, {"a": np.array(a[p : p + 1]), "b": b[p : p + 1]}, row, 5 * DAY)
        assert alone.score[0] == together.score[p]
        assert alone.contributions.tobytes() == together.contributions[p].tobytes()


@given(mix=mixtures, z=st.floats(-13.0, 13.0))
def test_the_calibration_is_the_one_that_was_fitted(mix, z):
    expected = apply(Calibration("any", mix.knots_x, mix.knots_y), np.array([z]))[0]
    assert calibrated(z, mix.knots_x, mix.knots_y) == pytest.approx(expected, abs=1e-9)


def test_parts_of_members_come_together_under_their_names():
    mix = Mixture(("a", "b"), np.array([0.5, 2.0]), 0.25, AS_IS, AS_IS, {"a": 0.2, "b": 0.8})
    scores = {"a": np.array([0.7]), "b": np.array([0.6])}
    parts = {"a": ("start", "answers_right"), "b": ("start", "no such part")}
    found = blended(
        mix, {name: reading(s) for name, s in scores.items()}, expected(scores, params()), parts,
        counted(1, 0, 1, 1), params(), 0,
    )  # fmt: skip
    a, b = (math.log(s[0] / (1.0 - s[0])) for s in scores.values())
    named = dict(zip(CONTRIBUTIONS, found.contributions[0], strict=True))
    assert named["start"] == pytest.approx(0.2 * 0.3 * a + 0.8 * 0.3 * b)
    assert named["answers_right"] == pytest.approx(0.2 * 0.7 * a)
    assert named["other_topics"] == pytest.approx(0.8 * 0.7 * b)
    assert named["calibration"] == 0.0


@given(row=rows, a=open_share, b=open_share, weight=st.floats(0.0, 1.0))
def test_a_score_lies_among_those_of_the_members_it_is_made_of(row, a, b, weight):
    mix = Mixture(("c",), np.array([0.7]), 0.5, AS_IS, np.array([-2.0, 2.0]), {"a": weight, "b": 1.0 - weight})
    found = read_at(mix, {"a": np.array([a]), "b": np.array([b])}, row).score[0]
    assert min(a, b) - 1e-6 <= found <= max(a, b) + 1e-6


def test_without_weights_of_their_own_scores_are_made_like_answers():
    mix = Mixture(("a", "b"), np.array([0.9, 0.4]), 0.2, np.array([-2.0, 0.0, 2.0]), np.array([-1.0, 0.1, 3.0]))
    scores = {"a": np.array([0.3, 0.7]), "b": np.array([0.6, 0.4])}
    probability = predict(mix, expected(scores, params()))
    np.testing.assert_allclose(read_at(mix, scores, params()).score, (probability - 0.2) / 0.7, rtol=1e-9)


def test_a_wrong_answer_does_not_bring_back_what_was_forgotten():
    mix = Mixture(("a",), np.array([1.0]), 0.0, AS_IS, AS_IS)
    slots = counted(1, 0, 5, 1)
    slots.counters[:, LAST_AT_US] = 100 * DAY  # a wrong answer, a half-life after the last right one
    said = {"a": np.array([0.9])}
    found = blended(
        mix, {"a": reading(said["a"])}, expected(said, params()), {"a": ("start", "answers_right")}, slots, params(),
        100 * DAY,
    )  # fmt: skip
    assert found.score[0] == pytest.approx(0.3 + 0.5 * 0.6)


def test_each_further_day_of_study_makes_the_half_life_longer():
    mix = Mixture(("a",), np.array([1.0]), 0.0, AS_IS, AS_IS)
    row = params(half_life=20.0, prior=0.3)
    row[0, GROWTH] = 1.5
    # Three days of study: 20 · 1.5² = 45 days.
    found = read_at(mix, {"a": np.array([0.9])}, row, 45 * DAY, studied=3)
    assert found.score[0] == pytest.approx(0.3 + 0.5 * 0.6)
    # Eight would be 342 days, nine 513: a year is the most.
    assert read_at(mix, {"a": np.array([0.9])}, row, 365 * DAY, studied=9).score[0] == pytest.approx(0.6)


def test_where_nothing_was_done_nothing_is_forgotten():
    mix = Mixture(("a",), np.array([1.0]), 0.0, AS_IS, AS_IS)
    found = blended(
        mix, {"a": reading(np.array([0.9]))}, expected({"a": np.array([0.9])}, params()), {"a": ("start", "learning")},
        counted(1, NEVER, 0, 0), params(), 10_000 * DAY,
    )  # fmt: skip
    assert found.score[0] == pytest.approx(0.9)


def test_a_mixture_comes_back_from_the_arrays_it_is_stored_as_without_members_that_weigh_nothing():
    mix = Mixture(("bkt", "elo", "ml"), np.array([0.25, 0.0, 0.8]), -0.1, AS_IS, np.array([-0.9, 1.2]))
    back = mixture(mix.shared())
    assert back.members == ("bkt", "ml")
    assert back.weights.tolist() == [0.25, 0.8]
    assert back.bias == -0.1
    assert back.knots_y.tolist() == [-0.9, 1.2]
    assert back.score_weights is None
    again = mixture(replace(mix, score_weights={"elo": 0.0, "ml": 1.0}).shared())
    assert again.score_weights == {"ml": 1.0}


@pytest.mark.parametrize(
    ("mix", "says"),
    [
        (Mixture(("a",), np.array([-0.1]), 0.0, AS_IS, AS_IS), "the weight of a is -0.1"),
        (Mixture(("a",), np.array([np.nan]), 0.0, AS_IS, AS_IS), "the weight of a is nan"),
        (Mixture(("a",), np.array([1.0]), 0.0, AS_IS, -AS_IS), "never falls"),
        (Mixture(("a",), np.array([1.0]), 0.0, AS_IS, AS_IS, None, "b", 0.0), "plenty for b is 0; expected one such"),
        (Mixture(("a",), np.array([1.0]), 0.0, np.array([0.0]), np.array([0.0])), "never falls"),
    ],
)
def test_a_mixture_that_would_break_law_6_is_refused(mix, says):
    with pytest.raises(BadInput, match=says):
        check(Model(params(), np.zeros((0, 0)), mix.shared()))


def test_parameters_that_break_the_scale_are_refused():
    mix = Mixture(("a",), np.array([1.0]), 0.0, AS_IS, AS_IS)
    with pytest.raises(BadInput, match="guess 0.6 \\+ slip 0.5 of topic row 0"):
        check(Model(params(guess=0.6, slip=0.5), np.zeros((0, 0)), mix.shared()))
    with pytest.raises(BadInput, match="half_life_days"):
        check(Model(params(half_life=0.0), np.zeros((0, 0)), mix.shared()))


def test_a_member_that_says_nothing_is_named():
    mix = Mixture(("a", "b"), np.array([1.0, 1.0]), 0.0, AS_IS, AS_IS)
    with pytest.raises(BadInput, match="'b'"):
        predict(mix, {"a": np.array([0.5])})


def test_a_row_that_a_member_says_nothing_of_gets_no_probability():
    mix = Mixture(("a", "b"), np.array([1.0, 1.0]), 0.0, AS_IS, AS_IS)
    found = predict(mix, {"a": np.array([0.5, 0.5]), "b": np.array([0.5, np.nan])})
    assert np.isnan(found).tolist() == [False, True]


def test_the_names_are_those_of_the_other_scorers():
    assert (DERIVED.name, DERIVED.scale) == ("blend", "log_odds")
    assert [parameter.name for parameter in PARAMETERS][:5] == [
        "guess",
        "slip",
        "half_life_days",
        "half_life_growth",
        "prior",
    ]


def read_all(events: list[Event], seed: int | None, as_of_us: int) -> tuple[list[tuple[str, str]], Scores]:
    """Return (student, topic) of each slot and its blend of bkt and elo, from events to reading."""
    batch = make_batch(event_columns(table(events)))
    scorers = {name: SCORERS[name] for name in ("bkt", "elo")}
    models = {name: model(scorer, batch, seed) for name, scorer in scorers.items()}
    states = {name: start(scorer, models[name], batch) for name, scorer in scorers.items()}
    for name, scorer in scorers.items():
        fold(scorer, models[name], batch, states[name], as_of_us, history=False)
    counters = initial_counters(batch.slot_topic.size)
    fold_counters(batch, counters)
    inputs = Inputs(
        batch.slot_student, batch.slot_topic, batch.topics, counters, models,
        at_last_activity(scorers, models, states, batch.slot_student, batch.slot_topic),
        {name: scorer.contributions for name, scorer in scorers.items()},
        {"bkt": (scorers["bkt"].column("guess"), scorers["bkt"].column("slip"))},
    )  # fmt: skip
    mix = Mixture(("bkt", "elo"), np.array([0.6, 0.7]), -0.1, np.array([-2.0, 0.0, 2.0]), np.array([-1.5, 0.1, 2.2]))
    return places(batch), DERIVED.read(
        inputs, Parameters(params()[0], no_rows(len(PARAMETERS)), no_rows(0), mix.shared()), as_of_us
    )


@given(events=histories(), seed=seeds, wait=st.sampled_from(GAPS))
def test_parts_add_up_from_events_to_reading(events, seed, wait):
    _, found = read_all(events, seed, max(event.at_us for event in events) + wait)
    np.testing.assert_allclose(
        found.contributions.sum(axis=1), np.log(found.score / (1.0 - found.score)), rtol=0, atol=2e-9
    )
    assert np.all((found.lower <= found.score) & (found.score <= found.upper))


@given(events=histories(regrades=False), seed=seeds, data=st.data())
def test_a_better_answer_never_lowers_the_blend_from_events_to_reading(events, seed, data):
    at = data.draw(st.sampled_from([i for i, e in enumerate(events) if e.share_ppm < 1_000_000] or [None]))
    assume(at is not None)
    better = replace(events[at], share_ppm=1_000_000)
    as_of = max(event.at_us for event in events) + data.draw(st.sampled_from(GAPS))
    slots, before = read_all(events, seed, as_of)
    _, after = read_all([*events[:at], better, *events[at + 1 :]], seed, as_of)
    mine = {(better.student, topic or "unassigned") for topic in better.topics}
    for p, place in enumerate(slots):
        assert place not in mine or after.score[p] >= before.score[p] - 1e-12


PAGE = Path(__file__).parents[3] / "docs" / "scorers" / "blend.md"


def test_the_page_holds_the_parameters_of_the_code_and_every_contribution():
    page = PAGE.read_text("utf-8")
    table = "\n".join(f"| `{p.name}` | {p.default:g} | {p.low:g} | {p.high:g} | {p.doc} |" for p in PARAMETERS)
    assert table in page
    assert [part for part in CONTRIBUTIONS if f"`{part}`" not in page] == []
