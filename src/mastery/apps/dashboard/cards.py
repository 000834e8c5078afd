"""Pieces of the page as HTML: tiles, legend, one topic with its reasons. Every text from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any

from mastery.apps.dashboard.look import BANDS, THRESHOLDS

Document = dict[str, Any]

SHORT = 10
"""Letters of a pseudonym that are shown in a table: `s_` and eight digits, of which 1 in 4,000,000,000 meet."""

NO_BAND = "not_enough_evidence"


def short(student_id: str) -> str:
    """Return the beginning of a pseudonym, enough to tell the students of a class apart."""
    return student_id[:SHORT]


def hundredths(share: float) -> str:
    """Return a share in [0, 1] as whole hundredths, rounded down: 0.599 is not yet 60."""
    return str(int(share * 100 + 1e-9))


def day(text: str) -> str:
    """Return the day of an instant in ISO 8601, as people write it."""
    return f"{datetime.fromisoformat(text):%-d %B %Y}"


def chip(band: str) -> str:
    """Return a band as a coloured label."""
    look = BANDS[band]
    return f'<span class="m-chip" style="background-color:{look.fill};color:{look.ink}">{look.label}</span>'


def legend() -> str:
    """Return the bands with their colours and what they mean."""
    entries = [
        f'<span><span class="m-swatch{" m-hatched" if name == NO_BAND else ""}" style="background-color:{band.fill}">'
        f"</span>{band.label} ({band.meaning})</span>"
        for name, band in BANDS.items()
    ]
    return f'<div class="m-legend">{"".join(entries)}</div>'


def tiles(numbers: Iterable[tuple[str, str]]) -> str:
    """Return numbers with their names, side by side."""
    shown = [
        f'<div class="m-tile"><b>{escape(number)}</b><span class="m-faint">{escape(name)}</span></div>'
        for number, name in numbers
    ]
    return f'<div class="m-tiles">{"".join(shown)}</div>'


def class_tiles(document: Document) -> str:
    """Return the numbers of a whole class, whichever page of it is shown."""
    totals = document["totals"]
    bands, need = totals["bands"], totals["students_in_need"]
    judged = totals["student_topics"] - bands[NO_BAND]
    return tiles(
        [
            (f"{totals['students']:,}", "student" if totals["students"] == 1 else "students"),
            (f"{totals['topics']:,}", "topic" if totals["topics"] == 1 else "topics"),
            (f"{need:,}", "student needs help on a topic" if need == 1 else "students need help on a topic"),
            (f"{bands['needs_help']:,} of {judged:,}", "student-topics need help"),
            (f"{bands[NO_BAND]:,}", "rest on too little evidence"),
        ]
    )


def topic(document: Document) -> str:
    """Return one topic of a student: name, band, score with its interval, why, and what stands out."""
    band = document["band"]
    unsure = band == NO_BAND
    score, lower, upper = (document[name] for name in ("mastery_score", "lower", "upper"))
    number = "–" if unsure else hundredths(score)
    between = (hundredths(lower), hundredths(upper))
    colour = BANDS[band].line
    marks = "".join(f'<span class="m-mark" style="left:{100 * at:g}%"></span>' for at in THRESHOLDS)
    tags = "".join(
        f'<span class="m-tag" title="{escape(tag["text"])}">{sign} {escape(tag["name"].replace("_", " "))}</span>'
        for sign, kind in (("▲", "strengths"), ("▼", "weaknesses"))
        for tag in document[kind]
    )
    override = document["override"]
    said = "" if override is None else f'<span class="m-tag">teacher: {hundredths(override["score"])}</span>'
    return (
        f'<div class="m-topic"><div class="m-head"><span><span class="m-name">{escape(_name(document))}</span> '
        f"{chip(band)}</span>"
        f'<span class="m-score">{number} <small>{between[0]}–{between[1]}</small></span></div>'
        f'<div class="m-bar" role="img" aria-label="score {number}, between {between[0]} and {between[1]}">'
        f"{marks}"
        f'<span class="m-range" style="left:{100 * lower:.2f}%;width:{100 * (upper - lower):.2f}%;background:{colour}">'
        f'</span><span class="m-point" style="left:{100 * score:.2f}%;background:{colour}"></span></div>'
        f'<div class="m-why">{escape(document["explanation"]["summary"])} {said}{tags}</div></div>'
    )


def in_need(document: Document) -> str:
    """Return who needs help first: students, each with the topics, why, and what to do next."""
    return "".join(_in_need(one, document["titles"]) for one in document["students"])


def _in_need(student: Document, titles: Document) -> str:
    first, others = student["topics"][0], student["topics"][1:]
    named = ", ".join(escape(titles.get(row["topic_id"], row["topic_id"])) for row in others)
    also = f"; also {named}" if others else ""
    step = student["next_step"]
    then = "" if step is None else f"<br>→ {escape(step)}"
    return (
        f'<div class="m-need"><div class="m-head"><span><span class="m-name">{escape(short(student["student_id"]))}'
        f"</span> {escape(titles.get(first['topic_id'], first['topic_id']))}{also}</span>"
        f"<b>{hundredths(first['mastery_score'])}</b></div>"
        f'<div class="m-faint">{escape(first["reason"] or "")}{then}</div></div>'
    )


def _name(document: Document) -> str:
    return document["title"] if document["title"] is not None else document["topic_id"]
