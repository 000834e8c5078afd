"""A home that a version of the engine before its renames has made: one line says what became of it, nothing is lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from mastery.lake import Lake
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import store_model_set

LATEST = ("--as-of", "latest")


@pytest.fixture
def older(home, tmp_path):
    """A home as it was left at commit e6ca8d2, with a set promoted that is not the default one; and its version."""
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    lake = Lake.open(str(copy / "lake" / "tenants" / "default"), create=False)
    chosen = current_model_set(lake, load_rules("spaced").params)
    store_model_set(lake, chosen, 0)
    rows = {
        "number": pa.array([1], pa.int64()),
        "at": pa.array([datetime(2026, 5, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "action": ["promote"],
        "version": [chosen.version],
        "previous": pa.array([None], pa.string()),
    }
    write_deltalake(copy / "lake" / "tenants" / "default" / "promotions", pa.table(rows))
    with sqlite3.connect(copy / "state" / "default.db") as state:
        state.execute("ALTER TABLE lake RENAME TO facts")
        state.execute("PRAGMA user_version = 1")
    state.close()
    return copy, chosen.version


def test_the_state_store_is_made_again_and_a_student_shown_as_before(mastery, older, home, caplog):
    folder, version = older
    before = json.loads(mastery("show", "S000014", *LATEST, "--json", home=home).stdout)
    shown = json.loads(mastery("show", "S000014", *LATEST, "--json", home=folder).stdout)
    assert shown["model_version"] == version
    counts = [{one["topic_id"]: one["evidence_count"] for one in document["topics"]} for document in (shown, before)]
    assert counts[0] == counts[1]
    for arguments in (("class-report",), ("recompute", *LATEST)):
        assert mastery(*arguments, home=folder).exit_code == 0
    (line,) = caplog.messages
    assert "made by an earlier version (layout 1" in line and "\n" not in line


def test_the_set_that_was_promoted_is_active_and_can_be_switched(mastery, older):
    folder, version = older
    assert mastery("recompute", *LATEST, home=folder).exit_code == 0
    shown = json.loads(mastery("show", "S000014", *LATEST, "--json", home=folder).stdout)
    report = json.loads(mastery("class-report", "--json", home=folder).stdout)
    assert shown["model_version"] == report["model_version"] == version

    def active():
        listed = json.loads(mastery("models", "list", "--json", home=folder).stdout)
        return next(one["version"] for one in listed if one["active"])

    assert mastery("models", "rollback", *LATEST, home=folder).exit_code == 0
    assert active() != version
    assert mastery("models", "activate", version, *LATEST, home=folder).exit_code == 0
    assert active() == version
