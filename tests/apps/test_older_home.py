"""A home that a version of the engine before its renames has made: one line says what became of it, nothing is lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from mastery.errors import Conflict
from mastery.events.identity import IDENTITY_VERSION
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_events_identified_by_other_rules_are_read_and_get_none_beside_them(mastery, home, tmp_path):
    folder = tmp_path / "home"
    shutil.copytree(home, folder)
    events = DeltaTable(folder / "lake" / "tenants" / "default" / "events")
    events.alter.set_table_properties({"mastery.identity": "1"}, raise_if_not_exists=False)
    before = events.version()
    file = tmp_path / "quiz.csv"
    file.write_text("student_id,question_id,topic_id,is_correct,timestamp\nS1,q1,t1,1,2026-01-05T10:00:07Z\n")
    refused = mastery("ingest", file, home=folder)
    assert isinstance(refused.exception, Conflict)
    assert f"(rules 1, now {IDENTITY_VERSION})" in str(refused.exception) and "another home" in str(refused.exception)
    assert DeltaTable(folder / "lake" / "tenants" / "default" / "events").version() == before
    assert mastery("show", "S000014", *LATEST, home=folder).exit_code == 0
