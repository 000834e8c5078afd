"""Accuracy for people: the table of a run, and those of docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.accuracy.line import AccuracyLine
from benchmarks.accuracy.rows import ASKED_ECE, ROWS, Row

BARS = {"blend_unconstrained": "blend", "linear_rnn": "rnn"}
"""Scorer → which bar of `Row` is its own."""


def bar_of(row: Row, scorer: str) -> float | None:
    """Return the AUC required of a scorer; None if it has no bar."""
    return float(getattr(row, BARS[scorer])) if scorer in BARS else None


def calibrated(line: AccuracyLine) -> bool | None:
    """Return whether a blend's ECE meets its bar; None for other scorers."""
    if line.scorer != "blend_unconstrained" or line.ece is None or line.ece_perfect_95 is None:
        return None
    return line.ece <= max(ASKED_ECE, line.ece_perfect_95)


def show(console: Console, lines: Sequence[AccuracyLine]) -> None:
    """Print the scorers of one data set with the bars beside them."""
    first = lines[0]
    console.print(
        Text(f"{first.data}", "bold").append(
            f"  {first.split}, {first.folds} test{'s' if first.folds != 1 else ''}, {first.n:,} answers; "
            f"published {ROWS[first.data].published}; {first.seconds:,.0f} s, {first.peak_mb:,.0f} MiB",
            "default",
        )
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("scorer", "AUC", "95 %", "bar", "log loss", "ECE", "perfect"):
        table.add_column(title, justify="left" if title == "scorer" else "right", no_wrap=True)
    for line in lines:
        bar, well = bar_of(ROWS[line.data], line.scorer), calibrated(line)
        kept = Text("" if bar is None else f"≥ {bar:g}")
        if bar is not None and line.auc is not None:
            kept.append("  yes" if line.auc >= bar else "  no", "green" if line.auc >= bar else "bold red")
        table.add_row(
            line.scorer,
            number(line.auc),
            f"{number(line.auc_low, 3)}–{number(line.auc_high, 3)}",
            kept,
            number(line.logloss),
            Text(number(line.ece), "" if well is not False else "bold red"),
            f"{number(line.ece_perfect)}, {number(line.ece_perfect_95)}",
        )
    console.print(table)
    console.print()


def markdown(lines: Mapping[tuple[str, str], AccuracyLine]) -> str:
    """Return the tables of docs/evaluation.md: bars and results, and every scorer's AUC."""
    data = [name for name in ROWS if any(name == of for of, _ in lines)]
    heads = ("data, split", "tests", "answers", "published", "pyBKT 1.4.3", "`blend_unconstrained` (95 %)", "bar")
    heads += ("`linear_rnn`", "bar", "ECE", "if perfect", "s", "MiB")
    parts = [f"| {' | '.join(heads)} |", "|---|---:|---:|---|---|---|---|---:|---|---:|---|---:|---:|"]
    parts += [f"| {' | '.join(_row(ROWS[name], lines))} |" for name in data]
    scorers = list(dict.fromkeys(scorer for _, scorer in lines))
    parts += ["", "AUC of each scorer:", "", f"| data | {' | '.join(f'`{one}`' for one in scorers)} |"]
    parts.append(f"|---{'|---:' * len(scorers)}|")
    for name in data:
        of = [lines.get((name, scorer)) for scorer in scorers]
        parts.append(f"| {name} | {' | '.join('–' if one is None else number(one.auc) for one in of)} |")
    machines = dict.fromkeys(f"{line.machine} ({line.at[:10]})" for line in lines.values())
    return "\n".join([*parts, "", *(f"Machine: {machine}." for machine in machines)]) + "\n"


def _row(row: Row, lines: Mapping[tuple[str, str], AccuracyLine]) -> list[str]:
    any_line = next(line for (name, _), line in lines.items() if name == row.name)
    blend, rnn = lines.get((row.name, "blend_unconstrained")), lines.get((row.name, "linear_rnn"))
    well = None if blend is None else calibrated(blend)
    return [
        f"{row.name}, `{any_line.split}`",
        f"{any_line.folds}",
        f"{any_line.n:,}",
        row.published,
        row.pybkt,
        "–" if blend is None else f"{number(blend.auc)} ({number(blend.auc_low, 3)}–{number(blend.auc_high, 3)})",
        _bar(row.blend, blend),
        "–" if rnn is None else number(rnn.auc),
        _bar(row.rnn, rnn),
        "–" if blend is None else number(blend.ece) + (" **(missed)**" if well is False else ""),
        "–" if blend is None else f"{number(blend.ece_perfect)}, {number(blend.ece_perfect_95)}",
        f"{any_line.seconds:,.0f}",
        f"{any_line.peak_mb:,.0f}",
    ]


def _bar(bar: float, line: AccuracyLine | None) -> str:
    missed = line is not None and (line.auc is None or line.auc < bar)
    return f"≥ {bar:g}" + (" **(missed)**" if missed else "")


def number(value: float | None, digits: int = 4) -> str:
    """Return a share with its digits, a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"
