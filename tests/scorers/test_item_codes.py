"""Items that are asked on several topics: numbers by item and topic, drawn towards the item's own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mastery as ms
from histories import START, Event, table
from mastery.features.batch import make_batch, use_key, uses_of
from mastery.features.columns import event_columns
from mastery.scorers.item_codes import has_items, item_codes, rows_of_items, shrunk_to_items, topic_of_codes

FITTED = ("bkt", "elo", "irt", "linear_rnn", "ml")


def asked_on_two_topics():
    """Return the batch of one student: q on a twice and on b once, r on b, and an answer on b without an item."""
    asked = [("q", "a"), ("q", "b"), ("r", "b"), ("q", "a"), (None, "b")]
    return make_batch(
        event_columns(
            table([Event(START + k, topics=(topic,), item=item, number=k) for k, (item, topic) in enumerate(asked)])
        )
    )


def test_an_item_on_two_topics_has_two_uses_and_one_identity():
    batch = asked_on_two_topics()
    assert [name for _, name in batch.items] == ["q", "r"]
    assert batch.item.tolist() == [0, 0, 1, 0, -1]
    assert batch.use.tolist() == [0, 2, 1, 0, -1]
    assert [(batch.items[i][1], batch.topics[t][1]) for i, t in zip(batch.use_item, batch.use_topic, strict=True)] == [
        ("q", "a"), ("r", "b"), ("q", "b")
    ]  # fmt: skip
    assert item_codes(batch).tolist() == [0, 2, 1, 0, 4]
    assert topic_of_codes(batch).tolist() == [0, 1, 1, 0, 1]
    assert has_items(batch).tolist() == [True, True]


def test_the_rows_of_an_item_are_its_own_and_those_of_its_topics():
    batch = asked_on_two_topics()
    rows = rows_of_items(batch, np.array([2.0, 1.0, 1.0]), np.array([[1.0], [5.0], [4.0]]))
    q, r = batch.items
    assert dict(zip(rows.keys, rows.values[:, 0].tolist(), strict=True)) == {
        q: 2.0, r: 5.0, use_key(q, "a"): 1.0, use_key(q, "b"): 4.0
    }  # fmt: skip
    unknown = np.array([np.nan])
    assert rows.take([use_key(q, "b"), use_key(q, "never asked there"), use_key(r, "a")], unknown)[:, 0].tolist() == [
        4.0, 2.0, 5.0
    ]  # fmt: skip


def test_few_answers_on_a_topic_lean_on_what_the_item_is_elsewhere():
    # 30 answers at 1 and 10 at 5: the item is at 2, and counts as ten answers on each topic.
    found = shrunk_to_items(np.array([0, 0, 1], np.int32), np.array([30.0, 10.0, 4.0]), np.array([[1.0], [5.0], [7.0]]))
    assert found[:, 0].tolist() == pytest.approx([0.75 * 1.0 + 0.25 * 2.0, 0.5 * 5.0 + 0.5 * 2.0, 7.0])


def test_items_without_answers_disturb_nothing_and_means_stay_within_their_rows():
    use_item, nan = np.array([0, 1, 0, 0, 1], np.int32), np.nan
    values = np.array([[0.1], [nan], [0.1], [0.1], [nan]])
    found = shrunk_to_items(use_item, np.array([3.0, 0.0, 7.0, 0.0, 0.0]), values)
    assert found[[0, 2, 3], 0].tolist() == [0.1, 0.1, 0.1] and np.isnan(found[[1, 4]]).all()


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2)), max_size=30), st.randoms())
def test_uses_depend_on_which_pairs_there_are_and_not_on_the_order_of_rows(pairs, random):
    item, topic = np.array(pairs, np.int32).reshape(-1, 2).T
    use, use_item, use_topic = uses_of(item, topic, 4)
    there = item >= 0
    assert np.array_equal(use_item[use[there]], item[there]) and np.array_equal(use_topic[use[there]], topic[there])
    assert np.all(use[~there] == -1)
    order = list(range(item.size))
    random.shuffle(order)
    again = uses_of(item[order], topic[order], 4)
    assert np.array_equal(again[0], use[order])
    assert np.array_equal(again[1], use_item) and np.array_equal(again[2], use_topic)


@pytest.fixture(scope="module")
def reused() -> pa.Table:
    """Ten hard items (a fourth is right) on their own topic and, more often, in a review with ten easy ones."""
    draw, rows = np.random.default_rng(3), []
    for student in range(80):
        ability = draw.normal(0.0, 1.2)
        for k in range(30):
            hard = draw.random() < 0.6
            topic = "hard" if hard and draw.random() < 0.4 else "review"
            rows.append(
                {
                    "student_id": f"p{student}",
                    "question_id": f"{'h' if hard else 'e'}{draw.integers(10)}",
                    "topic_id": topic,
                    "is_correct": bool(draw.random() < 1.0 / (1.0 + np.exp((1.9 if hard else -2.4) - ability))),
                    "timestamp": f"2026-01-{1 + k // 3:02d}T10:{k % 3:02d}:01Z",
                }
            )
    return pa.Table.from_pylist(rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", FITTED)
def test_a_topic_whose_items_are_asked_elsewhere_more_often_is_read_at_its_own_items(reused, name):
    answers = ms.read_answers(reused)
    scores = ms.estimator(name, n_jobs=1).fit(answers).scores(answers)
    topics = np.array(scores["topic_id"].to_pylist())
    mean = {topic: float(scores["mastery_score"].to_numpy()[topics == topic].mean()) for topic in set(topics)}
    assert mean["hard"] < 0.4 and mean["hard"] < mean["review"] - 0.05


@pytest.mark.slow
def test_what_was_learnt_of_an_item_on_a_topic_is_named_after_both(reused):
    model = ms.Elo(n_jobs=1).fit(reused)
    ids = set(model.params_.filter(model.params_["level"].to_numpy(zero_copy_only=False) == "item")["id"].to_pylist())
    assert {"h0", "h0 on hard", "h0 on review", "e0"} <= ids and "e0 on review" not in ids
    state = model.state(student="new")
    on = {topic: model.p_correct(state, topic=topic, item="h0") for topic in ("hard", "review")}
    assert on["hard"] != on["review"]
