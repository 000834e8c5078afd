"""Workbooks as spreadsheets write them, made by hand: what is read is not what our own reader's package wrote."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"


@dataclass(frozen=True)
class Serial:
    """A cell that shows its number as a date and time."""

    days: float


@dataclass(frozen=True)
class Percent:
    """A cell that shows its number as per cents.

    Attributes:
        style: Of `cellXfs`: 2 is a format that every spreadsheet knows, 3 one that the workbook spells out.
    """

    share: float
    style: int = 2


Cell = str | float | bool | Serial | Percent | None


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> bytes:
    """Return an .xlsx file with these sheets."""
    numbered = list(enumerate(sheets, 1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>'
        + "".join(f'<sheet name="{escape(name)}" sheetId="{n}" r:id="r{n}"/>' for n, name in numbered)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="r{n}" Type="{_DOCUMENT}/worksheet" Target="worksheets/s{n}.xml"/>' for n, _ in numbered
        )
        + f'<Relationship Id="style" Type="{_DOCUMENT}/styles" Target="styles.xml"/></Relationships>',
        # format 22 shows a number as a date and time, 9 as per cents; 165 only writes a sign behind it
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><numFmts count="2"><numFmt numFmtId="164" '
        'formatCode="[Blue]0.0\\ %"/><numFmt numFmtId="165" formatCode="0.0&quot; %&quot;"/></numFmts>'
        '<cellStyleXfs count="1"><xf numFmtId="9"/></cellStyleXfs><cellXfs count="5"><xf numFmtId="0"/>'
        '<xf numFmtId="22"/><xf numFmtId="9"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs>'
        "</styleSheet>",
    } | {f"xl/worksheets/s{n}.xml": _sheet(sheets[name]) for n, name in numbered}
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(undated(name), text)
    return file.getvalue()


def open_document(sheets: Mapping[str, str]) -> bytes:
    """Return an .ods file with these sheets, each given as its rows in XML."""
    prefix = "urn:oasis:names:tc:opendocument:xmlns:"
    names = "".join(f' xmlns:{name}="{prefix}{name}:1.0"' for name in ("office", "table", "text"))
    tables = "".join(f'<table:table table:name="{name}">{rows}</table:table>' for name, rows in sheets.items())
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr(
            "content.xml",
            f"<office:document-content{names}><office:body><office:spreadsheet>{tables}</office:spreadsheet>"
            "</office:body></office:document-content>",
        )
        archive.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest xmlns:manifest="{prefix}manifest:1.0"><manifest:file-entry manifest:full-path="/" '
            f'manifest:media-type="{kind}"/></manifest:manifest>',
        )
    return file.getvalue()


def undated(name: str) -> zipfile.ZipInfo:
    """Return a member of an archive whose bytes do not depend on when it is written."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    lines = (
        f'<row r="{n}">{"".join(_cell(value, f"{_letters(k)}{n}") for k, value in enumerate(row))}</row>'
        for n, row in enumerate(rows, 1)
    )
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def _cell(value: Cell, at: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f'<c r="{at}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    if isinstance(value, bool):
        return f'<c r="{at}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, Serial):
        return f'<c r="{at}" s="1"><v>{value.days!r}</v></c>'
    if isinstance(value, Percent):
        return f'<c r="{at}" s="{value.style}"><v>{value.share!r}</v></c>'
    return f'<c r="{at}"><v>{value!r}</v></c>'


def _letters(column: int) -> str:
    return chr(ord("A") + column) if column < 26 else _letters(column // 26 - 1) + _letters(column % 26)
