from pathlib import Path

import pytest

from mastery.errors import BadInput
from mastery.lake.location import locate

OPTIONS = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
    "AWS_ACCESS_KEY_ID": "a",
    "aws_secret_access_key": "b",
    "AWS_REGION": "eu",
}


def test_a_path_and_a_file_url_name_the_same_folder(tmp_path: Path) -> None:
    assert locate(str(tmp_path)).root == locate(f"file://{tmp_path}").root == str(tmp_path)
    assert locate("somewhere").is_local


def test_a_path_with_a_way_back_is_shown_without_it(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert locate(str(tmp_path / "here" / ".." / "lake")).uri == str((tmp_path / "lake").resolve())


def test_an_object_store_is_reached_with_the_options_of_delta_rs() -> None:
    place = locate("s3a://school/lake/", OPTIONS).child("events")
    assert (place.uri, place.root, place.is_local) == ("s3://school/lake/events", "school/lake/events", False)
    assert place.filesystem.type_name == "s3"
    assert place.filesystem.region == "eu"


def test_an_unknown_kind_of_url_is_refused() -> None:
    with pytest.raises(BadInput, match="give a folder or an s3:// URL"):
        locate("carrier-pigeon://roof/lake")


def test_what_is_not_there_reads_as_none_and_has_no_names(tmp_path: Path) -> None:
    place = locate(str(tmp_path / "none"))
    assert place.names() == []
    assert place.read_bytes("x") is None
    assert not place.exists("x")
