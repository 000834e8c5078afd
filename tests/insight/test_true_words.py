"""Every clause and every tag is true of the data it names, whatever the history and whoever the scorer."""

from __future__ import annotations

import re
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histories import DAY, GAPS, START, Event, examples, histories, monotone, table
from mastery.features.columns import READ
from mastery.insight.tags import STRENGTHS, WEAKNESSES
from mastery.pipelines.queries.schemas import TopicDocument
from mastery.pipelines.queries.student_document import student_document
from mastery.pipelines.queries.topic_means import TopicMean
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.pipelines.scoring.snapshot import snapshot_of
from mastery.scorers import DERIVED, SCORERS, with_scores
from mastery.scorers.base import width
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import Parameters, no_rows
from mastery.tables import EVENTS
from ml_school import model_set
from school import SAMPLE, Deployment
from true_words import Place, Story, is_true, is_true_step

JUDGED = {"needs_help", "developing", "proficient", "mastered"}
BANDS_OF = {
    **dict.fromkeys(STRENGTHS, JUDGED - {"needs_help"}),
    **dict.fromkeys(WEAKNESSES, JUDGED - {"mastered"}),
    "not_practised": {"needs_help", "developing"},
    "improving": JUDGED,
}
NEVER_TOGETHER = [
    {"steady", "careless"}, {"steady", "declining"}, {"quick_and_right", "slow_but_right"},
    {"independent", "hint_dependent"}, {"improving", "declining"}, {"remembers_after_gaps", "forgetting"},
]  # fmt: skip


def every_scorer(seed: int | None) -> ModelSet:
    """A set with all scorers of the registry that people see: with usual parameters, or with drawn ones."""
    found = dict(model_set().scorers)
    for name in with_scores():
        if name in SCORERS and (seed is not None or name not in found):
            scorer = SCORERS[name]
            row = monotone(scorer, np.random.default_rng([seed or 1, *name.encode()]))
            found[name] = Parameters(row, no_rows(row.size), no_rows(width(scorer.item_parameters)))
    assert set(found) == set(with_scores())
    return ModelSet("true-words", found)


def said(folded: Folded, as_of_us: int, student: int) -> Counter[str]:
    """Hold all that is said of a student against the events, and return how often each contribution and tag is told."""
    snapshot, found = snapshot_of(folded, student), Counter[str]()
    story = Story.of(folded.batch, student, as_of_us)
    for number, source in enumerate(with_scores()):
        means = {topic: TopicMean(share_of(topic, source), 20) for topic in snapshot.topics} if number % 2 else {}
        document = student_document(
            snapshot, source, {}, as_of_us, min_evidence=3, target=0.6, wanted=None, means=means
        )
        starts = dict(zip(snapshot.topics, snapshot.start_scores[source].score, strict=True))
        last = dict(zip(snapshot.topics, snapshot.last_scores[source].score, strict=True))
        for topic in document.topics:
            reference = topic.explanation.reference
            higher = starts[topic.topic_id] > reference.mastery_score
            place = Place(story, topic.topic_id, topic.mastery_score, last[topic.topic_id], higher)
            assert reference.mastery_score == (means[topic.topic_id].mean if means else starts[topic.topic_id])
            context = (source, topic.topic_id, topic.band, topic.explanation.summary)
            factors, marks = topic.explanation.factors, [*topic.strengths, *topic.weaknesses]
            for one in (*factors, *marks):
                assert is_true(one.text, place), (one.name, one.text, context)
                assert "lately" not in one.text, (one.text, "the last answers may be of last term")
                found[one.name] += 1
            for tag in marks:
                assert tag.name not in {"improving", "declining"} or place.better == (tag.name == "improving"), context
            assert len({factor.text for factor in factors}) == len(factors), context
            adds_up(topic)
            for factor in factors:
                lowers = factor.points < 0
                assert "wrong" not in factor.text or lowers, context
                assert "better than" not in factor.text or not lowers, context
                assert "worse than" not in factor.text or lowers, context
            assert (topic.next_step is not None) == (topic.band in {"needs_help", "developing"}), context
            assert topic.next_step is None or is_true_step(topic.next_step, place), (topic.next_step, context)
            names = {tag.name for tag in marks}
            assert all(topic.band in BANDS_OF[name] for name in names), (names, context)
            assert not [pair for pair in NEVER_TOGETHER if pair <= names], (names, context)
            told = {factor.name: factor.text for factor in factors}
            assert "remembers_after_gaps" not in names or "forgetting" not in told, context
            assert "hint_dependent" not in names or not told.get("hints", "").startswith("few"), context
            fading = topic.retention
            if topic.mastery_score < fading.target:
                assert fading.falls_below_at is None, context
    return found


def share_of(topic: str, source: str) -> float:
    """Return some mean of a topic, the same each time."""
    return (zlib.crc32(f"{topic} {source}".encode()) % 98 + 1) / 100.0


def adds_up(topic: TopicDocument) -> None:
    """Points as they are printed add up to the printed score less the printed reference, in the sentence too; a low
    score begins with what lowers it; the largest is told or named.
    """
    why, score = topic.explanation, topic.mastery_score
    reference = why.reference.mastery_score
    difference = int(score * 100.0 + 1e-9) - int(reference * 100.0 + 1e-9)
    assert sum(why.points.values()) == difference
    assert why.scale == "index" or max(map(abs, why.points.values())) <= 101, "nothing is worth more than the scale"
    assert all(factor.points == why.points[factor.name] != 0 for factor in why.factors)
    silent = why.points.get("recency", 0) if why.scale == "log_odds" else 0
    biggest = max((abs(one) for name, one in why.points.items() if name != "recency" or not silent), default=0)
    assert biggest <= 1 or max(abs(factor.points) for factor in why.factors) >= biggest - 1
    if topic.band == "not_enough_evidence":
        return
    printed = [int(one.replace("−", "-")) for one in re.findall(r"(?:\(|all else: )([+−]\d+)\b", why.summary)]
    assert "log" not in why.summary
    if why.factors:
        assert sum(printed) == difference, why.summary
    directions = [factor.points > 0 for factor in why.factors]
    if directions and (score < 0.30 or (score < reference and score < 0.85)):
        assert not directions[0] or all(directions), why.summary
    if directions and score >= 0.30 and score >= reference:
        assert directions[0] or not any(directions), why.summary


@examples(40)
@given(events=histories(), seed=st.none() | st.integers(0, 2**16), wait=st.sampled_from(GAPS))
def test_whatever_is_said_of_a_student_is_true_of_their_events(events, seed, wait):
    as_of_us = max(event.at_us for event in events) + wait
    folded = fold_events(table(events), every_scorer(seed), as_of_us, history=False)
    for student in range(len(folded.batch.students)):
        said(folded, as_of_us, student)


def test_an_answer_on_two_topics_is_one_answer_in_every_sentence():
    topics = [("t0", "t1"), ("t1", "t2"), ("t0", "t2"), ("t2", "t3")]
    events = [
        Event(number=n, at_us=START + n * DAY, topics=topics[n % 4], share_ppm=1_000_000 * (n % 7 > 0), sequence=n)
        for n in range(32)
    ]
    as_of_us = events[-1].at_us
    told = said(fold_events(table(events), every_scorer(None), as_of_us, history=False), as_of_us, 0)
    assert told["other_topics"] + told["past_answers"] > 0


def test_what_was_forgotten_in_earlier_pauses_is_not_said_to_have_faded_since():
    answers = [(0, 1), (1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (8, 1)]
    events = [
        Event(number=n, at_us=START + day * DAY, share_ppm=1_000_000 * right, sequence=n)
        for n, (day, right) in enumerate(answers)
    ]
    as_of_us = events[-1].at_us + 2 * DAY
    snapshot = snapshot_of(fold_events(table(events), every_scorer(None), as_of_us, history=False), 0)
    found = student_document(snapshot, "bkt", {}, as_of_us, min_evidence=3, target=0.6, wanted=None)
    (topic,) = found.topics
    lost = 100.0 * topic.mastery_score * (1.0 / topic.retention.retained - 1.0)
    assert topic.explanation.points["forgetting"] < -4 * lost < -4, "most of it went earlier"
    assert not [one.text for one in topic.explanation.factors if one.text.startswith("faded")]


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0, 30 * DAY])
def test_whatever_is_said_of_the_sample_is_true_and_is_not_always_the_same(tmp_path, wait):
    school = Deployment.at(tmp_path)
    school.ingest(SAMPLE)
    as_of_us, told, topics = school.newest_us() + wait, Counter[str](), 0
    for bucket in range(school.lake.buckets):
        rows = school.lake.read_bucket(EVENTS, bucket, READ)
        folded = fold_events(rows, every_scorer(None), as_of_us, history=False)
        for student in range(len(folded.batch.students)):
            told += said(folded, as_of_us, student)
        topics += folded.batch.slot_topic.size
    explained = topics * len(with_scores())
    assert topics > 500
    assert told["learning"] < 0.12 * explained, "told where it shows, and named where it is much"
    assert {*SCORERS, *DERIVED} >= set(with_scores())
    for name in ("other_topics", "forgetting", "learning", "improving", "remembers_after_gaps", "not_practised"):
        assert told[name] > 0, f"{name} is never told"
