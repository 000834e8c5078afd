"""Difficulties come out as they went in, the closer the more students there are; chapters are found and used."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.features.batch import Batch
from mastery.scorers.base import defaults, fold, predict, read, start
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.elo import scorer as elo
from mastery.scorers.elo.chapters import NO_CHAPTER, estimated_chapters, numbered_chapters
from mastery.scorers.elo.fit import Setting, fit
from mastery.scorers.parameters import Parameters, no_rows
from mastery.scorers.scale import MOST

TOPICS, ITEMS = 8, 64
DIFFICULTY = np.random.default_rng(2).normal(0.0, 1.0, ITEMS)
CHAPTER = {("default", f"t{t}"): "odd" if t % 2 else "even" for t in range(TOPICS)}


def log_of(rows: list[tuple[str, str | None, str, int]]) -> Batch:
    """Return the batch of (student, item, topic, right) rows."""
    names = ("student_id", "question_id", "topic_id", "is_correct")
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    types = (pa.string(), pa.string(), pa.string(), pa.int8())
    return answer_batch(pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)}))


def school(students: int, seed: int = 0, of_chapter: float = 0.0) -> Batch:
    """Return forty answers of each student on items of eight topics; chapters differ by `of_chapter` logits."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(students):
        chapter, offset = of_chapter * rng.normal(size=2), 0.4 * rng.normal(size=TOPICS)
        ability = rng.normal()
        for item in rng.permutation(ITEMS)[:40]:
            t = item % TOPICS
            probability = 1 / (1 + math.exp(-(ability + chapter[t % 2] + offset[t] - DIFFICULTY[item])))
            rows.append((f"s{s:04d}", f"i{item:02d}", f"t{t}", int(rng.random() < probability)))
    return log_of(rows)


def difficulties(parameters: Parameters) -> np.ndarray:
    keys = [("default", f"i{i:02d}") for i in range(ITEMS)]
    found = parameters.items.take(keys, np.array([np.nan]))[:, 0]
    return found - found.mean() + DIFFICULTY.mean()


def test_law_9_errors_of_difficulties_fall_with_the_number_of_students():
    errors = [
        float(np.sqrt(np.mean((difficulties(fit(school(n), given={}).parameters) - DIFFICULTY) ** 2)))
        for n in (60, 250, 1_000)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.2


def test_chapters_by_name_are_used_where_they_help_and_noted_where_not():
    apart, alike = school(500, of_chapter=1.5), school(500)
    assert fit(apart, given={}, chapters=CHAPTER).measures["chapter_share"] > 0.0
    found = fit(alike, given={}, chapters=dict.fromkeys(CHAPTER, "one"))
    if found.measures["chapter_share"] == 0.0:
        assert any("chapters do not help" in note for note in found.notes)
        assert np.all(found.parameters.topics.values[:, elo.CHAPTER] == NO_CHAPTER)


def test_chapters_that_nobody_named_are_found_in_the_offsets():
    batch = school(600, of_chapter=1.5)
    offset = np.random.default_rng(0).normal(size=batch.slot_topic.size)
    common = np.random.default_rng(1).normal(size=(600, 2))
    even = np.array([int(batch.topics[t][1][1:]) % 2 for t in batch.slot_topic])
    offset += 2 * common[batch.slot_student, even]
    found = estimated_chapters(batch, offset, np.full(offset.size, 5.0))
    of_topic = [int(topic[1:]) % 2 for _, topic in batch.topics]
    assert len(set(found)) == 2
    assert all((found[a] == found[b]) == (of_topic[a] == of_topic[b]) for a in range(TOPICS) for b in range(TOPICS))


def test_without_anything_in_common_there_are_no_chapters():
    batch = school(300)
    offset = np.random.default_rng(0).normal(size=batch.slot_topic.size)
    found = estimated_chapters(batch, offset, np.full(offset.size, 5.0))
    assert (found == NO_CHAPTER).sum() >= TOPICS - 2
    assert np.all(numbered_chapters(batch.topics, None) == NO_CHAPTER)


def given_of_bkt(guess: float, slip: float) -> dict[str, Parameters]:
    row = defaults(bkt.SCORER, 1)[0]
    row[bkt.SCORER.column("guess")], row[bkt.SCORER.column("slip")] = guess, slip
    return {"bkt": Parameters(row, no_rows(row.size), no_rows(len(bkt.SCORER.item_parameters)))}


def test_guess_and_slip_are_those_of_bkt_and_at_most_the_usual_ones():
    found = fit(school(20), given=given_of_bkt(0.11, 0.07)).parameters
    assert np.all(found.topics.values[:, elo.GUESS] == 0.11)
    assert np.all(found.topics.values[:, elo.SLIP] == 0.07)
    found = fit(school(20), given=given_of_bkt(0.38, 0.25)).parameters
    assert np.all(found.topics.values[:, elo.GUESS] == MOST["guess"])
    assert np.all(found.topics.values[:, elo.SLIP] == MOST["slip"])


def test_whatever_bkt_has_found_scores_reach_from_probability_to_sure():
    """Between asymptotes of .38 and .75 a student could be shown no more than .79 however many answers were right."""
    given = given_of_bkt(0.38, 0.25)
    fitted = fit(school(60), given=given, chosen=(Setting(asymptotes=1.0), np.full(TOPICS, NO_CHAPTER))).parameters
    assert np.all(fitted.topics.values[:, elo.LOWER] <= MOST["guess"])
    assert np.all(fitted.topics.values[:, elo.UPPER] >= 1.0 - MOST["slip"])
    for right, least, most in ((1, 0.97, 1.0), (0, 0.0, 0.03)):
        batch = log_of([("new", None, "t0", right)] * 60)
        mine = fitted.model(batch.topics, batch.uses)
        states, now = start(elo.SCORER, mine, batch), int(batch.at_us[-1])
        fold(elo.SCORER, mine, batch, states, now)
        score = read(elo.SCORER, mine, batch, states, now).score[0]
        assert least <= score <= most


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("s0", "i0", "t0", 1)],
        [("s0", None, "t0", 0)],
        [(f"s{k}", f"i{k % 3}", "t0", 1) for k in range(300)],
        [(f"s{k}", f"i{k % 3}", "t0", 0) for k in range(300)],
        [("s0", f"i{k % 7}", f"t{k % 2}", k % 2) for k in range(300)],
        [(f"s{k % 50}", None, f"t{k % 5}", (k // 5) % 2) for k in range(3_000)],
        [(f"s{k % 50}", None if k % 3 else "i", f"t{k % 5}", (k // 5) % 2) for k in range(3_000)],
    ],
    ids=["nothing", "one answer", "no item", "all right", "all wrong", "one student", "no items", "few items"],
)
def test_whatever_comes_in_numbers_come_out(rows):
    batch = log_of(rows)
    found = fit(batch, given={})
    elo.check(found.parameters.model([*batch.topics, ("default", "never seen")], batch.uses))
    assert not np.isnan(found.parameters.items.values).any()
    assert found.notes
    mine = found.parameters.model(batch.topics, batch.uses)
    probability = predict(elo.SCORER, mine, batch, start(elo.SCORER, mine, batch))
    assert np.all((probability > 0.0) & (probability < 1.0))


def test_the_same_answers_give_the_same_parameters():
    assert fit(school(60), given={}).parameters.digest() == fit(school(60), given={}).parameters.digest()
