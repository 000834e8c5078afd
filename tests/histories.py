"""Histories of students for tests: made by hand, drawn by hypothesis, or drawn by the thousand with numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from mastery.features.about import about_of
from mastery.features.batch import Batch
from mastery.features.columns import KINDS, PRACTICE, QUIZ, READ, TUTOR, VIDEO, EventColumns
from mastery.school_days import school_days
from mastery.scorers.base import Model, Parameter, Scorer, defaults, place_of, width
from mastery.scorers.rule_based import scorer as rule_based
from mastery.tables import EVENTS

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
START = 19_000 * DAY  # 2022-01-08 00:00 UTC

GAPS = (0, 0, SECOND, HOUR, 7 * HOUR, DAY, 2 * DAY, 5 * DAY, 33 * DAY, 400 * DAY, 4_000 * DAY)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
)
"""Of schools: half hours, both ends of the world, clocks that change at midnight or by half an hour."""

MILLIONTHS = (0, 1_000_000, 0, 1_000_000, 1, 250_000, 333_333, 600_000, 999_999)


def examples(number: int) -> settings:
    """Return settings with a number of examples of a test's own; the quick profile takes its share of them."""
    usual, quick = settings.get_profile("dev").max_examples, settings.get_profile("quick").max_examples
    return settings(max_examples=number * quick // usual if settings.default.max_examples == quick else number)


@dataclass(frozen=True)
class Event:
    """A row of the event table, as far as a fold reads it. `share` is what success_ppm is made of."""

    at_us: int = START
    student: str = "s_a0"
    tenant: str = "a"
    kind: str = "quiz"
    topics: tuple[str | None, ...] = ("t0",)
    share_ppm: int | None = 1_000_000
    attempts: int = 1
    sequence: int = 0
    number: int = 0
    item: str | None = None
    duration_ms: int | None = None
    attempt_number: int | None = None
    hints: int | None = None
    rewinds: int | None = None
    replaces: int | None = None

    @property
    def success_ppm(self) -> int | None:
        return None if self.share_ppm is None else self.share_ppm * self.attempts

    def row(self) -> dict[str, object]:
        hi, lo = event_id(self.number)
        gone = (None, None) if self.replaces is None else event_id(self.replaces)
        return {
            "tenant": self.tenant,
            "student_id": self.student,
            "event_id_hi": hi,
            "event_id_lo": lo,
            "kind": self.kind,
            "topic_id": self.topics[0],
            "other_topic_ids": list(self.topics[1:]) or None,
            "item_id": self.item,
            "occurred_at": self.at_us,
            "sequence": self.sequence,
            "attempts": self.attempts,
            "success_ppm": self.success_ppm,
            "duration_ms": self.duration_ms,
            "attempt_number": self.attempt_number,
            "hints": self.hints,
            "rewinds": self.rewinds,
            "replaces_hi": gone[0],
            "replaces_lo": gone[1],
        }

    def key(self) -> tuple[str, int, int, int, tuple[int, int]]:
        """What events are ordered by, student by student."""
        return self.student, self.at_us, self.sequence, self.about, event_id(self.number)

    @cached_property
    def about(self) -> int:
        return int(about_of(table([self]))[0])


def event_id(number: int) -> tuple[int, int]:
    """Return an id whose order has nothing to do with the number's. Some ids share their upper half."""
    hi = ((number // 3 + 1) * 0x9E3779B97F4A7C15) % 2**64 - 2**63
    return hi, (number * 0xC2B2AE3D27D4EB4F) % 2**64 - 2**63


READ_SCHEMA = pa.schema([EVENTS.schema.field(name) for name in READ])


def table(events: Sequence[Event]) -> pa.Table:
    """Return the event table of these events, in the order given."""
    return pa.Table.from_pylist([event.row() for event in events], schema=READ_SCHEMA)


def encoded(events: pa.Table) -> pa.Table:
    """Return the same table with dictionaries for strings, as the lake reads it."""
    for name in ("tenant", "student_id", "kind", "topic_id", "item_id"):
        events = events.set_column(events.column_names.index(name), name, events[name].dictionary_encode())
    return events


def active_choice(events: Sequence[Event]) -> list[Event]:
    """Return the events that count, one of each, in the order of the fold. The obvious way."""
    gone = {event.replaces for event in events if event.replaces is not None}
    kept = {event.number: event for event in events if event.number not in gone and event.share_ppm is not None}
    return sorted(kept.values(), key=Event.key)


@st.composite
def histories(draw: st.DrawFn, max_events: int = 40, regrades: bool = True) -> list[Event]:
    """Draw events of up to six students at two institutions, in an order of their own."""
    events: list[Event] = []
    at_us = START + draw(st.integers(0, DAY - 1))
    for number in range(draw(st.integers(1, max_events))):
        at_us += draw(st.sampled_from(GAPS))
        tenant = draw(st.sampled_from("aab"))
        kind = draw(st.sampled_from(("quiz", "quiz", "quiz", *KINDS)))
        topics: tuple[str | None, ...] = (draw(st.sampled_from(("t0", "t0", "t1", "t2", None))),)
        if kind == "assignment":
            topics = draw(st.permutations(("t0", "t1", "t2", "t3")))[: draw(st.integers(1, 3))]
        event = Event(
            at_us=at_us,
            student=f"s_{tenant}{draw(st.integers(0, 2))}",
            tenant=tenant,
            kind=kind,
            topics=tuple(topics),
            share_ppm=draw(st.sampled_from(MILLIONTHS)),
            attempts=draw(st.integers(1, 12)) if kind in ("practice", "tutor") else 1,
            sequence=draw(st.sampled_from((0, 0, 0, 1, -1))),
            number=number,
            item=draw(st.sampled_from((None, "i0", "i1"))),
            duration_ms=draw(st.sampled_from((None, 0, 800, 61_000))),
            attempt_number=draw(st.sampled_from((None, 1, 1, 2, 3, 9))) if kind == "quiz" else None,
            hints=draw(st.sampled_from((None, 0, 0, 1, 4))) if kind in ("quiz", "practice") else None,
            rewinds=draw(st.sampled_from((None, 0, 3))) if kind == "video" else None,
        )
        events.append(event)
        if regrades and draw(st.integers(0, 9)) == 0:
            event = draw(st.sampled_from(events))
            share = draw(st.sampled_from((None, 0, 1_000_000)))  # None: withdrawn
            events.append(replace(event, number=1000 + number, replaces=event.number, share_ppm=share))
    return draw(st.permutations(events))


days_of_schools = st.sampled_from([school_days(zone) for zone in ZONES])

seeds = st.one_of(st.none(), st.integers(0, 2**32 - 1))
"""None stands for default parameters, a number for monotone ones drawn with it."""


def within(parameters: Sequence[Parameter], rng: np.random.Generator) -> np.ndarray:
    """Return a row of parameters within their bounds, extremes among them; guess + slip stays below 1."""
    row = np.concatenate([np.full(p.size, p.default) for p in parameters]) if parameters else np.zeros(0)
    for parameter in parameters:
        mine = place_of(parameters, parameter.name)
        how = rng.integers(4)
        if how == 1:
            row[mine] = rng.uniform(parameter.low, parameter.high, parameter.size)
        elif how == 2 and parameter.low > 0:
            row[mine] = np.exp(rng.uniform(np.log(parameter.low), np.log(parameter.high), parameter.size))
        elif how == 3:
            row[mine] = rng.choice([parameter.low, parameter.high], parameter.size)
    names = [parameter.name for parameter in parameters]
    if "guess" in names:
        guess, slip = names.index("guess"), names.index("slip")
        row[guess] = min(row[guess], 0.99)
        row[slip] = max(parameters[slip].low, min(row[slip], (0.999 - row[guess]) * rng.uniform()))
    return row


def monotone(scorer: Scorer, rng: np.random.Generator) -> np.ndarray:
    """Return float64[K]: the parameters of a topic."""
    row = within(scorer.parameters, rng)
    if scorer is rule_based.SCORER:
        row[rule_based.SCORE_AT : rule_based.GUESS].sort()
    scorer.check(Model(row[None, :], np.zeros((0, width(scorer.item_parameters)))))
    return row


def monotone_item(scorer: Scorer, rng: np.random.Generator) -> np.ndarray:
    """Return float64[L]: the parameters of an item, or a row of NaN as of one nobody knows."""
    row = within(scorer.item_parameters, rng)
    return np.full(row.size, np.nan) if rng.random() < 0.5 else row


def model(scorer: Scorer, batch: Batch, seed: int | None) -> Model:
    """Return parameters that depend on the names of topics and items only, so that every batch agrees on them."""
    params = defaults(scorer, len(batch.topics))
    items = np.full((batch.use_item.size, width(scorer.item_parameters)), np.nan)
    if seed is not None:
        for code, names in enumerate(batch.topics):
            params[code] = monotone(scorer, np.random.default_rng([seed, *"/".join(names).encode()]))
        for code, names in enumerate(batch.uses):
            rng = np.random.default_rng([seed, 1, *"/".join(names).encode()])
            items[code] = monotone_item(scorer, rng)
    return Model(params, items)


def many(rng: np.random.Generator, students: int, events: int, topics: int) -> EventColumns:
    """Return `events` events of each of many students, each busy with three of the topics; gaps from 0 to years."""
    n = students * events
    student = np.repeat(np.arange(students, dtype=np.int32), events)
    choice = rng.integers(0, topics, (students, 3))
    topic = choice[student, rng.integers(0, 3, n)].astype(np.int32)
    pace = rng.choice([0.02, 1.0, 20.0, 300.0], students)[student]
    gap = (rng.exponential(1.0, n) * pace * DAY).astype(np.int64) * (rng.random(n) > 0.1)
    at_us = START + np.cumsum(gap.reshape(students, events), axis=1).reshape(-1)
    kind = rng.choice([0, 0, 0, 0, 1, 2, 3, 4, 5], n).astype(np.int8)
    attempts = np.where((kind == PRACTICE) | (kind == TUTOR), rng.integers(1, 12, n), 1)
    whole = rng.integers(0, 2, n) * 1_000_000
    share = np.where(kind == QUIZ, whole, np.where(rng.random(n) < 0.3, whole, rng.integers(0, 1_000_001, n)))
    return EventColumns(
        students=[f"s_{s:05d}" for s in range(students)],
        tenants=["a"] * students,
        topics=[("a", f"t{t:05d}") for t in range(topics)],
        items=[("a", f"i{i:05d}") for i in range(50)],
        row=np.arange(n),
        student=student,
        topic=topic,
        item=rng.integers(-1, 50, n).astype(np.int32),
        kind=kind,
        topics_of_event=np.where(kind == 2, rng.integers(1, 4, n), 1).astype(np.int32),
        at_us=at_us,
        sequence=np.arange(n),
        about=rng.integers(-3, 3, n),
        id_hi=rng.integers(-(2**63), 2**63 - 1, n),
        id_lo=rng.integers(-(2**63), 2**63 - 1, n),
        attempts=attempts.astype(np.int64),
        success_ppm=(share * attempts).astype(np.int64),
        duration_ms=rng.integers(-1, 100_000, n),
        attempt_number=rng.choice([-1, 1, 1, 2, 3], n),
        hints=np.where((kind == QUIZ) | (kind == PRACTICE), rng.choice([-1, 0, 0, 1, 3], n), -1),
        rewinds=np.where(kind == VIDEO, rng.integers(0, 4, n), -1),
    )


def turned_round(batch: Batch, turn: int) -> tuple[Batch, np.ndarray]:
    """Return the batch with the answer of row `turn` and all later ones of its student turned round, hints and times
    too, and bool[n]: the rows before which nothing of that was known."""
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    event = batch.row == batch.row[turn]
    after = (owner == owner[turn]) & (np.arange(batch.row.size) >= np.flatnonzero(event).min())
    turned = replace(
        batch,
        y=np.where(after, 1.0 - batch.y, batch.y),
        weight=np.where(after, 0.5 * batch.weight, batch.weight),  # it says whether there were hints
        hints=np.where(after, batch.hints + 1, batch.hints),
        duration_ms=np.where(after, batch.duration_ms + 5_000, batch.duration_ms),
    )
    return turned, ~after | event
