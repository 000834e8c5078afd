"""The table in docs/benchmarks.md, written from what was measured last."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.line import LATEST, ROOT, newest, read
from benchmarks.table import markdown

PAGE = ROOT / "docs" / "benchmarks.md"

BEGIN, END = "<!-- measured: `python -m benchmarks --write-docs` writes this part -->", "<!-- end of measured -->"


def write(known: dict[str, Benchmark], page: Path = PAGE, latest: Path = LATEST) -> Iterable[str]:
    """Put the newest full-scale line of each benchmark into the page, and return the names that have one.

    Raises:
        ValueError: The page lacks the two marks, or nothing was measured at full scale.
    """
    lines = newest(read(latest))
    found = [lines[name] for name in known if name in lines]
    if not found:
        raise ValueError(f"{latest} holds no line at scale 1; run `python -m benchmarks` first")
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page}: expected the lines {BEGIN!r} and {END!r}, once each; put them where the table goes")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{markdown(found, known)}\n{END}{after}", encoding="utf-8")
    return [line.name for line in found]
