"""Reliability diagrams: one small picture a scorer. Needs matplotlib, the extra `charts`."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mastery.evaluation.reliability import reliability
from mastery.pipelines.evaluation.evaluate import Evaluation
from mastery.pipelines.evaluation.report import pooled, shown

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#6B7280"
"""Of Okabe & Ito's palette: told apart by those who see no red or no green."""

COLUMNS = 3
HISTOGRAM_BINS = 40

LEFT, GAP, TOP = 0.75, 0.6, 0.6
HEAD, SIDE, BETWEEN, LOW, FOOT = 0.3, 2.6, 0.12, 0.7, 0.55
"""Inches: around the panels; and of one panel from top to bottom, its title, the curve, the bars, their label."""


def draw_reliability(evaluation: Evaluation, path: Path) -> None:
    """Write a PNG: of each scorer the share right by predicted probability, and how often each probability was said."""
    names = list(evaluation.summaries)
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    wide, high = LEFT + columns * (SIDE + GAP), TOP + rows * (HEAD + SIDE + BETWEEN + LOW + FOOT)
    with mpl.rc_context({"font.size": 9, "font.family": "DejaVu Sans", "axes.edgecolor": GREY}):
        figure = Figure(figsize=(wide, high), dpi=144)
        tests = sum(cv_fold.tested.y.size for cv_fold in evaluation.cv_folds)
        figure.text(
            LEFT / wide, 1 - 0.12 / high, "Do predicted probabilities come true?", va="top", size=12, weight="bold"
        )
        figure.text(LEFT / wide, 1 - 0.36 / high, f"{evaluation.split} · {tests:,} answers", va="top", color=GREY)

        def axes_at(left: float, bottom: float, height: float) -> Axes:
            # Placed by hand, in inches: an automatic layout gave each panel another size.
            return figure.add_axes((left / wide, bottom / high, SIDE / wide, height / high))

        for place, name in enumerate(names):
            row, column = divmod(place, columns)
            left = LEFT + column * (SIDE + GAP)
            bottom = high - TOP - row * (HEAD + SIDE + BETWEEN + LOW + FOOT) - HEAD - SIDE
            curve, bars = axes_at(left, bottom, SIDE), axes_at(left, bottom - BETWEEN - LOW, LOW)
            _curve(curve, evaluation, name)
            _histogram(bars, evaluation, name, column == 0)
            if column == 0:
                curve.set_ylabel("share right")
        figure.savefig(path, metadata={"Software": None})


def _curve(axes: Axes, evaluation: Evaluation, name: str) -> None:
    p, y = pooled(evaluation, name)
    found = reliability(p, y)
    # Of n answers that come true with this probability, 95 % of shares lie within this.
    spread = 1.96 * np.sqrt(found.predicted * (1.0 - found.predicted) / np.maximum(found.answers, 1))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.fill_between(
        found.predicted,
        found.predicted - spread,
        found.predicted + spread,
        color=GREY,
        alpha=0.25,
        linewidth=0,
        zorder=0,
    )
    axes.plot(
        found.predicted, found.right, color=BLUE, marker="o", markersize=4, linewidth=1.2, zorder=2, clip_on=False
    )
    got = evaluation.summaries[name].measures
    axes.set_title(name, loc="left", fontweight="bold", fontsize=10)
    axes.text(0.03, 0.97, f"ECE {shown(got['ece'])}\nperfect {shown(got['ece_perfect'])}\nAUC {shown(got['auc'])}",
              transform=axes.transAxes, va="top", ha="left", fontsize=8.5, linespacing=1.35)  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
    axes.tick_params(labelbottom=False, length=3, color=GREY)
    axes.spines[["top", "right"]].set_visible(False)


def _histogram(axes: Axes, evaluation: Evaluation, name: str, first: bool) -> None:
    p, y = pooled(evaluation, name)
    edges = np.linspace(0.0, 1.0, HISTOGRAM_BINS + 1)
    wrong, _ = np.histogram(p[y < 0.5], edges)
    right, _ = np.histogram(p[y > 0.5], edges)
    width = edges[1] - edges[0]
    axes.bar(edges[:-1], right, width, align="edge", color=BLUE, linewidth=0, label="right")
    axes.bar(edges[:-1], wrong, width, bottom=right, align="edge", color=ORANGE, linewidth=0, label="wrong")
    axes.set(xlim=(0, 1), xlabel="predicted probability of a right answer")
    most = int((right + wrong).max(initial=1))
    axes.set_yticks([0, most], ["0", f"{most:,}" if most < 10_000 else f"{most / 1000:,.0f}k"])
    axes.tick_params(length=3, color=GREY, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if first:
        axes.set_ylabel("answers")
        axes.legend(frameon=False, fontsize=7.5, loc="upper left", handlelength=0.9, handletextpad=0.4,
                    borderpad=0.1, labelspacing=0.2)  # fmt: skip
