"""Kernels are compiled before the first event comes; nothing of that keeps a process from taking it, or from ending."""

from __future__ import annotations

import logging
import threading

from mastery.apps import warming
from mastery.apps.warming import Warming
from mastery.kernels import warm


def test_one_that_is_told_to_end_does_so_before_the_next_step(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(warm, "folders", lambda: (tmp_path / "no kernels",))
    stop = threading.Event()
    stop.set()
    one = Warming(stop)
    assert not one.done
    with caplog.at_level(logging.INFO, "mastery"):
        one.run()
    assert one.done
    assert not caplog.messages
    assert not (tmp_path / "no kernels").exists()


def test_one_that_fails_says_so_and_kernels_are_compiled_when_they_are_used(monkeypatch, caplog):
    def full(_progress):
        raise OSError("no place left for temporary files")

    monkeypatch.setattr(warming, "warm_up_live", full)
    one = Warming(threading.Event())
    one.run()
    assert one.done
    assert caplog.messages == ["kernels are compiled when they are used first"]
