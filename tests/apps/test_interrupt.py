"""Ctrl-C at a moment in which an exception would be lost."""

from __future__ import annotations

import signal
import time

import pytest

from mastery.apps.interrupt import ends_on_ctrl_c


def test_ctrl_c_while_a_kernel_is_loaded_is_raised_once_that_is_over():
    callback = {"__name__": "llvmlite.binding.executionengine", "signal": signal}
    exec("def notify():\n    signal.raise_signal(signal.SIGINT)\n    return 'not broken off'", callback)

    def work():
        with ends_on_ctrl_c(60.0):
            assert callback["notify"]() == "not broken off"
            for _ in range(1_000):
                time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        work()
