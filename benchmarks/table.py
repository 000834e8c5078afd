"""Numbers for people: the table of a run, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.benchmark import Bar, Benchmark
from benchmarks.line import Line

SHORT = ((1e6, 1e6, "M"), (1e4, 1e3, "k"))
"""From where on a number is shortened, what it is then counted in, and that unit's letter."""


def number(value: float | None) -> str:
    """Return a number with three or four digits that matter, an empty text for none."""
    if value is None:
        return ""
    for least, size, letter in SHORT:
        if abs(value) >= least:
            return f"{_digits(value / size)} {letter}"
    return _digits(value)


def _digits(value: float) -> str:
    """Return three digits that matter, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def asked(bar: Bar, unit: str) -> str:
    """Return a bar in words: `≥ 60.0 M`, `ratio ≤ 1`."""
    words = {"value": "", "ratio": "ratio ", "peak_mb": "peak "}[bar.field]
    after = {"value": f" {unit}", "ratio": "", "peak_mb": " MiB"}[bar.field]
    return f"{words}{bar.sign} {number(bar.limit)}{after}"


def verdicts(benchmark: Benchmark | None, line: Line) -> list[tuple[str, bool | None]]:
    """Return each bar of the line in words, and whether it is met."""
    bars = () if benchmark is None else benchmark.bars
    return [(asked(bar, line.unit), bar.holds(line)) for bar in bars]


def show(console: Console, lines: Iterable[Line], known: dict[str, Benchmark], not_run: dict[str, str]) -> None:
    """Print the lines with the bars beside them, and why others are missing."""
    table = Table(box=None, pad_edge=False, header_style="bold", row_styles=["", "bright_black"])
    for title in ("benchmark", "value", "ratio", "bar", "met", "CPU s", "peak MiB", "start-up s"):
        table.add_column(title, justify="left" if title in ("benchmark", "bar", "met") else "right", no_wrap=True)
    told = []
    for line in lines:
        bars = verdicts(known.get(line.name), line)
        table.add_row(
            line.name,
            f"{number(line.value)} {line.unit}",
            number(line.ratio),
            "\n".join(words for words, _ in bars),
            Text("\n").join(_mark(holds) for _, holds in bars),
            number(line.cpu_s),
            number(line.peak_mb),
            number(line.start_up_s),
        )
        told.append(line)
    if told:
        console.print(table)
        for line in told:
            if line.note:
                console.print(Text(f"  {line.name}: {line.note}", "bright_black"), soft_wrap=True)
        console.print(Text(f"\n{told[-1].machine}", "bright_black"), soft_wrap=True)
        if told[-1].scale != 1.0:
            console.print(Text(f"at {told[-1].scale:g} of the full size: the bars are for all of it", "yellow"))
    for name, reason in not_run.items():
        console.print(Text(f"{name}: {reason}", "yellow"), soft_wrap=True)


def markdown(lines: Iterable[Line], known: dict[str, Benchmark]) -> str:
    """Return the lines as a Markdown table, in the order of the registry, with the machine below."""
    by_name = {line.name: line for line in lines}
    ordered = [by_name[name] for name in known if name in by_name]
    rows = [
        "| benchmark | value | ratio | bar | CPU s | peak MiB | start-up s | |",
        "|---|---:|---:|---|---:|---:|---:|---|",
    ]
    for line in ordered:
        bars = "<br>".join(
            words if holds else f"{words} **(missed)**" for words, holds in verdicts(known[line.name], line)
        )
        cells = (
            f"`{line.name}`",
            f"{number(line.value)} {line.unit}",
            number(line.ratio),
            bars,
            number(line.cpu_s),
            number(line.peak_mb),
            number(line.start_up_s),
            line.note,
        )
        rows.append("| " + " | ".join(cells) + " |")
    machines = dict.fromkeys(f"{line.machine} ({line.at[:10]})" for line in ordered)
    return "\n".join([*rows, "", *(f"Machine: {machine}." for machine in machines)]) + "\n"


def _mark(holds: bool | None) -> Text:
    if holds is None:
        return Text("–")
    return Text("yes", "green") if holds else Text("no", "bold red")
