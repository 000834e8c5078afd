"""A home may bear any name that a folder can; what delta-rs would look for elsewhere is refused at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from mastery.errors import BadInput
from mastery.lake import Lake
from mastery.lake.location import locate
from mastery.state import connect
from mastery.tables import EVENTS

Events = Callable[..., pa.Table]
ODD = [
    "a b",
    " a ",
    "50%",
    "%zz",
    "a#b",
    "a?b",
    "a&b=c",
    "a+b",
    "ä-日本",
    "a:b",
    "http:",
    "a'b\"c",
    "[a]*{b}|c",
    "~",
    "=41",
]
MISREAD = ["a%20b", "a%2Fb", "a%00b", "a\\b", "a\nb", "a\tb", "a\x7fb"]


@pytest.mark.parametrize("name", ODD)
def test_a_lake_and_its_states_lie_in_a_folder_of_any_name(tmp_path: Path, events: Events, name: str) -> None:
    root = tmp_path / name / "lake"
    lake = Lake.open(str(root), buckets=2)
    for _ in range(2):
        lake.append(EVENTS, events(20))
    lake.compact()
    lake.vacuum(EVENTS, retain_hours=1)
    assert Lake.open(str(root), create=False).scan(EVENTS).num_rows == 40
    store = connect(f"sqlite:{tmp_path / name / 'state.db'}")
    assert store.count() == 0
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name.partition("-")[0] for path in (tmp_path / name).iterdir()} == {"lake", "state.db"}


@pytest.mark.parametrize("name", MISREAD)
def test_a_path_that_delta_rs_reads_as_another_is_refused_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="another|something else") as told:
        Lake.open(str(tmp_path / name / "lake"))
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_such_a_path_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a%20b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a%20b")
    with pytest.raises(BadInput, match="%20"):
        Lake.open(str(tmp_path / "link" / "lake"))


def test_a_file_url_says_odd_characters_as_urls_do(tmp_path: Path) -> None:
    folder = tmp_path / "a b#ä"
    assert locate(folder.as_uri()).root == str(folder)
