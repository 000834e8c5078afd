from __future__ import annotations

import struct
from datetime import UTC, datetime

import mmh3
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.errors import BadInput
from mastery.events.identity import NULL, Blocks, buckets, identify, murmur
from mastery.events.parse import parse
from mastery.events.read_options import NOTHING_SAID
from mastery.events.registry import SOURCES

NOW = datetime(2025, 1, 1, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
IDS = st.text("abcXYZ019é-", min_size=1, max_size=5)


def reference(text: str) -> tuple[int, int]:
    hi, lo = mmh3.hash64(text.encode(), 0, x64arch=True, signed=True)
    return hi, lo


def pairs(hashes) -> list[tuple[int, int]]:
    return list(zip(hashes[0].tolist(), hashes[1].tolist(), strict=True))


@given(st.lists(st.one_of(st.none(), TEXTS)))
def test_murmur_is_that_of_the_mmh3_package(texts):
    expected = [NULL if text is None else reference(text) for text in texts]
    plain = pa.array(texts, pa.string())
    assert pairs(murmur(plain)) == expected
    assert pairs(murmur(plain.dictionary_encode())) == expected
    assert pairs(murmur(plain.cast(pa.large_string()))) == expected
    assert pairs(murmur(pa.chunked_array([plain, plain.slice(1)]))) == expected + expected[1:]


def test_the_hash_of_a_null_is_no_hash_of_a_text():
    assert pairs(murmur(pa.nulls(2))) == [NULL, NULL]
    assert mmh3.hash64(b"\xff", 0, x64arch=True, signed=True) == NULL


def test_murmur_of_numbers_is_refused():
    with pytest.raises(BadInput, match="expected string"):
        murmur(pa.array([1]))


def test_blocks_are_the_murmur_of_their_bytes():
    texts, numbers = pa.array(["S1", None]), np.array([5, -7])
    hi, lo = Blocks(2).text(texts).add(numbers, numbers).finish()
    for row, text in enumerate([reference("S1"), NULL]):
        block = struct.pack("<qqqq", *text, numbers[row], numbers[row])
        assert (hi[row], lo[row]) == mmh3.hash64(block, 0, x64arch=True, signed=True)


@given(st.lists(TEXTS, min_size=1), st.integers(1, 100))
def test_a_bucket_is_the_unsigned_first_word_modulo_the_count(ids, count):
    expected = [mmh3.hash64(i.encode(), 0, x64arch=True, signed=False)[0] % count for i in ids]
    assert buckets(pa.array(ids), count).tolist() == expected


def events(rows: list[dict], tenant: str = "default", source: str = "quiz_attempts", columns=None) -> pa.Table:
    names = columns or list(rows[0])
    raw = pa.table({name: pa.array([row[name] for row in rows]) for name in names})
    parsed = parse(SOURCES[source], raw, tenant=tenant, options=NOTHING_SAID, now=NOW)
    assert parsed.rejected.num_rows == 0, parsed.rejected.to_pylist()
    return identify(parsed.rows)


def ids(table: pa.Table) -> list[tuple[int, int]]:
    return list(zip(table["event_id_hi"].to_pylist(), table["event_id_lo"].to_pylist(), strict=True))


@st.composite
def answers(draw, own_id=False):
    row = {
        "student_id": draw(IDS),
        "question_id": draw(st.one_of(st.none(), IDS)),
        "topic_id": draw(st.one_of(st.none(), IDS)),
        "is_correct": draw(st.sampled_from(["1", "0"])),
        "timestamp": f"2024-01-{draw(st.integers(1, 28)):02d}T10:00:00Z",
        "attempt_number": str(draw(st.integers(1, 3))),
        "attempt_id": draw(IDS.filter(lambda own: own.strip("-"))) if own_id else None,  # "-" is none
    }
    return {name: value if value is not None else "" for name, value in row.items()}


@given(answers(), st.randoms())
def test_the_same_row_has_the_same_id_and_body_whatever_the_order_of_columns(row, random):
    names = list(row)
    random.shuffle(names)
    one, two = events([row]), events([row], columns=names)
    assert ids(one) == ids(two)
    assert one["body_hash"] == two["body_hash"]


@given(answers(), answers(own_id=True))
def test_the_outcome_changes_the_body_and_not_the_id(without, with_own):
    for row in (without, with_own):
        other = row | {"is_correct": "0" if row["is_correct"] == "1" else "1"}
        one, two = events([row]), events([other])
        assert ids(one) == ids(two)
        assert one["body_hash"] != two["body_hash"]


@given(answers(), answers(own_id=True))
def test_two_tenants_never_share_an_id(without, with_own):
    for row in (without, with_own):
        assert ids(events([row], tenant="north")) != ids(events([row], tenant="south"))


@given(answers(), answers())
def test_without_an_own_id_the_id_is_student_item_time_and_try_and_without_an_item_also_the_topic(one, other):
    names = ["student_id", "question_id", "timestamp", "attempt_number"]
    names += [] if one["question_id"] else ["topic_id"]
    same = all(one[name] == other[name] for name in names)
    assert (ids(events([one])) == ids(events([other]))) == same


@given(answers(own_id=True), answers(own_id=True))
def test_with_an_own_id_the_id_is_student_and_own_id(one, other):
    same = all(one[name] == other[name] for name in ("student_id", "attempt_id"))
    assert (ids(events([one])) == ids(events([other]))) == same


def test_the_id_of_an_event_with_an_item_does_not_depend_on_others_having_none():
    rows = [ANSWER, ANSWER | {"question_id": ""}]
    assert ids(events(rows)) == ids(events(rows[:1])) + ids(events(rows[1:]))


@given(st.lists(answers(), min_size=2, max_size=5))
def test_rows_do_not_meet(rows):
    assert ids(events(rows)) == [ids(events([row]))[0] for row in rows]


ANSWER = {
    "student_id": "S1",
    "question_id": "Q1",
    "topic_id": "T1",
    "is_correct": "1",
    "timestamp": "2024-01-01T10:00:00Z",
}


@pytest.mark.parametrize("item", ["Q1", ""])
def test_an_id_can_be_recomputed_with_any_murmur_library(item):
    row = ANSWER | {"question_id": item, "attempt_number": "2"}
    parts = [reference(text) for text in ("default", "quiz", "S1")]
    parts += [reference(item), NULL] if item else [NULL, reference("T1")]
    numbers = (1_704_103_200_000_000, 2)
    blocks = struct.pack("<12q", *[word for part in parts for word in part], *numbers)
    assert ids(events([row])) == [mmh3.hash64(blocks, 0, x64arch=True, signed=True)]


def test_a_correction_names_the_id_that_the_corrected_event_has():
    first = ANSWER | {"attempt_id": "A1", "replaces": ""}
    regrade = ANSWER | {"attempt_id": "A2", "replaces": "A1", "is_correct": "0"}
    table = events([first, regrade])
    assert (table["replaces_hi"][1].as_py(), table["replaces_lo"][1].as_py()) == ids(table)[0]
    assert table["replaces_hi"][0].as_py() is None


def test_two_teachers_judging_in_the_same_second_are_two_events():
    row = {"student_id": "S1", "topic_id": "T1", "score": "0.5", "timestamp": "2024-01-01T10:00:00Z"}
    table = events([row | {"teacher_id": "A"}, row | {"teacher_id": "B"}], source="teacher_feedback")
    assert len(set(ids(table))) == 2


def test_a_kind_of_event_is_part_of_its_id():
    row = {"student_id": "S1", "topic_id": "T1", "timestamp": "2024-01-01T10:00:00Z"}
    practice = events([row | {"attempts": "3", "correct_count": "1"}], source="practice_sessions")
    tutor = events([row | {"queries": "3", "resolved_count": "1"}], source="chatbot_interactions")
    assert ids(practice) != ids(tutor)
