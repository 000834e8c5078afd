"""`mastery ingests`: what was read is listed, and taken back after a look at what that changes."""

from __future__ import annotations

import json
from functools import partial

from mastery.errors import BadInput, NotFound

HEADER = "attempt_id,student_id,question_id,topic_id,is_correct,timestamp\n"


def write(path, *answers: tuple[str, str, int]) -> str:
    rows = (f"{one},{student},Q1,T1,{right},2026-05-01T08:00:00Z\n" for one, student, right in answers)
    path.write_text(HEADER + "".join(rows))
    return str(path)


def test_an_ingest_is_listed_looked_at_and_taken_back(mastery, new_home, tmp_path):
    run = partial(mastery, home=new_home)
    three = [(f"A{n}", "S1", 1) for n in range(3)]
    run("ingest", write(tmp_path / "a.csv", *three, ("A3", "S2", 1)))
    wrong = json.loads(run("ingest", write(tmp_path / "b.csv", ("A0", "S1", 0), ("A4", "S2", 0)), "--json").stdout)[
        "ingest"
    ]
    listed = run("ingests").stdout
    assert listed.index("b.csv") < listed.index("a.csv")
    assert listed.count("finished") == 2

    looked = run("ingests", "undo", wrong).stdout
    assert f"Undo of ingest {wrong} would take out 2 events of 2 students." in looked
    assert "Of 1 event among them the revision before would count again." in looked
    assert "2 scores (blend) would change, by " in looked
    assert f"ingests undo {wrong} --yes" in looked
    document = json.loads(run("ingests", "undo", wrong, "--json").stdout)
    assert (document["events"], document["students"], document["scores"], document["scores_gone"]) == (2, 2, 2, 0)
    assert 0 < document["largest_change"] < 1
    assert run("ingests").stdout == listed  # looking changes nothing

    assert "2 rows of events" in run("ingests", "undo", wrong, "--yes").stdout
    assert "taken back before; nothing was changed" in run("ingests", "undo", wrong, "--yes").stdout
    assert "taken back before" in run("ingests", "undo", wrong).stdout
    first, second, third = json.loads(run("ingests", "--json").stdout)
    assert (first["kind"], first["undoes"], first["events"]) == ("undo", wrong, 2)
    assert (second["id"], second["status"], second["undone_by"]) == (wrong, "undone", first["id"])
    assert (third["status"], third["events"], third["door"]) == ("finished", 4, "command line")
    assert len(json.loads(run("ingests", "--limit", "1", "--json").stdout)) == 1


def test_a_file_is_read_instead_of_what_it_brought(mastery, new_home, tmp_path):
    run = partial(mastery, home=new_home)
    run("ingest", write(tmp_path / "a.csv", ("A1", "S1", 1), ("A2", "S1", 1)))
    printed = run("ingest", "--replace", write(tmp_path / "a.csv", ("A1", "S1", 0))).stdout
    assert "Replaced: 2 rows of events of ingest " in printed
    shown = json.loads(run("show", "S1", "--json").stdout)
    assert [topic["evidence_count"] for topic in shown["topics"]] == [1]


def test_an_option_before_the_command_is_told_where_it_belongs(mastery, new_home, tmp_path):
    run = partial(mastery, home=new_home)
    run("ingest", write(tmp_path / "a.csv", ("A1", "S1", 1)), "--tenant", "north")
    told = run("ingests", "--tenant", "north", "undo", "2").exception
    assert isinstance(told, BadInput)
    assert "--tenant stands after the command that it is for" in str(told)


def test_an_id_that_is_not_there_is_told(mastery, new_home, tmp_path):
    run = partial(mastery, home=new_home)
    run("ingest", write(tmp_path / "a.csv", ("A1", "S1", 1)))
    told = run("ingests", "undo", "1999").exception
    assert isinstance(told, NotFound)
    assert "no ingest '1999'" in str(told)
