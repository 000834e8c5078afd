"""Write docs/explanations-panel.md: sixty explanations as people read them, to be read by people.

    python scripts/explanations_panel.py [--out FILE]

They are of four kinds of schools, every scorer and every band, chosen by a hash of where they stand: nobody picked
them. Beside each stands what the student did, so that a reader can judge what is said of it.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr

from mastery.directory.pseudonyms import KEY_BYTES
from mastery.engine.engine import Engine
from mastery.insight.bands import BANDS
from mastery.pipelines.queries.schemas import StudentDocument, TopicDocument
from mastery.settings import Settings
from mastery.simulation import SchoolPlan, simulate
from mastery.simulation.course import course
from mastery.tables import EVENTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanations-panel.md"

MOST = 60
"""Explanations, spread over schools, scorers and bands."""

STUDENTS_ASKED = 40
"""Students of each school whose explanations are chosen from."""

DAYS_SHOWN = 6
"""Days of work that are listed of a topic."""

NOW = datetime(2026, 8, 1, tzinfo=UTC)


@dataclass(frozen=True)
class School:
    """A school, and how it is read.

    Attributes:
        title, about: What it is called on the page, and what kind it is.
        plan: What is simulated; None is the sample.
        fitted: Whether all scorers are fitted on it first.
        later_days: Days after its last event at which it is read.
    """

    title: str
    about: str
    plan: SchoolPlan | None
    fitted: bool = False
    later_days: int = 0


SCHOOLS = (
    School("Sample", "`data/sample`, as installed: nothing is fitted", None),
    School(
        "Fitted",
        "150 students, 90 days, eight topics; every scorer is fitted on what they did",
        SchoolPlan(students=150, days=90, seed=501, topics=8, topics_per_student=6, start=date(2026, 1, 5)),
        fitted=True,
    ),
    School(
        "Forgetful",
        "80 students who work little and forget fast, read three weeks after their last day; nothing is fitted",
        SchoolPlan(
            students=80, days=120, seed=502, topics=12, topics_per_student=8, active_share=0.15, half_life_days=12.0,
            start=date(2026, 1, 5),
        ),
        later_days=21,
    ),
    School(
        "Small class",
        "four students who know much beforehand, too few for a typical student; nothing is fitted",
        SchoolPlan(
            students=4, days=60, seed=503, topics=12, topics_per_student=12, starting_skill=0.8, start=date(2026, 1, 5)
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One score with its reasons, and what the student did on the topic."""

    school: School
    document: StudentDocument
    topic: TopicDocument
    done: str

    @property
    def cell(self) -> tuple[str, str, str]:
        return self.school.title, self.topic.score_source, self.topic.band

    @property
    def draw(self) -> bytes:
        """Where it comes in a fixed order that has nothing to do with what it says."""
        where = f"{self.school.title} {self.document.student_id} {self.topic.topic_id} {self.topic.score_source}"
        return hashlib.sha256(where.encode()).digest()


def panel() -> str:
    """Return the page."""
    found: list[Entry] = []
    for school in SCHOOLS:
        with tempfile.TemporaryDirectory() as folder, _opened(school, Path(folder)) as engine:
            found += _entries(school, engine)
    return _page(_spread(found))


def _opened(school: School, folder: Path) -> Engine:
    zeros = SecretStr("00" * KEY_BYTES)  # so that the page is the same on every machine
    engine = Engine.connect(Settings(home=folder, pseudonym_key=zeros, scorer="rule_based", workers=1))
    now_us = int(NOW.timestamp() * 1e6)
    if school.plan is None:
        engine.ingest(ROOT / "data" / "sample", now_us=now_us)
    else:
        for table in (*_course(school.plan), *(one for chunk in simulate(school.plan) for one in chunk.tables.items())):
            engine.ingest(table[1], table=table[0], now_us=now_us)
    at = _as_of(school, engine)
    if school.fitted:
        engine.models.activate(engine.models.fit(seed=1, now_us=now_us).card.version, at, now_us=now_us)
    else:
        engine.recompute(at)
    return engine


def _course(plan: SchoolPlan) -> tuple[tuple[str, pa.Table], ...]:
    topics, items = course(plan)
    return ("topics", topics), ("items", items)


def _as_of(school: School, engine: Engine) -> datetime:
    newest: datetime = pc.max(engine.lake.scan(EVENTS, ["occurred_at"])["occurred_at"]).as_py()
    return newest + timedelta(days=school.later_days)


def _entries(school: School, engine: Engine) -> Iterator[Entry]:
    """Yield what is said of some students, by every scorer there is."""
    at, published = _as_of(school, engine), engine.class_scores()
    students = sorted(published.students, key=lambda name: hashlib.sha256(name.encode()).digest())
    for scorer in (one.name for one in published.scorers):
        for name in students[:STUDENTS_ASKED]:
            document = engine.student(name, as_of=at, scorer=scorer)
            done = engine.lake.read_student(EVENTS, name)
            for topic in document.topics:
                yield Entry(school, document, topic, _done(done, topic.topic_id, document.as_of))


def _done(events: pa.Table, topic_id: str, as_of: datetime) -> str:
    """Return what a student did on a topic, day by day, the newest days."""
    of_days: dict[int, list[str]] = {}
    mine = [one for one in events.to_pylist() if topic_id in _topics(one) and one["kind"] in MARKS]
    for one in sorted(mine, key=lambda one: (one["occurred_at"], one["sequence"] or 0)):
        of_days.setdefault((as_of.date() - one["occurred_at"].date()).days, []).append(MARKS[one["kind"]](one))
    said = [f"{days} d ago: {' '.join(what)}" if days else f"today: {' '.join(what)}" for days, what in of_days.items()]
    return ("… " if len(said) > DAYS_SHOWN else "") + "; ".join(said[-DAYS_SHOWN:])


def _topics(event: Mapping[str, Any]) -> list[str]:
    """Return the topics that an event is on: an assignment may be on several."""
    return [event["topic_id"], *(event["other_topic_ids"] or ())]


def _answer(event: Mapping[str, Any]) -> str:
    share = (event["success_ppm"] or 0) / 1e6
    hints = "h" * min(3, event["hints"] or 0)
    return ("+" if share >= 1.0 else "−" if share == 0.0 else f"({share:.1f})") + hints


MARKS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "quiz": _answer,
    "practice": lambda one: f"practice {one['success_ppm'] / 1e6:g}/{one['attempts']}",
    "assignment": lambda one: f"assignment {one['success_ppm'] / 1e4:.0f} %",
    "video": lambda one: f"video {one['success_ppm'] / 1e4:.0f} %",
    "tutor": lambda one: f"asked {one['attempts']}×",
    "feedback": lambda _: "corrected",
}


def _spread(entries: Sequence[Entry]) -> list[Entry]:
    """Return the first of each school, scorer and band, then the second of each, and so on, until there are enough."""
    cells: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in sorted(entries, key=lambda one: one.draw):
        cells.setdefault(entry.cell, []).append(entry)
    in_turn = [one for turn in zip_longest(*cells.values()) for one in turn if one is not None]
    places = {school.title: number for number, school in enumerate(SCHOOLS)}
    bands = {band: number for number, band in enumerate(BANDS)}
    return sorted(in_turn[:MOST], key=lambda one: (places[one.school.title], bands[one.topic.band], one.draw))


def _page(entries: Sequence[Entry]) -> str:
    lines = [HEAD]
    for number, school in enumerate(SCHOOLS):
        of_school = [one for one in entries if one.school is school]
        lines.append(f"\n## {school.title}\n\n{school.about[0].upper()}{school.about[1:]}.\n")
        lines += [_written(one, f"{number + 1}.{place}") for place, one in enumerate(of_school, 1)]
    return "\n".join(lines)


def _written(entry: Entry, number: str) -> str:
    topic = entry.topic
    whole = [int(share * 100.0 + 1e-9) for share in (topic.mastery_score, topic.lower, topic.upper)]
    said = [topic.explanation.summary]
    said += [f"{one.name.replace('_', ' ').capitalize()}: {one.text}." for one in (*topic.strengths, *topic.weaknesses)]
    said += [f"→ {topic.next_step}"] if topic.next_step else []
    title = f"{topic.title or topic.topic_id}, {topic.score_source}"
    score = f"**{whole[0]}** ({whole[1]}–{whole[2]}), {topic.band.replace('_', ' ')}"
    said_lines = "\n".join(f"> {line}\\" for line in said).removesuffix("\\")
    return f"**{number}** {title}: {score}\n\n{said_lines}\n\n`{entry.done or 'nothing here'}`\n"


HEAD = f"""# A panel of explanations

{MOST} explanations as people read them, of four kinds of schools, every scorer and every band. They are picked by a
hash of school, student, topic and scorer, and written by `python scripts/explanations_panel.py`; a test checks that the
page is what is said now.

Below each explanation stands what the student did on the topic in the last {DAYS_SHOWN} days of work: `+` and `−` are
answers, `(0.5)` one that is right in part, `h` a hint taken; practice and assignments with their results, videos with
how much of them was watched, `asked` for questions to the tutor, `corrected` for a teacher's judgement; `…` stands for
earlier days. An arrow marks the next step. [explanations.md](explanations.md) says how to read an explanation."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.parse_args(arguments).out.write_text(panel(), "utf-8")


if __name__ == "__main__":
    main()
