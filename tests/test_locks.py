"""The lock files say what pyproject.toml asks for, with hashes, and name no host."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = ("base", "all")


def text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")


def pins(lock: str) -> dict[str, set[str]]:
    """Name -> versions; more than one where the version depends on that of Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text(lock), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def wanted(lock: str) -> list[Requirement]:
    lines = list(PROJECT["project"]["dependencies"])
    if lock == "all":
        extras = PROJECT["project"]["optional-dependencies"]
        lines += [line for extra, group in extras.items() if extra != "all" for line in group]
    return [Requirement(line) for line in lines + PROJECT["build-system"]["requires"]]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_locked_at_a_version_that_fits(lock):
    locked = pins(lock)
    for requirement in wanted(lock):
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in requirements/{lock}.lock: run make lock"
        assert all(requirement.specifier.contains(version) for version in versions), f"{requirement}: run make lock"


def test_the_lock_of_all_holds_the_base_at_the_same_versions():
    everything = pins("all")
    assert {name: everything.get(name) for name in pins("base")} == pins("base")


def test_the_base_is_lean():
    extras = {canonicalize_name(one.name) for one in wanted("all")} - {
        canonicalize_name(one.name) for one in wanted("base")
    }
    assert not extras & set(pins("base"))


def test_the_extra_all_names_every_other_extra():
    extras = PROJECT["project"]["optional-dependencies"]
    assert Requirement(extras["all"][0]).extras == set(extras) - {"all"}


def test_what_builds_the_package_is_locked_as_pyproject_asks():
    lines = (ROOT / "requirements" / "build.in").read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == PROJECT["build-system"]["requires"]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_a_hash(lock):
    for entry in re.split(r"\n(?=\S)", text(lock).strip()):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_host_is_named(lock):
    assert not re.search(r"://|index-url|find-links|trusted-host", text(lock))
