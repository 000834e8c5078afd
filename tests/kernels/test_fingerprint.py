"""Every kernel of the engine can be told apart from what it was before a change."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest

import mastery
from mastery.kernels import kernel
from mastery.kernels.fingerprint import fingerprint

SETTINGS = {"width": 2.0}
LIMITS = np.array([1.0, 2.0])


def kernels():
    doors = ("mastery.apps", "mastery.engine")  # they compile nothing, and some of them start when they are imported
    names = [one.name for one in pkgutil.walk_packages(mastery.__path__, "mastery.") if not one.name.startswith(doors)]
    modules = [importlib.import_module(name) for name in names]
    return {id(value): value for module in modules for value in vars(module).values() if hasattr(value, "py_func")}


def test_every_kernel_has_a_fingerprint_and_no_two_have_the_same():
    found = list(kernels().values())
    assert len(found) > 150
    assert len({fingerprint(one) for one in found}) == len(found)


def test_a_global_whose_changes_cannot_be_seen_is_refused_with_what_to_write_instead():
    @kernel
    def looks_up():
        return SETTINGS["width"]

    with pytest.raises(TypeError, match=r"looks_up: SETTINGS is a dict.*make it a number"):
        fingerprint(looks_up)


def test_an_array_that_is_frozen_counts_by_its_content():
    @kernel
    def first():
        return LIMITS[0]

    before = fingerprint(first)
    LIMITS[0] = 5.0
    changed = fingerprint(first)
    LIMITS[0] = 1.0
    assert changed != before == fingerprint(first)
