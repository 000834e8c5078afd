"""Render docs/images/class-heatmap.png: the class of data/sample, read in, scored and published like any other.

    python scripts/picture.py [--out FILE]

The pseudonyms are those of a key of zeros, so that the picture is the same on every machine; a school's key is random.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from mastery.apps.dashboard.look import BANDS, FAINT, INK, LINE, Band
from mastery.directory.pseudonyms import KEY_BYTES, Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.documents import ClassDocument, ClassRow, TopicSummary
from mastery.pipelines.ingest import ingest
from mastery.pipelines.reader import Reader
from mastery.pipelines.recompute import recompute
from mastery.pipelines.rules import load_rules
from mastery.state import connect
from mastery.tables import TOPICS

ROOT = Path(__file__).parents[1]
SAMPLE, PICTURE = ROOT / "data" / "sample", ROOT / "docs" / "images" / "class-heatmap.png"

TENANT, SCORER, MIN_EVIDENCE = "default", "rule_based", 3
RECEIVED = datetime(2026, 4, 12, tzinfo=UTC)
"""When the sample is read in: the day after it ends."""

INCH, MARGIN_LEFT, MARGIN_RIGHT, ABOVE, BELOW = 0.262, 2.95, 0.72, 1.62, 0.78
"""Inches: the side of a cell, and the room around the cells."""

GAP = 0.55
"""Cells' heights between two chapters."""

UNSURE = "not_enough_evidence"
PAPER, HATCH = "#ffffff", "#b9c0c9"


def sample_class(folder: Path) -> tuple[ClassDocument, list[str]]:
    """Return the class of the sample as published in a new home under `folder`, and its topics in the course's order.

    Topics that are in no course, which the sample has to be reported, are left out.
    """
    lake, state = Lake.open(str(folder / "lake")), connect(f"sqlite:{folder / 'state.db'}")
    try:
        ingest([SAMPLE], lake=lake, pseudonyms=Pseudonyms(bytes(KEY_BYTES)), tenant=TENANT, now=RECEIVED)
        reader = Reader(
            lake, state, load_rules("classic").params, min_evidence=MIN_EVIDENCE, default_scorer=SCORER
        )
        newest = reader.newest_event_us()
        assert newest is not None  # the sample is not empty
        recompute(
            lake,
            reader.metadata().model_set,
            as_of_us=newest,
            now_us=newest,
            min_evidence=MIN_EVIDENCE,
            workers=1,
            state=state,
        )
        return reader.class_scores(tenant=TENANT), lake.scan(TOPICS, ["topic_id"])["topic_id"].to_pylist()
    finally:
        state.close()


def chapters(document: ClassDocument, course: Sequence[str]) -> dict[tuple[str, str], list[TopicSummary]]:
    """Return the topics of each (subject, chapter), all in the order of the course."""
    by_id = {topic.topic_id: topic for topic in document.topics}
    found: dict[tuple[str, str], list[TopicSummary]] = defaultdict(list)
    for topic_id in course:
        topic = by_id.get(topic_id)
        if topic is not None:
            found[topic.subject or "", topic.chapter or ""].append(topic)
    subjects = list(dict.fromkeys(subject for subject, _ in found))
    return {place: found[place] for place in sorted(found, key=lambda place: subjects.index(place[0]))}


def draw(document: ClassDocument, course: Sequence[str]) -> Figure:
    """Return the picture: a row for each topic, a column for each student, lowest mean on the left."""
    mpl.rcParams["font.family"] = "DejaVu Sans"  # comes with matplotlib, so it is everywhere
    groups = chapters(document, course)
    columns = {student: x for x, student in enumerate(document.students)}
    rows = {(row.student_id, row.topic_id): row for row in document.scores}
    height = sum(len(topics) for topics in groups.values()) + GAP * (len(groups) - 1)
    width = len(columns)
    figure = Figure(
        figsize=(MARGIN_LEFT + width * INCH + MARGIN_RIGHT, ABOVE + height * INCH + BELOW), facecolor=PAPER
    )
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(-MARGIN_LEFT / INCH, width + MARGIN_RIGHT / INCH)
    axes.set_ylim(height + BELOW / INCH, -ABOVE / INCH)
    _head(axes, document, len(columns), sum(len(topics) for topics in groups.values()))
    for student, x in columns.items():
        axes.text(x + 0.5, -0.25, student[2:6], rotation=90, ha="center", va="bottom", size=7.2, color=FAINT,
                  family="DejaVu Sans Mono")  # fmt: skip
    axes.text(width + 1.6, -0.25, "class", rotation=90, ha="center", va="bottom", size=7.2, color=FAINT)
    y = 0.0
    for (subject, chapter), topics in groups.items():
        for place, topic in enumerate(topics):
            if place == 0:
                axes.text(-MARGIN_LEFT / INCH + 0.6, y + 0.5, chapter, size=7, color=FAINT, va="center", rotation=0)
            axes.text(-0.35, y + 0.5, topic.title or topic.topic_id, size=8.6, color=INK, ha="right", va="center")
            for student, x in columns.items():
                row = rows.get((student, topic.topic_id))
                if row is not None:
                    _cell(axes, x, y, BANDS[row.band], _number(row))
            if topic.mean is not None:
                axes.text(width + 1.6, y + 0.5, str(int(100 * topic.mean)), size=8, color=INK, weight="bold",
                          ha="center", va="center")  # fmt: skip
            y += 1
        y += GAP
    _legend(axes, height + 0.9)
    return figure


def _number(row: ClassRow) -> str | None:
    return None if row.band == UNSURE else str(int(100 * row.mastery_score + 1e-9))


def _head(axes: Axes, document: ClassDocument, students: int, topics: int) -> None:
    left, top = -MARGIN_LEFT / INCH + 0.6, -ABOVE / INCH
    axes.text(left, top + 1.35, "How well is each topic mastered?", size=15, weight="bold", color=INK, va="center")
    assert document.as_of is not None  # it has just been published
    axes.text(
        left,
        top + 2.55,
        f"A simulated class: {students} students, {topics} topics · scores from 0 to 100 · "
        f"as of {document.as_of:%-d %B %Y}",
        size=9,
        color=FAINT,
        va="center",
    )


def _cell(axes: Axes, x: float, y: float, band: Band, number: str | None) -> None:
    """Draw one cell, 0.9 of a unit wide; one without a number is hatched."""
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.08, y + 0.08), 0.84, 0.84, boxstyle="round,pad=0,rounding_size=0.14", facecolor=band.fill,
            edgecolor=HATCH if number is None else "none", linewidth=0, hatch="//////" if number is None else None,
        )
    )  # fmt: skip
    if number is not None:
        axes.text(x + 0.5, y + 0.52, number, size=7.4, color=band.ink, ha="center", va="center")


def _legend(axes: Axes, y: float) -> None:
    x = 0.0
    for name, band in BANDS.items():
        _cell(axes, x, y, band, None if name == UNSURE else "")
        meaning = "" if name == UNSURE else f"  {band.meaning}"
        axes.text(x + 1.15, y + 0.52, f"{band.label}{meaning}", size=8, color=INK, va="center")
        x += 6.1
    axes.plot([], [], color=LINE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the picture where the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE, help="file to write (default: %(default)s)")
    out = parser.parse_args(arguments).out
    with tempfile.TemporaryDirectory() as folder:
        document, course = sample_class(Path(folder))
    out.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of matplotlib in it, which would change the file with every update.
    draw(document, course).savefig(out, dpi=170, metadata={"Software": None})
    print(out)


if __name__ == "__main__":
    main()
