"""The tables in docs/evaluation.md, written from what was measured last."""

from __future__ import annotations

from pathlib import Path

from benchmarks.accuracy.line import AccuracyLine, newest
from benchmarks.accuracy.table import markdown
from benchmarks.line import ROOT

PAGE = ROOT / "docs" / "evaluation.md"

BEGIN = "<!-- measured: `python -m benchmarks.accuracy --write-docs` writes this part -->"
END = "<!-- end of measured -->"


def write(lines: list[AccuracyLine], page: Path = PAGE) -> set[str]:
    """Put the newest fitted lines into the page and return the data sets that have one.

    Raises:
        ValueError: the page lacks the two marks, or nothing fitted was measured.
    """
    found = newest(lines)
    if not found:
        raise ValueError("nothing fitted has been measured; run `python -m benchmarks.accuracy` first")
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page}: expected the lines {BEGIN!r} and {END!r}, once each; put them where the tables go")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{markdown(found)}\n{END}{after}", encoding="utf-8")
    return {data for data, _ in found}
