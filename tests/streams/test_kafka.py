"""What is peculiar to Kafka: a broker that goes away and comes back, topics made again, messages that are too large."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from uuid import uuid4

import pytest

import services
from any_stream import LARGE, make_topic, take
from mastery.errors import BadInput
from mastery.streams import StreamUnusable, connect, connect_sink

pytestmark = pytest.mark.slow


@pytest.fixture
def topic(server):
    url = f"{server('kafka')}/{uuid4().hex}"
    make_topic(url, 1)
    return url


def send(url, *values):
    sink = connect_sink(url)
    for value in values:
        sink.send(b"S1", value)
    sink.flush()
    sink.close()


def opened(url, stored=None):
    source = connect(url, "readers")
    source.start(lambda partitions: {one: stored[one] for one in partitions if one in stored} if stored else {})
    return source


def test_a_reader_goes_on_by_itself_when_the_broker_is_back(caplog):
    with ExitStack() as until:
        broker = services.found_or_skipped(lambda: services.started("kafka", until))
        url = f"{broker.url}/answers"
        make_topic(url, 1)
        send(url, b"1")
        stored: dict[str, int] = {}
        source = opened(url, stored)
        until.callback(source.close)
        (first,) = take(source, 1)
        stored[first.partition] = first.after  # the partition may be lost and assigned again meanwhile
        broker.kill()
        with caplog.at_level(logging.WARNING):
            while not any("reading goes on by itself" in said for said in caplog.messages):
                assert source.poll(10, 0.1).messages == ()
        broker.start()
        send(url, b"2")
        assert [one.value for one in take(source, 1)] == [b"2"]


def test_a_broker_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("mastery.streams.kafka.REACH_S", 1.0)
    url = f"kafka:127.0.0.1:{services.free_port()}/answers"
    for use in (opened, connect_sink):
        with pytest.raises(
            StreamUnusable, match=r"no Kafka broker answers at 127.0.0.1:\d+ \(.*\); start it, or correct"
        ):
            use(url)


def test_a_topic_that_is_not_there_is_named_with_the_command_that_makes_it(server):
    url = f"{server('kafka')}/{uuid4().hex}"
    for use in (opened, connect_sink):
        with pytest.raises(BadInput, match=r"there is no topic '.*' at .*; make it .*kafka-topics.sh"):
            use(url)


def test_a_topic_that_was_made_again_is_read_from_its_beginning(topic):
    from confluent_kafka.admin import AdminClient

    send(topic, b"1", b"2", b"3")
    source = opened(topic)
    stored = {one.partition: one.after for one in take(source, 3)}
    source.close()
    servers, _, name = topic.removeprefix("kafka:").partition("/")
    admin = AdminClient({"bootstrap.servers": servers})
    admin.delete_topics([name])[name].result()
    make_topic(topic, 1)
    send(topic, b"4", b"5", b"6", b"7")
    source = opened(topic, stored)
    assert [one.value for one in take(source, 4)] == [b"4", b"5", b"6", b"7"]
    source.close()


def made_again(topic, *values):
    """Put a topic of these messages in the place of one."""
    from confluent_kafka.admin import AdminClient

    servers, _, name = topic.removeprefix("kafka:").partition("/")
    admin = AdminClient({"bootstrap.servers": servers})
    admin.delete_topics([name])[name].result()
    make_topic(topic, 1)
    send(topic, *values)


@pytest.mark.parametrize("messages", [1, 3, 8])
def test_a_topic_that_is_made_again_under_its_reader_is_read_whole_under_another_name(topic, messages, caplog):
    send(topic, b"1", b"2", b"3")
    stored: dict[str, int] = {}
    source = opened(topic, stored)
    for one in take(source, 3):
        stored[one.partition] = one.after
    old = set(stored)
    values = [b"again %d" % number for number in range(messages)]
    made_again(topic, *values)
    found = take(source, messages)
    assert [(one.value, one.offset) for one in found] == [(value, place) for place, value in enumerate(values)]
    assert {one.partition for one in found}.isdisjoint(old)
    assert source.behind({one.partition: one.after for one in found}) == {found[0].partition: 0}
    assert "was deleted and made again" in caplog.text
    source.close()


def test_where_a_message_lies_is_told_of_the_topic_that_has_it(topic):
    sink = connect_sink(topic)
    first = sink.post([(b"S1", b"%d" % number) for number in range(5)])
    made_again(topic, b"another")
    second = sink.post([(b"S1", b"6"), (b"S1", b"7")])
    sink.close()
    source = opened(topic)
    found = take(source, 5)  # sent twice, for the topic was another one in between
    source.close()
    places = {(one.partition, one.offset): one.value for one in found}
    assert [places[at] for at in second] == [b"6", b"7"]
    assert {one.partition for one in first}.isdisjoint(one.partition for one in second)


def test_a_message_that_is_larger_than_the_topic_takes_is_refused_with_what_to_do(topic):
    sink = connect_sink(topic)
    sink.send(b"S1", b"x" * (3 * LARGE))
    with pytest.raises(StreamUnusable, match=r"larger than topic .* takes; raise its max.message.bytes"):
        sink.flush()


def test_a_message_without_a_value_is_an_empty_one(topic):
    from confluent_kafka import Producer

    servers, _, name = topic.removeprefix("kafka:").partition("/")
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(name, None, b"S1")
    producer.flush()
    source = opened(topic)
    (message,) = take(source, 1)
    assert (message.key, message.value) == (b"S1", b"")
    source.close()


def test_options_that_the_engine_needs_for_itself_are_refused():
    for connected in (lambda options: connect("kafka:h:1/t", "g", options), lambda o: connect_sink("kafka:h:1/t", o)):
        with pytest.raises(BadInput, match=r"kafka_options: acks cannot be chosen"):
            connected({"acks": "1"})


def test_options_that_the_client_does_not_take_are_named_without_their_value():
    for options in ({"sasl.pasword": "hush"}, {"security.protocol": "hush"}):
        with pytest.raises(BadInput) as refused:
            connect_sink("kafka:127.0.0.1:1/t", options)
        (name,) = options
        assert f"does not take {name} as it is given" in str(refused.value)
        assert "hush" not in str(refused.value)
