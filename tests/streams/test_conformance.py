"""What every stream in the registry does."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from any_stream import LARGE, OfSink, take
from mastery.streams import Message, connect, connect_sink

KEYS = [b"a", b"b", b"c", b"d", b"e"]


def fill(stream, n=60):
    """Send n messages of several keys; return what was sent of each."""
    sent = defaultdict(list)
    for number in range(n):
        key = KEYS[number % len(KEYS)]
        sent[key].append(b'{"n": %d, "of": "%s"}' % (number, key))
    for key, values in sent.items():
        stream.send(*values, key=key)
    return [value for values in sent.values() for value in values]


def in_order(messages: list[Message]) -> bool:
    """Whether each begins where the one before it in its partition ends, or later."""
    after: dict[str, int] = {}
    for one in messages:
        if one.offset < after.get(one.partition, 0):
            return False
        after[one.partition] = one.after
    return True


def values(messages: list[Message]) -> Counter[bytes]:
    return Counter(one.value for one in messages)


def test_everything_sent_is_read_once_and_in_the_order_of_its_partition(stream):
    sent = fill(stream)
    source = stream.read()
    read = take(source, len(sent))
    assert values(read) == Counter(sent)
    assert in_order(read)
    assert source.poll(10, 0.2).messages == ()


def test_messages_of_a_key_stay_in_the_order_in_which_they_were_sent(stream):
    sent = [b'{"n": %d}' % number for number in range(30)]
    stream.send(*sent, key=b"S1")
    read = take(stream.read(), len(sent))
    assert [one.value for one in read] == sent
    assert len({one.partition for one in read}) == 1


def test_what_is_sent_while_somebody_reads_comes_too(stream):
    source = stream.read()
    assert source.poll(10, 0.05).messages == ()
    for round_ in range(3):
        sent = [b'{"round": %d}' % round_]
        stream.send(*sent)
        assert [one.value for one in take(source, 1)] == sent


@pytest.mark.parametrize("seed", range(5))
def test_a_reader_that_starts_again_at_stored_positions_loses_nothing_and_reads_nothing_twice(stream, seed):
    sent, rng = fill(stream), np.random.default_rng(seed)
    stored: dict[str, int] = {}
    read: list[Message] = []
    while len(read) < len(sent):
        source = stream.read(stored)
        wanted = min(int(rng.integers(1, 25)), len(sent) - len(read))
        some: list[Message] = []
        while len(some) < wanted:
            some += source.poll(wanted - len(some), 0.05).messages
        source.close()
        read += some
        stored |= {one.partition: one.after for one in some}
    assert values(read) == Counter(sent)
    assert in_order(read)


def test_what_was_polled_but_not_stored_is_read_again(stream):
    sent = fill(stream, 20)
    first = stream.read()
    take(first, 20)
    first.close()
    assert values(take(stream.read(), 20)) == Counter(sent)


def test_a_poll_brings_no_more_than_it_was_asked_for(stream):
    fill(stream, 40)
    source, read = stream.read(), 0
    while read < 40:
        polled = source.poll(7, 0.05)
        assert len(polled.messages) <= 7
        read += len(polled.messages)


@pytest.mark.parametrize("most_bytes", [1, 700, 2_000, 3_001])
def test_a_poll_brings_no_more_bytes_than_it_was_asked_for_unless_one_message_has_more(stream, most_bytes):
    rng = np.random.default_rng(most_bytes)
    sent = [b"%d" % number + b"x" * int(rng.integers(0, 1_500)) for number in range(60)]
    for number, value in enumerate(sent):
        stream.send(value, key=KEYS[number % len(KEYS)])
    source, read = stream.read(), list[Message]()
    while len(read) < len(sent):
        messages = source.poll(100, 0.05, most_bytes).messages
        assert len(messages) <= 1 or sum(len(one.value) for one in messages) <= most_bytes
        read += messages
    assert values(read) == Counter(sent)
    assert in_order(read)


def test_messages_that_had_no_room_in_a_poll_come_at_once_with_the_next_one(stream):
    stream.send(*[b"%d" % number + b"x" * 1_000 for number in range(40)], key=b"S1")
    source = stream.read()
    while not (first := source.poll(100, 0.05, 5_500).messages):
        pass
    assert len(first) == 5
    forever_s = 3_600.0
    assert [len(source.poll(100, forever_s, 5_500).messages) for _ in range(6)] == [5] * 6
    assert len(source.poll(100, 0.0, 5_500).messages) == 5


def test_a_partition_is_revoked_with_what_had_no_room_in_the_last_poll(stream):
    if not stream.shared:
        pytest.skip("readers of this stream share nothing")
    sent = [b"%d" % number + b"x" * 1_000 for number in range(200)]
    for number, value in enumerate(sent):
        stream.send(value, key=KEYS[number % len(KEYS)])
    first, second, read, held = stream.read(), None, list[Message](), set[str]()
    stored: dict[str, int] = {}
    theirs = set[str]()
    while len(read) < len(sent):
        for source, mine in ((first, held), (second, theirs)):
            if source is None:
                continue
            polled = source.poll(100, 0.05, 5_500)
            mine -= polled.revoked
            mine |= polled.assigned
            assert {one.partition for one in polled.messages} <= mine
            read += polled.messages
            stored.update({one.partition: one.after for one in polled.messages})
        if second is None and len(read) > 20:
            second = stream.read(stored)
    assert held
    assert values(read) == Counter(sent)


def test_damaged_messages_are_handed_on_as_they_are_with_their_place(stream):
    sent = [b'{"n": 1}', b'{"n": ', b"\xff\xfe\x00", b"[]", b'{"n": 2}']
    stream.send(*sent)
    read = take(stream.read(), len(sent))
    assert [one.value for one in read] == sent
    assert all(one.partition in one.place and str(one.offset) in one.place for one in read)


def test_a_huge_message_is_handed_on_whole_and_others_after_it(stream):
    huge = b'{"text": "' + b"x" * LARGE + b'"}'
    stream.send(huge, b'{"n": 2}')
    assert [one.value for one in take(stream.read(), 2)] == [huge, b'{"n": 2}']


def test_partitions_are_told_once_when_they_are_assigned(stream):
    sent = fill(stream)
    source, assigned, read = stream.read(), Counter(), []
    while len(read) < len(sent):
        polled = source.poll(10, 0.05)
        assigned.update(polled.assigned)
        assert not polled.revoked
        read += polled.messages
        assert {one.partition for one in polled.messages} <= set(assigned)
    assert set(assigned.values()) == {1}


def test_a_message_says_when_it_was_taken_in(stream):
    stream.send(b"{}")
    (first,), (again,) = take(stream.read(), 1), take(stream.read(group="others"), 1)
    assert first == again
    assert first.received_us > 1_700_000_000_000_000


def test_a_partition_that_is_revoked_stops_and_its_next_reader_goes_on(stream):
    if not stream.shared:
        pytest.skip("readers of this stream share nothing")
    first, stored, read, held = stream.read(), {}, [], set()

    def poll(source, mine):
        polled = source.poll(5, 0.05)
        mine -= polled.revoked
        mine |= polled.assigned
        assert {one.partition for one in polled.messages} <= mine
        read.extend(polled.messages)
        stored.update({one.partition: one.after for one in polled.messages})

    sent = fill(stream, 40)
    while len(read) < 20:
        poll(first, held)
    everything = set(held)
    second, theirs = stream.read(stored), set()
    while not theirs or held & theirs or held | theirs != everything:
        poll(first, held)
        poll(second, theirs)
    sent += fill(stream, 40)
    while len(read) < len(sent):
        poll(first, held)
        poll(second, theirs)
    assert values(read) == Counter(sent)
    first.close()
    while theirs != everything:
        poll(second, theirs)
    sent += fill(stream, 20)
    while len(read) < len(sent):
        poll(second, theirs)
    assert values(read) == Counter(sent)


def test_closing_before_the_start_or_twice_is_no_error(stream):
    connect(stream.url, "readers").close()
    source = stream.read()
    source.close()
    source.close()


def test_how_far_a_reader_is_behind_counts_from_the_places_that_it_is_told(stream):
    sent = fill(stream)
    source = stream.read()
    read = take(source, len(sent))
    after = {one.partition: one.after for one in read}
    first = {one.partition: one.after for one in reversed(read)}
    whole = source.behind({})
    assert whole.keys() >= after.keys()
    assert not any(source.behind(after).values())
    for partition, place in first.items():
        assert source.behind(first)[partition] == whole[partition] - place == after[partition] - place


def test_who_posts_is_told_where_each_message_lies(stream):
    if not isinstance(stream, OfSink):
        pytest.skip("a folder has no sink")
    sink = connect_sink(stream.url)
    sent = [(KEYS[number % len(KEYS)], b'{"n": %d}' % number) for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(sink.post, [sent[first : first + 10] for first in range(0, 40, 10)]))
    assert sink.post([]) == []
    sink.close()
    read = {(one.partition, one.offset): (one.key, one.value) for one in take(stream.read(), len(sent))}
    assert [read[at] for part in parts for at in part] == sent
