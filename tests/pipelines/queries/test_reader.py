"""One student's answers: from the record, from the lake, now and in the past, always the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from mastery.errors import BadInput, NotFound
from mastery.features.columns import READ
from mastery.instants import DAY_US, microseconds
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.queries.reader import Reader
from mastery.pipelines.scoring.class_weakest import KEPT
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.records import is_current, record_of, snapshot_from
from mastery.pipelines.scoring.snapshot import snapshot_of
from mastery.scorers import unfitted
from mastery.tables import EVENTS, GOLD
from school import KEY, NOW_US, SAMPLE, Deployment, student

QUIZ = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    deployment = Deployment.at(tmp_path_factory.mktemp("school"))
    deployment.ingest(SAMPLE)
    deployment.recompute(active_days=10)
    return deployment


def answer(folder: Path, name: str, who: str, right: int, at: str) -> Path:
    file = folder / f"{name}.csv"
    file.write_text(QUIZ + f"{who},Q-{name},frac-add,{right},10,1,{at}\n")
    return file


def test_a_record_gives_the_answer_that_a_fold_gives(school):
    as_of_us = school.newest_us() + 3 * DAY_US
    model_set = school.reader.metadata().model_set
    for number in range(1, 31):
        who = student(number)
        events = school.lake.read_student(EVENTS, who, [*READ, "body_hash"])
        folded = fold_events(events, model_set, as_of_us, history=False)
        alone, stored = snapshot_of(folded), snapshot_from(record_of(events, folded), model_set)
        assert list(alone.topics) == list(stored.topics)
        for name in unfitted():
            one, other = alone.scores(as_of_us)[name], stored.scores(as_of_us)[name]
            np.testing.assert_array_equal(one.score, other.score)
            np.testing.assert_array_equal(one.contributions, other.contributions)
        np.testing.assert_array_equal(alone.windows(as_of_us).rates, stored.windows(as_of_us).rates)


def test_active_students_have_a_record_at_once_and_the_others_when_first_touched(school):
    model = school.reader.metadata().model_set.version
    stored = {who for who in map(student, range(1, 31)) if school.state.get(who, model) is not None}
    assert 0 < len(stored) < 30
    idle = next(who for who in map(student, range(1, 31)) if who not in stored)
    school.reader.student(idle, tenant="default", as_of_us=NOW_US)
    assert school.state.get(idle, model) is not None


def test_a_student_document_agrees_with_gold(school):
    gold = {
        (row["student_id"], row["topic_id"], row["score_source"]): row for row in school.lake.scan(GOLD).to_pylist()
    }
    who = student(3)
    document = school.reader.student(who, tenant="default", as_of_us=school.newest_us(), source="bkt")
    assert document.topics == sorted(document.topics, key=lambda one: (one.mastery_score, one.topic_id))
    assert len(document.topics) == len({key[1] for key in gold if key[0] == who})
    for topic in document.topics:
        for source, score in topic.scores.items():
            row = gold[who, topic.topic_id, source]
            assert (score.mastery_score, score.lower, score.upper) == (row["mastery_score"], row["lower"], row["upper"])
            assert score.band == row["band"]
        assert topic.mastery_score == topic.scores["bkt"].mastery_score
        assert len(topic.explanation.factors) <= 5  # three, or where much would be left out five


def test_an_event_ingested_after_the_recompute_shows_at_once(tmp_path):
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE)
    deployment.recompute()
    who = student(3)

    def score() -> float:
        (topic,) = deployment.reader.student(who, tenant="default", as_of_us=NOW_US, topics=["frac-add"]).topics
        return topic.mastery_score

    before = score()
    deployment.ingest(answer(tmp_path, "late", "S000003", 1, "2026-04-01T10:00:00Z"))
    after_right = score()
    assert after_right > before
    deployment.ingest(answer(tmp_path, "later", "S000003", 0, "2026-04-02T10:00:00Z"))
    assert score() < after_right


def test_a_moment_before_the_last_event_is_folded_from_the_lake(school):
    who, then = student(3), school.newest_us() - 40 * DAY_US
    document = school.reader.student(who, tenant="default", as_of_us=then)
    now = school.reader.student(who, tenant="default", as_of_us=school.newest_us())
    assert len(document.topics) <= len(now.topics)
    assert sum(t.evidence_count for t in document.topics) < sum(t.evidence_count for t in now.topics)
    assert all(t.last_activity_at is None or t.last_activity_at <= document.as_of for t in document.topics)


def test_waiting_never_raises_a_score_and_is_a_named_part(school):
    who = student(3)
    now = school.reader.student(who, tenant="default", as_of_us=school.newest_us())
    later = school.reader.student(who, tenant="default", as_of_us=school.newest_us() + 60 * DAY_US)
    scores = {topic.topic_id: topic for topic in now.topics}
    for topic in later.topics:
        assert topic.mastery_score <= scores[topic.topic_id].mastery_score
    assert any(topic.explanation.contributions["forgetting"] < -0.01 for topic in later.topics)


def test_old_news_is_said(school):
    document = school.reader.student(student(3), tenant="default", as_of_us=school.newest_us() + 200 * DAY_US)
    assert any("Read as of `20" in note for note in document.notes)


def test_strangers_topics_tenants_and_scorers_that_are_not_there_are_named(school):
    who, now = student(3), school.newest_us()
    with pytest.raises(NotFound, match="no event of student"):
        school.reader.student(KEY.student("default", "nobody"), tenant="default", as_of_us=now)
    with pytest.raises(NotFound, match="did you mean 'frac-add'"):
        school.reader.student(who, tenant="default", as_of_us=now, topics=["frac-ad"])
    with pytest.raises(NotFound, match="no event of student"):
        school.reader.student(who, tenant="elsewhere", as_of_us=now)
    with pytest.raises(BadInput, match="did you mean 'bkt'"):
        school.reader.student(who, tenant="default", as_of_us=now, source="btk")
    with pytest.raises(NotFound, match="no topic 'alchemy' in tenant 'default'; there are 25, such as"):
        school.reader.history(who, "alchemy", tenant="default")
    with pytest.raises(NotFound, match="no topic 'frac-ad' in tenant 'default' .did you mean 'frac-add'"):
        school.reader.history(who, "frac-ad", tenant="default")


def test_a_topic_that_is_known_without_a_history_of_the_student_is_no_unknown_one(school):
    topics = {row.topic_id for row in school.reader.class_scores(tenant="default").topics}
    for number in range(1, 31):
        mine = school.reader.student(student(number), tenant="default", as_of_us=school.newest_us()).topics
        other = next(iter(topics - {topic.topic_id for topic in mine}), None)
        if other is not None:
            with pytest.raises(NotFound, match=f"no history of this student on topic '{other}'"):
                school.reader.history(student(number), other, tenant="default")
            return
    pytest.fail("every student has worked on every topic")


def test_history_is_in_order_and_of_one_scorer(school):
    history = school.reader.history(student(3), "frac-add", tenant="default", source="elo")
    days = [point.day for point in history.points]
    assert days == sorted(set(days)) and days
    assert history.score_source == "elo"
    unsure = [point.band == "not_enough_evidence" for point in history.points]
    assert unsure == [point.evidence_count < 3 for point in history.points] and any(unsure) and not all(unsure)


def test_the_class_is_what_was_published(school):
    document = school.reader.class_scores(tenant="default")
    assert len(document.students) == 30
    assert len(document.scores) == school.lake.count(GOLD) // len(unfitted())
    means = [topic.mean for topic in document.topics if topic.mean is not None]
    assert means == sorted(means)
    with pytest.raises(NotFound, match="nothing is published"):
        school.reader.class_scores(tenant="elsewhere")


def test_a_moment_between_the_last_answer_that_counts_and_a_later_withdrawn_one_has_one_answer(tmp_path):
    """Found with a score of 0.4350 from the record and of 0.4767 from the fold."""
    deployment = Deployment.at(tmp_path)
    file = tmp_path / "answers.csv"
    lines = [f"S1,Q{day},frac-add,{day % 2},10,1,2026-05-{day:02d}T10:00:00Z,A{day}," for day in range(1, 6)]
    lines += [
        "S1,Q7,frac-add,1,10,1,2026-05-10T10:00:00Z,A7,",
        "S1,Q7,frac-add,,10,1,2026-05-20T10:00:00Z,A8,A7",  # A7 is withdrawn
    ]
    file.write_text(QUIZ.replace("timestamp", "timestamp,attempt_id,replaces") + "\n".join(lines) + "\n")
    deployment.ingest(file)
    who, model = KEY.student("default", "S1"), deployment.reader.metadata().model_set.version
    answered, withdrawn = (microseconds(datetime(2026, 5, day, 10, tzinfo=UTC)) for day in (5, 20))
    moments = [answered + days * DAY_US for days in (1, 5, 14)] + [withdrawn]
    without_record = [deployment.reader.student(who, tenant="default", as_of_us=at) for at in moments]
    record = deployment.state.get(who, model)
    assert record is not None
    assert (record.last_event_us, record.newest_event_us) == (answered, withdrawn)
    assert [deployment.reader.student(who, tenant="default", as_of_us=at) for at in moments] == without_record
    deployment.recompute()
    assert [deployment.reader.student(who, tenant="default", as_of_us=at) for at in moments] == without_record
    counts = [document.topics[0].evidence_count for document in without_record]
    assert counts == [5, 6, 6, 5]


def test_who_needs_help_first_are_students_once_each_with_enough_evidence_a_reason_and_a_step(school):
    document, help_first = school.reader.class_report(tenant="default", in_need=5)
    lowest = [one.topics[0] for one in help_first]
    assert [row.mastery_score for row in lowest] == sorted(row.mastery_score for row in lowest)
    assert len({one.student_id for one in help_first}) == len(help_first) == 5 < document.totals.students_in_need
    assert all(row.evidence_count >= 3 and row.reason for row in lowest)
    for one in help_first:
        assert {row.band for row in one.topics} == {"needs_help"}
        assert {row.student_id for row in one.topics} == {one.student_id}
        assert one.next_step
    found = school.reader.in_need(tenant="default", limit=5)
    assert found.students == help_first
    assert found.students_in_need == document.totals.students_in_need
    assert set(found.titles) <= {row.topic_id for one in help_first for row in one.topics}


def test_a_score_of_another_season_is_not_compared_with_the_class_of_today(school):
    reader, published_us = school.reader, school.newest_us()
    near, far = (reader.student(student(1), tenant="default", as_of_us=published_us + d * DAY_US) for d in (7, 8))
    names = {one.explanation.reference.name for one in near.topics}
    assert "typical_student" in names, "most topics have five students with enough evidence"
    for one in far.topics:
        reference = one.explanation.reference
        assert (reference.name, reference.students) == ("start", 0)
        assert "typical" not in one.explanation.summary


def test_reasons_of_a_class_at_a_moment_are_those_of_the_class_published_then(tmp_path):
    school = Deployment.at(tmp_path)
    school.ingest(SAMPLE)
    then = NOW_US - 40 * DAY_US
    school.recompute(as_of_us=NOW_US)
    folded = school.reader.class_at(tenant="default", as_of_us=then, in_need=20)[1]
    school.recompute(as_of_us=then)
    published = school.reader.class_report(tenant="default", in_need=20)[1]
    assert published and folded == published


def test_students_in_need_are_found_behind_one_who_needs_help_on_more_topics_than_are_published(tmp_path):
    rows = [f"S1,q{k},t{k // 3},0,2026-05-01T08:{k // 60:02}:{k % 60:02}Z" for k in range(3 * (KEPT + 1))]
    rows += [f"S2,q{k},t0,{k // 3},2026-05-01T08:00:0{k}Z" for k in range(4)]
    (tmp_path / "quiz.csv").write_text(
        "student_id,question_id,topic_id,is_correct,timestamp\n" + "\n".join(rows) + "\n"
    )
    deployment = Deployment.at(tmp_path)
    deployment.ingest(tmp_path / "quiz.csv")
    deployment.recompute()
    document, help_first = deployment.reader.class_report(tenant="default", in_need=5)
    assert document.totals.students_in_need == 2
    assert [len(one.topics) for one in help_first] == [KEPT + 1, 1]


def test_a_record_of_another_version_is_folded_again_and_put_right(tmp_path):
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE)
    deployment.recompute(active_days=400)
    who, now = student(3), deployment.newest_us()
    model = deployment.reader.metadata().model_set.version
    expected = deployment.reader.student(who, tenant="default", as_of_us=now)
    record = deployment.state.get(who, model)
    for states in (
        {name: state for name, state in record.slot_states.items() if name != "bkt"},
        {name: state[:, 1:] for name, state in record.slot_states.items()},
    ):
        deployment.state.put(replace(record, slot_states=states), deployment.state.version(who, model))
        assert deployment.reader.student(who, tenant="default", as_of_us=now) == expected
        assert is_current(deployment.state.get(who, model), deployment.reader.metadata().model_set)


def test_without_a_choice_people_see_the_blend_and_a_scorer_that_is_not_fitted_is_refused(school):
    reader = Reader(school.lake, school.state, load_rules("classic").params, min_evidence=3, default_scorer=None)
    document = reader.student(student(3), tenant="default", as_of_us=NOW_US)
    assert document.score_source == "blend"
    assert reader.class_scores(tenant="default").score_source == "blend"
    chosen = Reader(school.lake, school.state, load_rules("classic").params, min_evidence=3, default_scorer="ml")
    with pytest.raises(BadInput, match="no scores under model set 'default-.*mastery fit"):
        chosen.student(student(3), tenant="default", as_of_us=NOW_US)


def test_two_schools_with_the_same_ids_never_meet(tmp_path):
    deployment = Deployment.at(tmp_path)
    deployment.ingest(answer(tmp_path, "a", "S1", 1, "2026-05-01T10:00:00Z"), tenant="north")
    deployment.ingest(answer(tmp_path, "b", "S1", 0, "2026-05-01T10:00:00Z"), tenant="south")
    deployment.recompute(NOW_US)
    north = deployment.reader.student(KEY.student("north", "S1"), tenant="north", as_of_us=NOW_US).topics[0]
    south = deployment.reader.student(KEY.student("south", "S1"), tenant="south", as_of_us=NOW_US).topics[0]
    assert north.evidence_count == south.evidence_count == 1
    assert north.mastery_score > south.mastery_score
    assert {row["tenant"] for row in deployment.lake.scan(GOLD).to_pylist()} == {"north", "south"}


def test_on_the_day_that_is_told_the_score_falls_under_the_target(school):
    as_of_us = school.newest_us() + 3 * DAY_US
    told = 0
    for number in range(1, 31):
        for source in unfitted():
            document = school.reader.student(student(number), tenant="default", as_of_us=as_of_us, source=source)
            for topic in document.topics:
                fading, day = topic.retention, topic.retention.falls_below_at
                assert fading.target == 0.6
                assert 0.0 <= fading.retained <= 1.0
                if topic.mastery_score < fading.target:
                    assert day is None, "what is below already does not fall below"
                elif day is not None and told < 20:
                    told += 1
                    at_us, half_a_day = int(day.timestamp() * 1e6), DAY_US // 2
                    after, before = (
                        school.reader.student(
                            student(number), tenant="default", as_of_us=when, source=source, topics=[topic.topic_id]
                        ).topics[0]
                        for when in (at_us + half_a_day, at_us - half_a_day)
                    )
                    assert after.mastery_score < fading.target < before.mastery_score
    assert told == 20


def test_some_topics_are_the_same_as_among_all_and_those_nobody_can_judge_come_last(school):
    who, at = student(3), school.newest_us()
    whole = school.reader.student(who, tenant="default", as_of_us=at)
    ranked = sorted(whole.topics, key=lambda one: one.band == "not_enough_evidence")
    for most in (1, 3, len(ranked), len(ranked) + 1):
        some = school.reader.student(who, tenant="default", as_of_us=at, most=most)
        assert {one.topic_id: one for one in some.topics} == {one.topic_id: one for one in ranked[:most]}
        assert some.topics_left_out == max(0, len(ranked) - most)
        assert (some.rollups, some.notes) == (whole.rollups, whole.notes)
