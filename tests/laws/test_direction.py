"""A score moves with the answer: a right answer to one question, without help, never lowers it, and a wrong one never
raises it, read just before and just after at the same moment. On other topics of the student likewise.

Held by the score shown first, with the starter set and fitted, and by ml. `scripts/direction.py` measures how often and
how far the others go against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from histories import DAY, GAPS, HOUR, START, Event, examples, histories, table
from mastery.pipelines.scoring.fold import fold_events
from mastery.scorers import DERIVED, SCORERS, SPECS
from mastery.scorers.blend.scorer import mixture
from mastery.scorers.derived import BEFORE_ALL_US
from mastery.scorers.model_set import ModelSet
from small_sets import even, starter

SETS: dict[str, Callable[[], ModelSet]] = {"starter": starter, "fitted": even}
every_set = pytest.mark.parametrize("which", SETS)

STEADY = ("ml", "blend")

ROUNDING = 1e-9

BY_THE_ANCHOR = 2e-3
"""A fitted blend listens to irt the more, the more evidence there is, whichever way irt is off: by less than this."""


def of_one_student(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.student == events[0].student and event.replaces is None]


def scores(which: str, events: Sequence[Event], as_of_us: int) -> dict[str, dict[str, float]]:
    """Return by scorer and topic the score of one student."""
    folded = fold_events(table(events), SETS[which](), as_of_us, history=False)
    topics = [folded.batch.topics[t][1] for t in folded.batch.slot_topic]
    return {
        name: dict(zip(topics, one.score.tolist(), strict=True))
        for name, one in folded.scores().items()
        if name in SCORERS or name in DERIVED
    }


def against(which: str, events: Sequence[Event], answer: Event) -> dict[str, tuple[float, float]]:
    """Return by scorer how far the answer moves the wrong way: the score of its topic, and of another at most."""
    before = scores(which, events, answer.at_us)
    after = scores(which, [*events, answer], answer.at_us)
    sign = -1.0 if answer.share_ppm else 1.0
    moved = {
        name: {topic: sign * (after[name][topic] - score) for topic, score in mine.items()}
        for name, mine in before.items()
    }
    (own,) = answer.topics
    return {
        name: (mine[own], max([by for topic, by in mine.items() if topic != own], default=0.0))
        for name, mine in moved.items()
    }


@every_set
@examples(300)
@given(
    events=histories(regrades=False),
    right=st.booleans(),
    wait=st.sampled_from(GAPS),
    topic=st.sampled_from(("t0", "t1")),
)
def test_a_plain_answer_moves_scores_its_own_way(which, events, right, wait, topic):
    events = of_one_student(events)
    assume(any(topic in event.topics and event.kind != "feedback" for event in events))
    last = max(event.at_us for event in events)
    answer = Event(
        at_us=last + wait, student=events[0].student, tenant=events[0].tenant, topics=(topic,), sequence=9, number=900,
        share_ppm=1_000_000 * right, item="i9", attempt_number=1,
    )  # fmt: skip
    found = against(which, events, answer)
    for name in STEADY:
        if name in found:
            assert max(found[name]) <= (BY_THE_ANCHOR if name == "blend" else ROUNDING), (name, found[name])


@dataclass(frozen=True)
class Exemption:
    """A history of one topic: outcomes an hour apart, the last one some days later; it moves the score against it."""

    which: str
    outcomes: tuple[int, ...]
    days: int
    why: str


WELL_THEN_WRONG = (1, 1, 1, 1, 1, 0)

EXEMPT = {
    "rule_based": Exemption("starter", (0, 0, 0, 0, 0, 0), 100, "old answers leave its sums"),
    "bkt": Exemption("starter", (0, 0, 0, 0, 0, 0), 100, "each answer is an opportunity to learn, a wrong one too"),
    "elo": Exemption("starter", WELL_THEN_WRONG, 100, "a wrong answer reads as new what had been forgotten"),
    "irt": Exemption("fitted", WELL_THEN_WRONG, 100, "the same; and what it knew fades with each answer"),
    "linear_rnn": Exemption("fitted", (0, 0), 0, "nothing holds what a wrong answer adds to a sign"),
}


@pytest.mark.parametrize("name", EXEMPT)
def test_an_exemption_rests_on_a_counterexample_that_still_stands(name):
    one = EXEMPT[name]
    *before, answer = [
        Event(
            at_us=START + k * HOUR,
            tenant="default",
            share_ppm=1_000_000 * right,
            number=k,
            attempt_number=1,
            sequence=k,
        )
        for k, right in enumerate(one.outcomes)
    ]
    answer = replace(answer, at_us=before[-1].at_us + max(HOUR, one.days * DAY))
    assert against(one.which, before, answer)[name][0] > 1e-3


def test_every_scorer_keeps_the_law_or_is_exempt():
    assert {name for name, spec in SPECS.items() if spec.has_scores} == {*STEADY, *EXEMPT}


def test_a_fitted_blend_lies_among_the_members_that_its_scores_are_made_of_before_it_is_corrected():
    blend = even().scorers["blend"]
    mix = mixture(blend.shared)
    assert mix.correction is not None
    as_read = replace(blend, shared=replace(mix, correction=None).shared())
    fitted = ModelSet("uncorrected", {**even().scorers, "blend": as_read})
    names, _ = mix.of_scores()
    outcomes = np.random.default_rng(3).random((40, 12)) < np.linspace(0.0, 1.0, 40)[:, None]
    events = [
        Event(
            at_us=START + k * HOUR, student=f"s{s:02d}", tenant="default", share_ppm=1_000_000 * int(right),
            number=100 * s + k, attempt_number=1,
        )
        for s, mine in enumerate(outcomes)
        for k, right in enumerate(mine)
    ]  # fmt: skip
    scores = replace(fold_events(table(events), fitted, START + DAY, history=False), as_of_us=BEFORE_ALL_US).scores()
    members = np.array([scores[name].score for name in names])
    assert np.all(scores["blend"].score >= members.min(axis=0) - BY_THE_ANCHOR)
    assert np.all(scores["blend"].score <= members.max(axis=0) + BY_THE_ANCHOR)
