"""Every error is a document of RFC 9457."""

from __future__ import annotations

import pytest

from mastery.errors import BadInput, Conflict, MasteryError, NotFound
from mastery.lake import TakenBack
from mastery.lake.location import locate
from mastery.lake.seal import DamagedFile
from mastery.tables import GOLD


@pytest.mark.parametrize(
    ("path", "status", "kind", "detail"),
    [
        ("/mastery/nobody", 404, "not-found", "no event of student 's_"),
        ("/mastery/S000001?scorer=btk", 422, "bad-input", "did you mean 'bkt'"),
        ("/mastery/S000001?as_of=soon", 422, "bad-input", "as_of: 'soon' is not a moment"),
        ("/mastery/S000001?as_of=gestern", 422, "bad-input", "expected now, latest"),
        ("/mastery/S000001?as_off=now", 422, "bad-input", "as_off"),
        ("/mastery?limit=0", 422, "bad-input", "limit"),
        ("/mastery?limit=many", 422, "bad-input", "limit"),
        ("/mastery?limit=5&limit=6", 422, "bad-input", "limit: given more than once; give it once"),
        ("/mastery/S000001?as_of=now&as_of=latest", 422, "bad-input", "as_of: given more than once"),
        ("/mastery/S000001/frac-equiv/history?tenant=a&tenant=b", 422, "bad-input", "tenant: given more than once"),
        ("/nowhere", 404, "not-found", "/openapi.json"),
        ("/docs", 404, "not-found", "no such page"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(client, path, status, kind, detail):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:mastery:problem:{kind}"
    assert problem["status"] == status
    assert detail in problem["detail"]
    assert problem["instance"] == path.partition("?")[0]
    assert problem["title"]


def test_each_part_that_cannot_be_used_is_named(client):
    problem = client.get("/mastery/S000001?scorer=x&as_of=y").json()
    assert {part["where"] for part in problem["errors"]} == {"scorer", "as_of"}


def test_another_method_is_a_problem_that_names_the_allowed_one(client):
    answer = client.post("/mastery/S000001")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert answer.json()["type"] == "urn:mastery:problem:method-not-allowed"


@pytest.mark.parametrize(("error", "status"), [(BadInput("a"), 422), (NotFound("b"), 404)])
def test_an_error_of_the_request_keeps_its_status_and_its_words(client, reader, error, status):
    reader.fails = error
    answer = client.get("/mastery/S000001")
    assert (answer.status_code, answer.json()["detail"], answer.json()["title"]) == (status, str(error), error.title)


def test_a_store_that_cannot_be_read_is_a_503_and_its_words_are_for_the_log(client, reader, caplog):
    reader.fails = Conflict("/srv/lake/gold cannot be read as a Delta table: torn\nrust backtrace: 1: main")
    for _ in range(20):
        answer = client.get("/mastery/S000001")
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:mastery:problem:store-unreadable"
        assert answer.headers["retry-after"] == "1"
        assert not {"srv", "torn", "rust"} & set(answer.text.replace("/", " ").split())
    said = [record.getMessage() for record in caplog.records if "/srv/lake/gold" in record.getMessage()]
    assert said[0] == "/srv/lake/gold cannot be read as a Delta table: torn"
    assert len(said) <= 2  # one a second


def test_what_was_taken_back_while_it_came_in_is_told_with_what_to_do(client, reader):
    reader.fails = TakenBack()
    answer = client.get("/mastery/S000001")
    told = answer.json()
    assert (answer.status_code, told["type"]) == (503, "urn:mastery:problem:taken-back")
    assert told["title"] == "What was coming in was taken back"
    assert "none of them was kept; send the request again" in told["detail"]


def test_a_failure_of_ours_is_in_the_log(client, reader, caplog):
    reader.fails = MasteryError("/srv/lake is torn")
    client.get("/mastery/S000001")
    assert "/srv/lake is torn" in caplog.text
    assert "S000001" not in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("/srv/lake is torn"), MasteryError("/srv/lake is torn"), KeyError("x")])
def test_what_nobody_foresaw_is_a_500_without_internals(client, reader, error):
    reader.fails = error
    answer = client.get("/mastery/S000001")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert "torn" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/mastery/{}", "/mastery/S000001?scorer={}", "/mastery/S000001?{}=1", "/{}"])
def test_what_is_over_long_is_not_sent_back_as_often_as_it_is_named(client, path):
    answer = client.get(path.format("x" * 20_000))
    assert answer.status_code in (404, 422)
    assert len(answer.content) < 8_000
    assert len(answer.json()["detail"]) < 2_000


def test_of_a_long_message_the_end_stays_which_says_what_to_do(client, reader):
    reader.fails = NotFound(f"no event of student {'x' * 20_000}; check the id")
    assert client.get("/mastery/S000001").json()["detail"].endswith("; check the id")


def test_a_damaged_file_is_told_by_its_table_and_what_to_do_and_named_in_the_log_alone(client, reader, caplog):
    reader.fails = DamagedFile(locate("/srv/lake/gold"), GOLD, "bucket=00/part-1.parquet", "the 5 bytes from 4 on")
    answer = client.get("/mastery/S000001")
    assert answer.status_code == 503
    assert "table 'gold'" in answer.json()["detail"]
    assert "mastery recompute" in answer.json()["detail"]
    assert "srv" not in answer.text
    assert "parquet" not in answer.text
    assert "/srv/lake/gold/bucket=00/part-1.parquet" in caplog.text
