"""The root of each tenant: one folder per name whatever is in it, and lakes from before there were roots."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.errors import BadInput, Conflict
from mastery.lake import Lake
from mastery.lake.tenants import FOLDER_BYTES, folder_of, root_of, tenant_of, tenants_in
from mastery.tables import EVENTS

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=FOLDER_BYTES // 12)


@given(NAMES)
def test_a_folder_leads_back_to_its_tenant_and_holds_nothing_that_a_path_or_an_url_would_read(name):
    folder = folder_of(name)
    assert tenant_of(folder) == name
    assert set(folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_=")


@given(NAMES, NAMES)
def test_two_tenants_never_share_a_folder_even_where_capitals_are_not_told_apart(one, other):
    assert (folder_of(one).lower() == folder_of(other).lower()) == (one == other)


@pytest.mark.parametrize("name", ["..", "a/b", "a\\b", "con.", "%20", "C:", "a\nb"])
def test_a_name_leads_nowhere_else(name, tmp_path):
    Lake.open(root_of(str(tmp_path / "lake"), name), buckets=1)
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["tenants"]
    assert tenants_in(str(tmp_path / "lake")) == [name]


@pytest.mark.parametrize("name", ["", "ü" * 50])
def test_a_name_that_cannot_be_a_folder_is_refused(name):
    with pytest.raises(BadInput, match=f"expected a name of 1 to {FOLDER_BYTES}"):
        folder_of(name)


def test_there_is_nobody_before_the_first_ingest(tmp_path):
    assert tenants_in(str(tmp_path / "nothing")) == []


def test_a_lake_of_an_earlier_version_is_refused(tmp_path):
    lake = tmp_path / "lake"
    Lake.open(str(lake), buckets=1)
    with pytest.raises(Conflict, match="ingest your files into a new home"):
        tenants_in(str(lake))


def test_a_tenant_whose_log_was_deleted_is_still_one(tmp_path, events):
    Lake.open(root_of(str(tmp_path / "lake"), "north"), buckets=1).append(EVENTS, events(1))
    shutil.rmtree(tmp_path / "lake" / "tenants" / "north" / "events" / "_delta_log")
    assert tenants_in(str(tmp_path / "lake")) == ["north"]
