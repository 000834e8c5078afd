"""The two charts: the class as a heatmap, and one score over time."""

from __future__ import annotations

from datetime import date
from typing import Any

import altair as alt

# Loaded now, not by Streamlit's first chart: altair looks for both among the modules, and finds them half loaded where
# a second click meets the first one's import; the page then ended in an error.
import numpy  # noqa: F401
import pandas  # type: ignore[import-untyped]  # noqa: F401

from mastery.apps.dashboard.cards import NO_BAND, day, hundredths, short
from mastery.apps.dashboard.look import ACCENT, BANDS, FAINT, FONT, INK, LINE, THRESHOLDS
from mastery.instants import DAY_S

EPOCH = date(1970, 1, 1).toordinal()

Document = dict[str, Any]

CELL = "cell"
"""Name of the heatmap's selection: a click on a cell."""

ROW_HEIGHT, LABELS_HEIGHT = 20, 125
"""Pixels. Streamlit fits a chart with its labels into the height it is given."""

CELL_WIDTH, LABELS_WIDTH = 20, 165
"""Pixels: the least width of a cell in which its number can be read, and what names of students and the last slanting
name of a topic take beside the cells."""

UNSURE = "#9aa3ae"
"""Of a day on which a score rested on too little evidence."""

HATCH = "M-1,1L1,-1M-1,0L0,-1M0,1L1,0"
"""Diagonal lines, for a cell that has too little evidence: the eye tells it from an empty one and from a colour."""


def heatmap(document: Document, student: str, topic: str | None) -> alt.LayerChart:
    """Return students × topics, lowest means at the top and on the left, with one student's row and one of its cells
    marked. A click selects a cell.
    """
    titles = _titles(document["topics"])
    rows = [
        {
            "student_id": row["student_id"],
            "topic_id": row["topic_id"],
            "student": short(row["student_id"]),
            "topic": titles[row["topic_id"]],
            "band": row["band"],
            "label": BANDS[row["band"]].label,
            "score": None if row["band"] == NO_BAND else hundredths(row["mastery_score"]),
            "between": f"{hundredths(row['lower'])} to {hundredths(row['upper'])}",
            "evidence": row["evidence_count"],
        }
        for row in document["scores"]
        if row["topic_id"] in titles
    ]
    students = [short(student) for student in document["students"]]
    topics = list(titles.values())
    is_chosen = f"datum.label === '{short(student)}'"
    weight = alt.condition(is_chosen, alt.value("bold"), alt.value("normal"))
    click = alt.selection_point(name=CELL, fields=["student_id", "topic_id"], on="click", empty=False)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "topic:N",
            sort=topics,
            scale=alt.Scale(domain=topics, paddingInner=0.06, paddingOuter=0),
            axis=alt.Axis(orient="top", labelAngle=-42, labelLimit=170, title=None, ticks=False, domain=False),
        ),
        y=alt.Y(
            "student:N",
            sort=students,
            scale=alt.Scale(domain=students, paddingInner=0.08, paddingOuter=0),
            axis=alt.Axis(
                title=None, ticks=False, domain=False, labelFont="monospace", labelFontSize=11, labelFontWeight=weight
            ),
        ),
    )
    of_chosen = (alt.datum.student_id == student) & (alt.datum.topic_id == (topic or ""))
    cells = base.mark_rect(cornerRadius=2, aria=False).encode(
        color=alt.Color(
            "band:N",
            legend=None,
            scale=alt.Scale(domain=list(BANDS), range=[band.fill for band in BANDS.values()]),
        ),
        stroke=alt.condition(of_chosen, alt.value(INK), alt.value(None)),
        strokeWidth=alt.condition(of_chosen, alt.value(2), alt.value(0)),
    )
    unsure = base.mark_point(
        shape=HATCH, size=110, strokeWidth=0.8, stroke="#b9c0c9", filled=False, aria=False
    ).transform_filter(alt.datum.band == NO_BAND)
    judged = base.transform_filter(alt.datum.band != NO_BAND)
    numbers = judged.mark_text(aria=False, fontSize=10, font=FONT).encode(
        text="score:N",
        color=alt.Color(
            "band:N", legend=None, scale=alt.Scale(domain=list(BANDS), range=[band.ink for band in BANDS.values()])
        ),
    )
    # A click meets the topmost mark alone, and a page that is read aloud should say each cell once: so one mark that
    # nobody sees lies over each whole cell, and speaks for it.
    targets = (
        base.mark_rect(opacity=0.01, cursor="pointer")
        .encode(
            tooltip=[
                alt.Tooltip("topic:N", title="Topic"),
                alt.Tooltip("student:N", title="Student"),
                alt.Tooltip("label:N", title="Band"),
                alt.Tooltip("score:N", title="Score"),
                alt.Tooltip("between:N", title="90 % between"),
                alt.Tooltip("evidence:Q", title="Graded answers"),
            ],
        )
        .add_params(click)
    )
    chart = (
        alt.layer(cells, unsure, numbers, targets)
        .resolve_scale(color="independent")
        .properties(height=LABELS_HEIGHT + max(3, len(students)) * ROW_HEIGHT)
    )
    return _styled(chart)


def least_width(document: Document) -> int:
    """Return the pixels below which the numbers in the cells of a class would run into each other."""
    return LABELS_WIDTH + CELL_WIDTH * len(document["topics"])


def history_chart(document: Document, topic: Document, as_of: str) -> alt.LayerChart:
    """Return the score at the end of each active day with its 90 % interval, over the bands' thresholds.

    A dashed line leads on to `topic`, the score at `as_of`: what has faded since. Days with too little evidence for a
    verdict are grey and on no line.
    """
    all_points = [_point(one["day"], one) for one in document["points"]]
    points = [one for one in all_points if one["judged"]]
    unsure = [one for one in all_points if not one["judged"]]
    now = _point(as_of[:10], topic)
    faded = [points[-1], now] if points and now["judged"] and now["day"] > all_points[-1]["day"] else []
    thresholds = [0, *(100 * at for at in THRESHOLDS), 100]

    def height(field: str) -> alt.Y:
        axis = alt.Axis(title=None, values=thresholds, grid=False, labelOverlap=False)
        return alt.Y(field, scale=alt.Scale(domain=[0, 100]), axis=axis)

    drawn = [point["day"] for point in [*all_points, *faded[1:]]]
    years = {date.fromordinal(EPOCH + number).year for number in drawn}
    label = "%-d %b" if len(years) == 1 else "%-d %b %Y"

    def chart(rows: list[Document]) -> alt.Chart:
        # Days by number, not as times: a browser west of Greenwich would show the day before.
        axis = alt.Axis(
            title=None,
            values=_marked(drawn),
            labelExpr=f"utcFormat(datum.value * {1000 * DAY_S}, '{label}')",
            grid=False,
            domainColor=LINE,
        )
        x = alt.X("day:Q", scale=alt.Scale(zero=False, nice=False, padding=8), axis=axis)
        tooltip = [
            alt.Tooltip("shown:N", title="Day"),
            alt.Tooltip("text:N", title="Score"),
            alt.Tooltip("evidence:Q", title="Graded answers so far"),
        ]
        return alt.Chart(alt.Data(values=rows)).encode(x=x, tooltip=tooltip)

    limits = (
        alt.Chart(alt.Data(values=[{"at": 100 * at} for at in THRESHOLDS]))
        .mark_rule(color="#c9ced5", strokeDash=[3, 3])
        .encode(y=height("at:Q"))
    )
    dots = {"color": ACCENT, "size": 38, "opacity": 1}
    grey = dots | {"color": UNSURE, "filled": False, "fill": "#ffffff"}
    layers = [limits]
    if unsure:
        between = chart(unsure).mark_rule(strokeWidth=6, color=UNSURE, opacity=0.16, aria=False)
        layers += [
            between.encode(y=height("lower:Q"), y2="upper:Q"),
            chart(unsure).mark_point(**grey).encode(y=height("score:Q")),
        ]
    for rows, dash, fill in ((points, [1, 0], ACCENT), (faded, [4, 3], "#ffffff")):
        layers += [
            _between(chart(rows), len(rows)).encode(y=height("lower:Q"), y2="upper:Q"),
            chart(rows).mark_line(color=ACCENT, strokeWidth=2, strokeDash=dash, aria=False).encode(y=height("score:Q")),
            chart(rows[-1:] if rows is faded else rows)
            .mark_point(**dots, filled=False, fill=fill)
            .encode(y=height("score:Q")),
        ]
    return _styled(alt.layer(*layers).properties(height=190))


def _between(chart: alt.Chart, days: int) -> alt.Chart:
    """Draw the intervals: an area over several days, a bar on a single one, where an area would have no width."""
    look = {"color": ACCENT, "opacity": 0.16, "aria": False}
    return chart.mark_rule(strokeWidth=12, **look) if days == 1 else chart.mark_area(**look)


def _point(at: str, score: Document) -> Document:
    between = f"{hundredths(score['lower'])} to {hundredths(score['upper'])}"
    judged = score["band"] != NO_BAND
    return {
        "day": _day_number(at),
        "shown": day(at),
        "score": 100 * score["mastery_score"],
        "lower": 100 * score["lower"],
        "upper": 100 * score["upper"],
        "text": f"{hundredths(score['mastery_score']) if judged else BANDS[NO_BAND].label} ({between})",
        "judged": judged,
        "evidence": score["evidence_count"],
    }


def _day_number(text: str) -> int:
    return date.fromisoformat(text).toordinal() - EPOCH


def _marked(days: list[int]) -> list[int]:
    """Return which days the axis names: the first, the last, and a few between them, of those there are."""
    step = max(1, (days[-1] - days[0]) / 6)
    marked = days[:1]
    for day_number in days[1:]:
        if day_number - marked[-1] >= step:
            marked.append(day_number)
    return marked


def _titles(topics: list[Document]) -> dict[str, str]:
    """Return topic_id → title, each of its own: two topics of one title are told apart by their ids."""
    names = {one["topic_id"]: one["title"] or one["topic_id"] for one in topics}
    often = list(names.values())
    return {key: name if often.count(name) == 1 else f"{name} ({key})" for key, name in names.items()}


def _styled(chart: alt.LayerChart) -> alt.LayerChart:
    return (
        chart.configure(font=FONT, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(labelColor=INK, labelFontSize=11.5, titleColor=FAINT, tickColor=LINE)
    )
