"""What kind of file it is: by its name, and by its first bytes where those say otherwise or the name says nothing."""

from __future__ import annotations

import pyarrow as pa

from mastery.pipelines.ingest.contents import STANDARD_INPUT_NAME, Content, unpacked
from mastery.pipelines.ingest.encodings import mark_of

CSV, JSON, PARQUET, EXCEL = "csv", "json", "parquet", "excel"

FORMATS = {
    ".csv": CSV,
    ".tsv": CSV,
    ".tab": CSV,
    ".txt": CSV,
    ".json": JSON,
    ".ndjson": JSON,
    ".jsonl": JSON,
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".xlsx": EXCEL,
    ".xlsm": EXCEL,
    ".xlsb": EXCEL,
    ".xls": EXCEL,
    ".ods": EXCEL,
}

PACKED = (".gz", ".zst", ".zip")
ENDINGS = (*FORMATS, *PACKED)
"""Endings of names that can be read; a text packed by gzip or zstd may keep its own ending before theirs."""

_PARQUET_MAGIC, _ZIP_MAGIC, _OLE_MAGIC = b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_ENOUGH = 64


def by_name(name: str) -> str | None:
    """Return the format that a name stands for, or None."""
    name = name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return next((found for ending, found in FORMATS.items() if name.endswith(ending)), None)


def format_of(content: Content) -> str | None:
    """Return the format of a file, or None where it is none that can be read."""
    named = by_name(content.name)
    packed_only = named is None and content.name.lower().endswith(PACKED)
    if named is None and not packed_only and content.name != STANDARD_INPUT_NAME:
        return None
    begins = content.beginning()
    if begins.startswith(_PARQUET_MAGIC):
        return PARQUET
    if begins.startswith((_ZIP_MAGIC, _OLE_MAGIC)):
        return EXCEL
    if named is None or (named == EXCEL and content.name.lower().endswith(".xls")):
        return _of_text(content)  # programs give tables of text the ending .xls, for a spreadsheet opens them
    return named


def _of_text(content: Content) -> str:
    try:
        with unpacked(content) as (text, _):
            begins = text.read(_ENOUGH)
    except (pa.ArrowException, OSError, EOFError):
        return CSV  # what is damaged is said when it is read
    plain = begins[len(mark_of(begins)) :].replace(b"\0", b"").lstrip()
    return JSON if plain[:1] in (b"{", b"[") else CSV
