"""The bad input that files get, posted: each has its documented answer, costs what was bad, and none is a 500."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections import defaultdict
from datetime import UTC, datetime

import httpx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mastery.apps.api.app import create_app
from mastery.apps.api.body import MOST_BYTES
from mastery.errors import NotFound
from mastery.instants import microseconds
from mastery.pipelines.live.intake import Intake
from mastery.tables import EVENTS, REJECTED
from odd_values import GOOD, LEFT_OUT, REFUSED
from school import KEY, Deployment

NOW = datetime(2025, 1, 1, tzinfo=UTC)
JSON, LINES = "application/json", "application/x-ndjson"


def app_of(school: Deployment, intake: Intake):
    def of(tenant):
        if tenant != "default":
            raise NotFound(f"there are no events of tenant {tenant!r}; check its name, or ingest its files")
        return intake

    return create_app(lambda _tenant: school.reader, KEY, lambda: microseconds(NOW), intakes=of)


def intake_of(school: Deployment) -> Intake:
    model_set = lambda: school.reader.metadata().model_set  # noqa: E731
    return Intake(school.lake, school.state, model_set, KEY, tenant="default", door="http", now=lambda: NOW)


@pytest.fixture
def school(tmp_path):
    return Deployment.at(tmp_path / "home")


@pytest.fixture
def intake(school):
    made = intake_of(school)
    yield made
    made.close()


@pytest.fixture
def app(school, intake):
    return app_of(school, intake)


def post(client, body, kind=LINES, query="", **headers):
    return client.post(f"/v1/events{query}", content=body, headers={"content-type": kind} | headers)


def row(number: int = 0, **other: object) -> bytes:
    return json.dumps({**GOOD["quiz_attempts"], "attempt_id": f"a{number}", **other}).encode()


@pytest.mark.parametrize("table", sorted({case[0] for case in REFUSED}))
def test_each_odd_value_is_refused_in_the_words_that_a_file_gets(client, school, tmp_path, table):
    cases = [(odd, column) for of, odd, column, _ in REFUSED if of == table]
    rows = [{**GOOD[table], **odd} for odd, _ in cases]
    found = post(client, b"\n".join(json.dumps(one).encode() for one in rows), query=f"?table={table}").json()
    assert (found["read"], found["accepted"]) == (len(cases), 0)
    file = tmp_path / "odd.ndjson"
    file.write_text("".join(json.dumps(one) + "\n" for one in [*rows, {**GOOD[table], "student_id": "beside"}]))
    other = Deployment.at(tmp_path / "other")
    assert other.ingest(file, now=NOW).rejected == len(cases)
    reasons = {one["line"] - 1: f"{one['column']} {one['reason']}" for one in other.lake.scan(REJECTED).to_pylist()}
    assert {one["index"]: one["problem"] for one in found["rejected"]} == reasons
    for (_, column), one in zip(cases, found["rejected"], strict=True):
        assert one["problem"].startswith(f"{column} ")


@pytest.mark.parametrize(("table", "odd", "field"), LEFT_OUT)
def test_a_value_that_nobody_needs_costs_that_value(client, school, table, odd, field):
    found = post(client, json.dumps({**GOOD[table], **odd}).encode(), query=f"?table={table}").json()
    assert (found["accepted"], found["rejected"]) == (1, [])
    assert school.lake.scan(EVENTS)[field].to_pylist() == [None]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"student_id": "S1", "question_id"', "the row is not a JSON object"),
        (b"[1, 2]", "the row is not a JSON object"),
        (b"null", "the row is not a JSON object"),
        (b"\xff\xfe{}", "the row is not a JSON object"),
        (b'{"student_id": "S1"} {"x": 1}', "the row is not a JSON object"),
        (b"{}", "the row names no source table"),
        (b'{"colour": "red"}', "the row names no source table"),
        (b'{"table": "quiz", "student_id": "S1"}', "the row is of no table of events"),
        (b'{"table": "topics", "topic_id": "T1"}', "the row is of no table of events"),
        (row(timestamp="2035-01-01T00:00:00Z"), "timestamp is in the future"),
        (row(is_correct=float("nan")), "is_correct "),
        (row(timestamp=float("inf")), "timestamp "),
        (row(student_id=None), "student_id "),
        (row(student_id={"id": 1}), "student_id "),
        (row(topic_id=["T1", ["T2"]]), "topic_id "),
        (row(student_id="x" * 2_000), "student_id "),
        (b'{"a": ' * 5_000 + b"1" + b"}" * 5_000, "the row is not a JSON object"),
    ],
)
def test_a_bad_row_among_good_ones_costs_itself(client, school, line, problem):
    found = post(client, b"\n".join([row(1), line, row(2)])).json()
    assert (found["read"], found["accepted"]) == (3, 2), found
    (rejected,) = found["rejected"]
    assert rejected["index"] == 1 and rejected["problem"].startswith(problem)
    assert school.lake.count(REJECTED) == 1
    assert "S1" not in json.dumps(school.lake.scan(REJECTED, ["value"]).to_pylist())


def test_of_a_field_that_is_there_twice_the_first_counts(client, school):
    twice = row(1)[:-1] + b', "student_id": "S2", "is_correct": "0", "table": "quiz_attempts", "table": "items"}'
    assert post(client, twice).json()["accepted"] == 1
    (event,) = school.lake.scan(EVENTS).to_pylist()
    assert (event["student_id"], event["success_ppm"]) == (KEY.student("default", "S1"), 1_000_000)
    bad = b'{"attempt_id": "first", "attempt_id": "second", ' + row(2, is_correct="perhaps")[1:]
    assert post(client, bad).json()["rejected"][0]["id"] == "first"


def test_not_a_number_where_none_is_needed_costs_that_value(client, school):
    assert post(client, row(1, time_spent_sec=float("nan"))).json()["accepted"] == 1
    assert post(client, b"[" + row(2, time_spent_sec=float("-inf")) + b"]", JSON).json()["accepted"] == 1
    assert school.lake.scan(EVENTS)["duration_ms"].to_pylist() == [None, None]


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json"]
)
def test_a_body_of_another_kind_is_not_looked_at(client, school, kind):
    found = post(client, row(1), kind)
    assert (found.status_code, found.headers["content-type"]) == (415, "application/problem+json")
    assert school.lake.count(EVENTS) == 0


@pytest.mark.parametrize("kind", [JSON, LINES])
@pytest.mark.parametrize("body", [b"", b"\n\n", b"  ", b"[]", b"\xef\xbb\xbf"])
def test_an_empty_body_brings_nothing_and_is_no_mistake(client, kind, body):
    found = post(client, body, kind)
    assert (found.status_code, found.json()["read"]) == (200, 0)


def bomb(megabytes: int) -> bytes:
    """Return that many megabytes of spaces, packed a thousandfold."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packing.compress(b" " * 1_000_000) for _ in range(megabytes)) + packing.flush()


def test_fifty_megabytes_are_refused_packed_or_not_before_they_are_held(client, school):
    large = row(1, note="x" * 50_000_000)
    for body, headers in ((large, {}), (gzip.compress(large), {"content-encoding": "gzip"})):
        found = post(client, body, **headers)
        assert (found.status_code, found.json()["type"]) == (413, "urn:mastery:problem:content-too-large")
    held = pa.total_allocated_bytes()
    assert post(client, bomb(300), **{"content-encoding": "gzip"}).status_code == 413
    assert pa.total_allocated_bytes() - held < MOST_BYTES
    assert school.lake.count(EVENTS) == 0


def test_a_body_of_no_said_length_is_bounded_too(app):
    sent = []

    async def pieces():
        for number in range(50):
            sent.append(number)
            yield b" " * 1_000_000

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8321") as client:
            return await client.post("/v1/events", content=pieces(), headers={"content-type": LINES})

    assert asyncio.run(ask()).status_code == 413


def test_a_tenant_that_there_is_not_is_not_made(client, school):
    found = post(client, row(1), query="?tenant=nobody")
    assert (found.status_code, found.json()["type"]) == (404, "urn:mastery:problem:not-found")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    school = Deployment.at(tmp_path_factory.mktemp("fuzzed"), buckets=1)
    intake = intake_of(school)
    yield app_of(school, intake), school
    intake.close()


@st.composite
def damage(draw):
    """Draw which of five rows is damaged, and what becomes of its bytes; it stays on one line."""
    body = bytearray(row(0))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body) - 1))
        with_what = draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b"", b'"', b"\\", b"{", b"]", b"\0", b"[" * 999]))
        )
        body[at : at + draw(st.integers(0, 2))] = with_what
    return draw(st.integers(0, 4)), bytes(body).replace(b"\n", b"?")


@given(damage())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_whatever_becomes_of_the_bytes_of_a_row_the_others_are_taken(shared, client_of, damaged):
    app, school = shared
    at, line = damaged
    before = school.lake.count(EVENTS)
    rows = [row(before * 10 + number, student_id=f"N{number}") for number in range(5)]
    rows[at] = line
    found = post(client_of(app), b"\n".join(rows))
    assert found.status_code == 200, found.text
    counts = found.json()
    assert counts["read"] == 5 - (not line.strip())
    taken = counts["accepted"] + counts["revised"] + counts["duplicates"]
    assert taken + len(counts["rejected"]) == counts["read"] and counts["accepted"] >= 4
    assert {one["index"] for one in counts["rejected"]} <= {at}


@pytest.fixture
def client_of(client):
    return type(client)


def test_every_row_that_was_refused_is_in_the_table_of_those_once(client, school):
    rows = [json.dumps({**GOOD[table], **odd, "table": table}).encode() for table, odd, _, _ in REFUSED]
    for _ in range(2):
        assert len(post(client, b"\n".join(rows)).json()["rejected"]) == len(REFUSED)
    codes = defaultdict(int)
    for one in school.lake.scan(REJECTED, ["code"])["code"].to_pylist():
        codes[one] += 1
    assert sum(codes.values()) == len(REFUSED) and set(codes) == {code for *_, code in REFUSED}
