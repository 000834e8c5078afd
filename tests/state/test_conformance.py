"""What every store in the registry does alike. `memory` is the reference: tests/state/conftest.py."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mastery.state import Overtaken, Record, RecordBlock, StateStore, decode, encode, encode_block, encode_many

Block = Callable[..., RecordBlock]


def records(block: RecordBlock) -> list[Record]:
    buffer, ptr = encode_many(block)
    return [decode(buffer[ptr[s] : ptr[s + 1]].tobytes()) for s in range(len(ptr) - 1)]


def mark(store: StateStore, *student_ids: str) -> None:
    """Note new events of some students."""
    watermark = store.watermark()
    assert store.note_events(1 if watermark is None else watermark + 1, student_ids, after=watermark)


def test_a_record_comes_back_as_it_was_put_with_its_new_version(store: StateStore, block: Block) -> None:
    (record,) = records(block(1))
    record = replace(record, offsets={"quiz-0": 17, "quiz-1": 0}, outbox=('{"alert": "é"}',))
    assert store.put(record, expected_version=0) == 1
    back = store.get(record.student_id, "v1")
    assert back is not None
    assert (encode(back), back.version, back.offsets, back.outbox) == (encode(record), 1, record.offsets, record.outbox)


def test_a_stranger_has_no_record_and_version_0(store: StateStore) -> None:
    assert store.get("s_nobody", "v1") is None
    assert store.version("s_nobody", "v1") == 0


def test_a_writer_who_read_an_older_version_is_refused_and_changes_nothing(store: StateStore, block: Block) -> None:
    (record,) = records(block(1))
    store.put(record, 0)
    store.put(replace(record, events_folded=5), 1)
    for expected in (0, 1, 3):
        with pytest.raises(Overtaken, match="another writer or newer events"):
            store.put(replace(record, events_folded=9), expected)
    back = store.get(record.student_id, "v1")
    assert back is not None
    assert (back.events_folded, back.version) == (5, 2)


def test_what_is_seeded_is_what_was_encoded(store: StateStore, block: Block) -> None:
    seeded = block(40)
    assert store.put_many(seeded) == 40
    expected = {record.student_id: encode(record) for record in records(seeded)}
    found = {student_id: store.get(student_id, "v1") for student_id in expected}
    assert {student_id: None if record is None else encode(record) for student_id, record in found.items()} == expected
    assert store.count() == store.count("v1") == 40


def test_seeding_replaces_what_is_there_and_counts_its_version_up(store: StateStore, block: Block) -> None:
    store.put_many(block(4, seed=1))
    store.put_many(encode_block(block(6, seed=2)))
    fresh = records(block(6, seed=2))
    for place, record in enumerate(fresh):
        back = store.get(record.student_id, "v1")
        assert back is not None
        assert (encode(back), back.version) == (encode(record), 2 if place < 4 else 1)
    with pytest.raises(Overtaken):
        store.put(fresh[0], 1)


def test_a_stale_record_is_treated_as_absent_until_it_is_put_again(store: StateStore, block: Block) -> None:
    store.put_many(block(3))
    first, second, _ = records(block(3))
    mark(store, first.student_id, first.student_id)
    assert store.get(first.student_id, "v1") is None
    assert store.get(second.student_id, "v1") is not None
    assert store.count() == 3
    version = store.version(first.student_id, "v1")
    assert store.put(first, version) == version + 1
    assert store.get(first.student_id, "v1") is not None


@pytest.mark.parametrize("known", [True, False])
def test_a_fold_that_began_before_newer_events_were_noted_is_refused(
    store: StateStore, block: Block, known: bool
) -> None:
    (record,) = records(block(1))
    if known:
        store.put(record, 0)
    expected = store.version(record.student_id, "v1")
    mark(store, record.student_id)
    with pytest.raises(Overtaken):
        store.put(record, expected)
    assert store.get(record.student_id, "v1") is None
    assert store.count() == int(known)


def test_model_sets_live_side_by_side_and_are_dropped_alone(store: StateStore, block: Block) -> None:
    assert store.model_versions() == []
    store.put_many(block(3, "v1"))
    store.put_many(block(2, "v2", seed=5))
    assert store.model_versions() == ["v1", "v2"]
    assert (store.count("v1"), store.count("v2"), store.count()) == (3, 2, 5)
    one, two = (f"s_{number:032x}" for number in range(2))
    mark(store, one)
    assert store.get(one, "v1") is store.get(one, "v2") is None
    kept = store.get(two, "v2")
    assert store.drop_model_versions(["v1", "never"]) == 3
    assert store.model_versions() == ["v2"]
    assert (store.count("v1"), store.count()) == (0, 2)
    assert store.get(two, "v1") is None
    again = store.get(two, "v2")
    assert kept is not None and again is not None and encode(kept) == encode(again)
    assert store.drop_model_versions([]) == 0


@pytest.mark.parametrize("known", [True, False])
def test_a_fold_that_began_before_its_model_set_was_dropped_is_refused(
    store: StateStore, block: Block, known: bool
) -> None:
    (record,) = records(block(1))
    if known:
        store.put(record, 0)
    before = store.version(record.student_id, "v1")
    store.drop_model_versions(["v1"])
    mark(store, record.student_id)  # nothing of it reaches a set that is not there
    with pytest.raises(Overtaken):
        store.put(record, before)
    again = store.version(record.student_id, "v1")
    with pytest.raises(Overtaken):
        store.put(record, before)
    assert store.get(record.student_id, "v1") is None
    assert store.put(record, again) == again + 1
    mark(store, record.student_id)
    assert store.get(record.student_id, "v1") is None


def test_seeding_a_set_that_was_dropped_starts_it_again(store: StateStore, block: Block) -> None:
    store.put_many(block(3))
    store.drop_model_versions(["v1"])
    store.put_many(block(2))
    assert store.count() == 2
    (first, _) = records(block(2))
    back = store.get(first.student_id, "v1")
    assert back is not None and back.version == store.version(first.student_id, "v1") > 1


def test_the_watermark_moves_only_from_where_its_mover_has_seen_it(store: StateStore, block: Block) -> None:
    store.put_many(block(2))
    one, two = (record.student_id for record in records(block(2)))
    assert store.watermark() is None
    assert not store.note_events(1, [one], after=0)
    assert store.note_events(0, [], after=None)
    assert store.note_events(1, [one], after=0)
    assert not store.note_events(3, [two], after=2), "commit 2 has not been noted"
    assert store.get(two, "v1") is not None
    assert store.note_events(3, [two], after=1)
    assert store.get(two, "v1") is None
    assert store.watermark() == 3


def test_a_first_fold_under_a_model_set_nobody_has_used_is_refused_after_a_mark(
    store: StateStore, block: Block
) -> None:
    (record,) = records(block(1))
    expected = store.version(record.student_id, "v1")
    store.note_events(1, [record.student_id], after=None)
    with pytest.raises(Overtaken):
        store.put(record, expected)
    assert store.get(record.student_id, "v1") is None


def test_seeding_from_an_older_view_of_the_lake_lowers_the_watermark_to_it(store: StateStore, block: Block) -> None:
    store.put_many(block(2), folded_at=3)
    assert store.watermark() is None
    store.note_events(5, [], after=None)
    store.put_many(block(2), folded_at=7)
    assert store.watermark() == 5
    store.put_many(block(2), folded_at=4)
    assert store.watermark() == 4


def test_threads_may_share_a_store(store: StateStore, block: Block) -> None:
    store.put_many(block(20))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda record: store.get(record.student_id, "v1"), records(block(20)))
    assert all(record is not None for record in found)
