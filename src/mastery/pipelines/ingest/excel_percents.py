"""Which cells of a workbook show their numbers as per cents: 0.85 that a person sees as 85 %.

python-calamine gives the number alone. In .xlsx and .xlsm the formats lie in two files: `xl/styles.xml` has those that
any cell uses, and the sheet names for each cell which. A sheet is read for them only where one of the formats is of per
cents. In .ods the kind of its value stands beside each cell. Those of .xlsb and .xls are not read.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from mastery.errors import BadInput
from mastery.pipelines.ingest.contents import DAMAGED_ARCHIVE, Content

WORKBOOK, OPEN_DOCUMENT = "xl/workbook.xml", "content.xml"

NOT_READ = "a cell that shows 85 % is read as 0.85 from a workbook of this kind: if it has such, save it as .xlsx"

BUILT_IN = frozenset({9, 10})
"""Formats of per cents that no workbook spells out: 0% and 0.00%."""

NOT_SHOWN_AS_SIGN = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
"""Texts, escaped letters, colours and conditions, blanks and fillings within a format."""

Attributes = dict[str, str]


def tells_percents(content: Content) -> bool:
    """Return whether the formats of the cells of a workbook are read. Raises BadInput where it is damaged."""
    with _archive(content) as archive:
        return archive is not None and not {WORKBOOK, OPEN_DOCUMENT}.isdisjoint(archive.namelist())


def percent_cells(content: Content, sheet: str) -> Mapping[int, frozenset[int]]:
    """Return column → rows whose cells show per cents, both from 1; empty for a workbook of another format.

    Raises:
        BadInput: What says so is damaged.
    """
    with _archive(content) as archive:
        if archive is None:
            return {}
        parts = archive.namelist()
        if OPEN_DOCUMENT in parts:
            return _cells_of_open_document(archive, sheet)
        if WORKBOOK not in parts:
            return {}
        target, styles = _parts(archive, sheet)
        shown = _percent_styles(archive, styles) if styles in parts else frozenset()
        return _cells(archive, target, shown) if shown else {}


@contextmanager
def _archive(content: Content) -> Iterator[zipfile.ZipFile | None]:
    """Yield the files that a workbook is made of; None where it is of one piece, as .xls is."""
    try:
        with content.opened() as file:
            if not zipfile.is_zipfile(file):
                yield None
                return
            with zipfile.ZipFile(file) as archive:
                yield archive
    except (ExpatError, LookupError, ValueError, *DAMAGED_ARCHIVE) as error:
        raise BadInput(
            f"{content.place}: the formats of its cells cannot be read ({error}); expected a whole, undamaged "
            "workbook: write or copy it again, or save the sheet as CSV UTF-8"
        ) from error


def _parts(archive: zipfile.ZipFile, sheet: str) -> tuple[str, str]:
    """Return the names of the files of a sheet and of the formats."""
    ids: dict[str, str] = {}
    targets: dict[str, str] = {}
    kinds: dict[str, str] = {}

    def in_workbook(name: str, given: Attributes) -> None:
        if name == "sheet":
            named = [value for key, value in given.items() if _local(key) == "id" and key != "id"]
            ids[given["name"]] = named[0]

    def in_relations(name: str, given: Attributes) -> None:
        if name == "Relationship":
            # from the folder of the workbook, or with / from the root
            targets[given["Id"]] = posixpath.normpath(posixpath.join("/xl", given["Target"])).lstrip("/")
            kinds[posixpath.basename(given["Type"])] = targets[given["Id"]]

    _walk(archive, WORKBOOK, in_workbook)
    _walk(archive, "xl/_rels/workbook.xml.rels", in_relations)
    return targets[ids[sheet]], kinds.get("styles", "")


def _percent_styles(archive: zipfile.ZipFile, part: str) -> frozenset[int]:
    """Return the numbers, as cells name them, of the formats of per cents."""
    formats, used, within = set(BUILT_IN), [], False

    def begin(name: str, given: Attributes) -> None:
        nonlocal within
        if name == "numFmt" and "%" in NOT_SHOWN_AS_SIGN.sub("", given["formatCode"]):
            formats.add(int(given["numFmtId"]))
        elif name in ("cellXfs", "cellStyleXfs", "dxfs", "cellStyles"):
            within = name == "cellXfs"
        elif name == "xf" and within:
            used.append(int(given.get("numFmtId", 0)))

    _walk(archive, part, begin)
    return frozenset(number for number, one in enumerate(used) if one in formats)


def _cells(archive: zipfile.ZipFile, part: str, shown: frozenset[int]) -> Mapping[int, frozenset[int]]:
    styles = frozenset(map(str, shown))
    found: dict[int, set[int]] = defaultdict(set)
    row = column = 0

    def begin(name: str, given: Attributes) -> None:
        nonlocal row, column
        if name == "c":
            at = given.get("r")  # where it is left out, cells follow each other
            column = column + 1 if at is None else _column(at)
            if given.get("s", "0") in styles:
                found[column].add(row)
        elif name == "row":
            row, column = int(given.get("r", row + 1)), 0

    _walk(archive, part, begin)
    return {column: frozenset(rows) for column, rows in found.items()}


def _cells_of_open_document(archive: zipfile.ZipFile, sheet: str) -> Mapping[int, frozenset[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    row = column = rows = 0
    here = False

    def begin(name: str, given: Attributes) -> None:
        nonlocal row, column, rows, here
        if name == "table":
            here, row, rows = _value(given, "name") == sheet, 0, 0
        elif name == "table-row":
            row, rows, column = row + rows, int(_value(given, "number-rows-repeated") or 1), 0
        elif here and name in ("table-cell", "covered-table-cell"):
            cells = int(_value(given, "number-columns-repeated") or 1)
            if _value(given, "value-type") == "percentage":
                for one in range(column + 1, column + 1 + cells):
                    found[one].update(range(row + 1, row + 1 + rows))
            column += cells

    _walk(archive, OPEN_DOCUMENT, begin)
    return {column: frozenset(rows) for column, rows in found.items()}


def _value(given: Attributes, name: str) -> str | None:
    return next((value for key, value in given.items() if _local(key) == name), None)


def _column(reference: str) -> int:
    """Return the number of the column, from 1, of a cell such as `AB12`."""
    number = 0
    for letter in reference:
        if letter.isdigit():
            break
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _walk(archive: zipfile.ZipFile, part: str, begin: Callable[[str, Attributes], Any]) -> None:
    """Call `begin` with the name of each element of a file, without its prefix, and its attributes."""
    parser = ParserCreate()

    def element(name: str, given: Attributes) -> None:
        begin(_local(name), given)

    parser.StartElementHandler = element
    with archive.open(part) as file:
        parser.ParseFile(file)


def _local(name: str) -> str:
    return name.rpartition(":")[2]
