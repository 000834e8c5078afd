"""What becomes of files on their way: damage to one row, to the file, or to what it is packed in."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from written_files import Style, Table, packed, pieces, plain_bytes, written

TEXT_KINDS = ("csv", "ndjson", "json", "nested")
CHECKED = ("gz", "zip")
"""Packing with a sum by which damage is noticed."""

_ODD_LETTERS = "\0\"'\n\r,;\t|{}[]:\\ 0e-+\x1a/"


@dataclass(frozen=True)
class Damaged:
    """A file, and what is known of the damage.

    Attributes:
        untouched: Rows that are in the file as they were; None where damage goes beyond rows.
        readable: The damage is of few rows, so that the file may not be refused.
        noticed: What is read is as it was, or the file is refused.
    """

    what: str
    content: bytes = field(repr=False)
    untouched: frozenset[int] | None = None
    readable: bool = False
    noticed: bool = False


@st.composite
def damages(draw: Callable[..., Any], table: Table, style: Style) -> Damaged:
    """Draw one damage to the file of this table in this style."""
    if style.kind not in TEXT_KINDS:
        return draw(_of_bytes(written(table, style), "file", noticed=False))
    kind = draw(st.sampled_from(["row", "row", "row", "row", "bytes of a row", "rows", "columns", "end", "file"]))
    if kind == "file":
        return draw(_of_bytes(written(table, style), "file", noticed=style.packed in CHECKED))
    if kind == "end":
        return draw(_cut_short(table, style))
    if kind == "columns":
        return draw(_of_columns(table, style))
    texts = pieces(table, style)
    n = len(table.rows)
    if kind == "rows":
        return draw(_of_rows(texts, style, n))
    hit = draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=2))
    codec = style.encoding.codec
    as_text = kind == "row" or codec.startswith(("utf-16", "utf-32"))  # of which a lost byte is not one of its row
    rows: list[bytes] = []
    what = set()
    for number, text in enumerate(texts):
        body, end = _body(text), text[len(_body(text)) :].encode(codec)
        if number - 1 not in hit:
            rows.append(text.encode(codec))
        elif as_text:
            how, body = draw(_of_text(body, style))
            what.add(how)
            rows.append(body.encode(codec, "replace") + end)
        else:
            how, changed = draw(_flipped(body.encode(codec)))
            what.add(how)
            rows.append(changed + end)
    plain = style.encoding.mark + b"".join(rows)
    content = packed(plain, style)
    if plain.startswith(codecs.BOM_UTF32_LE):
        return Damaged(", ".join(sorted(what)), content)  # UTF-16 with a NUL first begins as UTF-32 does
    if style.kind == "nested" and "garbage" in what:
        return Damaged("garbage", content)  # which may spell the end of the array
    if style.kind in ("json", "nested") and (style.compact or "cut" in what):
        hit |= {row + 1 for row in hit}  # on one line, or after a colon, what is damaged may take in the next
    return Damaged(", ".join(sorted(what)), content, frozenset(range(n)) - hit, readable=True)


def _body(text: str) -> str:
    return text.rstrip("\r\n")


@st.composite
def _of_text(draw: Callable[..., Any], text: str, style: Style) -> tuple[str, str]:
    """Draw what became of the text of one row."""
    separator = style.separator if style.kind == "csv" else ","
    cells = text.split(separator)
    at = draw(st.integers(0, max(len(text) - 1, 0)))
    k, m = draw(st.integers(0, len(cells) - 1)), draw(st.integers(0, len(cells) - 1))
    letter = draw(st.sampled_from(_ODD_LETTERS))
    swapped = list(cells)
    swapped[k], swapped[m] = cells[m], cells[k]
    choices = {
        "cell dropped": separator.join(cells[:k] + cells[k + 1 :]),
        "cell twice": separator.join(cells[: k + 1] + cells[k:]),
        "cells swapped": separator.join(swapped),
        "quote added": text[:at] + '"' + text[at:],
        "quotes lost": text.replace('"', "", 1),
        "letter lost": text[:at] + text[at + 1 :],
        "letter changed": text[:at] + letter + text[at + 1 :],
        "NULs": text[:at] + "\0" * draw(st.integers(1, 9)) + text[at:],
        "other separators": text.replace(separator, "\t" if separator == ";" else ";"),
        "cut": text[:at],
        "garbage": draw(st.text(st.sampled_from(_ODD_LETTERS + "abc"), max_size=40)),
        "huge": text[:at] + "x" * draw(st.sampled_from([2000, 300_000])) + text[at:],
        "deep": text[:at] + "[" * draw(st.sampled_from([70, 5000])) + text[at:],
    }
    how = draw(st.sampled_from(sorted(choices)))
    return how, choices[how]


@st.composite
def _flipped(draw: Callable[..., Any], body: bytes) -> tuple[str, bytes]:
    """Draw what became of the bytes of one row."""
    data = bytearray(body)
    for at, byte in draw(
        st.lists(st.tuples(st.integers(0, max(len(data) - 1, 0)), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        data[at : at + 1] = bytes([byte])
    return "bytes changed", bytes(data)


@st.composite
def _of_rows(draw: Callable[..., Any], texts: Sequence[str], style: Style, n: int) -> Damaged:
    """Draw whole rows that are twice in the file, in another order, or none of its rows."""
    head, *rows, tail = texts
    at = draw(st.integers(0, n - 1))
    how = draw(st.sampled_from(["row twice", "row lost", "garbage between", "header again", "blank lines"]))
    kept = frozenset(range(n))
    if how == "row twice":
        rows.insert(at, rows[at if at < n - 1 else 0])  # the last row of an array has no comma
    elif how == "row lost":
        del rows[at]
        kept -= {at}
    elif how == "blank lines":
        rows.insert(at, style.line_end * draw(st.integers(1, 4)))
    elif how == "header again" and style.kind == "csv":
        rows.insert(at, head)
    else:
        lines = draw(st.lists(st.text("abc;,|\t:. -", min_size=1, max_size=30), min_size=1, max_size=2))
        rows.insert(at, "".join(line + style.line_end for line in lines))
    whole = style.encoding.mark + "".join([head, *rows, tail]).encode(style.encoding.codec)
    return Damaged(how, packed(whole, style), kept, readable=True)


@st.composite
def _of_columns(draw: Callable[..., Any], table: Table, style: Style) -> Damaged:
    """Draw what became of the names of the columns, or of what comes before the rows."""
    head, *rest = pieces(table, style)
    how, text = draw(_of_text(head, style))
    content = style.encoding.mark + "".join([text, *rest]).encode(style.encoding.codec, "replace")
    return Damaged(f"header: {how}", packed(content, style))


@st.composite
def _cut_short(draw: Callable[..., Any], table: Table, style: Style) -> Damaged:
    """Draw a file of which the end is missing."""
    texts = pieces(table, style)
    ends: list[int] = [len(style.encoding.mark)]
    for text in texts:
        ends.append(ends[-1] + len(text.encode(style.encoding.codec)))
    whole = plain_bytes(table, style)
    size = draw(st.integers(1, len(whole)))
    kept = frozenset(row for row in range(len(table.rows)) if ends[row + 2] <= size)
    return Damaged("end missing", packed(whole[:size], style), kept, readable=len(kept) > 1)


@st.composite
def _of_bytes(draw: Callable[..., Any], content: bytes, what: str, *, noticed: bool) -> Damaged:
    """Draw what became of the bytes of a file, whatever is in it."""
    last = len(content) - 1
    at = draw(st.integers(0, last))
    size = draw(st.integers(1, 64))
    junk = draw(st.binary(min_size=1, max_size=64))
    flipped = bytearray(content)
    for place, bit in draw(st.lists(st.tuples(st.integers(0, last), st.integers(0, 7)), min_size=1, max_size=5)):
        flipped[place] ^= 1 << bit
    choices = {
        "cut short": content[:at],
        "bits flipped": bytes(flipped),
        "piece missing": content[:at] + content[at + size :],
        "zeros": content[:at] + bytes(size) + content[at + size :],
        "junk within": content[:at] + junk + content[at:],
        "junk after": content + junk,
        "begun again": content + content[:at],
    }
    how = draw(st.sampled_from(sorted(choices)))
    return Damaged(f"{what}: {how}", choices[how], noticed=noticed)
