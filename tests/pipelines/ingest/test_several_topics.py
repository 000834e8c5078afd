"""Rows that are one answer on several topics are one event; what a later export says of known events is compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions
from mastery.events.revisions import ON_REVISION
from mastery.lake import Lake
from mastery.pipelines.ingest import files
from mastery.pipelines.ingest import ingest as ingesting
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED
from school import KEY

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PLAIN = "student_id,question_id,topic_id,is_correct,timestamp\n"
OWN = PLAIN.replace("\n", ",attempt_id\n")
SHARED = PLAIN.replace("\n", ",interaction_id\n")
AT = "2026-03-02T09:00:07Z"


class School:
    def __init__(self, folder) -> None:
        self.folder, self.files = folder, 0
        self.lake = Lake.open(str(folder / "lake"), buckets=2)

    def read(self, header: str, *rows: str, **said) -> tuple[int, int, int, int]:
        self.files += 1
        file = self.folder / f"{self.files}.csv"
        file.write_text(header + "".join(f"{row}\n" for row in rows))
        report = ingest(
            [file],
            lake=self.lake,
            pseudonyms=KEY,
            tenant="default",
            now=NOW + timedelta(days=self.files),
            options=ReadOptions(**said),
        )
        assert report.read == report.accepted + report.revised + report.duplicates + report.rejected == len(rows)
        self.notes = report.notes
        return report.accepted, report.revised, report.duplicates, report.rejected

    def events(self, *more: str) -> list[tuple]:
        names = ["item_id", "topic_id", "other_topic_ids", "success_ppm", *more]
        found = [tuple(row.values()) for row in self.lake.scan(EVENTS, names).to_pylist()]
        return sorted(((item, topic, tuple(others or ()), *rest) for item, topic, others, *rest in found), key=str)


@pytest.fixture
def school(tmp_path):
    return School(tmp_path)


TWO = [f"S1,q1,{topic},1,{AT}" for topic in ("fractions", "addition")]
ONE_EVENT = [("q1", "addition", ("fractions",), 1_000_000)]


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (PLAIN, TWO),
        (OWN, [f"{row},a1" for row in TWO]),
        (OWN, [f"{TWO[0]},a1", f"{TWO[1]},a1".replace(AT, "2026-03-02T09:00:08Z")]),
        (SHARED, [f"{TWO[0]},i1", f"{TWO[1]},i1".replace(AT, "2026-03-02T09:00:08Z")]),
        (PLAIN.replace("\n", ",order,interaction_id\n"), [f"{row},{n},i1" for n, row in enumerate(TWO)]),
    ],
)
def test_rows_of_one_answer_on_two_topics_are_one_event(school, header, rows):
    assert school.read(header, *rows) == (2, 0, 0, 0)
    assert school.events() == ONE_EVENT
    assert school.read(header, *rows) == (0, 0, 2, 0)
    if "order" not in header:
        assert school.read(header, *rows[::-1]) == (0, 0, 2, 0)
    school.lake.compact()
    assert school.read(header, *rows) == (0, 0, 2, 0)
    assert school.events() == ONE_EVENT


def test_a_question_with_another_topic_in_a_later_export_is_one_answer_on_that_topic(school):
    assert school.read(PLAIN, TWO[0], f"S1,q2,old,0,{AT}") == (2, 0, 0, 0)
    assert school.read(PLAIN, TWO[1], f"S1,q2,new,0,{AT}") == (0, 2, 0, 0)
    assert school.events() == [("q1", "addition", (), 1_000_000), ("q2", "new", (), 0)]
    assert school.read(PLAIN, *TWO) == (0, 2, 0, 0)
    assert school.events() == [*ONE_EVENT, ("q2", "new", (), 0)]


COARSE = "2026-03-02 09:00"


def coarse(*rows: str) -> list[str]:
    """Rows of one student, question and moment, each of a topic and an outcome: a1."""
    return [f"S1,q1,{row[0]},{row[1:]},{COARSE}" for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a1 b1", ["ab1"]),
        ("a1 b1 a1", ["a1", "ab1"]),
        ("a1 b1 a1 b1", ["ab1", "ab1"]),
        ("a0 a1 b0 b1", ["ab0", "ab1"]),
        ("a0 b0 a1 b1", ["ab0", "ab1"]),
        ("a1 a1", ["a1", "a1"]),
        ("a1 b0", ["a1", "b0"]),
        ("b1 a1 c1", ["abc1"]),
    ],
)
def test_a_row_for_each_skill_is_one_answer_also_where_time_stamps_are_coarse(school, rows, expected):
    lines = coarse(*rows.split())
    assert school.read(PLAIN, *lines) == (len(lines), 0, 0, 0)
    found = [f"{topic}{''.join(others)}{ppm // 1_000_000}" for _, topic, others, ppm in school.events()]
    assert sorted(found) == expected
    assert any("share their moment" in note for note in school.notes) == (len(expected) > 1)
    assert school.read(PLAIN, *lines) == (0, 0, len(lines), 0)
    school.lake.compact()
    assert school.read(PLAIN, *lines) == (0, 0, len(lines), 0)


def test_answers_in_a_file_are_joined_as_they_are_in_the_lake_also_where_time_stamps_are_coarse(tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text(PLAIN + "\n".join(coarse("a1", "b1", "a1")) + "\n")
    read = read_answers(file, now=NOW)
    assert read.events.num_rows == 2 and read.event_of_row.tolist() == [0, 0, 1]


@pytest.mark.parametrize("column", ["version", "updated_at"])
@pytest.mark.parametrize("at", [COARSE, AT])
def test_rows_of_two_versions_are_one_answer_that_was_revised(school, column, at):
    versions = ["1", "2"] if column == "version" else ["2026-03-02 10:00", "2026-03-05 10:00"]
    rows = [f"S1,q1,a,0,{at},{versions[0]}", f"S1,q1,a,1,{at},{versions[1]}"]
    header = PLAIN.replace("\n", f",{column}\n")
    for number, lines in enumerate((rows, rows[::-1])):
        assert school.read(header, *lines) == ((1, 1, 0, 0) if number == 0 else (0, 0, 2, 0))
        assert school.events() == [("q1", "a", (), 1_000_000)]
        assert not any("share their moment" in note for note in school.notes)
    other = [f"S1,q2,old,1,{at},{versions[0]}", f"S1,q2,new,1,{at},{versions[1]}"]
    assert school.read(header, *other) == (1, 1, 0, 0)
    assert school.events()[1] == ("q2", "new", (), 1_000_000)


def test_points_for_each_criterion_of_one_task_are_events_of_their_own(school):
    header = "student_id,assignment_id,topic_ids,score_pct,timestamp\n"
    rows = [f"S1,essay,{topic},{score},{AT}" for topic, score in (("style", 80), ("sources", 40), ("form", 80))]
    assert school.read(header, *rows) == (3, 0, 0, 0)
    assert {(topic, score) for _, topic, _, score in school.events()} == {
        ("style", 800_000), ("sources", 400_000), ("form", 800_000),
    }  # fmt: skip
    assert school.read(header, *rows[::-1]) == (0, 0, 3, 0)


def test_answers_of_one_interaction_that_are_several_stay_several(school):
    rows = [f"S1,,t{n % 2},{n % 2},{AT[:-2]}{n}Z,session" for n in range(6)]
    assert school.read(SHARED, *rows) == (6, 0, 0, 0)
    assert len(school.events()) == 6


def test_one_own_id_with_two_outcomes_is_one_event_and_a_note_says_so(school):
    assert school.read(OWN, f"{TWO[0]},a1", f"{TWO[1]},a1".replace(",1,", ",0,")) == (1, 1, 0, 0)
    assert len(school.events()) == 1
    assert any("something other than another row of the same event" in note for note in school.notes)


def test_an_answer_on_several_topics_in_a_file_is_one_event_of_all_its_rows(tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text(OWN + "".join(f"{row},a1\n" for row in TWO) + f"S1,q2,addition,0,{AT},a2\n")
    read = read_answers(file, now=NOW)
    assert (read.report.accepted, read.events.num_rows) == (3, 2)
    assert read.event_of_row.tolist() == [0, 0, 1]
    batch = read.batch()
    assert sorted(batch.row.tolist()) == [0, 0, 1]
    assert read.by_row(batch, np.where(batch.row == 0, 0.5, 0.25)).tolist() == [0.5, 0.5, 0.25]


ROWS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.sampled_from("ABC"), st.booleans()), min_size=1, max_size=12
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(rows=ROWS, order=st.randoms(use_true_random=False), block=st.sampled_from([64, 300, 1 << 20]))
def test_neither_the_order_of_rows_nor_blocks_change_what_is_answered(tmp_path_factory, rows, order, block):
    """Law: a table of answers, one outcome for each own id, comes to one event for each, on all topics of its rows."""
    outcome = {(student, own): right for student, own, _, right in rows}
    lines = [f"S{student},q{own},{topic},{int(outcome[student, own])},{AT},a{own}" for student, own, topic, _ in rows]
    shuffled = list(lines)
    order.shuffle(shuffled)
    expected: dict[tuple[int, int], set[str]] = {}
    for student, own, topic, _ in rows:
        expected.setdefault((student, own), set()).add(topic)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCK_BYTES", block)
        one = School(tmp_path_factory.mktemp("school"))
        new = len(set(lines))
        assert one.read(OWN, *shuffled) == (new, 0, len(lines) - new, 0)
        assert one.read(OWN, *lines) == (0, 0, len(lines), 0)
    found = one.events()
    assert sorted((topic, others) for _, topic, others, _ in found) == sorted(
        (min(topics), tuple(sorted(topics - {min(topics)}))) for topics in expected.values()
    )


ANSWERS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.lists(st.sampled_from("ABC"), min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
@pytest.mark.parametrize("header", [PLAIN, OWN, SHARED])
@settings(max_examples=20, deadline=None)
@given(answers=ANSWERS, together=st.booleans(), block=st.sampled_from([40, 100, 300]), rows=st.integers(1, 6))
def test_where_a_write_ends_changes_nothing_of_answers_on_several_topics(
    tmp_path_factory, header, answers, together, block, rows
):
    """Law: rows of one answer that stand together, or with others of their moment, are one event in any write."""
    lines = []
    for number, (student, question, topics) in enumerate(answers):
        at = AT if together else f"2026-03-02T09:{number:02}:07Z"
        own = "" if header == PLAIN else f",a{student}-{question}" if together else f",a{number}"
        lines += [f"S{student},q{question},{topic},1,{at}{own}" for topic in topics]
    if together:
        lines.sort(key=lambda line: hash(line) % 7)
    whole = School(tmp_path_factory.mktemp("whole"))
    counts = whole.read(header, *lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "HEAD_BYTES", 100)
        patch.setattr(files, "BLOCK_BYTES", block)
        patch.setattr(ingesting, "ROWS_PER_WRITE", rows)
        cut = School(tmp_path_factory.mktemp("cut"))
        assert cut.read(header, *lines) == counts
    ids = ("event_id_hi", "event_id_lo", "body_hash", "sequence")
    assert cut.events(*ids) == whole.events(*ids)
    assert cut.notes == whole.notes


def test_a_write_ends_before_the_last_answer_and_nowhere_else(school, monkeypatch):
    monkeypatch.setattr(files, "HEAD_BYTES", 100)
    monkeypatch.setattr(files, "BLOCK_BYTES", 300)
    monkeypatch.setattr(ingesting, "ROWS_PER_WRITE", 5)
    rows = [f"S1,q{n},{topic},1,2026-03-02T09:{n:02}:07Z" for n in range(30) for topic in "ABC"]
    assert school.read(PLAIN, *rows) == (90, 0, 0, 0)
    assert school.events() == sorted((f"q{n}", "A", ("B", "C"), 1_000_000) for n in range(30))
    assert school.lake.version(EVENTS) >= 10, "in many commits"


GRADES = "submission_id,student_id,assignment_id,topic_ids,score_pct,timestamp\n"


def grades(*scores: int) -> list[str]:
    return [f"u{n},S{n},a1,t1,{score},{AT}" for n, score in enumerate(scores)]


def test_what_is_done_with_a_regrade_is_said(tmp_path):
    results = {"replace": ((0, 2, 1, 0), [30, 90, 95]), "keep": ((0, 0, 3, 0), [30, 40, 50])}
    results["reject"] = ((0, 0, 1, 2), [30, 40, 50])
    assert set(results) == set(ON_REVISION)
    for how, (counts, scores) in results.items():
        one = School(tmp_path / how)
        one.read(GRADES, *grades(30, 40, 50), on_revision=how)
        assert one.read(GRADES, *grades(30, 90, 95), on_revision=how) == counts
        assert sorted(score // 10_000 for *_, score in one.events()) == scores
        if how == "reject":
            assert one.read(GRADES, *grades(30, 90, 95), on_revision=how) == counts
            rows = one.lake.scan(REJECTED, ["line", "code", "source_table"]).to_pylist()
            assert sorted(row["line"] for row in rows) == [3, 4]
            assert {row["code"] for row in rows} == {"revision"}
        assert any("stay as they were" in note for note in one.notes) == (how == "keep")
    with pytest.raises(BadInput, match="expected --on-revision replace, keep, reject"):
        School(tmp_path / "wrong").read(GRADES, *grades(1), on_revision="ask")


@pytest.mark.parametrize("how", ON_REVISION)
def test_a_column_that_appears_adds_to_what_is_known_and_one_that_is_gone_takes_nothing_away(school, how):
    wide = OWN.replace("\n", ",time_spent_sec,hints_used\n")
    rows = [f"S1,q{n},t1,1,{AT},a{n}" for n in range(3)]
    more = [f"{row},{n + 10},0" for n, row in enumerate(rows)]
    assert school.read(OWN, *rows) == (3, 0, 0, 0)
    assert school.read(wide, *more, on_revision=how) == (0, 3, 0, 0)
    assert any("more of known events than was known" in note for note in school.notes)
    assert school.read(OWN, *rows, on_revision=how) == (0, 0, 3, 0)
    narrow = OWN.replace("\n", ",hints_used\n")
    assert school.read(narrow, *[f"{row},0" for row in rows], on_revision=how) == (0, 0, 3, 0)
    assert [duration for *_, duration in school.events("duration_ms")] == [10_000, 11_000, 12_000]


NUMBERED = "student_id,question_id,topic_id,is_correct,order\n"


def coins(answers: int, students: int = 3, seed: int = 5, topics: str = "ab") -> list[str]:
    """A log without time stamps that has a row for each topic of a question, and nothing in common that says so."""
    toss = np.random.default_rng(seed).integers(0, 2, (students, answers))
    return [
        f"S{s},q{n % 4},{topic},{toss[s, n]},{s * 10_000 + n * len(topics) + k}"
        for s in range(students)
        for n in range(answers)
        for k, topic in enumerate(topics)
    ]


def test_numbered_rows_of_one_answer_are_one_event_as_they_are_in_an_evaluation(school):
    rows = coins(20)
    assert school.read(NUMBERED, *rows) == (120, 0, 0, 0)
    events = school.events()
    assert len(events) == 60 and {(topic, others) for _, topic, others, _ in events} == {("a", ("b",))}
    (note,) = [note for note in school.notes if "follow each other" in note]
    assert "120 rows" in note and "--map COLUMN=interaction_id" in note
    read = read_answers(school.folder / "1.csv", now=NOW)
    assert any("120 rows follow each other" in note for note in read.notes())
    assert np.unique(read.batch().row).size == 60
    assert school.read(NUMBERED, *rows) == (0, 0, 120, 0)
    school.lake.compact()
    assert school.read(NUMBERED, *rows[::-1]) == (0, 0, 120, 0)
    assert school.events() == events


def test_an_excerpt_of_numbered_rows_does_not_count_them_again(school):
    rows = coins(20)
    school.read(NUMBERED, *rows)
    events = school.events()
    assert school.read(NUMBERED, *rows[40:50]) == (0, 0, 10, 0)
    assert school.events() == events


def test_numbered_rows_that_were_known_one_by_one_stay_so(school):
    rows = coins(20)
    assert school.read(NUMBERED, *rows[:10]) == (10, 0, 0, 0)
    assert len(school.events()) == 10, "of five answers nobody can say so"
    assert school.read(NUMBERED, *rows) == (110, 0, 10, 0)
    assert len(school.events()) == 10 + 55
    assert school.read(NUMBERED, *rows) == (0, 0, 120, 0)
    assert len(school.events()) == 10 + 55


def test_numbered_rows_that_go_differently_are_answers_of_their_own(school):
    rows = [f"S1,q{n // 2},{'ab'[n % 2]},{n * n % 7 % 2},{n}" for n in range(120)]
    assert school.read(NUMBERED, *rows) == (120, 0, 0, 0)
    assert len(school.events()) == 120


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(topics=st.sampled_from(["ab", "abc"]), repeats=st.integers(0, 5), block=st.sampled_from([40, 300, 1 << 20]))
def test_blocks_and_repeats_change_nothing_of_numbered_rows(tmp_path_factory, topics, repeats, block):
    rows = coins(12, topics=topics)
    rows = rows + rows[:repeats]
    whole = School(tmp_path_factory.mktemp("whole"))
    assert whole.read(NUMBERED, *rows) == (len(rows) - repeats, 0, repeats, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "HEAD_BYTES", 60)
        patch.setattr(files, "BLOCK_BYTES", block)
        cut = School(tmp_path_factory.mktemp("cut"))
        cut.read(NUMBERED, *rows)
    ids = ("event_id_hi", "event_id_lo", "body_hash", "sequence")
    assert cut.events(*ids) == whole.events(*ids) and len(cut.events()) == 36


def test_an_answer_of_numbered_rows_is_not_cut_where_a_write_ends(school, monkeypatch):
    monkeypatch.setattr(files, "HEAD_BYTES", 60)
    monkeypatch.setattr(files, "BLOCK_BYTES", 90)
    monkeypatch.setattr(ingesting, "ROWS_PER_WRITE", 60)
    rows = coins(40, topics="abc")
    assert school.read(NUMBERED, *rows) == (360, 0, 0, 0)
    assert len(school.events()) == 120
