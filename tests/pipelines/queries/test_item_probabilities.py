"""The probability of a right answer to each item of a topic, over the sample school."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from mastery.errors import BadInput, NotFound
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.scorers.predictions import predict_all
from mastery.tables import EVENTS, ITEMS
from school import KEY, SAMPLE, Deployment

STUDENT = KEY.student("default", "S000014")


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    deployment = Deployment.at(tmp_path_factory.mktemp("school"))
    deployment.ingest(SAMPLE)
    return deployment


def asked(school, topic="frac-equiv", items=None, student=STUDENT, **changed):
    given = {"tenant": "default", "as_of_us": school.newest_us()} | changed
    return school.reader.item_probabilities(student, topic, items=items, **given)


def test_every_item_of_the_topic_has_a_probability_and_the_likeliest_comes_first(school):
    found = asked(school)
    rows = school.lake.scan(ITEMS)
    of_topic = rows.filter(pc.equal(rows["topic_id"], "frac-equiv"))
    assert {one.item_id for one in found.items} == set(of_topic["item_id"].to_pylist())
    probabilities = [one.p_correct for one in found.items]
    assert probabilities == sorted(probabilities, reverse=True) and probabilities[0] > probabilities[-1]
    assert (found.source, found.topic_id, found.title) == ("blend", "frac-equiv", "Equivalent fractions")
    difficulty = dict(zip(of_topic["item_id"].to_pylist(), of_topic["difficulty"].to_pylist(), strict=True))
    in_order = [difficulty[one.item_id] for one in found.items]
    assert in_order == sorted(in_order), "to the blend the harder item is the less likely one"


def test_it_is_what_is_predicted_of_an_answer_that_was_then_given(school):
    events = school.lake.read_student(EVENTS, STUDENT)
    answers = events.filter(pc.and_(pc.equal(events["kind"], "quiz"), pc.is_valid(events["item_id"])))
    last = answers.sort_by("occurred_at").slice(answers.num_rows - 1).to_pylist()[0]
    at_us = int(last["occurred_at"].timestamp() * 1e6)
    batch = make_batch(event_columns(events, at_us))
    row = int(np.flatnonzero((batch.at_us == at_us) & (batch.kind == 0))[-1])
    said = predict_all(school.reader.metadata().model_set.scorers, batch)["blend"][row]
    found = asked(school, last["topic_id"], [last["item_id"]], as_of_us=at_us - 1)
    assert found.items[0].p_correct == pytest.approx(said, abs=1e-6)  # a millionth of a second earlier
    earlier = answers.filter(pc.less(answers["occurred_at"], last["occurred_at"]))["item_id"].to_pylist()
    assert found.items[0].answered == earlier.count(last["item_id"])


def test_many_items_at_once_are_those_one_by_one(school):
    whole = {one.item_id: one.p_correct for one in asked(school).items}
    for item in list(whole)[:3]:
        assert asked(school, items=[item, item]).items[0].p_correct == whole[item]
    assert len(asked(school, items=list(whole)[:2] * 2).items) == 2


def test_a_long_past_is_predicted_in_turns(school, monkeypatch):
    whole = asked(school).items
    monkeypatch.setattr("mastery.pipelines.queries.item_probabilities.ROWS_AT_ONCE", 1)
    assert asked(school).items == whole


def test_a_topic_that_the_student_has_not_met_is_predicted_too(school):
    met = set(school.lake.read_student(EVENTS, STUDENT)["topic_id"].to_pylist())
    unmet = sorted(set(school.lake.scan(ITEMS)["topic_id"].to_pylist()) - met)
    assert unmet
    assert all(0.0 < one.p_correct < 1.0 and one.answered == 0 for one in asked(school, unmet[0]).items)


def test_without_known_items_the_students_own_are_there_and_one_stands_for_all(tmp_path):
    deployment, file = Deployment.at(tmp_path / "home"), tmp_path / "answers.csv"
    file.write_text(
        "student_id,question_id,topic_id,is_correct,timestamp\n"
        "S1,,T1,1,2026-01-05T10:00:00Z\nS1,Q2,T2,1,2026-01-05T11:00:00Z\nS1,Q3,T2,0,2026-01-05T12:00:00Z\n"
    )
    deployment.ingest(file)
    found = asked(deployment, "T1", student=KEY.student("default", "S1"))
    assert [(one.item_id, one.answered) for one in found.items] == [(None, 0)]
    assert 0.5 < found.items[0].p_correct < 1.0
    own = asked(deployment, "T2", student=KEY.student("default", "S1"))
    assert {one.item_id: one.answered for one in own.items} == {"Q2": 1, "Q3": 1, None: 0}


def test_an_answer_on_two_topics_is_one_answer_to_its_item(tmp_path):
    deployment, file = Deployment.at(tmp_path / "home"), tmp_path / "answers.csv"
    rows = [f"S1,Q1,{topic},1,2026-01-0{day}T10:00:00Z" for day in (5, 6) for topic in ("T1", "T2")]
    file.write_text("\n".join(["student_id,question_id,topic_id,is_correct,timestamp", *rows]) + "\n")
    deployment.ingest(file)
    for topic in ("T1", "T2"):
        own = asked(deployment, topic, student=KEY.student("default", "S1"))
        assert {one.item_id: one.answered for one in own.items} == {"Q1": 2, None: 0}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"topic": "frac-equvi"},
            NotFound,
            "no topic 'frac-equvi' in tenant 'default' .did you mean 'frac-equiv'.*such",
        ),
        ({"items": ["nothing like it"]}, NotFound, "no item 'nothing like it' in tenant 'default'"),
        ({"student": KEY.student("default", "nobody")}, NotFound, "no event of student 's_"),
        ({"tenant": "other"}, NotFound, "of tenant 'other'"),
        ({"as_of_us": 0}, NotFound, "no event of student"),
    ],
)
def test_what_nobody_has_heard_of_is_said(school, options, error, message):
    with pytest.raises(error, match=message):
        asked(school, **options)


def test_an_item_of_another_topic_is_refused_with_where_it_belongs(school):
    item = asked(school, "frac-compare").items[0].item_id
    with pytest.raises(BadInput, match=f"item '{item}' is of topic 'frac-compare', not of 'frac-equiv'"):
        asked(school, items=[item])
