"""Which files an ingest reads, and as what. Everything is checked here before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mastery.errors import BadInput, did_you_mean
from mastery.events.recognise import check_columns, recognise, source_named
from mastery.events.registry import SOURCES
from mastery.events.source import Source
from mastery.pipelines.ingest.files import Input, files_in, open_input


@dataclass(frozen=True)
class Planned:
    """One file, the table it is, and our names for its columns (file's name → ours)."""

    input: Input
    source: Source
    renamed: Mapping[str, str]


def plan(
    files: Sequence[str | Path], table: str | None, columns_map: Mapping[str, str]
) -> tuple[list[Planned], list[str]]:
    """Return the files to read, metadata first, and notes on those of folders that are left out.

    Args:
        files: Files and folders; of a folder, the files in it that are some source table.
        table: What they all are; None to tell from the columns.
        columns_map: Name of a column in the files → our name.

    Raises:
        BadInput: A file that was named cannot be used. The message names it.
    """
    source = source_named(table) if table is not None else None
    _check_map(columns_map)
    found: list[Planned] = []
    notes: list[str] = []
    opened: list[Input] = []
    for given in map(Path, files):
        for path in files_in(given):
            one = open_input(path)
            opened.append(one)
            try:
                found.append(_planned(one, source, columns_map))
            except BadInput as error:
                if not given.is_dir():
                    raise
                notes.append(f"left out {path.name}: {error}")
    absent = [name for name in columns_map if not any(name in one.columns for one in opened)]
    if absent and opened:
        have = list(dict.fromkeys(name for one in opened for name in one.columns))
        raise BadInput(
            f"--map: no file has a column {absent[0]!r}{did_you_mean(absent[0], have)}; there are {', '.join(have)}"
        )
    if not found:
        raise BadInput(f"nothing to read: {'; '.join(notes) or 'no file was given'}")
    # topics first, so that events are held against the topics that come with them
    return sorted(found, key=lambda one: not one.source.metadata), notes


def _planned(one: Input, source: Source | None, columns_map: Mapping[str, str]) -> Planned:
    renamed = {name: columns_map.get(name, name) for name in one.columns}
    ours = list(renamed.values())
    twice = sorted({name for name in ours if ours.count(name) > 1})
    if twice:
        raise BadInput(f"{one.path}: after --map two columns are called {twice[0]!r}; expected each name once")
    try:
        if source is None:
            source = SOURCES[recognise(ours)]
        check_columns(source, ours)
    except BadInput as error:
        raise BadInput(f"{one.path}: {error}") from None
    known = {column.name for column in source.columns}
    if one.format == "json":  # a key may be missing from the first rows
        taken = set(ours)
        renamed |= {theirs: name for theirs, name in columns_map.items() if name not in taken}
        renamed |= {name: name for name in known if name not in set(renamed.values())}
    return Planned(one, source, {theirs: name for theirs, name in renamed.items() if name in known})


def _check_map(columns_map: Mapping[str, str]) -> None:
    known = sorted({column.name for source in SOURCES.values() for column in source.columns})
    for theirs, ours in columns_map.items():
        if ours not in known:
            raise BadInput(
                f"--map {theirs}={ours}: no source table has a column {ours!r}{did_you_mean(ours, known)}; "
                "the name on the right is ours, the one on the left is the file's"
            )
