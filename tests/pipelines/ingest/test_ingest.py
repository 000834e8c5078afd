"""Ingest from end to end on real files: formats, counts, the same twice, what the lake then holds."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest import ingest as ingest_module
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, ITEMS, REJECTED, TOPICS

NOW = datetime(2025, 1, 1, tzinfo=UTC)
KEY = Pseudonyms(bytes(32))
HEADER = "student_id,question_id,topic_id,is_correct,timestamp,attempt_number\n"
TWO = HEADER + "S1,Q1,T1,1,2024-05-06T07:08:09Z,1\nS2,Q2,T1,0,2024-05-06T07:08:10Z,1\n"


@pytest.fixture
def lake(tmp_path):
    return Lake.open(str(tmp_path / "lake"), buckets=4)


def put(lake, *files, **options):
    given_options = {"lake": lake, "pseudonyms": KEY, "tenant": "default", "now": NOW} | options
    report = ingest(list(files), **given_options)
    for one in (report, *report.files):
        assert one.read == one.accepted + one.revised + one.duplicates + one.rejected
    return report


def counts(report) -> tuple[int, int, int, int]:
    return report.read, report.accepted, report.duplicates, report.rejected


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def stored(lake, table=EVENTS) -> list[dict]:
    rows = lake.scan(table).to_pylist()
    return sorted(rows, key=lambda row: str([row[name] for name in table.key]))


def test_two_answers_are_two_events(lake, tmp_path):
    report = put(lake, write(tmp_path / "quiz.csv", TWO))
    assert report.as_dict() == {
        "assumed": [],
        "ingest": "20250101-000000-0000",
        "read": 2,
        "accepted": 2,
        "revised": 0,
        "duplicates": 0,
        "rejected": 0,
        "files": [
            {
                "file": str(tmp_path / "quiz.csv"),
                "table": "quiz_attempts",
                "read": 2,
                "accepted": 2,
                "revised": 0,
                "duplicates": 0,
                "rejected": 0,
            }
        ],
        "notes": report.as_dict()["notes"],
    }
    one = next(row for row in stored(lake) if row["item_id"] == "Q1")
    assert one["student_id"] == KEY.student("default", "S1")
    assert (one["kind"], one["topic_id"], one["tenant"], one["source"]) == ("quiz", "T1", "default", "quiz.csv")
    assert (one["attempts"], one["success_ppm"], one["attempt_number"], one["sequence"]) == (1, 1_000_000, 1, 1 << 20)
    assert (one["hints"], one["duration_ms"], one["replaces_hi"]) == (None, None, None)
    assert (one["occurred_at"], one["received_at"]) == (datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), NOW)


def test_the_same_file_twice_changes_nothing(lake, tmp_path):
    file = write(tmp_path / "quiz.csv", TWO + "S3,Q1,T1,perhaps,2024-05-06T07:08:09Z,1\nS1,Q1\n")
    assert counts(put(lake, file)) == (4, 2, 0, 2)
    before = stored(lake), stored(lake, REJECTED), lake.version(EVENTS), lake.version(REJECTED)
    assert counts(put(lake, file, now=datetime(2025, 2, 1, tzinfo=UTC))) == (4, 0, 2, 2)
    assert (stored(lake), stored(lake, REJECTED), lake.version(EVENTS), lake.version(REJECTED)) == before


def test_a_row_that_is_there_twice_is_accepted_once(lake, tmp_path):
    body = TWO.removeprefix(HEADER)
    assert counts(put(lake, write(tmp_path / "quiz.csv", HEADER + body + body))) == (4, 2, 2, 0)


@pytest.fixture
def every_format(tmp_path) -> list[Path]:
    table = pacsv.read_csv(pa.py_buffer(TWO.encode()))
    texts = pacsv.read_csv(
        pa.py_buffer(TWO.encode()),
        convert_options=pacsv.ConvertOptions(column_types={name: pa.string() for name in table.column_names}),
    )
    lines = "".join(json.dumps(row) + "\n" for row in texts.to_pylist())
    typed = "".join(json.dumps(row | {"timestamp": row["timestamp"].isoformat()}) + "\n" for row in table.to_pylist())
    pq.write_table(table, tmp_path / "typed.parquet")
    pq.write_table(texts, tmp_path / "texts.parquet")
    return [
        tmp_path / "typed.parquet",
        tmp_path / "texts.parquet",
        write(tmp_path / "plain.csv", TWO),
        write(tmp_path / "packed.csv.gz", gzip.compress(TWO.encode())),
        write(tmp_path / "bom.csv", b"\xef\xbb\xbf" + TWO.encode()),
        write(tmp_path / "windows.csv", TWO.replace("\n", "\r\n")),
        write(tmp_path / "semicolon.csv", TWO.replace(",", ";")),
        write(tmp_path / "no_end.csv", TWO.rstrip("\n")),
        write(tmp_path / "gaps.csv", "\n" + TWO.replace("\n", "\n\n")),
        write(tmp_path / "quoted.csv", TWO.replace("S1", '"S1"').replace("T1", '" T1"')),
        write(tmp_path / "lines.ndjson", lines),
        write(tmp_path / "typed.jsonl", typed),
        write(tmp_path / "lines.ndjson.gz", gzip.compress(("\n" + lines).encode())),
    ]


def test_every_format_and_dress_of_a_file_gives_the_same_events(lake, every_format):
    for number, file in enumerate(every_format):
        assert counts(put(lake, file)) == ((2, 2, 0, 0) if number == 0 else (2, 0, 2, 0)), file.name


def test_a_folder_is_its_readable_files_and_the_others_are_noted(lake, tmp_path):
    folder = tmp_path / "school"
    folder.mkdir()
    write(folder / "quiz.csv", TWO)
    write(folder / "topics.csv", "topic_id,title\nT1,Fractions\n")
    write(folder / "truth.csv", "student_id,topic_id,day,true_mastery\nS1,T1,2024-01-01,0.5\n")
    write(folder / "README.md", "hello")
    report = put(lake, folder)
    assert [(Path(file.path).name, file.accepted) for file in report.files] == [("topics.csv", 1), ("quiz.csv", 2)]
    assert any("left out truth.csv" in note for note in report.notes)
    assert not any("unknown to" in note for note in report.notes)


def test_columns_can_be_renamed(lake, tmp_path):
    text = TWO.replace("student_id", "Learner").replace("is_correct", "Right?")
    file = write(tmp_path / "quiz.csv", text)
    renames = {"Learner": "student_id", "Right?": "is_correct"}
    assert counts(put(lake, file, options=ReadOptions(columns=renames))) == (2, 2, 0, 0)
    lines = [{"Learner": "S1", "question_id": "Q1", "topic_id": "T1", "Right?": True, "timestamp": 1_714_979_289}]
    file = write(tmp_path / "quiz.ndjson", "\n".join(map(json.dumps, lines)))
    assert counts(put(lake, file, options=ReadOptions(columns=renames), tenant="other")) == (1, 1, 0, 0)


def test_tenants_do_not_meet(lake, tmp_path):
    file = write(tmp_path / "quiz.csv", TWO)
    put(lake, file, tenant="north")
    assert counts(put(lake, file, tenant="south")) == (2, 2, 0, 0)
    rows = stored(lake)
    assert len({row["student_id"] for row in rows}) == 4


def test_blocks_and_writes_change_nothing(lake, tmp_path, monkeypatch):
    rows = "".join(f"S{i % 7},Q{i % 11},T{i % 3},{i % 2},{1_700_000_000 + i},1\n" for i in range(500))
    file = write(tmp_path / "quiz.csv", HEADER + rows + rows + '"S1,Q1\n')
    whole = Lake.open(str(tmp_path / "whole"), buckets=4)
    expected = counts(put(whole, file))
    assert expected == (1001, 500, 500, 1)
    monkeypatch.setattr("mastery.pipelines.ingest.files.BLOCK_BYTES", 700)
    monkeypatch.setattr("mastery.pipelines.ingest.files.HEAD_BYTES", 100)
    monkeypatch.setattr(ingest_module, "ROWS_PER_WRITE", 90)
    assert counts(put(lake, file)) == expected
    assert stored(lake) == stored(whole)
    assert stored(lake, REJECTED) == stored(whole, REJECTED)


def test_topics_and_items_are_merged_and_the_last_one_read_wins(lake, tmp_path):
    topics = "topic_id,title,prerequisites,difficulty_estimate\n"
    first = write(tmp_path / "a.csv", topics + "T1,One,,0.2\nT2,Two,T1,0.4\nT2,Two,T1,0.4\n")
    second = write(tmp_path / "b.csv", topics + "T2,Two!,T1|T9,0.5\nT1,One,,0.2\n,Three,,0.2\n")
    items = write(tmp_path / "items.csv", "question_id,topic_id,difficulty,kind\nQ1,T1,0.3,choice\n")
    assert counts(put(lake, first, items)) == (4, 3, 1, 0)
    report = put(lake, second)
    assert counts(report) == (3, 1, 1, 1)
    assert any("T9" in note for note in report.notes)
    assert [(row["topic_id"], row["title"], row["prerequisites"]) for row in stored(lake, TOPICS)] == [
        ("T1", "One", None),
        ("T2", "Two!", ["T1", "T9"]),
    ]
    assert [row["item_id"] for row in stored(lake, ITEMS)] == ["Q1"]
    put(lake, first, tenant="other")
    assert lake.count(TOPICS) == 4


def test_a_circle_of_prerequisites_is_noted(lake, tmp_path):
    text = "topic_id,title,prerequisites\nA,,C\nB,,A\nC,,B\nD,,A\n"
    notes = put(lake, write(tmp_path / "topics.csv", text)).notes
    assert any("form a cycle: A → C → B → A" in note for note in notes)


CELLS = {
    "student_id": ["S1", "S2", "", " S1 ", "x\x01"],
    "question_id": ["Q1", "Q2", ""],
    "topic_id": ["T1", "", "T\n2"],
    "is_correct": ["1", "no", "", "maybe"],
    "timestamp": ["2024-01-01", "1700000000", "", "soon", "1980-01-01"],
    "attempt_id": ["", "A1", "A2"],
    "replaces": ["", "A1"],
}


@st.composite
def dirty_csv(draw) -> str:
    lines = [",".join(CELLS)]
    for _ in range(draw(st.integers(0, 25))):
        cells = [draw(st.sampled_from(values)) for values in CELLS.values()]
        quoted = [f'"{cell}"' if "\n" in cell or draw(st.booleans()) else cell for cell in cells]
        damage = draw(st.sampled_from(["", "", "", "", "field", "short", "quote"]))
        quoted = {"field": [*quoted, "x"], "short": quoted[:3], "quote": ['"S9', *quoted[1:]]}.get(damage, quoted)
        lines.append(",".join(quoted))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=dirty_csv())
def test_counts_add_up_on_dirty_files_and_nothing_changes_the_second_time(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dirty")
    lake = Lake.open(str(folder / "lake"), buckets=2)
    file = write(folder / "quiz.csv", text)
    try:
        first = put(lake, file)
    except BadInput:
        assert lake.count(EVENTS) == lake.count(REJECTED) == 0
        return
    assert lake.count(EVENTS) == first.accepted + first.revised
    assert lake.scan(EVENTS).num_rows == first.accepted
    before = stored(lake), stored(lake, REJECTED)
    second = put(lake, file)
    assert (second.read, second.accepted) == (first.read, 0)
    assert (stored(lake), stored(lake, REJECTED)) == before
