"""Every kind of file that holds a table of answers: the same answers come out of all of them."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from answers import NOW
from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput, NotFound
from mastery.events.read_options import ReadOptions
from mastery.events.recognise import recognise
from mastery.lake import Lake
from mastery.pipelines.ingest.answers import Answers, read_answers
from mastery.pipelines.ingest.contents import of_path
from mastery.pipelines.ingest.files import open_input
from mastery.pipelines.ingest.ingest import ingest
from workbooks import Percent, Serial, open_document, workbook

NAMES = ("student_id", "question_id", "topic_id", "is_correct", "timestamp")
ROWS = [
    ("S1", "q1", "Brüche", "1", "2026-03-02T09:00:00Z"),
    ("S2", "q2", "Aire de círculo", "0", "2026-03-02T09:01:00Z"),
    ("007", "q3", 'say "3 | 4; 5"', "1", "2026-03-02T09:02:00Z"),
    ("S1", "q4", "a, b", "0", "2026-03-02T09:03:00Z"),
]
CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "ingest"


def table(delimiter: str = ",", end: str = "\n", rows=ROWS, names=NAMES) -> str:
    """Return the answers as CSV, every field that needs it in quotes."""

    def field(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if any(c in value for c in ',;\t|"\n') else value

    return "".join(delimiter.join(map(field, row)) + end for row in (names, *rows))


def records(rows=ROWS) -> list[dict[str, str]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def read(path: Path | str, **said) -> Answers:
    return read_answers(path, now=NOW, options=ReadOptions(**said))


def rows_of(answers: Answers) -> list[tuple]:
    assert answers.report.rejected == 0
    columns = [answers.events[name].to_pylist() for name in ("student_id", "item_id", "topic_id", "success_ppm")]
    at = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in answers.events["occurred_at"].to_pylist()]
    right = ["1" if success else "0" for success in columns.pop()]
    return list(zip(*columns, right, at, strict=True))


@pytest.fixture
def write(tmp_path):
    def run(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return run


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.tsv", "a.txt", "a.tab"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_with_any_separator(write, name, delimiter, end):
    assert rows_of(read(write(name, table(delimiter, end)))) == ROWS


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n", "\ufeffsep=;\n"])
def test_a_line_that_names_the_separator_is_obeyed_and_is_no_row(write, line):
    answers = read(write("a.csv", line + table(";")))
    assert rows_of(answers) == ROWS
    odd = read(write("b.csv", "sep=^\n" + table("^")))
    assert rows_of(odd) == ROWS


def test_the_separator_is_judged_with_quotes_in_mind_and_by_the_rows(write):
    names = ('Note;\nfor; "all"; who; read', *NAMES)
    told = write("quoted.csv", table(rows=[("ok", *row) for row in ROWS], names=names))
    assert rows_of(read(told)) == ROWS
    commas = ("Name, first name", "Class, year", "Room, floor", "a, b", "c, d", "e, f")
    rows = [("Roe, J.", "7, 2026", "3, 1", "x, y", "x, y", "x, y", *row) for row in ROWS]
    unquoted = [";".join((*commas, *NAMES)), *(";".join(row) for row in rows if '"' not in row[8])]
    found = read(write("commas.csv", "\n".join(unquoted) + "\n"))
    assert [row[0] for row in rows_of(found)] == ["S1", "S2", "S1"]


def test_decimal_commas_separate_no_fields(write):
    lines = ["student_id;assignment_id;topic_ids;score_pct;timestamp", *["S0;a1;t1;85,5;2026-03-02"] * 3]
    path = write("deccomma.csv", "\n".join(lines))
    assert open_input(of_path(path)).columns == tuple(lines[0].split(";"))


def test_blanks_around_a_quoted_field_are_not_part_of_it(write):
    lines = [
        "student_id, question_id, topic_id, is_correct, timestamp",
        'S1, "q1", "fractions", 1, 2026-03-02T09:00:00Z',
        'S1,   "q2"  ,"area, ""perimeter""" , 0, 2026-03-02T09:01:00Z',
        'S1, q3, 5" ruler, 1, 2026-03-02T09:02:00Z',
        'S1, q4, "big" ruler, 1, 2026-03-02T09:03:00Z',
    ]
    answers = read(write("a.csv", "\n".join(lines)))
    assert [row[1:3] for row in rows_of(answers)] == [
        ("q1", "fractions"), ("q2", 'area, "perimeter"'), ("q3", '5" ruler'), ("q4", '"big" ruler'),
    ]  # fmt: skip


def test_columns_that_nobody_needs_may_have_no_name_or_the_same(write):
    names = (*NAMES, "", "", "note", "note", " ")
    answers = read(write("a.csv", table(";", rows=[(*row, "", "", "x", "y", "") for row in ROWS], names=names)))
    assert rows_of(answers) == ROWS


def test_needed_columns_of_one_name_are_told_apart_by_number(write):
    names = ("student_id", "question_id", "topic_id", "score", "score", "timestamp", "")
    path = write("a.csv", table(rows=[("S1", "q", "t", "0", "1", "2026-03-02T09:00:00Z", "u")], names=names))
    right = {"score": {}, "first": {"score#1": "is_correct"}, "second": {"score#2": "is_correct"}}
    with pytest.raises(BadInput, match=r"--map 'score#1=is_correct' or --map 'score#2=is_correct'"):
        read(path, columns={"score": "is_correct"})
    assert [rows_of(read(path, columns=right[which]))[0][3] for which in ("first", "second")] == ["0", "1"]
    unnamed = read(path, columns={"score#2": "is_correct", "#7": "topic_id"})
    assert rows_of(unnamed)[0][2] == "u"


def test_a_column_that_is_renamed_to_ours_takes_the_place_of_one_that_has_the_name(write):
    names = (*NAMES, "started_at")
    rows = [(*row[:4], str(10 * n), row[4]) for n, row in enumerate(ROWS)]
    answers = read(write("a.csv", table(rows=rows, names=names)), columns={"started_at": "timestamp"})
    assert rows_of(answers) == ROWS
    assert any("'timestamp' of the file is not read" in note for note in answers.report.notes)


@pytest.mark.parametrize("name", ["007", "1", "01", "1e3", "true", "null", "NaN"])
def test_a_header_is_text(write, name):
    path = write("a.csv", table(names=("student_id", "question_id", name, "is_correct", "timestamp")))
    assert rows_of(read(path, columns={name: "topic_id"})) == ROWS


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp1252", "cp1250"],
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.ndjson", "a.json"])
def test_text_in_any_encoding(write, name, encoding):
    text = {
        "csv": table(";"),
        "gz": table("\t"),
        "ndjson": "\n".join(map(in_json, records())),
        "json": in_json(records()),
    }
    content = text[name.rsplit(".")[-1]].encode(encoding)
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    declared = None if encoding.startswith("utf") else encoding
    answers = read(path, encoding=declared)
    assert rows_of(answers) == ROWS
    said = any("read as UTF-" in note for note in answers.report.notes)
    assert said == (encoding.startswith(("utf-16", "utf-32"))), "what was judged is said"
    assert rows_of(read(path, encoding=encoding)) == ROWS


def in_json(value) -> str:
    return json.dumps(value, ensure_ascii=False)


def test_a_file_of_another_encoding_is_refused_and_not_lost_row_by_row(write):
    content = table(rows=[("S1", "q", "Aire de círculo", "1", f"2026-03-02T09:0{n}:00Z") for n in range(6)])
    path = write("a.csv", content.encode("cp1252"))
    with pytest.raises(BadInput, match=r"not UTF-8; save the file as UTF-8, or .*--encoding windows-1252"):
        read(path)
    assert rows_of(read(path, encoding="windows-1252"))[0][2] == "Aire de círculo"


def test_bytes_that_are_no_text_cost_their_row_alone(write):
    lines = [line.encode("utf-16-le") for line in table().splitlines(keepends=True)]
    lines[2] = lines[2][:4] + b"\x00\xd8" + lines[2][4:]  # half of a surrogate pair
    answers = read(write("a.csv", b"".join(lines)))
    assert (answers.report.accepted, answers.report.rejected) == (3, 1)
    assert answers.rejected["reason"].to_pylist() == ["is not UTF-16-LE"]
    one = table().encode().splitlines(keepends=True)
    utf8 = read(write("b.csv", b"".join([*one[:2], one[2].replace("í".encode(), b"\xed"), *one[3:]])))
    assert (utf8.report.accepted, utf8.rejected["line"].to_pylist()) == (3, [3])


@pytest.mark.parametrize(
    "text",
    [
        in_json(records()),
        json.dumps(records(), indent=2),
        "[" + ",\n".join(map(in_json, records())) + "]",
        "[\n" + "\n,".join(map(in_json, records())) + "\n]\n",
        "\n".join(map(in_json, records())),
        "\n".join(json.dumps(row, indent=1) for row in records()),
        in_json(records()[:2]) + "\n" + in_json(records()[2:]),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a.jsonl"])
def test_json_as_an_array_or_one_object_after_another(write, name, text):
    assert rows_of(read(write(name, text))) == ROWS


def test_rows_that_lie_deeper_are_named_by_their_path(write):
    deep = {
        "meta": {"n": 4, "tags": ["rows", "}"]},
        "data": {"other": [{"x": 1}], "rows": records()},
        "after": [{"y": 2}],
    }
    for text in (in_json(deep), json.dumps(deep, indent=3)):
        path = write("a.json", text)
        assert rows_of(read(path, array="data.rows")) == ROWS
        with pytest.raises(BadInput, match=r"seem to be in data\.other or data\.rows or after.*--array"):
            read(path)
        with pytest.raises(BadInput, match=r"no array 'data\.row' .did you mean 'data\.rows'"):
            read(path, array="data.row")


def test_values_in_nested_json_are_named_by_their_path(write):
    def statement(row):
        return {
            "actor": {"account": {"name": row[0]}},
            "object": {"id": row[1], "tags": [{"id": row[2]}]},
            "result": {"score": {"scaled": float(row[3])}, "extensions": {"https://x.example/at": row[4]}},
            "a.b": "flat",
        }

    paths = {
        "actor.account.name": "student_id",
        "object.id": "question_id",
        "object.tags.0.id": "topic_id",
        "result.score.scaled": "is_correct",
        'result.extensions."https://x.example/at"': "timestamp",
    }
    path = write("a.ndjson", "\n".join(in_json(statement(row)) for row in ROWS))
    assert rows_of(read(path, columns=paths)) == ROWS
    assert (
        read_answers(path, now=NOW, options=ReadOptions(columns=paths), keep=["a.b"]).table["a.b"].to_pylist()
        == ["flat"] * 4
    )


def test_a_damaged_element_costs_itself_alone(write):
    lines = [in_json({**row, "question_id": f"q{n}"}) for n, row in enumerate(records() * 3)]
    lines[2] = lines[2][:-1]  # no closing brace
    lines[5] = lines[5].replace('"topic_id": "', '"topic_id": ', 1)  # no opening quote
    lines[8] = "null"
    answers = read(write("a.json", "[" + ",\n".join(lines) + "]"))
    assert (answers.report.read, answers.report.accepted) == (12, 9)
    assert answers.rejected["line"].to_pylist() == [3, 6, 9]


@pytest.mark.parametrize(
    ("intact", "damaged"), [('"q2"', 'q2"'), ('"q2"', '"q2'), ('"topic_id"', "topic_id"), ('"q2"', '"q2""'), ("}", "")]
)
@pytest.mark.parametrize("array", [None, "rows"])
def test_in_an_array_on_one_line_too_a_lost_quote_or_brace_costs_one_element(write, intact, damaged, array):
    elements = [in_json({**row, "question_id": f"q{n}"}) for n, row in enumerate(records() * 2)]
    elements[2] = elements[2].replace(intact, damaged, 1)
    rows = f"[{','.join(elements)}]"
    answers = read(write("a.json", rows if array is None else f'{{"n":8,"rows":{rows}}}'), array=array)
    assert (answers.report.read, answers.report.rejected) == (8, 1)
    assert answers.events["item_id"].to_pylist() == ["q0", "q1", "q3", "q4", "q5", "q6", "q7"]


def test_a_stray_bracket_does_not_end_an_array_within_an_object(write):
    text = f'{{"rows": [{"], ".join(map(in_json, records()))}], "more": [{{"x": 1}}]}}'
    assert rows_of(read(write("a.json", text), array="rows")) == ROWS


@pytest.mark.parametrize("between", [",", ",\n", "\n"])
def test_letters_that_are_no_text_cost_one_element_also_the_first(write, between):
    elements = [in_json({**row, "question_id": f"q{n}"}).encode() for n, row in enumerate(records() * 2)]
    elements[0] = elements[0].replace(b"q0", b"q\xff")
    text = between.encode().join(elements)
    answers = read(write("a.json", text if between == "\n" else b"[" + text + b"]"))
    assert (answers.report.read, answers.report.accepted) == (8, 7)
    assert answers.rejected["code"].to_pylist() == ["utf8"]


def test_a_declared_decimal_comma_is_one_of_texts_and_not_of_numbers(write):
    columns = ("student_id", "assignment_id", "topic_ids", "score_pct", "time_spent_sec", "timestamp")
    rows = [("101", "a1", "t", 85.125, 4.528, 45418.5), ("102", "a1", "t", "85,125", "4,528", "45418,5")]
    objects = [dict(zip(columns, row, strict=True)) for row in (*rows, (103.0, "a1", "t", 85.0, 4.0, 45418.0))]
    files = [
        write("a.ndjson", "\n".join(map(json.dumps, objects))),
        write("a.json", json.dumps(objects)),
        write("a.xlsx", workbook({"a": [list(columns), *(list(one.values()) for one in objects)]})),
        write("a.csv", ";".join(columns) + "\n" + "102;a1;t;85,125;4,528;45418,5\n" * 3),
    ]
    for path in files:
        for thousands in (None, "."):
            units = {"score_pct": "percent", "time_spent_sec": "s"}
            found = read(path, decimal=",", thousands=thousands, dates="serial", units=units)
            assert found.report.rejected == 0
            values = found.events.select(["success_ppm", "duration_ms", "occurred_at"]).to_pylist()
            for value in values[:2]:
                noon = datetime(2024, 5, 6, 12, tzinfo=UTC)
                assert value == {"success_ppm": 851_250, "duration_ms": 4_528, "occurred_at": noon}
        if path.suffix != ".csv":
            assert found.events["student_id"].to_pylist() == ["101", "102", "103"]


def test_a_packed_workbook_may_keep_its_ending(write):
    plain = workbook({"a": [list(NAMES), *map(list, ROWS)]})
    for name in ("a.xlsx.zip", "a.zip"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.xlsx", plain)
        assert rows_of(read(write(name, file.getvalue()))) == ROWS


@pytest.mark.parametrize("place", [30 + len("a.csv"), "another sum", "begins before the file", "half of it"])
def test_a_damaged_archive_is_refused_in_one_sentence(write, tmp_path, place):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", table(rows=ROWS * 20))
    whole = file.getvalue()
    if place == "another sum":
        place = whole.index(b"PK\x01\x02") + 16
    if place == "begins before the file":
        damaged = whole[:4] + whole[40:]
    elif place == "half of it":
        damaged = whole[: len(whole) // 2]
    else:
        damaged = whole[:place] + b"\xff" * 4 + whole[place + 4 :]
    path = write("a.zip", damaged)
    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    with pytest.raises(BadInput, match=r"^[^\n]*whole, undamaged file[^\n]*$"):
        read(path)
    with pytest.raises(BadInput, match=r"^[^\n]*whole, undamaged file[^\n]*$"):
        ingest([path], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW)


def test_long_lines_of_json_are_read(write, monkeypatch):
    long = [{**row, "log": ["x" * 100] * 30_000} for row in records()]
    assert rows_of(read(write("a.ndjson", "\n".join(map(in_json, long))))) == ROWS
    assert rows_of(read(write("a.json", in_json(long)))) == ROWS


@pytest.mark.slow
def test_long_fields_and_headers_are_read(write):
    wide = tuple(f"column {n}" for n in range(200_000))
    rows = [(*row, *["0"] * 200_000) for row in ROWS]
    assert rows_of(read(write("wide.csv", table(rows=rows, names=(*NAMES, *wide))))) == ROWS
    rows = [(*row, "x" * (3 << 20)) for row in ROWS]
    assert rows_of(read(write("long.csv", table(rows=rows, names=(*NAMES, "essay"))))) == ROWS


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst", "a.csv.zip", "a.csv", "a.gz", "a.zst", "a.zip"])
def test_packed_files_whatever_their_names(write, name):
    text = table("|").encode()
    packed = {
        "gz": gzip.compress(text),
        "zst": pa.Codec("zstd").compress(text, asbytes=True),
        "zip": zipped({"x.csv": text}),
    }
    for kind, content in packed.items():
        if name.endswith((kind, "csv")):
            assert rows_of(read(write(name, content))) == ROWS


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_each_member_of_an_archive_is_a_file(write):
    path = write("export.zip", zipped({
        "week1/a.csv": table(rows=ROWS[:2]).encode(),
        "week2/b.ndjson": "\n".join(map(in_json, records(ROWS[2:]))).encode(),
        "__MACOSX/week1/._a.csv": b"\0\5\26\7",
        "readme.pdf": b"%PDF",
        "empty.csv": b"",
    }))  # fmt: skip
    answers = read(path)
    assert rows_of(answers) == ROWS
    assert [Path(file.path).name for file in answers.report.files] == ["a.csv", "b.ndjson"]
    notes = " ".join(answers.report.notes)
    assert "readme.pdf: files of this kind" in notes
    assert "empty.csv: is empty" in notes
    assert "._" not in notes


def test_parquet_with_nested_columns(tmp_path):
    actor = [{"account": {"name": row[0]}, "n": 1} for row in ROWS]
    columns = {name: [row[k] for row in ROWS] for k, name in enumerate(NAMES) if k}
    for table_in in (pa.table({"actor": actor, **columns}), pa.table({"actor": [*actor[:3], None], **columns})):
        pq.write_table(table_in, tmp_path / "a.parquet")
        for source in (tmp_path / "a.parquet", table_in):
            answers = read(source, columns={"actor.account.name": "student_id"})
            assert answers.events["student_id"].to_pylist() == [row[0] for row in ROWS[: answers.report.accepted]]
    assert answers.report.rejected == 1


def test_a_sheet_of_a_workbook(write):
    morning = 46_083.375  # 2026-03-02 09:00
    cells = [[int(row[0]) if row[0] == "007" else row[0], *row[1:3], float(row[3]), Serial(morning + n / 1440)]
             for n, row in enumerate(ROWS)]  # fmt: skip
    one = write("one.xlsx", workbook({"Answers": [[None], list(NAMES), *cells, [None], [""]], "Empty": []}))
    expected = [("7" if row[0] == "007" else row[0], *row[1:]) for row in ROWS]
    assert rows_of(read(one)) == expected
    two = write("two.xlsx", workbook({"Info": [["x"], [1]], "Answers": [list(NAMES), *cells]}))
    for said in ("Answers", "2"):
        assert rows_of(read(two, sheet=said)) == expected
    with pytest.raises(BadInput, match=r"two\.xlsx: the workbook has several sheets: Info, Answers.*--sheet"):
        read(two)
    with pytest.raises(BadInput, match=r"no sheet 'Answer' .did you mean 'Answers'"):
        read(two, sheet="Answer")


def test_cells_of_a_workbook_that_show_per_cents_are_what_they_show(write):
    names = ["student_id", "assignment_id", "topic_ids", "score_pct", "timestamp"]
    cells = [Percent(1), Percent(0.07), Percent(0.285, 3), Percent(1.05), 85.0, "40", Percent(0.999, 4), None]
    rows = [["S1", f"a{n}", "t1", cell, Serial(46083.375)] for n, cell in enumerate(cells)]
    path = write("a.xlsx", workbook({"A": [[None], [None, *names], *([None, *row] for row in rows)], "B": [["x"]]}))
    answers = read(path, sheet="A")
    assert answers.report.rejected == 1
    assert answers.events["success_ppm"].to_pylist() == [1_000_000, 70_000, 285_000, 1_000_000, 850_000, 400_000, 9_990]
    one = [["S1", "a1", "t1", Percent(1), Serial(46083.375)]]
    (share,) = read(write("one.xlsx", workbook({"A": [names, *one]}))).events["success_ppm"].to_pylist()
    assert share == 1_000_000


def test_cells_of_an_open_document_that_show_per_cents_are_what_they_show(write):
    def row(*cells: str, times: int = 1) -> str:
        return f'<table:table-row table:number-rows-repeated="{times}">{"".join(cells)}</table:table-row>'

    def text(value: str, times: int = 1) -> str:
        kind = f'office:value-type="string" table:number-columns-repeated="{times}"'
        return f"<table:table-cell {kind}><text:p>{value}</text:p></table:table-cell>"

    def number(value: float, kind: str) -> str:
        return f'<table:table-cell office:value-type="{kind}" office:value="{value}"/>'

    names = ["student_id", "assignment_id", "topic_ids", "timestamp", "score_pct"]
    rows = [
        row("<table:table-cell/>", times=2),
        row("<table:table-cell/>", *map(text, names)),
        *(
            row("<table:table-cell/>", text(f"x{n}", 3), text(f"2026-03-0{n}"), cell)
            for n, cell in enumerate([number(1, "percentage"), number(0.4, "percentage"), number(70, "float")], 1)
        ),
    ]
    other = row(*[number(1, "percentage")] * 6) * 6
    answers = read(write("a.ods", open_document({"B": other, "A": "".join(rows), "C": other})), sheet="A")
    assert answers.events["success_ppm"].to_pylist() == [1_000_000, 400_000, 700_000]
    assert answers.report.notes == ()


def test_answers_that_a_workbook_shows_as_per_cents_are_right_or_wrong(write):
    rows = [["S1", f"q{n}", "t1", cell, Serial(46083.375 + n)] for n, cell in enumerate([Percent(1), Percent(0, 3)])]
    answers = read(write("a.xlsx", workbook({"A": [list(NAMES), *rows]})))
    assert answers.events["success_ppm"].to_pylist() == [1_000_000, 0]


def test_a_table_of_text_that_is_called_a_workbook(write):
    assert rows_of(read(write("a.xls", table("\t")))) == ROWS


def test_rows_of_a_workbook_keep_their_numbers(write):
    rows = [[None], list(NAMES), list(ROWS[0]), [None], ["S9", "q", "t", "maybe", ROWS[0][4]]]
    answers = read(write("a.xlsx", workbook({"A": rows})))
    assert answers.rejected["line"].to_pylist() == [5]


@pytest.mark.parametrize("content", [table(), "\n".join(map(in_json, records())), in_json(records()), "parquet", "zip"])
def test_standard_input(monkeypatch, content):
    data = content.encode()
    if content == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.table(dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))), sink)
        data = sink.getvalue()
    elif content == "zip":
        data = zipped({"x.csv": table().encode()})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert rows_of(read("-")) == ROWS


def test_a_folder_is_read_without_what_lies_in_it_by_the_way(write, tmp_path):
    write("f/a.csv", table(rows=ROWS[:2]))
    write("f/b.tsv", table("\t", rows=ROWS[2:]))
    write("f/._a.csv", b"\0\5\26\7")
    write("f/.DS_Store", b"\0\0")
    write("f/empty.csv", b"")
    write("f/notes.docx", b"PK\3\4")
    write("f/broken.csv.zip", b"PK")
    write("f/deeper/c.csv", table())
    answers = read(tmp_path / "f")
    assert rows_of(answers) == ROWS
    notes = " ".join(answers.report.notes)
    for name in ("._a.csv", ".DS_Store", "empty.csv", "notes.docx", "broken.csv.zip", "deeper/"):
        assert name in notes
    assert rows_of(read(str(tmp_path / "f" / "*.[ct]sv"))) == ROWS
    assert read(str(tmp_path / "**" / "*.csv")).report.read == 6
    with pytest.raises(NotFound, match="no file fits this pattern"):
        read(str(tmp_path / "*.pdf"))


def test_files_that_are_named_and_hold_nothing_are_no_error_beside_others(write):
    paths = [write("a.csv", table()), write("empty.csv", b""), write("._a.csv", b"\0")]
    answers = read_answers(paths, now=NOW)
    assert rows_of(answers) == ROWS
    with pytest.raises(BadInput, match=r"nothing to read: left out empty\.csv: is empty"):
        read_answers(paths[1:2], now=NOW)


def test_what_cannot_be_read_says_why(write, monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", table())
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("in.zip", packed.getvalue())
    for name, content in (("o.zip", twice.getvalue()), ("x.xlsx.gz", gzip.compress(packed.getvalue()))):
        with pytest.raises(BadInput, match="is packed twice, which is not unpacked; unpack it"):
            read(write(name, content))
    with pytest.raises(BadInput, match=r"a\.csv: is CSV, which has no array 'x'; leave out --array"):
        read(write("a.csv", table()), array="x")
    with pytest.raises(BadInput, match=r"a\.csv: is CSV, which has no sheet 'Answers'; leave out --sheet \(sheet=\)"):
        read(write("a.csv", table()), sheet="Answers")
    for title in ("Export of our LMS, 2026\n", "# made by x\n"):
        with pytest.raises(BadInput, match="or a title; .* or delete the lines above them"):
            read(write("a.csv", title + table()), table="quiz_attempts")
    names = ("Student_ID", "Question ID", "topic-id", "Is Correct", "Timestamp")
    spelled = [f"--map '{theirs}={ours}'" for theirs, ours in zip(names, NAMES, strict=True)]
    with pytest.raises(BadInput, match=f": {' '.join(spelled)}"):
        recognise(names)


def test_rows_that_are_all_rejected_are_rows(write, tmp_path):
    path = write("a.csv", table().replace("Z\n", "Z,\n"))
    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    report = ingest([path], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW)
    assert (report.read, report.rejected) == (4, 4)
    assert not [note for note in report.notes if "has no rows" in note]


def test_no_message_shows_a_person_of_a_file_without_a_header(write):
    path = write("a.csv", "Jane Doe,q0,t1,0,2026-03-02T09:00:00Z\nJohn Roe,q1,t1,1,2026-03-02T09:01:00Z\n")
    for said in ({}, {"table": "quiz_attempts"}, {"columns": {"Jane": "student_id"}}):
        with pytest.raises(BadInput) as caught:
            read(path, **said)
        assert not any(word in str(caught.value) for word in ("Doe", "q0", "2026-03-02T"))
        assert "names of the columns above it" in str(caught.value)


CASE_ROWS = {
    "array.ndjson": 6, "data.tsv": 6, "excel_sep_line.csv": 6, "excel_trailing_cols.csv": 6,
    "header_multiline2.csv": 6, "folder_mac": 6, "space_quote.csv": 4, "folder_mixed": 18,
}  # fmt: skip


@pytest.mark.skipif(not CASES.exists(), reason="needs the shared cases")
@pytest.mark.parametrize("name", CASE_ROWS)
def test_the_shared_cases(name):
    answers = read(CASES / name)
    assert (answers.report.accepted, answers.report.rejected) == (CASE_ROWS[name], 0)
    assert {topic for topic in answers.events["topic_id"].to_pylist() if '"' in topic} == set()


@pytest.mark.skipif(not CASES.exists(), reason="needs the shared cases")
def test_the_shared_cases_that_need_to_be_told():
    seven = read(CASES / "hdr_map007.csv", columns={"007": "topic_id"})
    assert seven.report.accepted == 2
    statements = read(
        CASES / "xapi.ndjson",
        columns={"actor.account.name": "student_id", "object.id": "question_id", "result.success": "is_correct"},
    )
    assert (statements.report.accepted, statements.report.rejected) == (6, 0)
    clash = read(CASES / "col_clash.csv", columns={"started_at": "timestamp"})
    assert clash.report.accepted == 6
    assert read(CASES / "latin1_rows.csv", encoding="latin-1").report.accepted == 6
    for name, said in {
        "latin1_rows.csv": "save the file as UTF-8",
        "noheader_names.csv": "names are not shown",
    }.items():
        with pytest.raises(BadInput, match=said) as caught:
            read(CASES / name)
        assert not any(name in str(caught.value) for name in ("Jane", "John"))


def test_names_of_a_damaged_file_are_shown_on_one_line(write):
    path = write("a.json", json.dumps({"date\nand time": 1, "more": [1]}))
    with pytest.raises(BadInput, match=r"there are date and time, more$"):
        read(path, array="data.rows")


def test_an_array_on_one_line_whose_first_element_lost_a_quote_is_read(write):
    text = in_json(records() * 3)
    answers = read(write("a.json", '["lost ' + text.removeprefix("[{")))
    assert answers.report.accepted >= len(ROWS) - 2


@pytest.mark.parametrize(("at", "byte"), [(46, 0), (46, 0xFF)])
def test_an_archive_with_damaged_names_is_refused(write, at, byte):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ä.csv", table())  # a name in UTF-8, which the directory of the archive says
    damaged = bytearray(file.getvalue())
    damaged[damaged.index(b"PK\x01\x02") + at] = byte
    with pytest.raises(BadInput, match=r"^[^\n]*$"):
        read(write("a.zip", bytes(damaged)))
