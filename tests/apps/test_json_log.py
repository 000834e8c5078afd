"""The log as JSON: one object per line, with the moment in UTC wherever the machine is."""

from __future__ import annotations

import json
import logging
import time

import pytest

from mastery.apps.json_log import OneLine


@pytest.fixture
def far_away(monkeypatch):
    """A machine whose clock shows another time than UTC."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_away")
def test_the_moment_of_a_line_is_in_utc_with_milliseconds():
    record = logging.makeLogRecord({"msg": "batch", "created": 1_775_919_731.25})
    assert time.localtime(record.created).tm_min == 32  # of 15:02 in UTC
    assert json.loads(OneLine().format(record))["at"] == "2026-04-11T15:02:11.250Z"
