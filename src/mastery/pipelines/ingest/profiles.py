"""Profiles: what is said about the files of one platform or data set, kept under a name or in a YAML file.

A profile is written from our side: for each of our columns the file's, or the names that it may have there.

    title: Exports of our own quiz page
    table: quiz_attempts
    columns: {student_id: pupil, timestamp: [handed in, finished], question_id: item, is_correct: right}
    set: {topic_id: fractions}
    units: {time_spent_sec: ms}

`tables:` with a list of such entries takes several tables from one file. What is said at the door wins over a profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from mastery.errors import BadInput, did_you_mean, why_unreadable
from mastery.events.arrangement import KNOWN
from mastery.events.read_options import ReadOptions, ours_of
from mastery.events.recognise import source_named

ABOUT = ("title", "about", "documented", "command", "lost", "timezone")
"""Keys of a profile as a whole; all are texts."""

OPTIONS = {"set": "constants", "join": "joined", "split": "splits"}
"""Keys of a table that are called otherwise in `ReadOptions`."""

PEOPLES = frozenset({"columns", "on_revision", "profile", "timezone"})
"""Fields of `ReadOptions` that no table of a profile sets as they are."""


@dataclass(frozen=True)
class Way:
    """One way to read a file.

    Attributes:
        options: What is said, with what the profile adds.
        candidates: Our column → names that it may have in the file.
    """

    options: ReadOptions
    candidates: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """What is said about the files of one platform or data set.

    Attributes:
        name: As it is asked for: its name, or the path of its file.
        title: What files it is for, in a few words.
        about: Where such files come from and how they are read; empty if nothing is said.
        documented: Where their columns are documented.
        command: How such a file is read.
        lost: What of them is not read.
        timezone: Zone of clocks that name none.
        ways: Each table that is taken from such a file.
        text: The YAML.
    """

    name: str
    title: str
    about: str
    documented: str
    command: str
    lost: str
    timezone: str | None
    ways: tuple[Way, ...]
    text: str

    @property
    def tables(self) -> list[str]:
        """Return the source tables that files of it become."""
        return list(dict.fromkeys(way.options.table for way in self.ways if way.options.table is not None))


def shipped_profiles() -> dict[str, str]:
    """Return the YAML text of each profile that is shipped, by name."""
    folder = files("mastery") / "profiles"
    return {
        entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


@cache
def every_profile() -> tuple[Profile, ...]:
    """Return the profiles that are shipped, in order of their names."""
    return tuple(parse_profile(text, name) for name, text in shipped_profiles().items())


def load_profile(name_or_path: str) -> Profile:
    """Return a shipped profile by its name, or the one in a YAML file.

    Raises:
        BadInput: Neither a name nor a readable file, or a profile that cannot be used.
    """
    shipped = {profile.name: profile for profile in every_profile()}
    if name_or_path in shipped:
        return shipped[name_or_path]
    try:
        text = Path(name_or_path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"profile {name_or_path!r}: no such profile{did_you_mean(name_or_path, list(shipped))}, and not a file "
            f"that can be read ({why_unreadable(error)}); `mastery profiles` lists the profiles"
        ) from error
    return parse_profile(text, name_or_path)


def zone_of(profile: str | None) -> str | None:
    """Return the zone that a profile gives to clocks that name none."""
    return None if profile is None else load_profile(profile).timezone


def ways_of(options: ReadOptions) -> list[Way]:
    """Return the ways to read each file: one, or one for each table of the profile. What is said wins over it."""
    if options.profile is None:
        return [Way(options)]
    profile = load_profile(options.profile)
    said = replace(options, timezone=options.timezone or profile.timezone)
    return [_merged(said, way) for way in profile.ways]


def _merged(said: ReadOptions, way: Way) -> Way:
    """Return what is said, with what a profile adds to it: of our columns those that nobody spoke of."""
    named = {ours for given in said.columns.values() for ours in ours_of(given)}
    spoken = {*named, *said.constants, *said.joined, *said.wide.values()}
    changes: dict[str, Any] = {}
    for one in fields(ReadOptions):
        mine, theirs = getattr(said, one.name), getattr(way.options, one.name)
        if one.name in PEOPLES:
            continue
        if isinstance(mine, Mapping):
            if one.name in ("constants", "joined"):
                theirs = {ours: value for ours, value in theirs.items() if ours not in spoken}
            if one.name == "wide":
                theirs = {pattern: ours for pattern, ours in theirs.items() if ours not in spoken}
            changes[one.name] = {**theirs, **mine}
        elif mine == one.default:
            changes[one.name] = theirs
    return Way(replace(said, **changes), {ours: names for ours, names in way.candidates.items() if ours not in spoken})


def parse_profile(text: str, name: str) -> Profile:
    """Return the profile in a YAML text. Raises BadInput, naming the key that cannot be used."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput(f"profile {name}: this is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise BadInput(f"profile {name}: expected keys and values, such as `table: quiz_attempts`")
    about = {key: found.pop(key) for key in ABOUT if key in found}
    for key, value in about.items():
        if not isinstance(value, str):
            raise BadInput(f"profile {name}: {key} is {value!r}; expected a text")
    tables = found.pop("tables", None)
    if tables is None:
        tables = [found]
    elif found or not isinstance(tables, list) or not tables:
        raise BadInput(f"profile {name}: with `tables`, a list, all but {', '.join(ABOUT)} stands in its entries")
    return Profile(
        name,
        title=about.get("title", ""),
        about=about.get("about", ""),
        documented=about.get("documented", ""),
        command=about.get("command", ""),
        lost=about.get("lost", ""),
        timezone=about.get("timezone"),
        ways=tuple(_way(table, name) for table in tables),
        text=text,
    )


def _way(given_table: object, name: str) -> Way:
    table = _mapping(given_table, name, "a table")
    known = {one.name: one.default for one in fields(ReadOptions) if one.name not in PEOPLES}
    keys = ["columns", *(key for key in known if key not in OPTIONS.values()), *OPTIONS]
    changes: dict[str, Any] = {}
    candidates: dict[str, tuple[str, ...]] = {}
    for key, value in table.items():
        if key == "columns":
            candidates = {ours: _several(given, f"{name}: {key}") for ours, given in _mapping(value, name, key).items()}
        elif key not in keys:
            raise BadInput(
                f"profile {name}: unknown key {key!r}{did_you_mean(str(key), keys)}; known: {', '.join(keys)}"
            )
        elif key in ("join", "only"):
            given = _mapping(value, name, key)
            changes[field_of(key)] = {one: _several(many, f"{name}: {key}") for one, many in given.items()}
        elif key == "day_zero":
            if not isinstance(value, date):
                raise BadInput(f"profile {name}: {key} is {value!r}; expected a date such as 2013-10-01")
            changes[key] = value
        elif key == "values":
            changes[key] = {
                word: _number(worth, f"{name}: {key}") for word, worth in _mapping(value, name, key).items()
            }
        elif isinstance(getattr(ReadOptions(), field_of(key)), Mapping):
            given = _mapping(value, name, key)
            changes[field_of(key)] = {one: _text(text, f"{name}: {key}") for one, text in given.items()}
        else:
            changes[key] = value if isinstance(value, bool) else _text(value, f"{name}: {key}")
    for ours in candidates:
        if ours not in KNOWN:
            raise BadInput(
                f"profile {name}: columns: no source table has a column {ours!r}{did_you_mean(ours, sorted(KNOWN))}; "
                "expected ours first, then the file's"
            )
    if changes.get("table") is not None:
        source_named(changes["table"])
    return Way(ReadOptions(**changes), candidates)


def field_of(key: str) -> str:
    """Return the field of `ReadOptions` that a key of a table sets."""
    return OPTIONS.get(key, key)


def _mapping(value: object, name: str, key: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise BadInput(f"profile {name}: {key} is {value!r}; expected keys and values")
    return {str(one): given for one, given in value.items()}


def _several(value: object, where: str) -> tuple[str, ...]:
    return tuple(_text(one, where) for one in (value if isinstance(value, list) else [value]))


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"profile {where}: {value!r} is not a number")
    return float(value)


def _text(value: object, where: str) -> str:
    """Return a value as it was written, numbers too; YAML's own true and dates are none of our texts."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadInput(f"profile {where}: {value!r} is not a text; put it in quotes")
    return str(value)
