"""A workbook of answers as columns of text, by us and by python-calamine alone."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import python_calamine

from benchmarks.child import Stopwatch
from mastery.pipelines.ingest.contents import of_path
from mastery.pipelines.ingest.files import open_input

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"

_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET}"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Answers" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def write_workbook(_: Stopwatch, file: str, workbook: str) -> int:
    """Write the rows of a CSV file as the only sheet of an .xlsx file, numbers as numbers; return how many cells."""
    cells = 0
    with (
        Path(file).open(newline="", encoding="utf-8") as source,
        zipfile.ZipFile(workbook, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, text in _PARTS.items():
            archive.writestr(name, text)
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for row in csv.reader(source):
                cells += len(row)
                sheet.write(f"<row>{''.join(map(_cell, row))}</row>".encode())
            sheet.write(b"</sheetData></worksheet>")
    return cells


def _cell(text: str) -> str:
    if text.isdecimal():
        return f"<c><v>{text}</v></c>"
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>' if text else "<c/>"


def measure(watch: Stopwatch, workbook: str) -> dict[str, Any]:
    """Read every column of the sheet as text, block by block, as an ingest does."""
    rows = 0
    with watch:
        opened = open_input(of_path(Path(workbook)))
        for block in opened.blocks(dict.fromkeys(opened.columns, False)):
            rows += block.read().raw.num_rows
    return {"rows": rows, "columns": len(opened.columns)}


def read_alone(watch: Stopwatch, workbook: str) -> dict[str, int]:
    """Read every row of the sheet by python-calamine alone."""
    with watch:
        sheet = python_calamine.CalamineWorkbook.from_path(workbook).get_sheet_by_index(0)
        rows = sum(1 for _ in sheet.iter_rows())
    return {"rows": rows - 1}
