"""Events of one moment: students who did the same have the same score, whoever they are and however it came.

Where a file says in which order its rows are, they are folded in it. Where nothing does, the order is that of what the
events are about, which is the same for all students, and the order in which they came changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from answers import answer_batch
from folding import fold_all
from histories import DAY, active_choice, histories, seeds, table
from mastery.features.columns import READ
from mastery.fitting.fit_all import fit_all
from mastery.log_odds import sigmoid_of
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import fold_events
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.model_set import ModelSet
from mastery.tables import EVENTS
from school import Deployment

HEADER = "student_id,question_id,topic_id,is_correct,timestamp\n"
STUDENTS = 8
OUTCOMES = "000111010"
SECOND, MINUTE = "2026-01-0{}T08:00:07Z", "2026-01-0{}T08:00Z"


@cache
def fitted() -> ModelSet:
    """A set with every scorer, fitted to some answers on the topics of these tests."""
    rng = np.random.default_rng(8)
    who, answer = np.repeat(np.arange(40), 40), np.tile(np.arange(40), 40)
    right = rng.random(who.size) < sigmoid_of(rng.normal(0.3, 1.2, 40)[who])
    log = pa.table({
        "student_id": [f"s{s}" for s in who], "topic_id": [f"t{k % 2}" for k in answer],
        "question_id": [f"q{k % 9}" for k in answer], "is_correct": right.astype(np.int8),
        "timestamp": pa.array((1_700_000_000 + 7_200 * answer) * 1_000, pa.timestamp("ms", "UTC")),
    })  # fmt: skip
    found = fit_all(
        answer_batch(log), rules=load_rules("classic").params, seed=1, threads=1, clock="start", held_out=False
    )
    return ModelSet("fitted", found.scorers)


def answers(at: str) -> list[list[str]]:
    """What each student does in three moments, one moment a day: the same."""
    return [
        [f"S{s},q{k},t{k % 2},{outcome},{at.format(day)}" for day in (5, 6, 7) for k, outcome in enumerate(OUTCOMES)]
        for s in range(STUDENTS)
    ]


def scores(folder, *files: list[str]) -> dict[str, dict[str, set[bytes]]]:
    """Return by scorer and topic the different scores that students have, after ingests of these files."""
    school = Deployment.at(folder)
    for number, rows in enumerate(files):
        path = folder / f"{number}.csv"
        path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
        school.ingest(path)
    events = school.lake.scan(EVENTS, READ)
    folded = fold_events(events, fitted(), school.newest_us(), history=False)
    batch, found = folded.batch, folded.scores()
    assert set(found) == {*SCORERS, *DERIVED} and len(batch.students) == STUDENTS
    topic = [batch.topics[code][1] for code in batch.slot_topic]
    return {
        name: {t: {read.score[p].tobytes() for p in range(len(topic)) if topic[p] == t} for t in set(topic)}
        for name, read in found.items()
    }


def alike(found: dict[str, dict[str, set[bytes]]]) -> bool:
    return all(len(different) == 1 for topics in found.values() for different in topics.values())


def by_student(rows: list[list[str]]) -> list[str]:
    return [row for mine in rows for row in mine]


def by_question(rows: list[list[str]]) -> list[str]:
    return [row for answered in zip(*rows, strict=True) for row in answered]


@pytest.mark.slow
@pytest.mark.parametrize("at", [SECOND, MINUTE])
@pytest.mark.parametrize("arranged", [by_student, by_question])
def test_students_who_did_the_same_in_the_order_of_a_file_have_the_same_score(tmp_path, at, arranged):
    assert alike(scores(tmp_path, arranged(answers(at))))


@pytest.mark.slow
def test_answers_that_come_apart_without_an_order_give_the_same_score_whoever_gave_them_and_however_they_came(tmp_path):
    found = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        files = by_question([rng.permutation(mine).tolist() for mine in answers(SECOND)])
        (tmp_path / str(seed)).mkdir()
        found.append(scores(tmp_path / str(seed), *np.array_split(files, len(files) // STUDENTS)))
    assert alike(found[0]) and found[0] == found[1]


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
@given(events=histories(regrades=False), seed=seeds, number=st.integers(100, 10_000))
def test_another_student_who_did_the_same_has_the_same_state_whatever_the_ids_are(scorer, events, seed, number):
    mine = [event for event in active_choice(events) if event.student == events[0].student]
    assume(len({(event.at_us, event.sequence, event.about) for event in mine}) == len(mine))
    others = [replace(event, student="s_other", number=event.number * 7 + number) for event in mine]
    folded = fold_all(scorer, table([*mine, *others]), seed, max(event.at_us for event in mine) + DAY)
    one, other = folded.of(events[0].student), folded.of("s_other")
    for what in ("slot_state", "counters", "ledger", "readings", "history"):
        of_one, of_other = ({key[1:]: value for key, value in getattr(of, what).items()} for of in (one, other))
        assert of_one == of_other, what
    assert list(one.student_state.values()) == list(other.student_state.values())
