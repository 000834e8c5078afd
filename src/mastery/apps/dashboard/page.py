"""The page: the class on the left, one student on the right. Streamlit runs this file from the top at every click."""

from __future__ import annotations

import argparse
from html import escape
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mastery.apps.dashboard import cards, charts
from mastery.apps.dashboard.client import PAGE, ApiDown, Client, Refused
from mastery.apps.dashboard.look import HEATMAP, STYLE, at_least

Document = dict[str, Any]

NOT_FOUND = 404

FRESH_S = 10
"""An answer of the API is shown for this long before it is requested again."""

TOPICS_HEIGHT = 345
"""Pixels of the list of topics: with the history below it, the page fits a screen of 900."""

IN_NEED = 10
"""Students who need help that are listed."""

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
    try:
        _show(client, title, numbers, choice)
    except ApiDown as error:
        st.error(f"**{error.title}.** {error}", icon=":material/power_off:")
        st.button("Try again")
    except Refused as error:
        st.error(f"**{error.title}.** {error}", icon=":material/warning:")
        st.button("Try again")


def _show(client: Client, title: DeltaGenerator, numbers: DeltaGenerator, choice: DeltaGenerator) -> None:
    try:
        document = _class_page(client)
    except Refused as error:
        if error.status != NOT_FOUND:
            raise
        title.html(_title(""))
        st.info(NO_DATA, icon=":material/potted_plant:")
        return
    title.html(_title(f"{document['tenant']} · as of {cards.day(document['as_of'])}"))
    numbers.html(cards.class_tiles(document))
    with choice:
        _scorer_menu(document)
    left, right = st.columns([1.3, 1], gap="large")
    with right:
        _student_column(client, document)
    with left:  # after the right: what is chosen there is marked here
        _class_column(document)
        _in_need_column(client, document)


def _class_page(client: Client) -> Document:
    """Return the page of the class that is looked at: the one of a student who was just looked for, else by number."""
    scorer = st.session_state.get("scorer")  # None at first: what the API shows when nobody chooses
    follow = st.session_state.pop("follow", None)
    try:
        if follow is not None:
            return _turned_to(_class(client, scorer, 0, follow))
    except Refused as error:
        if error.status != NOT_FOUND:  # a student with events, but none when scores were published
            raise
    try:
        return _class(client, scorer, PAGE * (int(st.session_state.get("page", 1)) - 1), None)
    except Refused:
        if scorer is None:
            raise
    # What was chosen is published no longer: another model set has become active meanwhile.
    del st.session_state["scorer"]
    return _turned_to(_class(client, None, 0, None))


def _turned_to(document: Document) -> Document:
    """Turn to the page of the class that a document holds."""
    st.session_state["page"] = document["offset"] // PAGE + 1
    return document


def _scorer_menu(document: Document) -> None:
    """Offer the scorers whose scores are published; at first the one that the API shows by itself is chosen."""
    labels = {one["name"]: one["label"] for one in document["scorers"]}
    if st.session_state.get("scorer") not in labels:
        st.session_state["scorer"] = document["score_source"]
    st.selectbox(
        "Scorer",
        list(labels),
        format_func=labels.__getitem__,
        key="scorer",
        on_change=_follow_student,
        help="Those whose scores are published. Others follow once a fitted model set is active: "
        "`mastery fit`, then `mastery models activate`.",
    )


def _follow_student() -> None:
    """Turn to the page of the student who is shown: under another scorer they stand at another place."""
    st.session_state["follow"] = st.session_state.get("student")


def _title(subtitle: str) -> str:
    return f'<p class="m-title">Student mastery</p><span class="m-faint">{escape(subtitle)}</span>'


def _class_column(document: Document) -> None:
    st.html(cards.legend())
    chart = charts.heatmap(document, st.session_state["student"], st.session_state.get("topic"))
    st.html(at_least(charts.least_width(document)))
    with st.container(key=HEATMAP):
        st.altair_chart(chart, theme=None, on_select=_take_click, key="class", width="stretch")
    if document["totals"]["students"] > PAGE:
        pages = -(-document["totals"]["students"] // PAGE)
        st.number_input(
            f"Page of {pages}, {PAGE} students each, lowest means first", 1, pages, key="page", on_change=_turn_page
        )
    for note in document["notes"]:
        st.caption(note)


def _in_need_column(client: Client, document: Document) -> None:
    """Show who needs help first, under the class; nothing where nobody does."""
    if not document["totals"]["students_in_need"]:
        return
    try:
        found = _in_need(client, document["score_source"])
    except Refused as error:
        st.caption(str(error))
        return
    number = found["students_in_need"]
    few = "" if number <= len(found["students"]) else f", the first {len(found['students'])} of {number:,}"
    with st.expander(f"Who needs help first{few}"):
        st.html(cards.in_need(found))


def _turn_page() -> None:
    """Show the first student of the page that was turned to."""
    st.session_state.pop("student", None)
    _forget_search()


def _take_click() -> None:
    """Make the clicked cell the student and topic that are shown."""
    cells = st.session_state["class"]["selection"].get(charts.CELL, [])
    if cells:
        st.session_state["student"] = cells[0]["student_id"]
        st.session_state["topic"] = cells[0]["topic_id"]
        _forget_search()


def _forget_search() -> None:
    """Empty the search box, so that it never names another student than the one that is shown."""
    st.session_state["typed"] = ""
    st.session_state.pop("search_failed", None)


def _search(client: Client) -> None:
    """Make the student whose id was typed the one that is shown, on the page of the class that they are on."""
    typed = st.session_state["typed"].strip()
    st.session_state.pop("search_failed", None)
    if not typed:
        return
    try:
        found = client.student(typed, st.session_state.get("scorer"), None)["student_id"]
    except (Refused, ApiDown) as error:
        st.session_state["search_failed"] = f"**{error.title}.** {error}"
        return
    st.session_state["student"] = st.session_state["follow"] = found


def _student_column(client: Client, document: Document) -> None:
    students = document["students"]
    chosen = st.session_state.get("student")
    if chosen is None:
        st.session_state["student"] = chosen = students[0]
    pick, find = st.columns(2, vertical_alignment="bottom")
    with pick:
        shown = students if chosen in students else [chosen, *students]
        st.selectbox("Student", shown, format_func=cards.short, key="student", on_change=_forget_search)
    with find:
        st.text_input(
            "or by the school's own id", key="typed", placeholder="S000001", on_change=_search, args=(client,)
        )
    if "search_failed" in st.session_state:
        st.warning(
            f"{st.session_state['search_failed']} Below is the student chosen before.", icon=":material/search_off:"
        )
    if st.session_state["student"] not in students:
        st.caption("This student is not on the page of the class that is shown.")
    scorer = document["score_source"]
    try:
        student = _student(client, st.session_state["student"], scorer, document["as_of"])
    except Refused as error:
        st.warning(f"**{error.title}.** {error}", icon=":material/search_off:")
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
        f'<div class="m-head m-wrap"><span class="m-name">{_topics(len(student["topics"]))}</span>'
        f'<span class="m-faint">{courses}</span></div>'
    )


def _topics(number: int) -> str:
    return "1 topic" if number == 1 else f"{number} topics, lowest score first"


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
    if not history["points"]:
        st.caption("No score of this scorer has been published for a past day yet.")
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
def _class(_client: Client, scorer: str | None, offset: int, student_id: str | None) -> Document:
    return _client.class_page(scorer, offset, student_id)


@st.cache_data(ttl=FRESH_S, show_spinner=False)
def _in_need(_client: Client, scorer: str) -> Document:
    return _client.in_need(scorer, IN_NEED)


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
