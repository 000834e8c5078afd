"""Item curves come out as they went in, the closer the more students there are; and whatever comes in, numbers do."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.features.batch import Batch
from mastery.scorers.base import defaults, predict, start
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.irt import scorer as irt
from mastery.scorers.irt.em import Answers
from mastery.scorers.irt.fit import fit, log_loss
from mastery.scorers.irt.mml import Curves, fit_curves
from mastery.scorers.parameters import Parameters, no_rows
from mastery.scorers.scale import MOST

ITEMS, ANSWERED = 40, 20
SLOPE = np.exp(np.random.default_rng(1).normal(0.0, 0.3, ITEMS))
DIFFICULTY = np.random.default_rng(2).normal(0.0, 1.0, ITEMS)


def simulated(students: int, seed: int = 0, guess: float = 0.0) -> Answers:
    """Draw 2PL answers of N(0, 1) students to twenty random items each."""
    rng = np.random.default_rng(seed)
    item = np.argsort(rng.random((students, ITEMS)), axis=1)[:, :ANSWERED].astype(np.int32).reshape(-1)
    ability = np.repeat(rng.normal(size=students), ANSWERED)
    probability = guess + (1 - guess) / (1 + np.exp(-SLOPE[item] * (ability - DIFFICULTY[item])))
    y = (rng.random(item.size) < probability).astype(float)
    ptr = np.arange(0, item.size + 1, ANSWERED)
    return Answers(ptr, item, y, np.ones(y.size), np.zeros(ITEMS, np.int32), np.full(ITEMS, guess), np.zeros(ITEMS))


def error(curves: Curves) -> tuple[float, float]:
    """Return the root mean squared errors of a and b."""
    return (
        float(np.sqrt(np.mean((curves.slope - SLOPE) ** 2))),
        float(np.sqrt(np.mean((curves.difficulty - DIFFICULTY) ** 2))),
    )


@pytest.mark.slow
def test_law_9_errors_fall_with_the_number_of_students():
    of_slope, of_difficulty = zip(
        *(error(fit_curves(simulated(n), groups=1)) for n in (300, 1_500, 7_500)), strict=True
    )
    assert of_slope[0] > of_slope[1] > of_slope[2]
    assert of_difficulty[0] > of_difficulty[1] > of_difficulty[2]
    assert of_slope[2] < 0.1
    assert of_difficulty[2] < 0.1


def test_law_9_holds_with_guessing_too():
    answers = simulated(7_500, guess=0.2)
    of_slope, of_difficulty = error(fit_curves(answers, groups=1))
    assert of_slope < 0.15
    assert of_difficulty < 0.15


def test_standard_errors_say_how_far_off_the_parameters_are():
    curves = [fit_curves(simulated(2_000, seed), groups=1) for seed in range(5)]
    off_b = np.concatenate([(c.difficulty - DIFFICULTY) / c.se_difficulty for c in curves])
    off_a = np.concatenate([(c.slope - SLOPE) / c.se_slope for c in curves])
    assert 0.8 < np.sqrt(np.mean(off_b**2)) < 1.2
    assert 0.8 < np.sqrt(np.mean(off_a**2)) < 1.2


def test_threads_change_no_bit():
    answers = simulated(500)
    one, two = (fit_curves(answers, groups=1, threads=threads) for threads in (1, 2))
    assert one.slope.tobytes() == two.slope.tobytes()
    assert one.intercept.tobytes() == two.intercept.tobytes()


def test_one_slope_for_all_items_in_the_one_parameter_form():
    curves = fit_curves(simulated(1_000), groups=1, free_slopes=False)
    assert np.ptp(curves.slope) == 0.0
    assert curves.log_likelihood < fit_curves(simulated(1_000), groups=1).log_likelihood
    assert curves.slope[0] == pytest.approx(np.exp(np.log(SLOPE).mean()), abs=0.15)


def test_half_answers_tell_half():
    """Each answer twice at half the weight is the same as once."""
    whole = simulated(400)
    twice = Answers(whole.student_ptr * 2, np.repeat(whole.item, 2), np.repeat(whole.y, 2),
                    np.full(2 * whole.y.size, 0.5), whole.group, whole.guess, whole.slip)  # fmt: skip
    np.testing.assert_allclose(fit_curves(twice, groups=1).intercept, fit_curves(whole, groups=1).intercept, atol=1e-6)


def log_of(rows: list[tuple[str, str | None, str, int]]) -> Batch:
    """Return the batch of (student, item, topic, right) rows."""
    names = ("student_id", "question_id", "topic_id", "is_correct")
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    types = (pa.string(), pa.string(), pa.string(), pa.int8())
    return answer_batch(pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)}))


def school(students: int, seed: int = 0) -> Batch:
    """Return answers of students on four topics of ten items, with topics that differ within a student."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(students):
        level = rng.normal() + 0.8 * rng.normal(size=4)
        for item in rng.permutation(ITEMS)[:24]:
            probability = 1 / (1 + math.exp(-SLOPE[item] * (level[item % 4] - DIFFICULTY[item])))
            rows.append((f"s{s:04d}", f"i{item:02d}", f"t{item % 4}", int(rng.random() < probability)))
    return log_of(rows)


def test_a_fit_finds_difficulties_and_predicts_better_than_the_defaults():
    batch, other = school(800), school(200, seed=9)
    found = fit(batch, given={})
    of_items = found.parameters.items.take([("default", f"i{i:02d}") for i in range(ITEMS)], np.full(2, np.nan))
    assert np.corrcoef(of_items[:, 1], DIFFICULTY)[0, 1] > 0.97
    plain = Parameters(defaults(irt.SCORER, 1)[0], no_rows(len(irt.PARAMETERS)), no_rows(2))
    losses = [log_loss(other, p.model(other.topics, other.uses)) for p in (found.parameters, plain)]
    assert losses[0] < losses[1] - 0.02
    assert found.measures["form"] == "2PL"
    assert found.parameters.shared["se_difficulty"].size == ITEMS
    irt.check(found.parameters.model(batch.topics, batch.uses))


def test_guess_and_slip_are_those_of_bkt():
    row = defaults(bkt.SCORER, 1)[0]
    row[bkt.SCORER.column("guess")], row[bkt.SCORER.column("slip")] = 0.31, 0.07  # the scale takes .20 and .10 at most
    given = {"bkt": Parameters(row, no_rows(row.size), no_rows(len(bkt.SCORER.item_parameters)))}
    found = fit(school(20), given=given).parameters
    assert np.all(found.topics.values[:, irt.GUESS] == MOST["guess"])
    assert np.all(found.topics.values[:, irt.SLIP] == 0.07)


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
    model = found.parameters.model([*batch.topics, ("default", "never seen")], batch.uses)
    irt.check(model)
    assert not np.isnan(found.parameters.items.values).any()
    assert found.notes or len(rows) == 3_000
    mine = found.parameters.model(batch.topics, batch.uses)
    probability = predict(irt.SCORER, mine, batch, start(irt.SCORER, mine, batch))
    assert np.all((probability > 0.0) & (probability < 1.0))


def test_what_a_fit_finds_at_a_bound_passes_the_check_for_topics_never_seen_too():
    rng = np.random.default_rng(3)
    ability = 1.5 * rng.normal(size=300)
    batch = log_of(
        [
            (f"s{s:03d}", f"i{item:02d}", f"t{item % 12:02d}", int(rng.random() < 1 / (1 + math.exp(-1.5 * level))))
            for s, level in enumerate(ability)
            for item in rng.permutation(48)[:24]
        ]
    )
    found = fit(batch, given={}).parameters
    assert np.all(found.topics.values[:, irt.SPREAD] == 0.3)  # a student's topics are alike; 0.3 is its least value
    assert found.topics.values[:, irt.SPREAD].mean() < 0.3  # the sum of twelve is rounded
    irt.check(found.model([("default", "never seen")], ()))


def test_the_same_answers_give_the_same_parameters():
    assert fit(school(60), given={}).parameters.digest() == fit(school(60), given={}, threads=2).parameters.digest()
