"""What the benchmarks stand on: lines, bars, child processes, the table."""

from __future__ import annotations

import json
import sys
from dataclasses import fields, replace

import pytest
from benchmarks.benchmark import Bar, Benchmark
from benchmarks.line import Line, append, newest, read
from benchmarks.machine import machine
from benchmarks.parts import command
from benchmarks.registry import benchmarks
from benchmarks.run import Outcome, Run, Skip
from benchmarks.table import asked, markdown, number

from benchmarks import __main__ as entry
from benchmarks import child, docs

LINE = Line(
    name="fold_bkt",
    value=61_234_567.0,
    unit="events/s",
    ratio=None,
    against=None,
    machine="2 cores of something",
    start_up_s=0.5,
    cpu_s=1.25,
    peak_mb=300.0,
    scale=1.0,
    at="2026-01-02T03:04:05+00:00",
    note="4 batches",
)


def test_no_two_benchmarks_have_one_name(tmp_path):
    (tmp_path / "a.parquet").touch()
    (tmp_path / "b.parquet").touch()
    known = benchmarks(tmp_path)
    assert [one.name for one in known.values()] == list(known)
    assert {"responses_a", "responses_b", "recompute_20m", "show"} <= set(known)


def test_a_line_comes_back_as_it_was_written(tmp_path):
    append(LINE, tmp_path / "results" / "latest.jsonl")
    append(replace(LINE, note="again"), tmp_path / "results" / "latest.jsonl")
    # six digits of the value are kept
    kept = replace(LINE, value=61_234_600.0)
    assert read(tmp_path / "results" / "latest.jsonl") == [kept, replace(kept, note="again")]


def test_a_line_of_another_schema_is_refused_with_its_place(tmp_path):
    path = tmp_path / "latest.jsonl"
    path.write_text(json.dumps({"name": "fold_bkt", "speed": 3}) + "\n")
    with pytest.raises(ValueError, match=r"line 1.*speed"):
        read(path)


def test_the_newest_full_line_of_a_name_counts(tmp_path):
    lines = [LINE, replace(LINE, note="newer"), replace(LINE, scale=0.1, note="small")]
    assert newest(lines) == {"fold_bkt": lines[1]}


@pytest.mark.parametrize(
    ("bar", "holds"),
    [
        (Bar("value", "≥", 60e6), True),
        (Bar("value", "≥", 62e6), False),
        (Bar("peak_mb", "≤", 300.0), True),
        (Bar("peak_mb", "≤", 299.0), False),
        (Bar("ratio", "≤", 1.0), None),
    ],
)
def test_a_bar_is_kept_on_its_own_side(bar, holds):
    assert bar.holds(LINE) is holds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (61_234_567.0, "61.2 M"),
        (523_456.0, "523 k"),
        (1024.0, "1,024"),
        (0.00123456, "0.00123"),
        (2.5, "2.5"),
    ],
)
def test_a_number_shows_the_digits_that_matter(value, text):
    assert number(value) == text


def test_the_markdown_says_what_is_asked_and_what_is_missed():
    known = benchmarks()
    (bar,) = known["fold_bkt"].bars
    kept, slow = replace(LINE, ratio=bar.limit), replace(LINE, ratio=1.01 * bar.limit)
    assert asked(Bar("value", "≥", 60e6), "events/s") == "≥ 60 M events/s"
    assert asked(bar, "events/s") == f"ratio ≤ {number(bar.limit)}"
    assert "missed" not in markdown([kept], known)
    assert f"ratio ≤ {number(bar.limit)} **(missed)**" in markdown([slow], known)
    assert "Machine: 2 cores of something (2026-01-02)." in markdown([kept], known)


def test_the_page_keeps_all_but_the_measured_part(tmp_path):
    page, latest = tmp_path / "benchmarks.md", tmp_path / "latest.jsonl"
    page.write_text(f"before\n{docs.BEGIN}\nyesterday\n{docs.END}\nafter\n")
    append(LINE, latest)
    assert list(docs.write(benchmarks(), page, latest)) == ["fold_bkt"]
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "61.2 M events/s" in text
    assert "yesterday" not in text


def test_the_page_explains_every_field_and_every_benchmark():
    text = docs.PAGE.read_text()
    missing = [field.name for field in fields(Line) if f"| `{field.name}` |" not in text]
    assert missing == []
    for one in benchmarks():
        stem = "fold_…_history" if one.endswith("_history") else "responses_FILE" if "responses" in one else one
        assert f"`{stem}`" in text


def test_a_name_that_is_none_is_refused_with_the_nearest(capsys):
    with pytest.raises(SystemExit) as ended:
        entry.main(["fold_bkd"])
    assert ended.value.code == 2
    assert "did you mean 'fold_bkt'" in capsys.readouterr().err


def test_a_page_without_marks_is_left_alone(tmp_path):
    page, latest = tmp_path / "benchmarks.md", tmp_path / "latest.jsonl"
    page.write_text("mine\n")
    append(LINE, latest)
    with pytest.raises(ValueError, match="put them where the table goes"):
        docs.write(benchmarks(), page, latest)
    assert page.read_text() == "mine\n"


def test_the_machine_is_named_without_a_name():
    import platform

    said = machine()
    assert "cores" in said
    assert "pyarrow" in said
    assert platform.node() not in said


def test_one_that_fails_and_one_that_is_left_out_keep_no_other_from_running(tmp_path):
    def fails(_: Run) -> Outcome:
        raise RuntimeError("no disk")

    def left_out(_: Run) -> Outcome:
        raise Skip("no file there")

    chosen = [
        Benchmark("a", "s", "fails", fails),
        Benchmark("b", "s", "is left out", left_out),
        Benchmark("c", "s", "runs", lambda _: Outcome(2.0)),
    ]
    run = Run(tmp_path, say=lambda _: None)
    lines, not_run, failed = entry.run_all(chosen, run, tmp_path / "lines.jsonl")
    assert [line.name for line in lines] == ["c"]
    assert not_run == {"a": "failed: no disk", "b": "left out: no file there"}
    assert failed


def test_without_research_logs_their_benchmark_says_so(tmp_path):
    one = benchmarks(tmp_path / "none")["responses"]
    with pytest.raises(Skip, match="none"):
        one.measure(Run(tmp_path))


def test_a_child_measures_its_own_memory_and_what_is_inside_of_its_watch():
    ballast = bytearray(300 << 20)
    found = child.run(child.example, sleep_s=0.05, fail=False)
    assert len(ballast) > 0
    assert found.result == {"slept": 0.05}
    assert found.wall_s >= 0.05
    assert found.laps == [found.wall_s]
    assert 0 < found.peak_mb < 200  # its parent holds more
    assert found.start_up_s > 0


def test_a_child_that_fails_says_why():
    with pytest.raises(RuntimeError, match=r"(?s)child\.example ended with 1.*asked to fail"):
        child.run(child.example, sleep_s=0.0, fail=True)


def test_what_a_command_says_of_its_progress_is_no_part_of_what_it_prints():
    both = "import sys; print('{}'); print('Fitting: 10 s so far', file=sys.stderr)"
    assert command.spent((sys.executable, "-c", both)).printed == "{}\n"
    with pytest.raises(RuntimeError, match=r"ended with 3(.|\n)*no such file"):
        command.spent((sys.executable, "-c", "import sys; print('no such file', file=sys.stderr); sys.exit(3)"))
