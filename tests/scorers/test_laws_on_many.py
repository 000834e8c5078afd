"""Laws 4 to 7 over many random histories at once, and exemptions from laws, each with its counterexample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from histories import DAY, Event, many, monotone, monotone_item, table
from mastery.features.batch import make_batch
from mastery.features.columns import QUIZ, event_columns
from mastery.scorers import SCORERS
from mastery.scorers.base import Model, Scorer, defaults, fold, read, start

every_scorer = pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
ROUNDING = 1e-12
TOPICS = 200


@dataclass(frozen=True)
class Exemption:
    """A law that a scorer does not keep in full.

    Attributes:
        why: In one sentence.
        counterexample: Returns by how much the law is broken; a law that is kept gives 0 or less.
        at_most: Nobody has found worse.
    """

    why: str
    counterexample: Callable[[], float]
    at_most: float


def elo_lowered_by_a_better_answer() -> float:
    """Return by how much topic t0 ends lower after its first answer is made right.

    Elo projects: every answer on a topic pulls ability + offset towards its outcome, and blocks of answers on three
    topics in turn, each long enough to make up its mind and far enough apart to be listened to, carry the
    difference around until it comes back with the other sign.
    """
    at_us, events = 1_600_000_000_000_000, []
    for topic in ("t2", "t0", "t1", "t0", "t1", "t2", "t0", "t2", "t0", "t1"):
        for _ in range(3):
            at_us += 400 * DAY
            events.append(
                Event(at_us, kind="practice", topics=(topic,), attempts=5, share_ppm=550_000, number=len(events))
            )
    scores = []
    for share in (0, 1_000_000):
        first = Event(1_600_000_000_000_000, share_ppm=share, number=99)
        batch = make_batch(event_columns(table([first, *events])))
        scorer = SCORERS["elo"]
        parameters = Model(defaults(scorer, len(batch.topics)), np.zeros((0, 1)))
        states = start(scorer, parameters, batch)
        fold(scorer, parameters, batch, states, at_us)
        slot = [batch.topics[t][1] for t in batch.slot_topic].index("t0")
        scores.append(read(scorer, parameters, batch, states, at_us).score[slot])
    return float(scores[0] - scores[1])


EXEMPT = {
    ("elo", 6): Exemption(
        "with three topics or more a difference can come back with the other sign; at the answer itself, and in "
        "every random history tried, the law holds",
        elo_lowered_by_a_better_answer,
        at_most=0.01,
    ),
}


@pytest.mark.parametrize("exemption", EXEMPT.values(), ids=lambda e: e.counterexample.__name__)
def test_an_exemption_rests_on_a_counterexample_that_still_stands(exemption):
    assert 0.0 < exemption.counterexample() <= exemption.at_most


def drawn(scorer: Scorer, rng: np.random.Generator, uses: int) -> Model:
    rows = [monotone(scorer, rng) for _ in range(TOPICS // 2)]
    return Model(
        np.vstack([defaults(scorer, TOPICS - len(rows)), *rows]),
        np.array([monotone_item(scorer, rng) for _ in range(uses)]),
    )


EXEMPT_SLACK = 1e-9
"""Random histories may break an exempted law by so much: of one of 100,000 events elo lowered 9 of 53,027 scores by up
to 1.3e-10. Only histories that are made for it break it by more."""


def check_many(scorer: Scorer, seed: int, students: int, events: int) -> None:
    slack = EXEMPT_SLACK if (scorer.name, 6) in EXEMPT else ROUNDING
    rng = np.random.default_rng(seed)
    columns = many(rng, students, events, TOPICS)
    parameters = drawn(scorer, rng, make_batch(columns).use_item.size)
    as_of = int(columns.at_us.max())

    # One answer of each student is raised: a wrong one made right, or a fraction made larger.
    room = columns.attempts * 1_000_000 - columns.success_ppm
    pick = np.where((room > 0) & (columns.kind != 5), rng.random(room.size), -1.0).reshape(students, events)
    row = pick.argmax(axis=1) + np.arange(students) * events
    row = row[pick.max(axis=1) >= 0]
    success = columns.success_ppm.copy()
    success[row] += np.where(columns.kind[row] == QUIZ, room[row], rng.integers(1, room[row] + 1))

    batch, raised = make_batch(columns), make_batch(replace(columns, success_ppm=success))
    states, states_raised = start(scorer, parameters, batch), start(scorer, parameters, batch)
    history = fold(scorer, parameters, batch, states, as_of)
    history_raised = fold(scorer, parameters, raised, states_raised, as_of)

    touched = np.zeros(batch.slot_topic.size, bool)
    touched[batch.slot[np.isin(batch.row, row)]] = True
    days = touched[batch.cell_slot]
    assert days.sum() > students
    assert np.all(history_raised[0, days] >= history[0, days] - slack), "law 6, history"
    assert np.all((history[1] >= 0) & (history[1] <= history[0]) & (history[0] <= history[2]) & (history[2] <= 1))
    sooner = np.ones(batch.slot_topic.size)
    for wait in (0, DAY, 40 * DAY, 4_000 * DAY):
        reading = read(scorer, parameters, batch, states, as_of + wait)
        better = read(scorer, parameters, raised, states_raised, as_of + wait).score
        assert np.all(better[touched] >= reading.score[touched] - slack), "law 6"
        assert np.all((reading.lower >= 0) & (reading.lower <= reading.score)), "law 4"
        assert np.all((reading.score <= reading.upper) & (reading.upper <= 1)), "law 4"
        assert np.all(reading.score <= sooner + 1e-15), "law 7"
        sooner = reading.score
        on_scale = sooner if scorer.scale == "index" else np.log(sooner / (1.0 - sooner))
        np.testing.assert_allclose(reading.contributions.sum(axis=1), on_scale, rtol=0, atol=1e-9, err_msg="law 5")


@every_scorer
def test_no_random_history_breaks_a_law(scorer):
    check_many(scorer, seed=1, students=1_000, events=40)


@every_scorer
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.slow
def test_no_random_history_of_many_thousands_breaks_a_law(scorer, seed):
    check_many(scorer, seed=1000 + seed, students=4_000, events=40)


@pytest.mark.slow
@every_scorer
def test_parts_still_add_up_after_a_hundred_thousand_events(scorer):
    check_many(scorer, seed=3, students=2, events=100_000)
