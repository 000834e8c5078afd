"""`show`, `history` and `class-report` over the sample school."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest

from mastery.apps.api.app import create_app
from mastery.engine import Engine, now_us
from mastery.errors import BadInput, NotFound
from mastery.insight.words import decimal
from mastery.settings import load_settings

pytestmark = pytest.mark.slow  # commands on a home

LATEST = ("--as-of", "latest")


@pytest.fixture(scope="module")
def engine(home):
    engine = Engine.connect(load_settings(home=home, environ={}).settings)
    yield engine
    engine.close()


def test_show_says_score_band_and_why_for_every_topic(mastery):
    done = mastery("show", "S000014", *LATEST)
    assert done.exit_code == 0, done.exception
    assert "as of 11 April 2026 17:12 UTC" in done.stdout
    assert "Scaling and unit rates" in done.stdout
    assert "needs help" in done.stdout
    assert "no practice yet" in done.stdout
    assert "Mathematics grade 6" in done.stdout


def test_show_prints_the_same_document_as_the_api(mastery, engine):
    at = "2026-04-01T08:00:00Z"
    shown = json.loads(mastery("show", "S000014", "--as-of", at, "--scorer", "bkt", "--json").stdout)
    app = create_app(lambda _tenant: engine.reader, engine.pseudonyms, now_us)

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/mastery/S000014", params={"as_of": at, "scorer": "bkt"})

    assert shown == asyncio.run(ask()).json()
    assert {topic["score_source"] for topic in shown["topics"]} == {"bkt"}


def test_a_student_is_shown_under_either_id(mastery):
    by_own = json.loads(mastery("show", "S000014", *LATEST, "--json").stdout)
    by_pseudonym = json.loads(mastery("show", by_own["student_id"], *LATEST, "--json").stdout)
    assert by_own == by_pseudonym
    assert "S000014" not in json.dumps(by_own)


def test_one_topic_is_shown_with_every_factor_and_their_sum(mastery):
    asked = ("show", "S000014", "--topic", "ratio-scale", "--scorer", "rule_based", *LATEST)
    topic = json.loads(mastery(*asked, "--json").stdout)["topics"]
    assert [one["topic_id"] for one in topic] == ["ratio-scale"]
    done = mastery(*asked)
    why, words = topic[0]["explanation"], " ".join(done.stdout.split())
    score, reference = (int(100 * one["mastery_score"]) for one in (topic[0], why["reference"]))
    assert f"typical student {reference} mean of students with enough evidence" in words and f" score {score} " in words
    assert sum(why["points"].values()) == score - reference
    for name, points in why["points"].items():
        if points:
            assert f"{name.replace('_', ' ')} {'+' if points > 0 else '−'}{abs(points)}" in words
    assert "log" not in words
    assert topic[0]["next_step"] and f"→ {topic[0]['next_step']}" in words
    assert "all scorers" not in done.stdout  # people see one score
    assert "all scorers: rule_based" in mastery(*asked, "--all-scorers").stdout
    alone = mastery("show", asked[1], "--all-scorers")
    assert isinstance(alone.exception, BadInput) and "name it with --topic" in str(alone.exception)


@pytest.mark.parametrize("scorer", ["rule_based", "elo"])
def test_a_factor_that_changes_nothing_is_left_out(mastery, scorer):
    shown = mastery("show", "S000014", "--topic", "frac-equiv", "--scorer", scorer, *LATEST).stdout
    assert "typical student" in shown
    assert not re.search(r"[+−]?\b0\n|  [+−]0\b", shown)


def test_a_misspelt_title_is_answered_with_the_topic_that_was_meant(mastery):
    meant = "did you mean 'frac-equiv', Equivalent fractions?"
    for arguments in (
        ("show", "S000014", "--topic", "Equivalent fractons", *LATEST),
        ("history", "S000014", "equivalent fracton"),
        ("items", "S000014", "Equivalnt fractions", *LATEST),
    ):
        assert meant in str(mastery(*arguments).exception), arguments


@pytest.mark.parametrize(
    "line",
    [
        "show S000014 --topic ?",
        "history S000014 ?",
        "models show ?",
        "models activate ?",
        "export ? --format csv",
        "fit --scorer ?",
    ],
)
def test_an_argument_that_is_no_text_is_refused(mastery, line):
    done = mastery(*line.replace("?", "\udcff").split())
    assert isinstance(done.exception, BadInput)
    assert "is not text in UTF-8: '\\udcff'" in str(done.exception)


def test_scores_long_after_the_last_event_say_so_and_as_of_when_they_stood(mastery):
    done = mastery("show", "S000014", "--as-of", "2027-01-01")
    assert "Read as of `2026-04-10`" in done.stdout
    assert "Read as of" not in mastery("show", "S000014", *LATEST).stdout


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("show", "nobody"), NotFound, "no event of student"),
        (("show", "S000014", "--scorer", "btk"), BadInput, "did you mean 'bkt'"),
        (("show", "S000014", "--as-of", "lastest"), BadInput, "did you mean 'latest'"),
        (("show", "S000014", "--as-of", "1999-01-01"), NotFound, "no event"),
        (("show", "S000014", "--topic", "ratio-scales"), NotFound, "did you mean 'ratio-scale'"),
        (("show", "S000014", "--tenant", "hill"), NotFound, "no event"),
        (("history", "S000014", "ratio-scales"), NotFound, "did you mean 'ratio-scale'"),
        (("class-report", "--tenant", "hill"), NotFound, "hill"),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(mastery, arguments, error, said):
    done = mastery(*arguments)
    assert isinstance(done.exception, error)
    assert said in str(done.exception)
    assert done.stdout == ""


def test_nothing_is_shown_where_nothing_was_read(mastery, tmp_path):
    for arguments in (("show", "S000014"), ("class-report",), ("recompute",), ("rejected",), ("compact",)):
        done = mastery(*arguments, home=tmp_path / "empty")
        assert isinstance(done.exception, NotFound), arguments
    assert not (tmp_path / "empty" / "keys").exists()


def test_a_day_with_too_little_evidence_shows_no_score(mastery):
    points = json.loads(mastery("history", "S000014", "frac-multiply", "--json").stdout)["points"]
    unsure = [point["band"] == "not_enough_evidence" for point in points]
    assert unsure == [True, False, False]
    shown = mastery("history", "S000014", "frac-multiply").stdout
    lines = {line.split()[0]: line.split()[1] for line in shown.splitlines() if line[:2] == "20"}
    assert [lines[point["day"]] == "–" for point in points] == unsure
    assert "– too little evidence to judge by then" in shown


def test_a_topic_with_too_little_evidence_has_no_bare_score_in_full(mastery):
    shown = mastery("show", "S000014", "--topic", "cell-parts", "--all-scorers", *LATEST).stdout
    score = next(line for line in shown.splitlines() if line.startswith("score  ") and "90 %" not in line)
    assert score.split()[:3] == ["score", "–", "Only"]
    assert "all scorers (too little evidence):" in shown


def test_a_unit_of_several_topics_tells_its_evidence_by_topic(mastery):
    rollups = json.loads(mastery("show", "S000014", "--json", *LATEST).stdout)["rollups"]
    unit = next(one for one in rollups if one["topics"] > 1)
    _, units = mastery("show", "S000014", *LATEST).stdout.split("course, subject, chapter")
    line = next(line for line in units.splitlines() if line.strip().startswith(unit["name"]))
    assert line.rstrip().endswith(f" {decimal(unit['evidence_count'] / unit['topics'], 1)} per topic")


def test_history_is_a_row_for_each_active_day_and_a_line_of_them_all(mastery):
    document = json.loads(mastery("history", "S000014", "frac-equiv", "--json").stdout)
    days = [point["day"] for point in document["points"]]
    assert days == sorted(set(days))
    shown = mastery("history", "S000014", "frac-equiv").stdout
    assert all(day in shown for day in days)
    assert "Equivalent fractions (frac-equiv)" in shown
    assert any(block in shown for block in "▁▂▃▄▅▆▇█")


def test_a_class_report_counts_every_student_topic_once_and_names_students_in_need_once(mastery):
    document = json.loads(mastery("class-report", "--in-need", "3", "--json").stdout)
    assert len(document["students"]) == 30
    assert len({(row["student_id"], row["topic_id"]) for row in document["scores"]}) == len(document["scores"])
    low = sorted((row for row in document["scores"] if row["band"] == "needs_help"), key=lambda r: r["mastery_score"])
    first = list(dict.fromkeys(row["student_id"] for row in low))
    assert [one["student_id"] for one in document["in_need"]] == first[:3]
    assert len(first) == document["totals"]["students_in_need"]
    for one in document["in_need"]:
        mine = [row for row in low if row["student_id"] == one["student_id"]]
        assert [row["topic_id"] for row in one["topics"]] == [row["topic_id"] for row in mine]
        assert one["topics"][0]["reason"] and one["next_step"]
        assert all(row["reason"] is None for row in one["topics"][1:])
    everybody = json.loads(mastery("class-report", "--in-need", "1000", "--json").stdout)["in_need"]
    assert [one["student_id"] for one in everybody] == first


def test_nobody_is_named_where_nobody_needs_help(mastery, tmp_path):
    answers = "".join(f"S{n},q{k},t{n},1,2026-05-0{k + 1}T08:00:00Z\n" for n in range(3) for k in range(8))
    (tmp_path / "quiz.csv").write_text("student_id,question_id,topic_id,is_correct,timestamp\n" + answers)
    home = tmp_path / "home"
    for command in (("ingest", str(tmp_path / "quiz.csv")), ("recompute", "--as-of", "latest")):
        assert mastery(*command, home=home).exit_code == 0
    shown = mastery("class-report", home=home).stdout
    assert "Class: 3 students" in shown and "needs help first" not in shown
    assert json.loads(mastery("class-report", "--json", home=home).stdout)["in_need"] == []


def test_a_class_report_of_no_student_has_the_numbers_of_the_class_and_nobodys_scores(engine):
    for as_of in (None, "latest"):
        whole, help_first = engine.class_report(in_need=3, as_of=as_of)
        numbers, same = engine.class_report(in_need=3, students=0, as_of=as_of)
        assert numbers.scores == [] and numbers.students == []
        assert (numbers.totals, numbers.topics, numbers.notes) == (whole.totals, whole.topics, whole.notes)
        assert same == help_first and len(whole.scores) == whole.totals.student_topics
    assert engine.in_need(limit=3).students == help_first
    assert engine.in_need(limit=0).students == []


def test_topics_are_listed_up_to_a_limit_and_the_others_are_counted(mastery):
    whole = json.loads(mastery("class-report", "--limit", "1", "--json").stdout)["topics"]
    assert len(whole) == 25
    shown = mastery("class-report", "--limit", "2", "--in-need", "0").stdout
    ids, listed = [topic["topic_id"] for topic in whole], shown.split("note:")[0]
    assert [one for one in ids if one in listed] == ids[:2]
    assert "… and 23 more topics; --limit 0 lists all" in shown
    for arguments in ((), ("--limit", "0")):
        assert "more topics" not in mastery("class-report", *arguments).stdout
    every = json.loads(mastery("show", "S000014", *LATEST, "--json").stdout)["topics"]
    some = json.loads(mastery("show", "S000014", *LATEST, "--json", "--limit", "2").stdout)["topics"]
    enough = [topic for topic in every if topic["band"] != "not_enough_evidence"]
    assert len(every) > 2 and some == enough[:2]


def test_a_class_report_names_who_needs_help_with_reasons_and_a_next_step(mastery):
    shown = mastery("class-report").stdout
    assert "Class: 30 students" in shown
    assert "Who needs help first" in shown
    assert re.search(r"answers (right|wrong) \([+−]\d+\)", " ".join(shown.split()))
    assert "→ work on it again: last worked on" in " ".join(shown.split())


def test_a_key_that_is_gone_is_not_replaced_by_another(mastery, home, tmp_path):
    import shutil

    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    (copy / "keys" / "pseudonym.key").unlink()
    done = mastery("show", "S000014", home=copy)
    assert "is gone" in str(done.exception)
    assert not (copy / "keys" / "pseudonym.key").exists()


def test_a_class_report_at_the_published_moment_is_the_published_one(mastery):
    published = json.loads(mastery("class-report", "--json").stdout)
    folded = json.loads(mastery("class-report", *LATEST, "--json").stdout)
    for one in (published, folded):  # a bucket's rows come in the order of its files
        one["scores"].sort(key=lambda row: (row["student_id"], row["topic_id"]))
    assert folded == published


def test_a_class_report_of_a_past_moment_holds_the_scores_that_show_gives_then(mastery):
    then = ("--as-of", "2026-02-20T12:00:00Z", "--json")
    document = json.loads(mastery("class-report", "--in-need", "2", *then).stdout)
    assert document["as_of"] == "2026-02-20T12:00:00Z"
    student = document["students"][0]
    shown = json.loads(mastery("show", student, *then).stdout)["topics"]
    of_class = {row["topic_id"]: row["mastery_score"] for row in document["scores"] if row["student_id"] == student}
    assert of_class == {topic["topic_id"]: topic["mastery_score"] for topic in shown}
    assert len(document["in_need"]) == 2 and all(one["topics"][0]["reason"] for one in document["in_need"])
    assert json.loads(mastery("class-report", "--json").stdout)["as_of"].startswith("2026-04-11T17:12")


def test_a_class_report_before_the_first_event_or_long_after_the_last_says_so(mastery):
    assert "no event of tenant 'default' by 1999-12-31" in str(
        mastery("class-report", "--as-of", "1999-12-31").exception
    )
    assert "Read as of `latest`" in mastery("class-report", "--as-of", "2027-01-01").stdout


def test_one_student_is_not_called_students(mastery, tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text(
        "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"
        "A,q1,fractions,yes,4,1,2026-03-01T10:00:00Z\n"
    )
    home = tmp_path / "home"
    mastery("ingest", file, home=home)
    said = mastery("recompute", *LATEST, home=home).stdout + mastery("class-report", home=home).stdout
    assert "1 event of 1 student, 1 student-topic, 1 student-topic-day\n" in said
    assert "Class: 1 student, 1 topic\n" in said
