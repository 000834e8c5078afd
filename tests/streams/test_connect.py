"""Streams by URL, and the key of a message."""

from __future__ import annotations

import pytest

from mastery.errors import BadInput
from mastery.streams import connect, connect_sink, key_of, read_key


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("kafak:127.0.0.1:9092/a", "unknown stream 'kafak' (did you mean 'kafka'?)"),
        ("answers", "unknown stream 'answers'"),
        ("folder:", "stream 'folder:' names no place; expected one, as in folder:incoming"),
        ("kafka:127.0.0.1:9092", "names no topic of a broker; expected kafka:HOST:PORT/TOPIC"),
        ("kafka:127.0.0.1/a", "names no topic of a broker"),
        ("kafka:127.0.0.1:9092/a/b", "names no topic of a broker"),
        ("kafka:a:9092,b/a", "names no topic of a broker"),
    ],
)
def test_a_url_that_is_none_says_what_is_expected(url, said):
    with pytest.raises(BadInput) as error:
        connect(url, "readers")
    assert said in str(error.value)


def test_events_are_not_sent_to_a_folder():
    expected = "stream 'folder:incoming' can only be read, .* expected a URL such as kafka:127.0.0.1:9092/answers"
    with pytest.raises(BadInput, match=expected):
        connect_sink("folder:incoming")


@pytest.mark.parametrize("ids", [("default", "S1"), ("nord", "Zoë \U0001f600"), ('a","b', "c"), ("", "")])
def test_a_key_names_the_student_it_was_made_of(ids):
    assert read_key(key_of(*ids)) == ids


@pytest.mark.parametrize("key", [b"", b"S1", b'["a"]', b'["a", 1]', b'{"a": "b"}', b"\xff", b'["a","b","c"]'])
def test_a_key_of_another_form_is_none(key):
    assert read_key(key) is None
