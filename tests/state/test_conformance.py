"""What every store in the registry does alike. `memory` is the reference: tests/state/conftest.py."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from mastery.errors import BadInput
from mastery.state import (
    CopiedSet,
    CorruptRecord,
    FoundRecords,
    KnownLake,
    Outdated,
    Overtaken,
    Position,
    Record,
    RecordBlock,
    StateStore,
    copy_store,
    decode,
    encode,
    encode_block,
    encode_many,
    find_blocks,
    taken_records,
)
from state.conftest import LAKE, MemoryStore
from stored_fields import BODY, LINEAGE, NEWS, SEEN, change

Block = Callable[..., RecordBlock]


def records(block: RecordBlock) -> list[Record]:
    buffer, ptr = encode_many(block)
    return [decode(buffer[ptr[s] : ptr[s + 1]].tobytes()) for s in range(len(ptr) - 1)]


def at(version: int, lineage: int = LAKE.lineage) -> Position:
    return Position(lineage, version)


def test_a_record_comes_back_as_it_was_put_with_its_new_version(store: StateStore, block: Block) -> None:
    (record,) = records(block(1))
    record = replace(record, offsets={"quiz-0": 17, "quiz-1": 0}, outbox=('{"alert": "é"}',))
    assert store.put(record, expected_version=0) == 1
    back = store.get(record.student_id, "v1")
    assert back is not None
    assert (encode(back), back.version, back.offsets, back.outbox) == (encode(record), 1, record.offsets, record.outbox)


@pytest.mark.parametrize("seen", [at(5), at(6)])
@pytest.mark.parametrize("many", [True, False])
def test_a_record_that_is_made_again_of_the_lake_keeps_the_offsets_and_outbox_of_a_stream(
    store: StateStore, block: Block, many: bool, seen: Position
) -> None:
    (record,) = records(block(1, seen=at(5)))
    store.put(replace(record, offsets={"quiz-0": 17}, outbox=('{"alert": 1}',)), 0)
    if many:
        assert store.put_many(block(1, seed=3, seen=seen)) == 1
    else:
        store.put(replace(records(block(1, seed=3))[0], seen=seen), 1)
    back = store.get(record.student_id, "v1")
    assert back is not None
    assert encode(back) == encode(replace(records(block(1, seed=3))[0], seen=seen))
    assert (back.offsets, back.outbox, back.version) == ({"quiz-0": 17}, ('{"alert": 1}',), 2)
    store.put(replace(back, offsets={"quiz-0": 18}, outbox=()), 2)
    told = store.get(record.student_id, "v1")
    assert told is not None
    assert (told.offsets, told.outbox) == ({"quiz-0": 18}, ())


def test_rows_are_the_bytes_of_the_records_that_are_current(store: StateStore, block: Block) -> None:
    store.put_many(block(3))
    one, two, three = records(block(3))
    store.put(replace(two, offsets={"quiz-0": 17}), 1)
    store.note_events([three.student_id], at(7))
    rows = store.get_rows([three.student_id, two.student_id, one.student_id, "s_nobody"], "v1")
    assert {row.student_id: (row.version, row.body) for row in rows} == {
        one.student_id: (1, encode(one)),
        two.student_id: (2, encode(two)),
        three.student_id: (1, None),
    }
    assert store.get_rows([], "v1") == store.get_rows([one.student_id], "v3") == []


def test_many_records_come_back_as_each_alone_and_of_those_not_current_what_the_next_one_takes_over(
    store: StateStore, block: Block
) -> None:
    store.put_many(block(4))
    store.put_many(block(1, "v2"))
    one, two, three, four = records(block(4))
    store.put(replace(two, offsets={"quiz-0": 17}, outbox=('{"alert": "é"}',)), 1)
    store.put(replace(three, offsets={"quiz-1": 3}), 1)
    store.note_events([two.student_id, four.student_id], at(7))
    found = store.get_many([one.student_id, *(r.student_id for r in (one, two, three, four)), "s_nobody"], "v1")
    assert {student: encode(record) for student, record in found.records.items()} == {
        one.student_id: encode(one),
        three.student_id: encode(three),
    }
    assert found.records[three.student_id].offsets == {"quiz-1": 3}
    assert {student: record.version for student, record in found.records.items()} == {
        one.student_id: 1,
        three.student_id: 2,
    }
    assert found.outdated == {
        two.student_id: Outdated(2, {"quiz-0": 17}, ('{"alert": "é"}',)),
        four.student_id: Outdated(1),
    }
    assert store.get_many([], "v1") == store.get_many([one.student_id], "v3") == FoundRecords({}, {})


def test_each_of_many_is_written_against_its_own_version_and_the_overtaken_are_named(
    store: StateStore, block: Block
) -> None:
    store.put_many(block(4, seen=at(5)))
    one, two, three, _ = read = [replace(record, version=1) for record in records(block(4, seen=at(5)))]
    new = replace(records(block(6))[5], offsets={"quiz-0": 1})
    strangers = [replace(record, version=1) for record in records(block(5))[4:]]
    store.put(replace(two, events_folded=5), 1)
    changed = [replace(record, offsets={"quiz-0": 8}, outbox=("tell",), events_folded=9) for record in read]
    changed[2] = replace(changed[2], seen=at(4))
    assert store.put_each([*changed, new, *strangers]) == [two.student_id, three.student_id, strangers[0].student_id]
    found = store.get_many([record.student_id for record in records(block(6))], "v1").records
    assert {s: (r.version, r.events_folded, dict(r.offsets), r.outbox) for s, r in found.items()} == {
        one.student_id: (2, 9, {"quiz-0": 8}, ("tell",)),
        two.student_id: (2, 5, {}, ()),
        three.student_id: (1, three.events_folded, {}, ()),
        changed[3].student_id: (2, 9, {"quiz-0": 8}, ("tell",)),
        new.student_id: (1, new.events_folded, {"quiz-0": 1}, ()),
    }
    assert encode(found[one.student_id]) == encode(changed[0])
    assert store.put_each([found[one.student_id], found[new.student_id]]) == []
    assert store.put_each([]) == []


def test_each_of_a_block_is_written_against_its_own_version_and_what_is_still_to_be_told_stays(
    store: StateStore, block: Block
) -> None:
    store.put_many(block(4, seen=at(5)))
    one, two, three, four = records(block(4, seen=at(5)))
    store.put(replace(one, offsets={"quiz-0": 8}, outbox=("tell",)), 1)
    again = block(5, seen=at(6))
    ids = again.student_ids.to_pylist()
    assert store.put_encoded(encode_block(again), [2, 2, 1, 1, 0]) == [two.student_id]
    assert store.put_encoded(encode_block(block(3, seen=at(4))), [3, 1, 3]) == [r.student_id for r in (one, two, three)]
    found = store.get_many(ids, "v1").records
    assert {student: (r.version, r.seen, r.outbox) for student, r in found.items()} == {
        one.student_id: (3, at(6), ("tell",)),
        two.student_id: (1, at(5), ()),
        three.student_id: (2, at(6), ()),
        four.student_id: (2, at(6), ()),
        ids[4]: (1, at(6), ()),
    }
    assert store.put_encoded(encode_block(taken_records(again, np.zeros(0, np.int64))), []) == []
    with pytest.raises(BadInput, match="5 records with 1 versions"):
        store.put_encoded(encode_block(again), [1])
    with pytest.raises(BadInput, match=f"two records of {one.student_id}"):
        store.put_encoded(encode_block(taken_records(again, np.zeros(2, np.int64))), [3, 3])


def test_many_records_written_at_once_are_of_one_model_set_and_of_different_students(
    store: StateStore, block: Block
) -> None:
    one, two = records(block(2))
    with pytest.raises(BadInput, match="2 model sets"):
        store.put_each([one, replace(two, model_version="v2")])
    with pytest.raises(BadInput, match=f"two records of {one.student_id}"):
        store.put_each([one, two, one])
    assert store.count() == 0


@pytest.mark.parametrize("many", [True, False])
def test_offsets_of_a_lake_that_is_gone_do_not_outlast_it(store: StateStore, block: Block, many: bool) -> None:
    (record,) = records(block(1, seen=at(5)))
    store.know_lake(KnownLake(2, "put-back-from-a-backup", 3, "its-commit"), LAKE)
    store.put(replace(record, offsets={"quiz-0": 17}, outbox=("tell",)), 0)  # by one who has not seen that
    assert store.get_many([record.student_id], "v1").outdated == {record.student_id: Outdated(1)}
    if many:
        store.put_many(block(1, seen=at(3, lineage=2)))
    else:
        store.put(replace(record, seen=at(3, lineage=2)), 1)
    back = store.get(record.student_id, "v1")
    assert back is not None and (back.offsets, back.outbox) == ({}, ())


def test_a_stranger_has_no_record_and_version_0(store: StateStore) -> None:
    assert store.get("s_nobody", "v1") is None
    assert store.version("s_nobody", "v1") == 0


def test_a_writer_who_read_an_older_version_is_refused_and_changes_nothing(store: StateStore, block: Block) -> None:
    (record,) = records(block(1))
    store.put(record, 0)
    store.put(replace(record, events_folded=5), 1)
    for expected in (0, 1, 3):
        with pytest.raises(Overtaken, match="another writer came in between"):
            store.put(replace(record, events_folded=9), expected)
    back = store.get(record.student_id, "v1")
    assert back is not None
    assert (back.events_folded, back.version) == (5, 2)


@pytest.mark.parametrize("older", [at(4), at(9, lineage=0)])
def test_a_writer_who_has_seen_less_is_refused_and_changes_nothing(
    store: StateStore, block: Block, older: Position
) -> None:
    (record,) = records(block(1, seen=at(5)))
    store.put(record, 0)
    with pytest.raises(Overtaken, match="the one there has seen more"):
        store.put(replace(record, seen=older, events_folded=9), 1)
    assert store.put_many(block(1, seed=3, seen=older)) == 0
    back = store.get(record.student_id, "v1")
    assert back is not None
    assert (encode(back), back.version) == (encode(record), 1)
    assert store.put(replace(record, events_folded=9), 1) == 2, "as much is enough: damaged bytes are replaced so"
    assert store.put_many(block(1, seed=3, seen=at(5))) == 1


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


def test_a_record_that_has_not_seen_the_news_is_treated_as_absent_until_one_is_put_that_has(
    store: StateStore, block: Block
) -> None:
    store.put_many(block(3))
    first, second, _ = records(block(3))
    store.note_events([first.student_id, first.student_id], at(7))
    assert store.get(first.student_id, "v1") is None
    assert store.get(second.student_id, "v1") is not None
    assert store.count() == 3
    assert store.version(first.student_id, "v1") == 1
    store.put(replace(first, seen=at(6)), 1)
    assert store.get(first.student_id, "v1") is None, "folded from before the news"
    store.put(replace(first, seen=at(7)), 2)
    assert store.get(first.student_id, "v1") is not None


def test_news_only_grow_in_whatever_order_they_are_noted(store: StateStore, block: Block) -> None:
    (record,) = records(block(1, seen=at(6)))
    store.put(record, 0)
    for version, current in ((5, True), (7, False), (6, False), (7, False), (0, False)):
        store.note_events([record.student_id], at(version))
        assert (store.get(record.student_id, "v1") is not None) is current
    store.put(replace(record, seen=at(7)), 1)
    store.note_events([record.student_id], at(6))
    assert store.get(record.student_id, "v1") is not None


@pytest.mark.parametrize("many", [True, False])
def test_a_fold_that_began_before_news_of_a_stranger_does_not_hide_them(
    store: StateStore, block: Block, many: bool
) -> None:
    (record,) = records(block(1))
    store.note_events([record.student_id], at(1))
    if many:
        store.put_many(block(1))
    else:
        store.put(record, store.version(record.student_id, "v1"))
    assert store.get(record.student_id, "v1") is None
    assert store.count() == 1


def test_model_sets_live_side_by_side_and_are_dropped_alone(store: StateStore, block: Block) -> None:
    assert store.model_versions() == []
    store.put_many(block(3, "v1"))
    store.put_many(block(2, "v2", seed=5))
    assert store.model_versions() == ["v1", "v2"]
    assert (store.count("v1"), store.count("v2"), store.count()) == (3, 2, 5)
    one, two = (f"s_{number:032x}" for number in range(2))
    store.note_events([one], at(1))
    assert store.get(one, "v1") is store.get(one, "v2") is None
    kept = store.get(two, "v2")
    assert store.drop_model_versions(["v1", "never"]) == 3
    assert store.model_versions() == ["v2"]
    assert (store.count("v1"), store.count()) == (0, 2)
    assert store.get(two, "v1") is None
    again = store.get(two, "v2")
    assert kept is not None and again is not None and encode(kept) == encode(again)
    assert store.drop_model_versions([]) == 0


def test_students_are_dropped_under_every_set_but_for_what_has_seen_as_much_or_holds_something_of_a_stream(
    store: StateStore, block: Block
) -> None:
    store.put_many(block(4))
    store.put_many(block(2, "v2"))
    one, two, three, four = records(block(4))
    store.put(replace(two, seen=at(7)), 1)
    store.put(replace(three, outbox=("told to nobody yet",)), 1)
    assert store.drop_students([one.student_id, two.student_id, three.student_id, "never"], at(7)) == 3
    assert [store.version(student.student_id, "v1") for student in (one, two, three, four)] == [0, 2, 2, 1]
    assert store.count("v2") == 0 and store.get(four.student_id, "v1") is not None
    assert store.put(replace(one, seen=at(7)), 0) == 1 and store.get(one.student_id, "v1") is not None


def test_a_fold_of_a_set_that_was_dropped_meanwhile_hides_no_news(store: StateStore, block: Block) -> None:
    (record,) = records(block(1))
    store.drop_model_versions(["v1"])
    store.note_events([record.student_id], at(1))
    store.put(record, 0)
    assert store.get(record.student_id, "v1") is None
    store.put(replace(record, seen=at(1)), 1)
    assert store.get(record.student_id, "v1") is not None


def test_seeding_a_set_that_was_dropped_starts_it_again(store: StateStore, block: Block) -> None:
    store.put_many(block(3))
    store.drop_model_versions(["v1"])
    store.put_many(block(2))
    assert store.count() == 2
    (first, _) = records(block(2))
    assert store.get(first.student_id, "v1") is not None


def test_what_is_known_of_the_lake_moves_only_from_where_its_mover_has_seen_it(store: StateStore) -> None:
    one, two = (LAKE._replace(version=version, fingerprint=f"commit-{version}") for version in (1, 2))
    assert store.known_lake() == LAKE
    assert not store.know_lake(one, None)
    assert store.know_lake(one, LAKE)
    assert not store.know_lake(two, LAKE), "commit 1 has been noted meanwhile"
    assert not store.know_lake(two, one._replace(fingerprint="another")), "a number is not enough"
    assert store.know_lake(two, one)
    assert store.known_lake() == two


def test_records_and_news_of_another_lake_are_gone_and_come_back_by_no_late_writer(
    store: StateStore, block: Block
) -> None:
    store.put_many(block(3, seen=at(50)))
    store.put_many(block(2, "v2", seen=at(50)))
    late, other, _ = records(block(3, seen=at(50)))
    store.note_events([other.student_id], at(60))
    another = KnownLake(2, "another-table", 3, "its-commit")
    assert store.know_lake(another, LAKE)
    assert (store.count(), store.model_versions()) == (0, [])
    assert store.get(late.student_id, "v1") is None
    store.put(late, store.version(late.student_id, "v1"))
    assert store.get(late.student_id, "v1") is None, "it has seen a lake that is gone"
    fresh = replace(other, seen=at(3, lineage=2))
    store.put(fresh, store.version(other.student_id, "v1"))
    assert store.get(other.student_id, "v1") is not None
    store.put_many(block(3, seen=at(50)))
    back = store.get(other.student_id, "v1")
    assert back is not None and encode(back) == encode(fresh)
    store.note_events([other.student_id], at(70))
    assert store.get(other.student_id, "v1") is not None, "news of a lake that is gone"
    store.note_events([other.student_id], at(4, lineage=2))
    assert store.know_lake(another._replace(version=4, fingerprint="the next"), another)
    assert store.get(other.student_id, "v1") is None


def test_a_record_of_a_lake_before_the_known_one_is_not_current(store: StateStore, block: Block) -> None:
    (record,) = records(block(1, seen=at(0, lineage=0)))
    store.put(record, 0)
    assert store.get(record.student_id, "v1") is None


FAULTS = {
    "has seen more than there is": (SEEN, LAKE.version + 900),
    "has seen a lake to come": (LINEAGE, LAKE.lineage + 3),
    "has seen another lake than its bytes": (LINEAGE, LAKE.lineage - 1),
    "has seen later events than its bytes": (SEEN, 40),
    "has seen earlier events than its bytes": (SEEN, 20),
    "its bytes are gone": (BODY, 0),
    "has news to come": (NEWS, LAKE.version + 900),
}


NOT_CURRENT = ("has seen another lake than its bytes", "has seen earlier events than its bytes", "has news to come")
"""What only makes a record look older than it is."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", ["put", "put_each", "put_encoded", "put_many"])
def test_a_fault_beside_the_bytes_of_a_record_is_told_and_holds_no_fold_of_the_known_lake_up(
    store: StateStore, block: Block, fault: str, write: str
) -> None:
    field, value = FAULTS[fault]
    one, other = records(block(2, seen=at(30)))
    store.put_many(block(2, seen=at(30)))
    store.note_events([one.student_id], at(35) if field == SEEN and value > 35 else at(30))
    change(store, one.student_id, field, value)
    found = store.get_many([one.student_id, other.student_id], "v1")
    blocks = find_blocks(store, [one.student_id, other.student_id], "v1")
    assert list(found.records) == [*blocks.current] == [other.student_id], "the others are as they were"
    told = found.outdated[one.student_id].damaged
    assert str(told) == str(blocks.outdated[one.student_id].damaged)
    assert (told is None) is (fault in NOT_CURRENT)
    if told is None:
        assert store.get(one.student_id, "v1") is None
    else:
        with pytest.raises(CorruptRecord, match=r"it is said to have seen version|0 bytes"):
            store.get(one.student_id, "v1")
    again, version = block(1, seed=7, seen=LAKE.position), store.version(one.student_id, "v1")
    (record,) = records(again)
    if write == "put":
        assert store.put(record, version) == version + 1
    elif write == "put_each":
        assert store.put_each([replace(record, version=version)]) == []
    elif write == "put_encoded":
        assert store.put_encoded(encode_block(again), [version]) == []
    else:
        assert store.put_many(again) == 1
    back = store.get(one.student_id, "v1")
    assert back is not None and (encode(back), back.version) == (encode(record), version + 1)


def test_a_record_that_has_seen_more_than_there_is_goes_with_those_that_have_seen_less(
    store: StateStore, block: Block
) -> None:
    store.put_many(block(3, seen=at(30)))
    one, two, three = block(3).student_ids.to_pylist()
    change(store, one, SEEN, LAKE.version + 1)
    change(store, two, LINEAGE, LAKE.lineage + 1)
    assert [row.student_id for page in store.stored("v1") for row in page] == [one, two, three]
    assert store.drop_students([one, two, three], at(30)) == 2
    assert [store.version(student, "v1") for student in (one, two, three)] == [0, 0, 1]


def test_a_version_that_becomes_known_later_is_refused_to_those_who_have_seen_less_again(
    store: StateStore, block: Block
) -> None:
    later = LAKE._replace(version=LAKE.version + 1, fingerprint="later")
    (record,) = records(block(1, seen=later.position))
    store.put(record, 0)
    store.know_lake(later, LAKE)
    assert store.get(record.student_id, "v1") is not None
    with pytest.raises(Overtaken, match="the one there has seen more"):
        store.put(replace(record, seen=LAKE.position), 1)


def test_what_is_stored_is_read_whole_and_fills_another_store_in_place_of_what_that_held(
    store: StateStore, block: Block
) -> None:
    store.put_many(block(600, seen=at(5)))
    store.put_many(block(2, "v2", seen=at(5)))
    one, two, three = records(block(600, seen=at(5)))[:3]
    store.put(replace(one, offsets={"quiz-0": 17}, outbox=("tell",)), 1)
    store.put(replace(two, offsets={"quiz-0": 3}), 1)
    store.note_events([two.student_id, "s_nobody"], at(7))
    store.put(replace(records(block(601))[600], seen=at(9, lineage=0)), 0)  # of a lake that is gone
    store.raise_stream_offsets({"kafka:a/0": 17}, LAKE.lineage)
    other = MemoryStore()
    for there, here in ((store, other), (other, store)):
        here.know_lake(LAKE._replace(fingerprint="of another", version=40), here.known_lake())
        here.put_many(block(3, "v3"))
        here.note_events([three.student_id], at(30))
        assert copy_store(there, here) == [CopiedSet("v1", 600, 0), CopiedSet("v2", 2, 0)]
        assert (here.known_lake(), here.stream_offsets()) == (LAKE, {"kafka:a/0": 17})
        assert (here.count(), here.model_versions()) == (602, ["v1", "v2"])
        found = here.get_many([record.student_id for record in records(block(601))], "v1")
        assert len(found.records) == 599
        assert {s: encode(record) for s, record in found.records.items()} == {
            record.student_id: encode(record)
            for record in records(block(600, seen=at(5)))
            if record.student_id != two.student_id
        }
        assert found.records[one.student_id].offsets == {"quiz-0": 17}
        assert found.records[one.student_id].outbox == ("tell",)
        assert found.outdated == {two.student_id: Outdated(1, {"quiz-0": 3})}


def test_a_copy_of_a_store_that_knows_no_lake_is_nothing(store: StateStore) -> None:
    assert copy_store(MemoryStore(), store) == []
    assert store.known_lake() == LAKE


def test_threads_may_share_a_store(store: StateStore, block: Block) -> None:
    store.put_many(block(20))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda record: store.get(record.student_id, "v1"), records(block(20)))
    assert all(record is not None for record in found)


def test_places_of_a_stream_only_grow(store):
    assert store.stream_offsets() == {}
    store.raise_stream_offsets({"kafka:a/0": 10, "kafka:a/1": 3}, LAKE.lineage)
    store.raise_stream_offsets({"kafka:a/0": 7, "kafka:a/1": 5, "folder:b": 1}, LAKE.lineage)
    store.raise_stream_offsets({}, LAKE.lineage)
    assert store.stream_offsets() == {"kafka:a/0": 10, "kafka:a/1": 5, "folder:b": 1}


def test_places_of_a_stream_are_those_of_the_lake_that_is_known(store):
    store.raise_stream_offsets({"kafka:a/0": 10}, LAKE.lineage)
    other = KnownLake(LAKE.lineage + 1, "another-table", 4, "its-last-commit")
    assert store.know_lake(other, LAKE)
    assert store.stream_offsets() == {}
    store.raise_stream_offsets({"kafka:a/0": 2}, other.lineage)
    store.raise_stream_offsets({"kafka:a/0": 20}, LAKE.lineage)
    assert store.stream_offsets() == {"kafka:a/0": 2}
