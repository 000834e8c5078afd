"""What an evaluation on simulated students came to, for machines and for people."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mastery.errors import BadInput
from mastery.pipelines.evaluation.report import shown
from mastery.pipelines.evaluation.simulated import Learnt

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""Title, heads, rows."""


def as_json(found: Sequence[Learnt]) -> dict[str, Any]:
    """Return {"learnt_from": [{"students":, "answers":, "scorers": {name: {"rmse":, "coverage": {band: …}, …}},
    "parameters": {name: {parameter: {"rmse":, …}}}}]}. What is undefined is null.
    """
    return {
        "learnt_from": [
            {
                "students": one.students,
                "answers": one.answers,
                "scorers": {
                    name: {
                        **{key: value for key, value in asdict(got).items() if key != "coverage"},
                        "rmse_ratio": got.ratio,
                        "coverage": {
                            part.name: {key: value for key, value in asdict(part).items() if key != "name"}
                            for part in got.coverage
                        },
                    }
                    for name, got in one.recovery.items()
                },
                "parameters": {name: dict(of) for name, of in one.parameters.items()},
            }
            for one in found
        ]
    }


def tables(found: Sequence[Learnt]) -> list[Table]:
    """Return the tables for people: scores beside the truth, coverage by band, parameters as students grow."""
    last = found[-1]
    truth = [
        (
            name,
            f"{got.scores:,}",
            *(shown(value) for value in (got.rmse, got.rmse_share, got.ratio, got.correlation, got.bias)),
        )
        for name, got in last.recovery.items()
    ]
    bands = [part.name for got in last.recovery.values() for part in got.coverage]
    bands = list(dict.fromkeys(bands))
    held = [
        (name, *(f"{_percent(part.share)} ({part.scores:,})" for part in got.coverage), shown(got.coverage[0].width, 3))
        for name, got in last.recovery.items()
    ]
    growing = [
        (f"{name} {what}", *(shown(one.parameters.get(name, {}).get(what, {}).get("rmse", math.nan)) for one in found))
        for name, of in last.parameters.items()
        for what in of
    ]
    scores = [(name, *(shown(one.recovery[name].rmse) for one in found)) for name in last.recovery]
    sizes = tuple(f"{one.students:,} students" for one in found)
    heads = ("scorer", "student-topics", "RMSE", "of the share right", "ratio", "correlation", "bias")
    return [
        (f"Scores beside the truth, learnt from {last.students:,} students", heads, truth),
        ("Share of 90 % intervals that hold the truth (and of how many)", ("scorer", *bands, "mean width"), held),
        ("RMSE of scores as students grow", ("scorer", *sizes), scores),
        ("RMSE of parameters as students grow", ("parameter", *sizes), growing),
    ]


def markdown(found: Sequence[Learnt]) -> str:
    """Return the tables as a page."""
    lines = ["# Evaluation on simulated students", ""]
    for title, heads, rows in tables(found):
        if not rows:
            continue
        lines += [f"## {title}", "", f"| {' | '.join(heads)} |", f"|---{'|---:' * (len(heads) - 1)}|"]
        lines += [*(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join(lines)


def write_report(found: Sequence[Learnt], out: Path) -> list[Path]:
    """Write simulated.json and simulated.md into a folder; return the files.

    Raises:
        BadInput: `out` is a file.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; expected a folder to write the evaluation to")
    out.mkdir(parents=True, exist_ok=True)
    text, page = out / "simulated.json", out / "simulated.md"
    text.write_text(json.dumps(finite(as_json(found)), indent=1) + "\n", "utf-8")
    page.write_text(markdown(found), "utf-8")
    return [text, page]


def finite(value: Any) -> Any:
    """Return the document with null for what is not a number: JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"
