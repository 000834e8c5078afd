"""The two charts: the class as a heatmap, and one score over time."""

from __future__ import annotations

from typing import Any

import altair as alt

from mastery.apps.dashboard.cards import NO_BAND, day, hundredths, short
from mastery.apps.dashboard.look import ACCENT, BANDS, FAINT, FONT, INK, LINE, THRESHOLDS

Document = dict[str, Any]

CELL = "cell"
"""Name of the heatmap's selection: a click on a cell."""

ROW_HEIGHT, LABELS_HEIGHT = 19, 150
HATCH = "M-1,1L1,-1M-1,0L0,-1M0,1L1,0"
"""Diagonal lines, for a cell that has too little evidence: the eye tells it from an empty one and from a colour."""


def heatmap(document: Document, chosen: str | None) -> alt.LayerChart:
    """Return students × topics, lowest means at the top and on the left. A click selects a cell."""
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
            axis=alt.Axis(title=None, ticks=False, domain=False, labelFont="monospace", labelFontSize=11),
        ),
        tooltip=[
            alt.Tooltip("topic:N", title="Topic"),
            alt.Tooltip("student:N", title="Student"),
            alt.Tooltip("label:N", title="Band"),
            alt.Tooltip("score:N", title="Score"),
            alt.Tooltip("between:N", title="90 % between"),
            alt.Tooltip("evidence:Q", title="Graded answers"),
        ],
    )
    of_chosen = alt.datum.student_id == chosen
    cells = base.mark_rect(cornerRadius=2, cursor="pointer").encode(
        color=alt.Color(
            "band:N",
            legend=None,
            scale=alt.Scale(domain=list(BANDS), range=[band.fill for band in BANDS.values()]),
        ),
        stroke=alt.condition(of_chosen, alt.value(INK), alt.value(None)),
        strokeWidth=alt.condition(of_chosen, alt.value(1.2), alt.value(0)),
    )
    unsure = base.mark_point(shape=HATCH, size=110, strokeWidth=0.8, stroke="#b9c0c9", filled=False).transform_filter(
        alt.datum.band == NO_BAND
    )
    numbers = base.mark_text(fontSize=10, font=FONT, cursor="pointer").encode(
        text="score:N",
        color=alt.Color(
            "band:N", legend=None, scale=alt.Scale(domain=list(BANDS), range=[band.ink for band in BANDS.values()])
        ),
    )
    chart = (
        alt.layer(cells.add_params(click), unsure, numbers)
        .resolve_scale(color="independent")
        .properties(height=max(3, len(students)) * ROW_HEIGHT)
    )
    return _styled(chart)


def history_chart(document: Document) -> alt.LayerChart:
    """Return the score at the end of each active day with its 90 % interval, over the bands' thresholds."""
    points = [
        {
            "day": point["day"],
            "shown": day(point["day"]),
            "score": 100 * point["mastery_score"],
            "lower": 100 * point["lower"],
            "upper": 100 * point["upper"],
            "text": f"{hundredths(point['mastery_score'])} "
            f"({hundredths(point['lower'])} to {hundredths(point['upper'])})",
            "evidence": point["evidence_count"],
        }
        for point in document["points"]
    ]
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X(
            "day:T",
            axis=alt.Axis(title=None, format="%-d %b", grid=False, tickCount=6, labelOverlap=True, domainColor=LINE),
        )
    )
    scale = alt.Scale(domain=[0, 100])
    interval = base.mark_area(color=ACCENT, opacity=0.16, interpolate="linear").encode(
        y=alt.Y("lower:Q", scale=scale, axis=alt.Axis(title=None, values=[0, 30, 60, 85, 100], grid=False)),
        y2="upper:Q",
    )
    line = base.mark_line(color=ACCENT, strokeWidth=2).encode(y=alt.Y("score:Q", scale=scale))
    dots = base.mark_point(color=ACCENT, filled=True, size=38, opacity=1).encode(
        y=alt.Y("score:Q", scale=scale),
        tooltip=[
            alt.Tooltip("shown:N", title="Day"),
            alt.Tooltip("text:N", title="Score"),
            alt.Tooltip("evidence:Q", title="Graded answers so far"),
        ],
    )
    limits = (
        alt.Chart(alt.Data(values=[{"at": 100 * at} for at in THRESHOLDS]))
        .mark_rule(color="#c9ced5", strokeDash=[3, 3])
        .encode(y=alt.Y("at:Q", scale=scale))
    )
    return _styled(alt.layer(limits, interval, line, dots).properties(height=165))


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
