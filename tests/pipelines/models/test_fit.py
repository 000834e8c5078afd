"""A fit reads the lake, stores a new version with its card, and changes nothing that is there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mastery.errors import BadInput
from mastery.evaluation.measures import measures
from mastery.features.columns import QUIZ, READ
from mastery.instants import DAY_US
from mastery.pipelines.models.activations import active_choice
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.card import cards
from mastery.pipelines.models.chapters import chapters_of
from mastery.pipelines.models.fit import data_hash, fit, read_events
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import load_model_set, versions
from mastery.scorers import SCORERS
from mastery.scorers.parameters import KeyedRows
from mastery.scorers.stacked import Stacked
from mastery.tables import EVENTS, MODEL_ARRAYS, MODEL_CARDS, TOPICS
from school import NOW_US, SAMPLE, Deployment

RULES = load_rules("classic").params


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    deployment = Deployment.at(tmp_path_factory.mktemp("school"))
    deployment.ingest(SAMPLE)
    return deployment


@dataclass
class Halves:
    """A fit of bkt that says one half of everything, and a row of its own for the first topic."""

    learn: float = 0.25
    seen: list = field(default_factory=list)
    chapters: dict | None = None

    def __call__(self, batch, *, rules, seed, threads, scorers, base, chapters, settings, progress):
        self.chapters = chapters
        self.seen.append((batch, scorers, base.version))
        answers = np.flatnonzero(batch.kind == QUIZ)
        old = base.scorers["bkt"]
        row = old.default.copy()
        row[SCORERS["bkt"].column("p_learn")] = self.learn
        progress("bkt", 1, 1)
        return SimpleNamespace(
            scorers=dict(base.scorers) | {"bkt": replace(old, topics=KeyedRows([batch.topics[0]], row[None]))},
            notes={"bkt": ("one topic alone had enough answers",)},
            measures={"bkt": {"variant": "halves", "log_likelihood": float("nan")}},
            held_out=Stacked(
                {"bkt": np.full(answers.size, 0.5)},
                batch.y[answers],
                np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))[answers],
                batch.slot_topic[batch.slot[answers]].astype(np.int64),
                batch.row[answers],
            ),
        )


def fitted(school, fit_all, **options):
    base = current_model_set(school.lake, RULES)
    given = {"now_us": NOW_US, "code_version": "1.2.3", "fit_all": fit_all, "progress": lambda *_: None} | options
    return fit(school.lake, base, RULES, **given)


def test_an_answer_on_several_topics_is_one_answer_on_the_card(tmp_path):
    rows = [
        f"S{who},a{who}-{k},q{k},{topic},{k % 2},2026-05-01T08:00:{k:02}Z\n"
        for who in range(3) for k in range(4) for topic in ("fractions", "decimals")
    ]  # fmt: skip
    file = tmp_path / "two_topics.csv"
    file.write_text("student_id,interaction_id,question_id,topic_id,is_correct,timestamp\n" + "".join(rows))
    school = Deployment.at(tmp_path / "home")
    school.ingest(file)
    card = fitted(school, Halves(), scorers=["bkt"]).card
    assert (card.data.events, card.data.answers) == (12, 12)
    assert card.scorers["bkt"].answers == 12 == sum(one.answers for one in card.scorers["bkt"].calibration)
    assert [one.answers for one in card.scorers["bkt"].by_topic] == [12, 12]


def test_what_is_said_of_an_answer_is_the_mean_over_its_topics():
    rows = Stacked(
        {"a": np.array([0.2, 0.9, 0.4])}, np.array([1.0, 0.0, 1.0]), np.array([5, 7, 5]), np.zeros(3, np.int64),
        np.array([8, 3, 8]),
    )  # fmt: skip
    counted = rows.by_answer()
    np.testing.assert_allclose(counted.probabilities["a"], [0.3, 0.9])
    assert (counted.y.tolist(), counted.student.tolist()) == ([1.0, 0.0], [5, 7])


def test_a_fit_stores_a_version_that_loads_and_is_not_active(school):
    base, told = current_model_set(school.lake, RULES), []
    stored = fitted(school, Halves(), scorers=["bkt"], progress=lambda *step: told.append(step))
    loaded = load_model_set(school.lake, stored.card.version)
    assert stored.new and told == [("bkt", 1, 1)]
    assert list(loaded.scorers) == list(base.scorers)
    assert loaded.scorers["bkt"].topics.values[0, SCORERS["bkt"].column("p_learn")] == 0.25
    assert loaded.scorers["elo"].digest() == base.scorers["elo"].digest(), "the others keep what they had"
    assert active_choice(school.lake).active is None
    assert school.reader.metadata().model_set.version == base.version


def test_chapters_of_the_course_metadata_reach_the_fits(school):
    halves = Halves()
    fitted(school, halves, scorers=["bkt"])
    rows = school.lake.scan(TOPICS).to_pylist()
    assert set(halves.chapters) == {(row["tenant"], row["topic_id"]) for row in rows}
    mates = {
        frozenset(topic for topic, chapter in halves.chapters.items() if chapter == one)
        for one in set(halves.chapters.values())
    }
    by_name = {}
    for row in rows:
        by_name.setdefault((row["course"], row["subject"], row["chapter"]), set()).add((row["tenant"], row["topic_id"]))
    assert mates == {frozenset(topics) for topics in by_name.values()} and len(mates) > 1


def test_chapters_of_one_name_in_two_courses_are_two_and_topics_without_one_have_none(tmp_path):
    deployment, file = Deployment.at(tmp_path / "home"), tmp_path / "topics.csv"
    file.write_text("topic_id,title,chapter,subject,course\nT1,a,,,\n")
    deployment.ingest(file)
    assert chapters_of(deployment.lake) is None
    file.write_text(
        "topic_id,title,chapter,subject,course\nT1,a,,,\nT2,b,Basics,Algebra,M1\nT3,c,Basics,Algebra,M2\nT4,d,Basics,Algebra,M1\n"
    )
    deployment.ingest(file)
    found = {topic: chapter for (_, topic), chapter in chapters_of(deployment.lake).items()}
    assert sorted(found) == ["T2", "T3", "T4"]
    assert found["T2"] == found["T4"] != found["T3"]


def test_the_card_says_what_the_set_was_made_from_and_how_well_it_does(school):
    halves = Halves(0.26)
    stored = fitted(school, halves, scorers=["bkt"], seed=7)
    (batch, asked, parent), card = halves.seen[0], stored.card
    assert card == cards(school.lake)[card.version]
    assert (asked, card.parent, card.seed, card.code_version) == (["bkt"], parent, 7, "1.2.3")
    events = school.lake.scan(EVENTS)
    assert card.data.events == events.num_rows == 5_298
    assert card.data.students == 30 and card.data.topics == len(batch.topics)
    assert card.data.items == len(set(events["item_id"].to_pylist()) - {None})
    assert card.data.last_event == pc.max(events["occurred_at"]).as_py()
    bkt = card.scorers["bkt"]
    assert (bkt.fitted, bkt.topics, bkt.notes) == (True, 1, ["one topic alone had enough answers"])
    assert bkt.measures == {"variant": "halves", "log_likelihood": None}, "JSON has no NaN"
    assert bkt.held_out["auc"] == 0.5 and bkt.held_out["logloss"] == pytest.approx(np.log(2))
    assert bkt.answers == sum(one.answers for one in bkt.by_topic) == sum(one.answers for one in bkt.calibration)
    share = pc.mean(pc.equal(events.filter(pc.equal(events["kind"], "quiz"))["success_ppm"], 1_000_000)).as_py()
    assert bkt.held_out["ece"] == pytest.approx(abs(share - 0.5), abs=0.02)
    assert not card.scorers["elo"].fitted and card.scorers["elo"].items > 0
    assert any("not fitted" in note and "elo" in note for note in card.notes)


def test_measures_by_topic_are_those_of_its_answers_alone(school):
    halves = Halves(0.27)
    card = fitted(school, halves).card
    batch = halves.seen[0][0]
    for one in card.scorers["bkt"].by_topic[:5]:
        rows = (batch.kind == QUIZ) & (batch.slot_topic[batch.slot] == batch.topics.index((one.tenant, one.topic_id)))
        expected = measures(np.full(rows.sum(), 0.5), batch.y[rows])
        assert one.answers == rows.sum()
        assert one.measures["rmse"] == expected["rmse"]
        assert one.measures["auc"] == (None if np.isnan(expected["auc"]) else expected["auc"])


def test_the_very_same_numbers_are_one_version_and_written_once(school):
    first = fitted(school, Halves(0.28))
    before = school.lake.version(MODEL_ARRAYS), school.lake.count(MODEL_CARDS)
    again = fitted(school, Halves(0.28), now_us=NOW_US + DAY_US)
    assert not again.new and again.card == first.card
    assert (school.lake.version(MODEL_ARRAYS), school.lake.count(MODEL_CARDS)) == before


def test_a_fit_that_was_broken_off_before_its_card_gets_one_when_run_again(school):
    version = fitted(school, Halves(0.29)).card.version
    left = [row for row in school.lake.scan(MODEL_CARDS).to_pylist() if row["model_version"] != version]
    school.lake.replace(MODEL_CARDS, pa.Table.from_pylist(left, schema=MODEL_CARDS.schema))
    assert version in versions(school.lake) and version not in cards(school.lake)
    assert not fitted(school, Halves(0.29)).new
    assert version in cards(school.lake)


def test_since_and_until_leave_out_what_lies_outside(school):
    since, until = school.newest_us() - 40 * DAY_US, school.newest_us() - 10 * DAY_US
    card = fitted(school, Halves(0.21), since_us=since, until_us=until).card
    at = school.lake.scan(EVENTS, ["occurred_at"])["occurred_at"].cast(pa.int64()).to_numpy()
    assert card.data.events == ((at >= since) & (at <= until)).sum()
    assert card.data.since <= card.data.first_event <= card.data.last_event <= card.data.until


def test_of_a_large_lake_whole_buckets_are_read_and_the_card_says_so(school):
    halves = Halves(0.22)
    card = fitted(school, halves, most_events=1).card
    first = school.lake.read_bucket(EVENTS, 0, READ)
    assert card.data.events == first.num_rows and (card.data.buckets_read, card.data.buckets) == (1, 4)
    assert sorted(halves.seen[0][0].students) == sorted(set(first["student_id"].to_pylist()))
    assert any("1 of 4 buckets" in note for note in card.notes)


def test_the_hash_of_the_data_depends_on_its_events_and_not_on_their_order(school, tmp_path):
    events, _ = read_events(school.lake, None, None, 10**9)
    shuffled = events.take(pa.array(np.random.default_rng(0).permutation(events.num_rows)))
    assert data_hash(shuffled) == data_hash(events)
    assert data_hash(events.slice(1)) != data_hash(events)
    body = events["body_hash"].to_numpy().copy()
    body[[0, 1]] = body[[1, 0]]
    at = events.column_names.index("body_hash")
    assert data_hash(events.set_column(at, "body_hash", pa.array(body))) != data_hash(events)
    other = Deployment.at(tmp_path, buckets=3)
    for file in sorted(SAMPLE.glob("*.csv"), reverse=True):
        other.ingest(file)
    assert data_hash(read_events(other.lake, None, None, 10**9)[0]) == data_hash(events)


def test_a_lake_without_answers_is_refused_and_nothing_is_stored(tmp_path):
    empty = Deployment.at(tmp_path)
    with pytest.raises(BadInput, match="no quiz answers"):
        fitted(empty, None)
    assert versions(empty.lake) == {}


def test_a_scorer_that_nothing_fits_is_refused_with_the_nearest_one(school):
    before = versions(school.lake)
    with pytest.raises(BadInput, match="did you mean 'bkt'"):
        fitted(school, None, scorers=["btk"])
    assert versions(school.lake) == before


def test_the_shipped_fit_of_one_scorer_is_stored_with_measures_on_students_it_had_not_seen(school):
    card = fitted(school, None, scorers=["elo"]).card
    assert card.scorers["elo"].fitted and not card.scorers["bkt"].fitted
    assert card.scorers["elo"].answers > 3_000
    assert 0.5 < card.scorers["elo"].held_out["auc"] < 0.9
    assert set(load_model_set(school.lake, card.version).scorers) >= {"rule_based", "bkt", "elo"}
