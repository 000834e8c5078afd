"""Render docs/images/class-heatmap.png: the class of data/sample, ingested, scored and published like any other.

    python scripts/picture.py [--out FILE]

The pseudonyms are those of a key of zeros, so that the picture is the same on every machine; a school's key is random.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mastery.apps.dashboard.look import BANDS, FAINT, INK
from mastery.directory.pseudonyms import KEY_BYTES, Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.queries.reader import Reader
from mastery.pipelines.queries.schemas import ClassDocument, ClassRow, TopicSummary
from mastery.pipelines.scoring.recompute import recompute
from mastery.state import connect

ROOT = Path(__file__).parents[1]
SAMPLE, PICTURE = ROOT / "data" / "sample", ROOT / "docs" / "images" / "class-heatmap.png"

TENANT, SCORER, MIN_EVIDENCE = "default", "blend", 3
RECEIVED = datetime(2026, 4, 12, tzinfo=UTC)
"""When the sample is read in: the day after it ends."""

INCH = 0.262
"""Inches of a cell's side; everything below is in cells."""

LEFT, RIGHT, ABOVE, BELOW = 9.4, 2.4, 4.3, 2.9
"""Room around the cells."""

HEADING = 1.15
"""Height of a chapter's name."""

SCORES = "Scores"
"""Under this name the picture bears the hash of what it shows."""

UNSURE = "not_enough_evidence"
PAPER, HATCH, NOTHING = "#ffffff", "#b9c0c9", "#f4f5f7"
MONO = "DejaVu Sans Mono"


def sample_class(folder: Path) -> ClassDocument:
    """Return the class of the sample as published in a new home under `folder`."""
    lake, state = Lake.open(str(folder / "lake")), connect(f"sqlite:{folder / 'state.db'}")
    try:
        ingest([SAMPLE], lake=lake, pseudonyms=Pseudonyms(bytes(KEY_BYTES)), tenant=TENANT, now=RECEIVED)
        rules = load_rules("classic").params
        reader = Reader(lake, state, rules, min_evidence=MIN_EVIDENCE, default_scorer=SCORER)
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
        return reader.class_scores(tenant=TENANT)
    finally:
        state.close()


def chapters(document: ClassDocument) -> dict[tuple[str, str], list[TopicSummary]]:
    """Return the topics of each (subject, chapter), chapters of a subject side by side, all in the course's order.

    Topics that are in no course are left out: the sample has one, to be reported.
    """
    by_id = {topic.topic_id: topic for topic in document.topics}
    found: dict[tuple[str, str], list[TopicSummary]] = defaultdict(list)
    with (SAMPLE / "topics.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["topic_id"] in by_id:
                found[row["subject"], row["chapter"]].append(by_id[row["topic_id"]])
    subjects = list(dict.fromkeys(subject for subject, _ in found))
    return {place: found[place] for place in sorted(found, key=lambda place: subjects.index(place[0]))}


def shown(row: ClassRow) -> str:
    """Return what a cell bears: a score in whole hundredths, rounded down, or nothing where nobody can judge."""
    return "" if row.band == UNSURE else str(int(100 * row.mastery_score + 1e-9))


def digest(document: ClassDocument) -> str:
    """Return a hash of all that the picture shows of the scores; the picture bears it, so that it can be checked."""
    cells = sorted(f"{row.student_id} {row.topic_id} {row.band} {shown(row)}" for row in document.scores)
    return hashlib.sha256("\n".join(cells).encode()).hexdigest()


def draw(document: ClassDocument) -> Figure:
    """Return the picture: a row for each topic, a column for each student, the lowest mean on the left."""
    mpl.rcParams["font.family"] = "DejaVu Sans"  # comes with matplotlib, so it is everywhere
    groups = chapters(document)
    columns = {student: x for x, student in enumerate(document.students)}
    rows = {(row.student_id, row.topic_id): row for row in document.scores}
    topics = sum(len(of_chapter) for of_chapter in groups.values())
    width, height = len(columns), topics + HEADING * len(groups)
    figure = Figure(figsize=((LEFT + width + RIGHT) * INCH, (ABOVE + height + BELOW) * INCH), facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(-LEFT, width + RIGHT)
    axes.set_ylim(height + BELOW, -ABOVE)
    _head(axes, document, topics, width)
    for student, x in columns.items():
        # A name of its own kind stands upright: the first four digits tell the students of a class apart.
        axes.text(x + 0.5, HEADING - 0.25, student[2:6], rotation=90, ha="center", va="bottom", size=7.5, color=FAINT,
                  family=MONO)  # fmt: skip
    y = 0.0
    for (subject, chapter), of_chapter in groups.items():
        y += HEADING
        axes.text(0.6 - LEFT, y - 0.32, f"{subject} · {chapter}", size=7.8, color=FAINT, va="center")
        for topic in of_chapter:
            axes.text(0.6 - LEFT, y + 0.5, topic.title or topic.topic_id, size=9, color=INK, va="center")
            for student, x in columns.items():
                _cell(axes, x, y, rows.get((student, topic.topic_id)))
            if topic.mean is not None:
                axes.text(width + 1.1, y + 0.52, str(int(100 * topic.mean)), size=8.4, color=INK, weight="bold",
                          ha="center", va="center")  # fmt: skip
            y += 1
    _legend(axes, height + 0.95)
    return figure


def _head(axes: Axes, document: ClassDocument, topics: int, width: float) -> None:
    left = 0.6 - LEFT
    axes.text(left, 1.25 - ABOVE, "How well does each student master each topic?", size=15.5, weight="bold", color=INK,
              va="center")  # fmt: skip
    assert document.as_of is not None  # it has just been published
    axes.text(
        left,
        2.5 - ABOVE,
        f"A simulated class: {len(document.students)} students under pseudonyms, {topics} topics, as of "
        f"{document.as_of:%-d %B %Y}. Scores from 0 to 100; the lowest mean on the left.",
        size=9,
        color=FAINT,
        va="center",
    )
    axes.text(width + 1.1, HEADING - 0.25, "class", rotation=90, ha="center", va="bottom", size=7.5, color=FAINT)


def _cell(axes: Axes, x: float, y: float, row: ClassRow | None) -> None:
    """Draw one student-topic: a number on its band's colour, hatched where nobody can judge, faint where nothing is."""
    if row is None:
        _box(axes, x, y, NOTHING, hatched=False)
        return
    band = BANDS[row.band]
    _box(axes, x, y, band.fill, hatched=row.band == UNSURE)
    if row.band != UNSURE:
        axes.text(x + 0.5, y + 0.52, shown(row), size=7.6, color=band.ink, ha="center", va="center")


def _box(axes: Axes, x: float, y: float, fill: str, *, hatched: bool) -> None:
    box = FancyBboxPatch((x + 0.06, y + 0.06), 0.88, 0.88, boxstyle="round,pad=0,rounding_size=0.13", linewidth=0)
    box.set_facecolor(fill)
    if hatched:
        box.set_edgecolor(HATCH)
        box.set_hatch("//////")
    axes.add_patch(box)


def _legend(axes: Axes, y: float) -> None:
    x = 0.0
    for name, band in BANDS.items():
        _box(axes, x, y, band.fill, hatched=name == UNSURE)
        axes.text(x + 1.2, y + 0.52, band.label, size=8.4, color=INK, va="center")
        if name != UNSURE:
            axes.text(x + 1.2, y + 1.35, band.meaning, size=7.6, color=FAINT, va="center")
        x += 4.9 if name != UNSURE else 6.6
    _box(axes, x, y, NOTHING, hatched=False)
    axes.text(x + 1.2, y + 0.52, "Nothing yet", size=8.4, color=INK, va="center")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the picture where the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE, help="file to write (default: %(default)s)")
    out = parser.parse_args(arguments).out
    with tempfile.TemporaryDirectory() as folder:
        document = sample_class(Path(folder))
    out.parent.mkdir(parents=True, exist_ok=True)
    whole, bears = BytesIO(), PngInfo()
    draw(document).savefig(whole, dpi=160)
    bears.add_text(SCORES, digest(document))
    # A palette: nobody sees the difference, and the file is a quarter as large.
    Image.open(whole).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE).save(
        out, pnginfo=bears, optimize=True
    )
    print(out)


if __name__ == "__main__":
    main()
