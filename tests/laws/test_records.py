"""Law 1 for whole records: cut anywhere and continued, they are those of one fold, bit for bit, and so is history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histories import DAY, START, Event, days_of_schools, examples, histories, monotone, monotone_item, seeds, table
from mastery.errors import BadInput
from mastery.features.recent import KEPT
from mastery.pipelines.scoring.continue_record import (
    END_OF_TIME,
    Continued,
    Refold,
    continue_record,
    continue_records,
)
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.pipelines.scoring.records import is_current, record_of, records_of
from mastery.school_days import school_days
from mastery.scorers import SCORERS
from mastery.scorers.base import defaults, width
from mastery.scorers.blend.scorer import PARAMETERS, Mixture
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.state import Position, Record, block_of, encode
from mastery.tables import EVENTS

TOPICS = [(tenant, topic) for tenant in "ab" for topic in ("t0", "t1", "t2", "t3", "unassigned")]
ITEMS = [(tenant, item) for tenant in "ab" for item in ("i0", "i1")]

Point = tuple[str, int]
"""(topic, day)."""


def model_set(seed: int | None) -> ModelSet:
    """Return a set with every scorer that folds, with default parameters or ones drawn with the seed."""
    scorers = {}
    for name, scorer in SCORERS.items():
        default, items = defaults(scorer, 1)[0], width(scorer.item_parameters)
        if seed is None:
            scorers[name] = Parameters(default, no_rows(default.size), no_rows(items))
            continue
        rng = np.random.default_rng([seed, *name.encode()])
        by_topic = np.stack([monotone(scorer, rng) for _ in TOPICS])
        by_item = np.stack([monotone_item(scorer, rng) for _ in ITEMS])
        scorers[name] = Parameters(default, KeyedRows(TOPICS, by_topic), KeyedRows(ITEMS, by_item))
    return ModelSet("test", scorers)


def rows_of(events: Sequence[Event]) -> pa.Table:
    """Return the event table, with a body hash that depends on the outcome."""
    bodies = pa.array([hash((e.share_ppm, e.replaces)) % 2**62 for e in events], pa.int64())
    return table(events).append_column(EVENTS.schema.field("body_hash"), bodies)


def folded(events: Sequence[Event], models: ModelSet, as_of_us: int = END_OF_TIME) -> tuple[Record, Folded] | None:
    """Return the record of one fold of everything; None where nothing counts."""
    rows = rows_of(events)
    fold = fold_events(rows, models, as_of_us)
    return (record_of(rows, fold), fold) if fold.batch.students else None


def history_of(fold: Folded) -> dict[Point, tuple[object, ...]]:
    batch = fold.batch
    topics = [batch.topics[batch.slot_topic[p]][1] for p in batch.cell_slot]
    return points(topics, batch.cell_day, fold.evidence, fold.history)


def points(topics, days, evidence, scores) -> dict[Point, tuple[object, ...]]:  # type: ignore[no-untyped-def]
    return {
        (topic, int(day)): (int(evidence[c]), *(scores[name][:, c].tobytes() for name in scores))
        for c, (topic, day) in enumerate(zip(topics, days, strict=True))
    }


def history_in(continued: Continued) -> dict[Point, tuple[object, ...]]:
    new = continued.history
    topics = [continued.record.topics[p] for p in new.slot]
    return points(topics, new.day, new.evidence, new.scores)


def of_one_student(events: Sequence[Event]) -> list[Event]:
    """Return the events of the busiest student."""
    names = [event.student for event in events]
    return [event for event in events if event.student == max(names, key=names.count)]


def pieces(events: list[Event], cuts: Sequence[int]) -> list[list[Event]]:
    ends = sorted({0, *(cut % (len(events) + 1) for cut in cuts), len(events)})
    return [events[first:last] for first, last in pairwise(ends)]


@examples(100)
@given(
    events=histories(regrades=False),
    seed=seeds,
    cuts=st.lists(st.integers(0, 40), max_size=4),
    waits=st.booleans(),
    days=days_of_schools,
)
def test_a_record_that_goes_on_is_that_of_one_fold_wherever_it_is_cut(events, seed, cuts, waits, days):
    models, events = replace(model_set(seed), days=days), sorted(of_one_student(events), key=Event.key)
    first, *others = pieces(events, cuts)
    end = END_OF_TIME if waits else max(event.at_us for event in first)
    begun = folded(first, models, end)
    assert begun is not None
    record, history = begun[0], history_of(begun[1])
    for piece in others:
        end = END_OF_TIME if waits else piece[-1].at_us
        on = continue_record(record, rows_of(piece), models, as_of_us=end)
        assert isinstance(on, Continued)
        record, history = on.record, history | history_in(on)
    whole = folded(events, models, end)
    assert whole is not None
    assert encode(record) == encode(whole[0])
    assert history == history_of(whole[1])


def with_a_blend(models: ModelSet) -> ModelSet:
    """The same set with a scorer that folds nothing."""
    half = Mixture(("bkt", "elo"), np.array([0.5, 0.5]), 0.0, np.array([-9.0, 9.0]), np.array([-9.0, 9.0]))
    row = np.array([parameter.default for parameter in PARAMETERS])
    blend = Parameters(row, no_rows(row.size), no_rows(0), half.shared())
    return ModelSet("blended", dict(models.scorers) | {"blend": blend})


@examples(50)
@given(
    events=histories(regrades=False), seed=seeds, cuts=st.lists(st.integers(0, 40), max_size=4), days=days_of_schools
)
def test_scorers_that_fold_nothing_get_a_point_a_day_as_a_fold_to_the_end_of_that_day_has_it(events, seed, cuts, days):
    models, events = replace(with_a_blend(model_set(seed)), days=days), sorted(of_one_student(events), key=Event.key)
    first, *others = pieces(events, cuts)
    begun = folded(first, models)
    assert begun is not None
    record, seen = begun[0], list(first)
    for piece in others:
        on = continue_record(record, rows_of(piece), models)
        assert isinstance(on, Continued)
        record, seen = on.record, seen + piece
        for k, (slot, day) in enumerate(zip(on.history.slot.tolist(), on.history.day.tolist(), strict=True)):
            end = int(days.ends_us(day))
            until = folded([event for event in seen if event.at_us < end], models, end)
            assert until is not None
            batch, scores = until[1].batch, until[1].derived_scores()["blend"]
            (mine,) = np.flatnonzero([batch.topics[t][1] == record.topics[slot] for t in batch.slot_topic])
            expected = np.array([scores.score[mine], scores.lower[mine], scores.upper[mine]])
            assert on.history.scores["blend"][:, k].tobytes() == expected.tobytes()


def changes_the_past(piece: Sequence[Event], before: Sequence[Event]) -> bool:
    """Whether some event of a piece is late, revises or replaces another, or was replaced before it came.

    So does a repeat of one that the record no longer remembers.
    """
    there = {event.number: event for event in before}
    replaced = {event.replaces for event in before}
    for event in sorted(piece, key=Event.key):
        newer = sum(event.key() < other.key() for other in there.values())
        if there.get(event.number) == event and newer < KEPT:
            continue
        late = any(event.key() <= other.key() for other in there.values())
        if late or event.number in there or event.replaces is not None or event.number in replaced:
            return True
        there[event.number] = event
    return False


@examples(100)
@given(events=histories(), seed=seeds, cuts=st.lists(st.integers(0, 40), max_size=4), data=st.data())
def test_what_changes_the_past_is_told_apart_and_the_rest_goes_on(events, seed, cuts, data):
    models, events = model_set(seed), of_one_student(events)
    if data.draw(st.booleans()):  # so that more of them go on
        events.sort(key=Event.key)
    events += data.draw(st.lists(st.sampled_from(events), max_size=3))
    before: list[Event] = []
    record: Record | None = None
    for piece in pieces(events, cuts):
        received = [*before, *piece]
        if record is not None:
            on = continue_record(record, rows_of(piece), models)
            if isinstance(on, Refold):
                assert changes_the_past(piece, before), on
            else:
                assert not changes_the_past(piece, before)
                record = on.record
        whole = folded(list({event.number: event for event in received}.values()), models)
        if record is None or isinstance(on, Refold):
            record = None if whole is None else whole[0]
        assert (record is None) == (whole is None)
        if record is not None and whole is not None:
            assert encode(record) == encode(whole[0])
        before = received


@pytest.fixture(scope="module")
def models() -> ModelSet:
    return model_set(None)


def answer(number: int, day: float = 0, **other: object) -> Event:
    return replace(Event(START + int(day * DAY), number=number), **other)  # type: ignore[arg-type]


def gone_on(models: ModelSet, before: Sequence[Event], *events: Event) -> Continued | Refold:
    begun = folded(before, models)
    assert begun is not None
    return continue_record(begun[0], rows_of(events), models)


def test_each_reason_to_fold_again(models):
    before = [answer(1), answer(2, 2), answer(3, 1, replaces=99, share_ppm=None)]
    assert gone_on(models, before, answer(4, 1.5)) is Refold.LATE
    assert gone_on(models, before, answer(4, 3, replaces=1)) is Refold.REPLACES
    assert gone_on(models, before, answer(4, 3, replaces=1, share_ppm=None)) is Refold.REPLACES
    assert gone_on(models, before, answer(99, 3)) is Refold.REPLACED
    assert gone_on(models, before, answer(2, 2, share_ppm=0)) is Refold.REVISED
    assert gone_on(models, before, answer(5, 3), answer(5, 3, share_ppm=0)) is Refold.REVISED
    assert isinstance(gone_on(models, before, answer(4, 3), answer(4, 3), *before), Continued)


def test_an_event_between_the_last_that_counts_and_a_withdrawn_one_is_late(models):
    before = [answer(1), answer(2, 5), answer(3, 6, replaces=2, share_ppm=None)]
    assert gone_on(models, before, answer(4, 4)) is Refold.LATE


def test_duplicates_are_left_out_and_an_event_without_an_outcome_is_remembered(models):
    before = [answer(1), answer(2, 2)]
    on = gone_on(models, before, answer(2, 2), answer(1))
    assert isinstance(on, Continued)
    begun = folded(before, models)
    assert begun is not None and encode(on.record) == encode(begun[0])
    on = gone_on(models, before, answer(3, 4, share_ppm=None))
    whole = folded([*before, answer(3, 4, share_ppm=None)], models)
    assert isinstance(on, Continued) and whole is not None
    assert on.record.newest_event_us == START + 4 * DAY > on.record.last_event_us
    assert encode(on.record) == encode(whole[0])


def test_the_rest_of_a_day_changes_the_points_of_its_other_topics_too(models):
    before = [answer(1, topics=("t1",)), answer(2, 0.1, topics=("t0",))]
    begun = folded(before, models)
    on = gone_on(models, before, answer(3, 0.2, topics=("t0",), share_ppm=0))
    assert isinstance(on, Continued) and begun is not None
    assert set(history_in(on)) == {("t0", START // DAY), ("t1", START // DAY)}
    assert history_in(on)["t1", START // DAY] != history_of(begun[1])["t1", START // DAY]


@pytest.mark.parametrize("rest", [(), (0.2,), (0.2, 1.2), (1.2,), (1.2, 40.0)])
def test_the_points_of_a_day_that_had_not_ended_are_read_again_at_its_end(models, rest):
    before = [answer(1, topics=("t1",)), answer(2, 0.1, topics=("t0",))]
    begun = folded(before, models, before[-1].at_us)
    after = [answer(3 + k, day, topics=("t0",)) for k, day in enumerate(rest)]
    whole = folded([*before, *after], models)
    assert begun is not None and whole is not None
    on = continue_record(begun[0], rows_of(after), models)
    assert isinstance(on, Continued)
    assert history_in(on) == history_of(whole[1])
    assert encode(on.record) == encode(whole[0])


def test_a_student_of_many_events_remembers_the_last_ones(models):
    events = [answer(number, number / 7, topics=(f"t{number % 3}",)) for number in range(1, 3 * KEPT)]
    whole = folded(events, models)
    on = gone_on(models, events[: KEPT + 5], *events[KEPT + 5 :])
    assert isinstance(on, Continued) and whole is not None
    assert encode(on.record) == encode(whole[0])


def test_what_was_seen_offsets_outbox_and_version_are_carried_on(models):
    begun = folded([answer(1)], models)
    assert begun is not None
    record = replace(begun[0], offsets={"p": 3}, outbox=("{}",), version=7, seen=Position(2, 5))
    kept = continue_record(record, rows_of([answer(2, 1)]), models)
    on = continue_record(record, rows_of([answer(2, 1)]), models, seen=Position(2, 6))
    assert isinstance(kept, Continued) and isinstance(on, Continued)
    assert (kept.record.seen, on.record.seen) == (Position(2, 5), Position(2, 6))
    assert (on.record.offsets, on.record.outbox, on.record.version) == ({"p": 3}, ("{}",), 7)
    assert record.events_folded == 1, "what was given is as it was"


def test_what_does_not_belong_together_is_refused(models):
    begun = folded([answer(1)], models)
    assert begun is not None
    record = begun[0]
    with pytest.raises(BadInput, match="student_id of an event is 's_b9'"):
        continue_record(record, rows_of([answer(2, 1, student="s_b9")]), models)
    with pytest.raises(BadInput, match="tenant of an event is 'b'"):
        continue_record(record, rows_of([answer(2, 1, tenant="b")]), models)
    with pytest.raises(BadInput, match="cannot go on under 'other'"):
        continue_record(record, rows_of([answer(2, 1)]), replace(models, version="other"))
    with pytest.raises(BadInput, match="comes after as_of"):
        continue_record(record, rows_of([answer(2, 1)]), models, as_of_us=START)
    fewer = replace(record, slot_states={name: s for name, s in record.slot_states.items() if name != "bkt"})
    assert continue_record(fewer, rows_of([answer(2, 1)]), models) is Refold.OTHER_COLUMNS


def test_a_record_of_another_time_zone_is_neither_continued_nor_current(models):
    begun = folded([answer(1)], models)
    assert begun is not None
    elsewhere = replace(models, days=school_days("Asia/Kolkata"))
    assert is_current(begun[0], models)
    assert not is_current(begun[0], elsewhere)
    assert continue_record(begun[0], rows_of([answer(2, 1)]), elsewhere) is Refold.OTHER_DAYS


def by_student(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.student, []).append(event)
    return found


def all_together(kept: dict[str, Record], piece: dict[str, list[Event]], models: ModelSet) -> dict[str, bytes | Refold]:
    """Return what becomes of each student's record when all go on at once, and check that alone it is the same."""
    going = [record for student, record in kept.items() if student in piece]
    if not going:
        return {}
    seen = Position(1, 9)
    rows = rows_of([event for record in going for event in piece[record.student_id]])
    on = continue_records(
        block_of(going), rows.take(np.random.default_rng(1).permutation(rows.num_rows)), models, seen=seen
    )
    found: dict[str, bytes | Refold] = dict(on.refold)
    for record in (one for block in on.blocks for one in records_of(block)):
        assert record.student_id not in found
        found[record.student_id] = encode(record)
    for record in going:
        alone = continue_record(record, rows_of(piece[record.student_id]), models, seen=seen, history=False)
        assert found[record.student_id] == (alone if isinstance(alone, Refold) else encode(alone.record))
    return found


@examples(60)
@given(
    events=histories(), seed=seeds, cuts=st.lists(st.integers(0, 40), max_size=4), days=days_of_schools, data=st.data()
)
def test_students_who_go_on_together_go_on_as_each_alone_and_end_in_the_bits_of_one_fold(
    events, seed, cuts, days, data
):
    models = replace(model_set(seed), days=days)
    if data.draw(st.booleans()):  # so that more of them go on
        events.sort(key=Event.key)
    events += data.draw(st.lists(st.sampled_from(events), max_size=3))
    kept: dict[str, Record] = {}
    before: list[Event] = []
    for piece in pieces(events, cuts):
        found = all_together(kept, by_student(piece), models)
        before += piece
        for student, theirs in by_student(before).items():
            whole = folded(list({event.number: event for event in theirs}.values()), models)
            if whole is None:
                kept.pop(student, None)
                continue
            kept[student] = whole[0]
            mine = found.get(student)
            assert mine is None or isinstance(mine, Refold) or mine == encode(replace(whole[0], seen=Position(1, 9)))


def test_of_many_at_once_each_reason_to_fold_again_is_that_students_own(models):
    before = [answer(1), answer(2, 2), answer(3, 1, replaces=99, share_ppm=None)]
    after = {
        "s_a1": answer(4, 1.5),
        "s_a2": answer(4, 3, replaces=1),
        "s_a3": answer(99, 3),
        "s_a4": answer(2, 2, share_ppm=0),
        "s_a5": answer(4, 3),
        "s_a6": answer(2, 2),
        "s_a7": answer(4, 3, share_ppm=None),
    }
    kept = []
    for student in after:
        begun = folded([replace(one, student=student) for one in before], models)
        assert begun is not None
        kept.append(begun[0])
    events = rows_of([replace(one, student=student) for student, one in after.items()])
    on = continue_records(block_of(kept), events, models, seen=Position(1, 9))
    assert on.refold == {"s_a1": Refold.LATE, "s_a2": Refold.REPLACES, "s_a3": Refold.REPLACED, "s_a4": Refold.REVISED}
    went_on = {record.student_id: record for block in on.blocks for record in records_of(block)}
    assert set(went_on) == {"s_a5", "s_a6", "s_a7"}
    assert [went_on[name].events_folded for name in sorted(went_on)] == [3, 2, 2]
    assert {record.seen for record in went_on.values()} == {Position(1, 9)}
    elsewhere = continue_records(
        block_of(kept), events, replace(models, days=school_days("Asia/Kolkata")), seen=on.blocks[0].seen
    )
    assert elsewhere.refold == dict.fromkeys(after, Refold.OTHER_DAYS) and not elsewhere.blocks
    with pytest.raises(BadInput, match="student_id of an event is 's_a7'"):
        continue_records(block_of(kept[:-1]), events, models, seen=Position(1, 9))
