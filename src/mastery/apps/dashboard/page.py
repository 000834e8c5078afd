"""The page: the class on the left, one student on the right. Streamlit runs this file from the top at every click."""

from __future__ import annotations

import argparse
from html import escape
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mastery.apps.dashboard import cards, charts
from mastery.apps.dashboard.client import PAGE, ApiDown, Client, Refused
from mastery.apps.dashboard.look import SCORERS, STYLE

Document = dict[str, Any]

NOT_FOUND = 404

FRESH_S = 10
"""An answer of the API is shown for so long before it is asked again."""

TOPICS_HEIGHT = 345
"""Pixels of the list of topics: with the history below it, the page fits a screen of 900."""

NO_DATA = """
No scores yet. In a terminal:

```
mastery ingest FILE...
mastery recompute --as-of latest
```

then reload this page. `make demo` does both with a small simulated school.
"""


def main() -> None:
    """Show the page."""
    st.set_page_config(page_title="Student mastery", page_icon="🎓", layout="wide", initial_sidebar_state="collapsed")
    st.html(STYLE)
    client = _client(_api_url())
    title, numbers, choice = st.columns([1.15, 3.1, 1], vertical_alignment="center")
    with choice:
        scorer = st.selectbox("Scorer", list(SCORERS), format_func=SCORERS.__getitem__, key="scorer")
    try:
        _show(client, scorer, title, numbers)
    except ApiDown as error:
        st.error(f"**{error.title}.** {error}", icon="🔌")
        st.button("Try again")
    except Refused as error:
        st.error(f"**{error.title}.** {error}", icon="⚠️")


def _show(client: Client, scorer: str, title: DeltaGenerator, numbers: DeltaGenerator) -> None:
    offset = PAGE * (int(st.session_state.get("page", 1)) - 1)
    try:
        document = _class(client, scorer, offset)
    except Refused as error:
        if error.status != NOT_FOUND:
            raise
        title.html(_title(""))
        st.info(NO_DATA, icon="🌱")
        return
    as_of = f"as of {cards.day(document['as_of'])}" if document["as_of"] else ""
    title.html(_title(f"{document['tenant']} · {as_of}"))
    numbers.html(cards.class_tiles(document))
    left, right = st.columns([1.3, 1], gap="large")
    with right:
        _student_column(client, document, scorer)
    with left:  # after the right: what is chosen there is marked here
        _class_column(document)


def _title(subtitle: str) -> str:
    return f'<p class="m-title">Student mastery</p><span class="m-faint">{escape(subtitle)}</span>'


def _class_column(document: Document) -> None:
    st.html(cards.legend())
    chart = charts.heatmap(document, st.session_state["student"], st.session_state.get("topic"))
    st.altair_chart(chart, theme=None, on_select=_take_click, key="class", width="stretch")
    if document["students_total"] > PAGE:
        pages = -(-document["students_total"] // PAGE)
        st.number_input(f"Page of {pages}, {PAGE} students each, lowest means first", 1, pages, key="page")
    for note in document["notes"]:
        st.caption(note)


def _take_click() -> None:
    """Make the clicked cell the student and topic that are shown."""
    cells = st.session_state["class"]["selection"].get(charts.CELL, [])
    if cells:
        st.session_state["student"] = cells[0]["student_id"]
        st.session_state["topic"] = cells[0]["topic_id"]
        st.session_state["typed"] = ""


def _student_column(client: Client, document: Document, scorer: str) -> None:
    if st.session_state.get("student") not in document["students"]:
        st.session_state["student"] = document["students"][0]
    pick, find = st.columns(2, vertical_alignment="bottom")
    with pick:
        st.selectbox("Student", document["students"], format_func=cards.short, key="student")
    with find:
        typed = st.text_input("or by the school's own id", key="typed", placeholder="S000001").strip()
    try:
        student = _student(client, typed or st.session_state["student"], scorer, document["as_of"])
    except Refused as error:
        st.warning(f"**{error.title}.** {error}", icon="🔎")
        return
    st.html(_heading(student))
    with st.container(height=TOPICS_HEIGHT, border=True):
        # Those that nobody can judge yet come last, whatever their number: they are no reason to worry.
        judged_first = sorted(student["topics"], key=lambda topic: topic["band"] == cards.NO_BAND)
        st.html("".join(cards.topic(topic) for topic in judged_first))
    _history(client, student, scorer)
    for note in student["notes"]:
        st.caption(note)


def _heading(student: Document) -> str:
    rollups = [one for one in student["rollups"] if one["level"] == "course" and one["mastery_score"] is not None]
    courses = " · ".join(f"{escape(one['name'])} {cards.hundredths(one['mastery_score'])}" for one in rollups)
    return (
        f'<div class="m-head"><span class="m-name">{len(student["topics"])} topics, lowest score first</span>'
        f'<span class="m-faint">{courses}</span></div>'
    )


def _history(client: Client, student: Document, scorer: str) -> None:
    titles = {topic["topic_id"]: topic["title"] or topic["topic_id"] for topic in student["topics"]}
    if st.session_state.get("topic") not in titles:
        st.session_state["topic"] = _most_telling(student["topics"])
    st.selectbox(
        "Score over time, with its 90 % interval; dashed: since the last activity",
        list(titles),
        format_func=titles.__getitem__,
        key="topic",
    )
    try:
        history = _points(client, student["student_id"], st.session_state["topic"], scorer)
    except Refused as error:
        st.caption(str(error))
        return
    topic = next(one for one in student["topics"] if one["topic_id"] == st.session_state["topic"])
    st.altair_chart(charts.history_chart(history, topic, student["as_of"]), theme=None, width="stretch", key="history")


def _most_telling(topics: list[Document]) -> str:
    """Return the topic to begin with: the one with the most graded answers has the longest history."""
    return str(max(topics, key=lambda topic: topic["evidence_count"])["topic_id"])


@st.cache_resource
def _client(url: str) -> Client:
    return Client(url)


@st.cache_data(ttl=FRESH_S, show_spinner=False)
def _class(_client: Client, scorer: str, offset: int) -> Document:
    return _client.class_page(scorer, offset)


@st.cache_data(ttl=FRESH_S, show_spinner=False)
def _student(_client: Client, student_id: str, scorer: str, as_of: str | None) -> Document:
    return _client.student(student_id, scorer, as_of)


@st.cache_data(ttl=FRESH_S, show_spinner=False)
def _points(_client: Client, student_id: str, topic_id: str, scorer: str) -> Document:
    return _client.history(student_id, topic_id, scorer)


def _api_url() -> str:
    parser = argparse.ArgumentParser()
    parser.add_argument("--api-url", required=True)
    return str(parser.parse_args().api_url)


if __name__ == "__main__":
    main()
