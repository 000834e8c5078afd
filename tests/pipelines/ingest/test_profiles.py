"""Profiles: each of those that ship reads a small file of its shape; those that people write; what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.pipelines.ingest.inputs import plan
from mastery.pipelines.ingest.profiles import load_profile, parse_profile, shipped_profiles
from mastery.tables import EVENTS, REJECTED

NOW = datetime(2027, 1, 1, tzinfo=UTC)
KEY = Pseudonyms(bytes(32))
MADE = Path(__file__).parent / "made"


@pytest.fixture
def put(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)

    def read(name: str | Path, text: str | None, profile: str, **options):
        path = name if isinstance(name, Path) else tmp_path / name
        if text is not None:
            path.write_text(text, encoding="utf-8", newline="")
        report = ingest(
            [path],
            lake=lake,
            pseudonyms=KEY,
            tenant="default",
            now=NOW,
            options=ReadOptions(profile=profile, **options),
        )
        assert report.read == report.accepted + report.revised + report.duplicates + report.rejected
        return report

    read.lake = lake
    return read


def events(lake, *names):
    return sorted(tuple(row[name] for name in names) for row in lake.scan(EVENTS).to_pylist())


def said(lake):
    """Return (kind, topic, item, share of success, minute of the day) of every event, by all of them."""
    rows = lake.scan(EVENTS).to_pylist()
    return sorted(
        (
            row["topic_id"],
            row["item_id"] or "",
            row["success_ppm"] / 1e6 / max(row["attempts"], 1),
            f"{row['occurred_at']:%Y-%m-%d %H:%M}",
        )
        for row in rows
    )


def counts(report):
    return report.read, report.accepted, report.revised, report.duplicates, report.rejected


SAYS = {
    "canvas-student-analysis": [
        ("Unit 3 Quiz Student Analysis Report", "9001", 0.0, "2026-03-02 09:00"),
        ("Unit 3 Quiz Student Analysis Report", "9001", 1.0, "2026-03-02 09:01"),
        ("Unit 3 Quiz Student Analysis Report", "9002", 0.0, "2026-03-02 09:00"),
        ("Unit 3 Quiz Student Analysis Report", "9002", 1.0, "2026-03-02 09:01"),
    ],
    "moodle-quiz-grades": [
        ("Maths-Fractions-grades", "Maths-Fractions-grades:1", 1.0, "2026-02-22 22:53"),
        ("Maths-Fractions-grades", "Maths-Fractions-grades:2", 0.0, "2026-02-22 22:53"),
        ("Maths-Fractions-grades", "Maths-Fractions-grades:2", 1.0, "2026-03-01 03:35"),
    ],
    "google-forms-quiz": [
        ("Decimals", "What is 0.5 + 0.5?", 0.0, "2026-03-02 08:06"),
        ("Decimals", "What is 0.5 + 0.5?", 1.0, "2026-03-02 08:05"),
        ("Decimals", "Why?", 0.0, "2026-03-02 08:05"),
        ("Decimals", "Why?", 1.0, "2026-03-02 08:06"),
    ],
    "junyi-2015": [
        ("multiplication_1", "multiplication_1:0", 0.0, "2015-01-08 11:02"),
        ("time_terminology", "time_terminology:analog_word", 1.0, "2015-01-08 11:00"),
    ],
    "junyi-2019": [("c1", "p1", 1.0, "2018-11-02 15:45"), ("c1", "p2", 0.0, "2018-11-02 15:45")],
    "oulad": [("unassigned", "1752", 0.7, "2013-10-23 00:00"), ("unassigned", "1752", 0.78, "2013-10-19 00:00")],
    "canvas-submissions": [("essays", "7", 0.75, "2026-03-02 09:00"), ("essays", "7", 1.0, "2026-03-02 09:30")],
    "ednet-kt1": [("unassigned", "q4706", 0.0, "2019-08-06 12:56"), ("unassigned", "q5012", 1.0, "2019-08-06 12:56")],
    "datashop-transactions": [
        ("adding", "p1:x = 1", 0.0, "2026-03-02 09:00"),
        ("adding", "p1:x = 1", 1.0, "2026-03-02 09:02"),
    ],
    "kahoot-report": [
        ("Fractions", "What is half of 1/2?", 0.0, "2026-03-02 00:00"),
        ("Fractions", "What is half of 1/2?", 1.0, "2026-03-02 00:00"),
    ],
    "quizizz-report": [
        ("Fractions", "Fractions", 0.4, "2026-03-02 09:01"),
        ("Fractions", "Fractions", 0.8, "2026-03-02 09:00"),
        ("Fractions", "Fractions", 1.0, "2026-03-02 09:10"),
    ],
    "khan-problem-logs": [
        ("adding_fractions", "adding_fractions:0", 1.0, "2016-03-02 09:00"),
        ("adding_fractions", "adding_fractions:1", 0.0, "2016-03-02 09:01"),
    ],
    "h5p-results": [
        ("wp_h5p_results", "12", 0.7, "2026-03-02 09:05"),
        ("wp_h5p_results", "12", 1.0, "2026-03-02 09:10"),
    ],
    "microsoft-forms-quiz": [
        ("Fractions", "Half, or a third?", 1.0, "2026-03-02 09:05"),
        ("Fractions", "Half, or a third?", 1.0, "2026-03-02 09:07"),
        ("Fractions", "What is 1/2 + 1/4?", 0.0, "2026-03-02 09:07"),
        ("Fractions", "What is 1/2 + 1/4?", 1.0, "2026-03-02 09:05"),
    ],
    "kolibri-logs": [
        ("Sums", "c1", 1.0, "2026-03-02 09:05"),
        ("Sums", "c2", 0.4, "2026-03-02 09:16"),
    ],
    "kdd-cup-2010": [
        ("expand", "EG4:3(x+2)", 0.0, "2005-09-09 12:24"),
        ("unassigned", "EG4:x+2", 1.0, "2005-09-09 12:25"),
    ],
    "assistments-2009": [
        ("1", "51424", 1.0, "2010-06-19 01:16"),
        ("1", "51435", 0.0, "2010-06-19 01:44"),
    ],
    "assistments-2012": [
        ("309", "426415", 1.0, "2012-09-28 15:11"),
        ("309", "426416", 0.0, "2012-09-28 15:12"),
    ],
    "assistments-2015": [
        ("7014", "", 0.0, "2000-01-02 22:24"),
        ("7014", "", 1.0, "2000-01-02 22:25"),
    ],
    "assistments-2017": [
        ("properties-of-geometric-figures", "1166", 0.0, "2004-09-29 15:05"),
        ("properties-of-geometric-figures", "1166", 1.0, "2004-09-29 15:05"),
    ],
    "duolingo-spaced-repetition": [
        ("76390c1350a8dac31186187e2fe1e178", "", 1.0, "2013-02-28 18:28"),
        ("7dfd7086f3671685e2cf1c1da72796d7", "", 0.5, "2013-02-28 18:28"),
    ],
    "eedi-2020": [
        ("unassigned", "767", 0.0, "2000-01-07 10:33"),
        ("unassigned", "898", 1.0, "2000-02-02 10:20"),
    ],
}
"""Profile → what the events of its made file say: topic, item, share of success, minute."""

KEY_FILE = "questions.csv"

SAID = {
    "oulad": {"day_zero": date(2013, 10, 1)},
    "ednet-kt1": {"key": str(MADE / "ednet-kt1" / KEY_FILE)},
    "kahoot-report": {"constants": {"timestamp": "2026-03-02"}},
}
"""What must be said beside a profile."""


def made(name: str) -> Path:
    """Return the made file of a profile: the shape and the columns of real ones, invented students."""
    (path,) = (path for path in (MADE / name).iterdir() if path.name != KEY_FILE)
    return path


def test_every_profile_that_ships_has_a_made_file():
    assert set(SAYS) == {folder.name for folder in MADE.iterdir()} == set(shipped_profiles())


@pytest.mark.parametrize("name", shipped_profiles())
def test_a_profile_reads_a_file_of_its_shape(put, name):
    expected, options = SAYS[name], SAID.get(name, {})
    first = put(made(name), None, name, **options)
    assert (first.accepted, first.rejected) == (len(expected), 0), put.lake.scan(REJECTED).to_pylist()
    assert said(put.lake) == expected
    again = put(made(name), None, name, **options)
    assert (again.accepted, again.revised, again.duplicates) == (0, 0, len(expected))


def test_the_shared_case_of_a_student_analysis(put):
    case = Path(__file__).parents[4] / "shared" / "cases" / "ingest" / "canvas_student_analysis.csv"
    if not case.exists():
        pytest.skip("the shared cases are not here")
    report = put(case, None, "canvas-student-analysis", constants={"topic_id": "fractions"})
    students = report.read // 2
    assert (report.accepted, report.rejected) == (2 * students, 0)
    assert {item for _, item, *_ in said(put.lake)} == {"9001", "9002"}


def test_the_assessments_of_oulad_give_its_answers_their_topics(put, tmp_path):
    text = "code_module,code_presentation,id_assessment,assessment_type,date,weight\nAAA,2013J,1752,TMA,19,10\n"
    report = put("assessments.csv", text, "oulad")
    assert [file.table for file in report.files] == ["items"]
    put(made("oulad"), None, "oulad", **SAID["oulad"])
    assert {topic for topic, *_ in said(put.lake)} == {"AAA"}


def test_a_profile_may_say_the_day_zero(put, tmp_path):
    shipped = load_profile("oulad").text
    (tmp_path / "ours.yaml").write_text(shipped.replace('{topic_ids: ""}', '{topic_ids: ""}\n    day_zero: 2013-10-01'))
    put(made("oulad"), None, str(tmp_path / "ours.yaml"))
    assert said(put.lake) == SAYS["oulad"]


@pytest.mark.parametrize("name", shipped_profiles())
def test_a_profile_says_what_it_is_for_where_that_is_documented_and_what_is_lost(name):
    profile = load_profile(name)
    for text in (profile.title, profile.documented, profile.command, profile.lost, profile.about):
        assert text
        assert "\n" not in text
    assert profile.documented.startswith("https://")
    assert f"--profile {name}" in profile.command


def row(name: str) -> str:
    """Return the row of the page on a profile."""
    profile = load_profile(name)
    what = f"[{profile.title}]({profile.documented}). {profile.about}"
    tables = ", ".join(f"`{one}`" for one in profile.tables)
    return f"| `{name}` | {what} | `{profile.command}` | {tables} | {profile.lost} |"


def test_the_page_has_the_row_of_every_profile():
    page = (Path(__file__).parents[3] / "docs" / "integrations" / "files.md").read_text(encoding="utf-8")
    head = "|---|---|---|---|---|\n"
    listed = page[page.index(head) + len(head) :].split("\n\n")[0].rstrip("\n")
    assert listed == "\n".join(row(name) for name in shipped_profiles()), "paste the rows into the page"


OURS = """
title: Our quiz page
timezone: Europe/Berlin
table: quiz_attempts
columns: {student_id: pupil, question_id: [item, question], timestamp: handed in, is_correct: right,
          time_spent_sec: took}
set: {topic_id: fractions}
units: {time_spent_sec: ms}
only: {state: [done, 1]}
"""
PAGE = """pupil,question,handed in,right,took,state
S1,q1,2026-07-02 09:00,1,12000,done
S2,q1,2026-07-02 09:01,0,9000,1
S3,q1,,,,open
"""


def test_a_profile_of_ones_own_is_a_file(put, tmp_path):
    (tmp_path / "ours.yaml").write_text(OURS)
    report = put("page.csv", PAGE, str(tmp_path / "ours.yaml"))
    assert counts(report) == (2, 2, 0, 0, 0)
    assert events(put.lake, "topic_id", "item_id", "duration_ms") == [
        ("fractions", "q1", 9000),
        ("fractions", "q1", 12000),
    ]
    assert {at for *_, at in said(put.lake)} == {"2026-07-02 07:00", "2026-07-02 07:01"}


def test_words_and_lists_of_topics_are_said_in_a_profile_too(put, tmp_path):
    words = "table: quiz_attempts\nvalues: {richtig: 1, falsch: 0}\nsplit: {topic_id: ;}\n"
    (tmp_path / "ours.yaml").write_text(words)
    text = "student_id,question_id,topic_id,is_correct,timestamp\n"
    text += "S1,q1,a;b,richtig,2026-03-02\nS2,q1,a,falsch,2026-03-02\n"
    report = put("page.csv", text, str(tmp_path / "ours.yaml"))
    assert counts(report) == (2, 2, 0, 0, 0)
    assert events(put.lake, "topic_id", "success_ppm") == [("a", 0), ("a", 1_000_000)]


def test_a_profile_does_not_take_a_column_by_our_name_where_it_expects_another(put):
    ours = "student_id,question_id,topic_id,is_correct,timestamp,time_spent_sec\nS1,q1,t,1,2026-03-02,12\n"
    with pytest.raises(BadInput, match=r"profile assistments-2009 expects the column 'user_id' \(for student_id\)"):
        put("x.csv", ours, "assistments-2009")
    with pytest.raises(BadInput, match="is none of the tables of profile oulad"):
        put("x.csv", ours, "oulad", day_zero=date(2013, 10, 1))
    text = made("junyi-2019").read_text().replace("total_sec_taken", "time_spent_sec")
    put("y.csv", text, "junyi-2019")
    assert events(put.lake, "duration_ms") == [(None,), (None,)]


def test_a_later_export_of_kolibri_revises_what_went_on(put):
    put(made("kolibri-logs"), None, "kolibri-logs")
    text = made("kolibri-logs").read_text()
    later = text.replace("09:16:00+00:00,600.0,0.4000", "09:26:00+00:00,1200.0,0.9000")
    report = put("later.csv", later, "kolibri-logs")
    assert (report.accepted, report.revised, report.duplicates) == (0, 1, 1)


@pytest.mark.parametrize("name", sorted(set(shipped_profiles()) - {"kahoot-report"}))
def test_a_file_of_the_shape_of_a_profile_is_told_so(name):
    with pytest.raises(BadInput, match=rf"it looks like a file for .*--profile {name} "):
        plan([made(name)], ReadOptions())


def test_what_is_said_wins_over_a_profile(put, tmp_path):
    (tmp_path / "ours.yaml").write_text(OURS)
    report = put(
        "page.csv",
        PAGE,
        str(tmp_path / "ours.yaml"),
        columns={"state": "topic_id"},
        units={"time_spent_sec": "s"},
        timezone="UTC",
        only={"state": ("open", "done")},
    )
    assert counts(report) == (2, 1, 0, 0, 1)
    assert events(put.lake, "topic_id", "duration_ms") == [("done", 12_000_000)]
    assert {at for *_, at in said(put.lake)} == {"2026-07-02 09:00"}


def test_several_tables_come_from_one_file_and_each_row_is_read_once(put):
    report = put(made("kolibri-logs"), None, "kolibri-logs")
    assert [(one.table, one.read) for one in report.files] == [("video_events", 1), ("assignments", 1)]


def test_a_file_that_is_none_of_the_tables_is_refused_with_the_reason_for_each(put):
    with pytest.raises(
        BadInput, match=r"pets\.csv: is none of the tables of profile kolibri-logs: there is no column 'Content kind'$"
    ):
        put("pets.csv", "name,legs\nRex,4\n", "kolibri-logs")
    with pytest.raises(BadInput, match=r"pets\.csv: profile eedi-2020 expects the column 'UserId' \(for student_id\)"):
        put("pets.csv", "name,legs\nRex,4\n", "eedi-2020")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 1", "expected keys and values"),
        ("a: [", "this is not YAML"),
        ("colums: {}", "unknown key 'colums' .did you mean 'columns'"),
        ("columns: {topic: t}", "no source table has a column 'topic' .did you mean 'topic_id'"),
        ("columns: t", "columns is 't'; expected keys and values"),
        ("set: {topic_id: yes}", "set: True is not a text; put it in quotes"),
        ("table: quizes", "unknown source table 'quizes'"),
        ("title: 5", "title is 5; expected a text"),
        ("day_zero: soon", "day_zero is 'soon'; expected a date such as 2013-10-01"),
        ("values: {richtig: ja}", "'ja' is not a number"),
        ("tables: [{table: topics}]\nset: {topic_id: t}", "with `tables`, a list, all but"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(text, expected):
    with pytest.raises(BadInput, match=expected):
        parse_profile(text, "ours.yaml")


def test_a_profile_that_is_not_there_is_refused_with_the_nearest_name(put):
    with pytest.raises(BadInput, match="no such profile .did you mean 'eedi-2020'"):
        put("x.csv", PAGE, "eedi-2002")


def test_a_profile_says_what_values_are_worth_and_when_days_begin():
    text = "table: quiz_attempts\nvalues: {solved: 1, missed: 0}\nday_zero: 2013-10-01\ndecimal: ','\ndates: D/M/Y\n"
    (way,) = parse_profile(text, "ours").ways
    assert way.options.values == {"solved": 1, "missed": 0}
    assert (way.options.day_zero, way.options.decimal, way.options.dates) == (date(2013, 10, 1), ",", "D/M/Y")
    for bad in ("values: {solved: yes}", "day_zero: soon"):
        with pytest.raises(BadInput, match="profile ours"):
            parse_profile(bad, "ours")
