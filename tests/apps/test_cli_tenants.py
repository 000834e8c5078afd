"""`mastery tenants`, and what commands say where a tenant, a student or a topic is called by another name."""

from __future__ import annotations

import json

import pytest

from mastery.errors import BadInput, NotFound

LATEST = ("--as-of", "latest")
QUIZ = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"


@pytest.fixture(scope="module")
def schools(tmp_path_factory):
    """A home with two tenants, neither of them the one of the settings; nothing is published."""
    from typer.testing import CliRunner

    from mastery.apps.cli import build

    folder = tmp_path_factory.mktemp("schools")
    hill = "Ann,Q1,Fractions,yes,4,1,2026-03-01T10:00:00Z\nBen,q2,Fractions,perhaps,4,1,2026-03-01T10:05:00Z\n"
    lake = "Cid,q1,ratios,yes,4,1,2026-03-01T10:00:00Z\nCid,q2,ratios,no,4,1,2026-03-01T10:06:00Z\n"
    topics = "topic_id,title,chapter\nFractions,Parts of a whole,Numbers\na,Twice,Numbers\nb,Twice,Numbers\n"
    items = "question_id,topic_id,difficulty\nQ1,Fractions,0.4\n"
    for tenant, files in (
        ("hill", {"answers": QUIZ + hill, "topics": topics, "items": items}),
        ("lake", {"answers": QUIZ + lake}),
    ):
        for name, text in files.items():
            file = folder / f"{tenant}-{name}.csv"
            file.write_text(text)
            done = CliRunner().invoke(
                build(), ["--home", str(folder / "home"), "ingest", str(file), "--tenant", tenant]
            )
            assert done.exit_code == 0, done.exception
    return folder / "home"


def test_tenants_are_listed_with_their_students_events_and_rejected_rows(mastery, schools):
    assert json.loads(mastery("tenants", "--json", home=schools).stdout) == [
        {"tenant": "hill", "students": 1, "events": 1, "rejected": 1},
        {"tenant": "lake", "students": 1, "events": 2, "rejected": 0},
    ]
    printed = [line.split() for line in mastery("tenants", home=schools).stdout.splitlines()]
    assert ["hill", "1", "1", "1"] in printed and ["lake", "1", "2", "0"] in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "Ann"),
        ("class-report",),
        ("history", "Ann", "Fractions"),
        ("items", "Ann", "Fractions"),
        ("show", "Ann", "--tenant", "hil"),
    ],
)
def test_a_tenant_without_events_is_answered_with_those_there_are(mastery, schools, arguments):
    done = mastery(*arguments, home=schools)
    assert isinstance(done.exception, NotFound)
    assert "there are 'hill', 'lake': name one with --tenant" in str(done.exception)


def test_a_tenant_whose_rows_were_all_rejected_is_answered_with_them_and_not_named_to_others(mastery, new_home):
    file = new_home.parent / "quiz.csv"
    file.write_text("student_id,question_id,topic_id,is_correct,timestamp\n,q1,t,1,2026-03-02T09:00:00Z\n")
    assert mastery("ingest", file, "--tenant", "Öst hill", home=new_home).exception.exit_code == 2
    error = mastery("class-report", "--tenant", "Öst hill", home=new_home).exception
    assert isinstance(error, NotFound)
    assert "only 1 rejected row: `mastery rejected --tenant 'Öst hill'` says why" in str(error)
    error = mastery("class-report", home=new_home).exception
    assert "the lake holds no events at all" in str(error) and "hill" not in str(error)


def test_rejected_names_the_tenants_where_this_one_has_no_rows(mastery, schools):
    assert "'hill', 'lake': name one with --tenant" in mastery("rejected", home=schools).stdout
    assert mastery("rejected", "--tenant", "lake", home=schools).stdout == "No row of tenant 'lake' was rejected.\n"
    assert "perhaps" in mastery("rejected", "--tenant", "hill", home=schools).stdout


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ("Cid", "there is one in tenant 'lake': add --tenant lake"),
        ("ann", "did you mean 'Ann'?"),
        ("ANN", "did you mean 'Ann'?"),
        ("Dan", "check the id"),
    ],
)
def test_an_unknown_student_is_answered_with_the_likeliest_slip(mastery, schools, student, said):
    error = mastery("show", student, "--tenant", "hill", home=schools).exception
    assert isinstance(error, NotFound)
    assert f"no event of student {student!r} in tenant 'hill'" in str(error)
    assert said in str(error)


def test_of_a_pseudonym_nobody_is_told_in_which_tenant_it_is(mastery, schools):
    pseudonym = json.loads(mastery("show", "Cid", "--tenant", "lake", *LATEST, "--json", home=schools).stdout)[
        "student_id"
    ]
    error = mastery("show", pseudonym, "--tenant", "hill", home=schools).exception
    assert isinstance(error, NotFound)
    assert "'lake'" not in str(error)


@pytest.mark.parametrize("topic", ["Fractions", "FRACTIONS", "Parts of a whole", "parts of a WHOLE"])
def test_a_topic_may_be_called_by_its_title_or_in_other_capitals(mastery, schools, topic):
    hill = ("--tenant", "hill", *LATEST, "--json")
    shown = json.loads(mastery("show", "Ann", "--topic", topic, *hill, home=schools).stdout)
    assert [one["topic_id"] for one in shown["topics"]] == ["Fractions"]
    found = json.loads(mastery("items", "Ann", topic, "--item", "q1", *hill, home=schools).stdout)
    assert (found["topic_id"], [one["item_id"] for one in found["items"]]) == ("Fractions", ["Q1"])


def test_a_title_of_two_topics_is_refused_with_both_ids(mastery, schools):
    error = mastery("show", "Ann", "--topic", "twice", "--tenant", "hill", home=schools).exception
    assert isinstance(error, BadInput)
    assert "'twice' names 'a' and 'b'" in str(error)


def test_a_topic_that_no_metadata_know_is_hinted_at_in_other_capitals(mastery, schools):
    error = mastery("show", "Cid", "--topic", "RATIOS", "--tenant", "lake", *LATEST, home=schools).exception
    assert "did you mean 'ratios'?" in str(error)
    assert "by 2026-03-01 10:06:00 UTC" in str(error)


def test_history_takes_a_title_too(mastery):
    by_title = mastery("history", "S000014", "equivalent fractions", "--json")
    assert by_title.stdout == mastery("history", "S000014", "frac-equiv", "--json").stdout
    assert json.loads(by_title.stdout)["topic_id"] == "frac-equiv"


@pytest.mark.parametrize("command", [("class-report",), ("show", "Ann")])
def test_a_tenant_that_is_no_text_is_refused(mastery, schools, command):
    done = mastery(*command, "--tenant", "hill\udcff", home=schools)
    assert isinstance(done.exception, BadInput)
    assert "the tenant is not text in UTF-8" in str(done.exception)


def test_what_a_command_advises_is_typed_for_the_same_home_and_tenant(mastery, tmp_path):
    home, quiz = tmp_path / "a home", tmp_path / "quiz.csv"
    quiz.write_text(QUIZ + "Ann,q1,t,yes,4,1,2026-03-01T10:00:00Z\nAnn,q2,t,perhaps,4,1,2026-03-01T10:01:00Z\n")
    said = mastery("ingest", quiz, "--tenant", "north hill", home=home).stdout
    assert f"`mastery --home '{home}' rejected --tenant 'north hill'` lists it" in said.replace("\n", " ")
    quiz.write_text(QUIZ + "Ann,q1,t,no,4,1,2026-03-01T10:00:00Z\n")
    said = mastery("ingest", quiz, "--tenant", "north hill", home=home).stdout
    assert f"`mastery --home '{home}' rejected --tenant 'north hill' --superseded`" in said.replace("\n", " ")
