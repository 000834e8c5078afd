"""Two schools of one deployment: nothing of one moves, locks or shows anything of the other."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading

import httpx
import pytest
from typer.testing import CliRunner

from mastery.apps.api.server import server_of
from mastery.apps.cli import build
from mastery.engine import Engine
from mastery.errors import BadInput, Conflict, NotFound

pytestmark = pytest.mark.slow  # several schools are ingested and recomputed

HEAD = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"
NORTH = HEAD + "".join(
    f"S{s},q{i},ratios,{'yes' if i else 'no'},4,1,2026-03-0{i + 1}T10:00:00Z\n" for s in (1, 2) for i in range(4)
)
SOUTH = HEAD + "".join(f"S{s},q{i},ratios,no,4,1,2026-03-0{i + 1}T11:00:00Z\n" for s in (1, 3) for i in range(5))


@pytest.fixture
def engine(tmp_path):
    """Schools `north` and `south`, both with a student S1, both published."""
    engine = Engine.open(tmp_path / "home")
    for tenant, text in (("north", NORTH), ("south", SOUTH)):
        file = tmp_path / f"{tenant}.csv"
        file.write_text(text)
        engine.ingest(file, tenant=tenant)
        engine.recompute("latest", workers=1, tenant=tenant)
    yield engine
    engine.close()


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_id_is_another_student_in_each_school(engine):
    north, south = (engine.student("S1", as_of="latest", tenant=tenant) for tenant in ("north", "south"))
    assert north.student_id != south.student_id
    assert north.topics[0].mastery_score > south.topics[0].mastery_score
    assert [one.tenant for one in engine.tenant_counts()] == ["north", "south"]
    assert [(one.students, one.events) for one in engine.tenant_counts()] == [(2, 8), (2, 10)]


def test_an_ingest_a_fit_and_a_recompute_of_one_school_write_nothing_of_the_other(engine, tmp_path):
    south = tmp_path / "home" / "lake" / "tenants" / "south"
    before = files(south)
    more = tmp_path / "more.csv"
    more.write_text(HEAD + "S2,q9,ratios,yes,4,1,2026-03-09T10:00:00Z\n")
    engine.ingest(more, tenant="north")
    engine.recompute("latest", workers=1, tenant="north")
    engine.of("north").models.activate(engine.of("north").models.fit("elo").card.version, "latest", force=True)
    engine.student("S2", as_of="latest", tenant="north")
    assert files(south) == before
    fitted = [[one.version for one in engine.of(tenant).models.versions() if one.fitted] for tenant in engine.tenants]
    assert [len(found) for found in fitted] == [1, 0]


def test_a_school_that_publishes_or_reads_in_keeps_no_other_one_waiting(engine, tmp_path):
    north, done = engine.of("north").lake, threading.Event()

    def work():
        engine.ingest(tmp_path / "south.csv", tenant="south")
        engine.recompute("latest", workers=1, tenant="south")
        done.set()

    with north.one_committer(), north.one_publisher():
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        assert done.wait(120), "the other school waited"
    thread.join()


def test_a_school_that_leaves_is_a_folder_and_a_file_less(engine, tmp_path):
    before = engine.student("S1", as_of="latest", tenant="south")
    shutil.rmtree(tmp_path / "home" / "lake" / "tenants" / "north")
    for file in (tmp_path / "home" / "state").glob("north.db*"):
        file.unlink()
    assert engine.tenants == ["south"]
    assert engine.student("S1", as_of="latest", tenant="south") == before


def test_a_tenant_that_is_not_there_is_not_made_by_asking(engine, tmp_path):
    reading = Engine.open(tmp_path / "home", create=False)
    with pytest.raises(NotFound, match="there are no events of tenant 'west'"):
        reading.student("S1", tenant="west")
    assert engine.tenants == ["north", "south"]
    with pytest.raises(BadInput, match="the tenant is not text"):
        engine.student("S1", tenant="\udcff")


def test_the_api_answers_for_each_school_and_says_of_another_ones_student_what_it_says_of_a_stranger(engine, tmp_path):
    app = server_of(engine.of("north")).config.app

    def get(path):
        async def ask():
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8321"
            ) as client:
                return await client.get(path)

        return asyncio.run(ask())

    assert get("/mastery?tenant=south").json()["tenant"] == "south"
    theirs = engine.of("south").pseudonym("S3")
    stranger = "s_" + "0" * 32
    then = "?as_of=2026-01-01T00:00:00Z"  # an answer tells the moment, to the second
    for path, status in {
        "/mastery/{}" + then: 404,
        "/mastery/{}/ratios/history": 404,
        "/mastery/{}/ratios/answers" + then: 422,  # no scorer of the default set tells past answers apart
        "/mastery/{}/ratios/items" + then: 404,
    }.items():
        answers = [get(path.format(one)) for one in (theirs, stranger)]
        assert {answer.status_code for answer in answers} == {status}, (path, answers[0].text)
        told = {answer.text.replace(one, "…") for answer, one in zip(answers, (theirs, stranger), strict=True)}
        assert len(told) == 1
    unknown = get("/mastery?tenant=west")
    assert unknown.status_code == 404
    assert "north" not in unknown.text
    assert "south" not in unknown.text
    assert not (tmp_path / "home" / "lake" / "tenants" / "west").exists()


def test_every_tenant_is_recomputed_and_one_that_cannot_be_keeps_no_other_waiting(engine, tmp_path):
    home = str(tmp_path / "home")

    def run(*arguments):
        return CliRunner().invoke(build(), ["--home", home, *arguments])

    lines = run("recompute", "--all-tenants", "--as-of", "latest", "--json").stdout.splitlines()
    assert [(one["tenant"], one["students"]) for one in map(json.loads, lines)] == [("north", 2), ("south", 2)]
    assert [json.loads(line)["tenant"] for line in run("compact", "--all-tenants", "--json").stdout.splitlines()] == [
        "north",
        "south",
    ]
    assert isinstance(run("recompute", "--all-tenants", "--tenant", "north").exception, BadInput)
    for file in (tmp_path / "home" / "lake" / "tenants" / "north" / "events").glob("bucket=*/*.parquet"):
        file.unlink()
    done = run("recompute", "--all-tenants", "--as-of", "latest", "--json")
    assert isinstance(done.exception, Conflict)
    assert str(done.exception).startswith("not recomputed: north: ")
    assert [json.loads(line)["tenant"] for line in done.stdout.splitlines()] == ["south"]
