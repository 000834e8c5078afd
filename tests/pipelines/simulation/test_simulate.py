"""The files of a simulated school, and data/sample, which is one."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mastery.apps.cli import build
from mastery.errors import BadInput
from mastery.events.parse import parse
from mastery.events.read_options import NOTHING_SAID
from mastery.events.recognise import source_named
from mastery.pipelines.simulation.simulate import write_school
from mastery.simulation import SchoolPlan, simulate
from mastery.simulation.chunk import SCHEMAS
from mastery.simulation.defects import DEFECTS
from mastery.simulation.rows import KINDS

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
PLAN = SchoolPlan(students=60, days=40, seed=5, topics=24)
TROUBLED = replace(PLAN, late_share=0.05, duplicate_share=0.03, malformed_share=0.04)


def plain(schema: pa.Schema) -> pa.Schema:
    """Return the schema with lists and ids as CSV holds them."""
    text = {"topic_ids", "prerequisites"}
    return pa.schema(
        [
            field.with_type(pa.string()) if field.name in text or pa.types.is_dictionary(field.type) else field
            for field in schema
        ]
    )


def in_time_order(table: pa.Table) -> pa.Table:
    # As the files are: by time, and at one moment by student.
    return table.take(pc.sort_indices(table["timestamp"]))


@pytest.fixture(scope="module")
def truth():
    return next(simulate(PLAN)).tables


@pytest.mark.parametrize("kind", KINDS)
def test_csv_files_read_back_as_what_was_simulated(tmp_path_factory, truth, kind):
    out = tmp_path_factory.mktemp("csv")
    write_school(PLAN, out)
    options = pa_csv.ConvertOptions(column_types=plain(SCHEMAS[kind]))
    read = pa_csv.read_csv(out / f"{kind}.csv", convert_options=options)
    expected = in_time_order(truth[kind])
    if kind == "assignments":
        expected = expected.set_column(2, "topic_ids", pc.binary_join(expected["topic_ids"], "|"))
    assert read == expected.cast(plain(SCHEMAS[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_parquet_files_read_back_as_what_was_simulated(tmp_path_factory, truth, kind):
    out = tmp_path_factory.mktemp("parquet")
    write_school(PLAN, out, "parquet")
    read = pq.read_table(out / f"{kind}.parquet")
    assert read == in_time_order(truth[kind]).cast(read.schema)
    assert not any(pa.types.is_dictionary(field.type) for field in read.schema)


@pytest.mark.parametrize("kind", KINDS)
def test_ndjson_files_read_back_as_what_was_simulated(tmp_path_factory, truth, kind):
    out = tmp_path_factory.mktemp("ndjson")
    write_school(PLAN, out, "ndjson")
    expected = in_time_order(truth[kind])
    typed = pa.schema(
        [
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in expected.schema
        ]
    )
    options = pa_json.ParseOptions(explicit_schema=typed)
    assert pa_json.read_json(out / f"{kind}.ndjson", parse_options=options) == expected.cast(typed)


def test_time_stamps_are_iso_8601_in_utc_and_strings_are_not_quoted(tmp_path):
    write_school(PLAN, tmp_path)
    line = (tmp_path / "quiz_attempts.csv").read_text().splitlines()[1]
    assert line.split(",")[6].endswith("Z")
    assert "T" in line.split(",")[6]
    assert '"' not in line
    assert ',"Gets easy tasks right, hard ones seldom",' in (tmp_path / "teacher_feedback.csv").read_text()


def test_gzipped_files_hold_the_same_lines(tmp_path):
    write_school(PLAN, tmp_path / "plain")
    write_school(PLAN, tmp_path / "packed", gzip=True)
    packed = gzip.decompress((tmp_path / "packed" / "quiz_attempts.csv.gz").read_bytes())
    assert packed == (tmp_path / "plain" / "quiz_attempts.csv").read_bytes()


@pytest.mark.parametrize(("form", "packed"), [("csv", False), ("csv", True), ("ndjson", False), ("parquet", False)])
def test_equal_plans_give_equal_bytes(tmp_path, form, packed):
    for name in ("one", "two"):
        write_school(TROUBLED, tmp_path / name, form, packed)
    ones = sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(ones) == 11
    for path in ones:
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_late_rows_come_last_copies_twice_and_shares_are_kept(tmp_path):
    written = write_school(replace(TROUBLED, malformed_share=0.0), tmp_path)
    counts = written.counts["quiz_attempts"]
    lines = (tmp_path / "quiz_attempts.csv").read_text().splitlines()[1:]
    times = [line.split(",")[6] for line in lines]
    assert counts.rows == len(lines)
    assert counts.late / counts.rows == pytest.approx(0.05, abs=0.01)
    assert counts.duplicates / counts.rows == pytest.approx(0.03, abs=0.01)
    assert sum(count - 1 for count in Counter(lines).values()) == counts.duplicates
    assert max(Counter(lines).values()) == 2
    on_time = times[: len(times) - counts.late]
    assert on_time[-1] > min(times[-counts.late :])
    # A second copy comes soon after the first, so the order in time holds but for 200 rows or so.
    assert all(earlier <= later for earlier, later in zip(on_time, on_time[250:], strict=False))


def test_nothing_is_lost_by_being_late_or_twice(tmp_path, truth):
    write_school(replace(TROUBLED, malformed_share=0.0), tmp_path / "troubled")
    write_school(PLAN, tmp_path / "calm")
    for kind in KINDS:
        troubled, calm = ((tmp_path / name / f"{kind}.csv").read_text().splitlines() for name in ("troubled", "calm"))
        assert set(troubled) == set(calm)
        assert len(calm) == truth[kind].num_rows + 1


def test_without_the_truth_nothing_of_it_is_written(tmp_path):
    written = write_school(replace(PLAN, truth=False), tmp_path / "school")
    assert not (tmp_path / "school" / "truth").exists()
    assert not [name for name in written.files if name.startswith("truth")]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_broken_rows_are_as_many_as_are_counted(tmp_path, form):
    written = write_school(replace(TROUBLED, late_share=0.0, duplicate_share=0.0), tmp_path / "broken", form)
    write_school(PLAN, tmp_path / "whole", form)
    for kind in KINDS:
        broken, whole = ((tmp_path / n / f"{kind}.{form}").read_text().splitlines() for n in ("broken", "whole"))
        differ = sum(line != other for line, other in zip(broken, whole, strict=True))
        assert differ == sum(written.counts[kind].broken.values())
    quiz = written.counts["quiz_attempts"]
    assert sum(quiz.broken.values()) / quiz.rows == pytest.approx(0.04, abs=0.01)
    assert set(quiz.broken) == {
        "missing_student", "missing_time", "bad_time", "unknown_topic", "not_a_boolean", "not_a_number", "negative",
    }  # fmt: skip
    text = (tmp_path / "broken" / f"quiz_attempts.{form}").read_text()
    assert "2026-02-30T10:15:00Z" in text
    assert "maybe" in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_reader_refuses_as_many_rows_as_were_broken(tmp_path, kind):
    written = write_school(replace(TROUBLED, malformed_share=0.3), tmp_path)
    names = SCHEMAS[kind].names
    as_text = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
    raw = pa_csv.read_csv(tmp_path / f"{kind}.csv", convert_options=as_text)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    parsed = parse(source_named(kind), raw, tenant="default", options=NOTHING_SAID, now=now)
    broken = written.counts[kind].broken
    assert set(broken) == {defect.name for defect in DEFECTS[kind]}
    # Topics unknown to the course are accepted and reported; a value that nobody needs costs itself.
    spared = sum(parsed.tally.remarks.values())
    assert parsed.rejected.num_rows + spared == sum(count for name, count in broken.items() if name != "unknown_topic")
    assert parsed.rows.num_rows + parsed.rejected.num_rows == written.counts[kind].rows


def test_typed_files_hold_the_breakage_that_their_types_allow(tmp_path):
    written = write_school(replace(TROUBLED, late_share=0.0, duplicate_share=0.0), tmp_path, "parquet")
    quiz = pq.read_table(tmp_path / "quiz_attempts.parquet")
    broken = written.counts["quiz_attempts"].broken
    assert broken == {
        "missing_student": quiz["student_id"].null_count,
        "missing_time": quiz["timestamp"].null_count,
        "negative": pc.sum(pc.less(quiz["time_spent_sec"], 0)).as_py(),
        "unknown_topic": pc.sum(pc.equal(quiz["topic_id"], "not-in-the-course")).as_py(),
    }


def test_the_school_says_what_it_is(tmp_path):
    written = write_school(TROUBLED, tmp_path)
    about = json.loads((tmp_path / "school.json").read_text())
    assert about["plan"]["seed"] == 5
    assert about["counts"]["quiz_attempts"]["rows"] == written.counts["quiz_attempts"].rows
    assert written.events == sum(about["counts"][kind]["rows"] for kind in KINDS)


def test_files_that_are_there_are_not_replaced_unasked(tmp_path):
    write_school(PLAN, tmp_path)
    before = (tmp_path / "quiz_attempts.csv").read_bytes()
    with pytest.raises(BadInput, match=r"already holds quiz_attempts\.csv"):
        write_school(replace(PLAN, seed=6), tmp_path)
    assert (tmp_path / "quiz_attempts.csv").read_bytes() == before
    write_school(replace(PLAN, seed=6), tmp_path, overwrite=True)
    assert (tmp_path / "quiz_attempts.csv").read_bytes() != before


def test_a_broken_off_run_leaves_no_files(tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_school(PLAN, tmp_path, progress=stop)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_unknown_format_and_zipped_parquet_are_refused(tmp_path):
    with pytest.raises(BadInput, match="did you mean 'parquet'"):
        write_school(PLAN, tmp_path, "parket")
    with pytest.raises(BadInput, match="compressed already"):
        write_school(PLAN, tmp_path, "parquet", gzip=True)


def test_the_command_in_the_sample_s_readme_gives_the_very_same_bytes(tmp_path):
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    command = next(line.strip() for line in readme.splitlines() if line.strip().startswith("mastery simulate"))
    arguments = command.replace("data/sample", str(tmp_path)).split()[1:]
    assert CliRunner().invoke(build(), arguments).exit_code == 0
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(SAMPLE): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    assert kept.pop(Path("README.md"))
    assert made == kept


def test_the_sample_is_the_plan_of_that_name_and_small():
    about = json.loads((SAMPLE / "school.json").read_text())
    plan = SchoolPlan.sample()
    assert {name: about["plan"][name] for name in ("students", "days", "seed", "topics", "late_share")} == {
        "students": plan.students,
        "days": plan.days,
        "seed": plan.seed,
        "topics": plan.topics,
        "late_share": plan.late_share,
    }
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 1_000_000
    assert all(about["counts"][kind]["rows"] > 20 for kind in KINDS)
