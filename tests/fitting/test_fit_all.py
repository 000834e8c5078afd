from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from histories import DAY, START, Event, table
from mastery.errors import BadInput
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.features.next_answers import next_answers
from mastery.features.subset import rows_of_students, take_students
from mastery.fitting.cross_fitting import cross_fit, deal, labelled, own_names
from mastery.fitting.fit_all import FittedAll, fit_all
from mastery.scorers import SCORERS, SPECS, needs, of_stage
from mastery.scorers.base import defaults
from mastery.scorers.blend.scorer import mixture
from mastery.scorers.elo.fit import fit as fit_elo
from mastery.scorers.fits import Fit, held_out
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.scorers.predictions import predict_all
from mastery.scorers.spec import Stage

pytestmark = pytest.mark.slow

RULES = defaults(SCORERS["rule_based"], 1)[0]
LEARNING = tuple(of_stage(Stage.ANSWERS, Stage.PROBABILITIES))
BLENDS = tuple(of_stage(Stage.BLEND))


def answers(students: int, each: int, seed: int, name: str = "s") -> Batch:
    """Answers of students of unlike ability to twelve items on three topics, which they get better at."""
    rng = np.random.default_rng(seed)
    n = students * each
    student = np.repeat(np.arange(students), each)
    item = rng.integers(0, 12, n)
    logit = rng.normal(0.0, 1.2, students)[student] + np.tile(np.arange(each) / each, students) - item % 4 + 1.5
    return answer_batch(
        pa.table(
            {
                "student_id": [f"{name}{s:03d}" for s in student],
                "question_id": [f"q{i:02d}" for i in item],
                "topic_id": [f"t{i // 4}" for i in item],
                "is_correct": (rng.random(n) < 1.0 / (1.0 + np.exp(-logit))).astype(np.int8),
            }
        )
    )


@pytest.fixture(scope="module")
def batch() -> Batch:
    return answers(60, 25, seed=1)


@pytest.fixture(scope="module")
def fitted(batch) -> FittedAll:
    return fit_all(batch, rules=RULES, seed=4)


def test_everything_is_fitted_measured_and_can_be_asked_about_new_students(fitted):
    new = answers(10, 20, seed=2, name="n")
    said = fitted.predict(new)
    assert set(said) == set(SPECS)
    assert set(fitted.scorers) == set(SPECS)
    for name, probabilities in said.items():
        assert np.all((probabilities > 0.0) & (probabilities < 1.0)), name
        assert 0.5 < fitted.worth()[name]["auc"] < 0.9, name
    assert set(fitted.held_out.probabilities) == set(SPECS)
    assert fitted.held_out.y.size == 60 * 25


def test_the_next_answer_is_predicted_as_it_is_once_it_has_been_given(fitted):
    def event(number: int, item: str, **more: object) -> Event:
        topic = f"t{int(item[1:]) // 4}"
        return Event(START + number * DAY, tenant="default", topics=(topic,), item=item, number=number, **more)

    past = [event(k, f"q{(5 * k) % 12:02d}", share_ppm=1_000_000 * (k % 3 > 0)) for k in range(30)]
    items = ["q04", "q05", "q07"]
    batch, rows = next_answers(event_columns(table(past)), "t1", items, START + 30 * DAY)
    said = predict_all(fitted.scorers, batch)
    for k, item in enumerate(items):
        given = make_batch(event_columns(table([*past, event(30, item)])))
        for name, probabilities in predict_all(fitted.scorers, given).items():
            assert said[name][rows[k]] == probabilities[-1], name
    assert len(set(said["blend_unconstrained"][rows])) == 3


def test_a_blend_is_no_worse_than_its_best_member_by_much(fitted):
    loss = {name: measured["logloss"] for name, measured in fitted.worth().items()}
    for blend in BLENDS:
        assert loss[blend] <= min(loss[name] for name in needs(blend)) + 0.005


def test_the_monotone_blend_listens_to_monotone_members_only(fitted):
    members = set(mixture(fitted.scorers["blend"].shared).members)
    assert members <= set(needs("blend"))
    assert all(SPECS[name].monotone for name in members)
    assert set(needs("blend_unconstrained")) > set(needs("blend"))


def test_nothing_that_is_said_of_a_row_has_seen_its_answer_or_a_later_one(fitted):
    new = answers(4, 20, seed=3, name="n")
    turn = 12
    late = np.tile(np.arange(20) >= turn, 4)
    y = np.where(late, 1.0 - new.y, new.y)
    turned = replace(
        new, y=y, success_ppm=(y * 1_000_000).astype(np.int64),
        by_slot=new.by_slot._replace(y=y[np.argsort(new.slot, kind="stable")]),
    )  # fmt: skip
    before, after = fitted.predict(new), fitted.predict(turned)
    seen = np.tile(np.arange(20) <= turn, 4)
    for name in before:
        np.testing.assert_array_equal(before[name][seen], after[name][seen], err_msg=name)
        assert not np.array_equal(before[name], after[name]), name


def test_the_same_answers_and_seed_give_the_same_bits_with_one_thread_or_two(batch, fitted):
    again = fit_all(batch, rules=RULES, seed=4, threads=2)
    assert {name: p.digest() for name, p in again.scorers.items()} == {
        name: p.digest() for name, p in fitted.scorers.items()
    }


def test_a_part_of_the_students_is_predicted_by_fits_that_have_not_seen_its_answers(batch):
    def mean(batch: Batch, *, given, seed, threads) -> Fit:
        """Elo whose topics are as difficult as they are wrong: a fit that shows whom it has seen."""
        scorer = SCORERS["elo"]
        rows = defaults(scorer, len(batch.topics))
        topic = batch.slot_topic[batch.slot]
        rows[:, scorer.column("difficulty")] = -np.bincount(topic, batch.y, len(batch.topics)) / 100.0
        return Fit(Parameters(rows[0], KeyedRows(tuple(batch.topics), rows), no_rows(1)))

    def first_answers(some: Batch) -> np.ndarray:
        _, said = cross_fit(some, part, {"elo": mean}, SCORERS, {}, seed=0, threads=1, told=lambda _: None)
        return said["elo"][some.student_ptr[:-1]]

    part = deal(batch.students, 5, seed=0)
    mine = rows_of_students(batch, part == 2)
    y = np.where(mine, 0.0, batch.y)
    wrong = replace(batch, y=y, by_slot=batch.by_slot._replace(y=y[np.argsort(batch.slot, kind="stable")]))
    as_it_was, as_it_is = first_answers(batch), first_answers(wrong)
    assert np.array_equal(as_it_was[part == 2], as_it_is[part == 2])
    assert np.all(as_it_was[part != 2] > as_it_is[part != 2])


def test_students_are_dealt_into_parts_of_the_same_size_whoever_was_left_out_before():
    students = [f"s{i}" for i in range(1_000)]
    kept = [name for name, out in zip(students, held_out(students, 5), strict=True) if not out]
    sizes = np.bincount(deal(kept, 5, seed=0))
    assert sizes.max() - sizes.min() <= 1
    assert not np.array_equal(deal(kept, 5, seed=0), deal(kept, 5, seed=1))


def test_a_fit_finds_students_to_choose_with_although_a_split_has_left_some_out():
    students = [f"s{i}" for i in range(1_000)]
    kept = [name for name, out in zip(students, held_out(students, 5), strict=True) if not out]
    assert not held_out(kept, 5).any()
    batch = answers(2, 2, seed=0)
    batch = own_names(replace(batch, students=kept), seed=0)
    assert 60 < held_out(batch.students, 10).sum() < 100


def test_what_is_not_fitted_keeps_what_the_base_holds(batch, fitted):
    base = ModelSet("before", fitted.scorers)
    found = fit_all(batch, rules=RULES, seed=5, scorers=["blend"], base=base)
    assert set(found.measures) == {"blend"}
    for name in LEARNING:
        assert found.scorers[name].digest() == fitted.scorers[name].digest()


def test_what_nothing_is_held_out_for_has_the_same_parameters(batch):
    names = ["bkt", "elo", "rule_based"]
    held, not_held = (fit_all(batch, rules=RULES, scorers=names, held_out=which) for which in (True, False))
    assert {name: p.digest() for name, p in held.scorers.items()} == {
        name: p.digest() for name, p in not_held.scorers.items()
    }
    assert held.held_out.y.size == 60 * 25 and not_held.held_out.y.size == 0
    assert not any("one student" in note for notes in not_held.notes.values() for note in notes)


def test_a_blend_has_students_left_out_whoever_asks(batch):
    found = fit_all(batch, rules=RULES, scorers=["bkt", "elo", "blend"], held_out=False)
    assert found.held_out.y.size == 60 * 25


def test_elo_is_told_the_chapters(batch):
    chapters = dict.fromkeys(batch.topics, "one")
    found = fit_all(batch, rules=RULES, scorers=["bkt", "elo"], held_out=False, chapters=chapters)
    alone = fit_elo(own_names(batch, 0), given={"bkt": found.scorers["bkt"]}, chapters=chapters)
    column = SCORERS["elo"].column("chapter")
    np.testing.assert_array_equal(
        found.scorers["elo"].topics.values[:, column], alone.parameters.topics.values[:, column]
    )
    assert found.measures["elo"]["chapter_share"] == alone.measures["chapter_share"]
    assert not any("were estimated" in note for note in found.notes["elo"])


def test_progress_is_told_to_its_end(batch):
    told: list[tuple[str, int, int]] = []
    fit_all(batch, rules=RULES, scorers=["elo", "blend"], progress=lambda *step: told.append(step))
    steps = told[-1][2]
    assert [(done, of) for _, done, of in told] == [(k, steps) for k in range(1, steps + 1)]


def sound(found: FittedAll, batch: Batch) -> None:
    for name, parameters in found.scorers.items():
        for values in (parameters.default, parameters.topics.values):
            assert np.all(np.isfinite(values)), name
    for name, probabilities in found.predict(batch).items():
        said = probabilities[labelled(batch)]
        assert np.all((said >= 0.0) & (said <= 1.0)), name
        # rule_based may stay an index, and nobody is kept from an index of 0
        assert name == "rule_based" or np.all((said > 0.0) & (said < 1.0)), name


@pytest.mark.parametrize(
    "make",
    [
        lambda: answers(1, 1, seed=0),
        lambda: answers(1, 30, seed=0),
        lambda: answers(2, 3, seed=0),
        lambda: answers(7, 5, seed=0),
    ],
    ids=["one answer", "one student", "two students", "seven students"],
)
def test_few_students_give_numbers_all_the_same(make):
    batch = make()
    sound(fit_all(batch, rules=RULES), batch)


@pytest.mark.parametrize("outcome", [0, 1])
def test_answers_that_are_all_alike_give_numbers_all_the_same(outcome):
    table = pa.table({"student_id": [f"s{i // 5}" for i in range(100)], "is_correct": [outcome] * 100})
    batch = answer_batch(table)
    found = fit_all(batch, rules=RULES)
    sound(found, batch)
    assert any("outcome" in note for note in found.notes["blend"])


def test_one_student_alone_is_said_so(batch):
    alone = take_students(batch, np.arange(60) == 0)
    found = fit_all(alone, rules=RULES)
    assert "one student" in found.notes["blend"][-1]


def test_bad_calls_say_what_to_do(batch):
    with pytest.raises(BadInput, match=r"'elos'.*did you mean 'elo'"):
        fit_all(batch, rules=RULES, scorers=["elos"])
    with pytest.raises(BadInput, match="blend has nothing to weigh"):
        fit_all(batch, rules=RULES, scorers=["blend"])
    with pytest.raises(BadInput, match="no quiz answers"):
        fit_all(take_students(batch, np.zeros(60, bool)), rules=RULES)
