"""Which files a person means: a file, a folder, a pattern such as `exports/*.csv`, an archive, standard input."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mastery.errors import BadInput, NotFound
from mastery.pipelines.ingest.contents import (
    STANDARD_INPUT,
    Content,
    is_archive,
    members,
    of_path,
    of_standard_input,
)
from mastery.pipelines.ingest.formats import EXCEL, by_name

NAMED = 3
"""Files that a note names; of more it says the number."""

FOLDER = "is a folder within a folder; name it too, or write a pattern such as 'exports/**/*.csv'"
HIDDEN = "is hidden"
OF_MACOS = "is what macOS keeps beside a file"
EMPTY = "is empty"


@dataclass(frozen=True)
class Found:
    """A file that may be read.

    Attributes:
        named: The person named it, so that it must be readable; else it lay in a folder or an archive.
    """

    content: Content
    named: bool


@dataclass(frozen=True)
class LeftOut:
    """A file that is not read, and why."""

    name: str
    reason: str


def find_files(given: str | Path) -> Iterator[Found | LeftOut]:
    """Yield the files in order of their names, archives by their members, and those that are left out.

    Raises:
        NotFound: Nothing has this name, or fits this pattern.
        BadInput: The path is empty, or a named archive cannot be opened.
    """
    path = Path(given)
    if given == "":  # a variable that is empty: it would be the current folder
        raise BadInput("the path is empty; give the path of a file or a folder")
    if str(given) == STANDARD_INPUT:
        yield from _opened(of_standard_input(), named=True)
    elif path.is_dir():
        inside = sorted(path.iterdir())
        yield from _all(inside)
        if not inside:
            yield LeftOut(f"{path.name}/", "has no file in it")
    elif path.exists():
        yield from _file(path, named=True)
    else:
        fitting = sorted(map(Path, glob.glob(str(given), recursive=True)))  # noqa: PTH207 - the pattern may be absolute
        if not fitting:
            what = "no file fits this pattern" if glob.has_magic(str(given)) else "no such file"
            raise NotFound(f"{path}: {what}; give the path of a file or a folder that exists")
        yield from _all(one for one in fitting if not one.is_dir())


def _all(paths: Iterable[Path]) -> Iterator[Found | LeftOut]:
    for path in paths:
        if path.is_dir():
            yield LeftOut(f"{path.name}/", FOLDER)
        else:
            yield from _file(path, named=False)


def _file(path: Path, *, named: bool) -> Iterator[Found | LeftOut]:
    why = unlikely(path.name, path.stat().st_size)
    if why is not None and (not named or why != HIDDEN):
        yield LeftOut(path.name, why)
    else:
        yield from _opened(of_path(path), named=named)


def unlikely(name: str, size: int) -> str | None:
    """Return why a file of this name and size holds no rows, or None."""
    if name.startswith("._") or name == ".DS_Store":
        return OF_MACOS
    if name.startswith("."):
        return HIDDEN
    return EMPTY if size == 0 else None


def _opened(content: Content, *, named: bool) -> Iterator[Found | LeftOut]:
    """Yield the file, or the members of an archive."""
    try:
        inner = members(content) if _may_be_archive(content.name) and is_archive(content) else None
    except BadInput as error:
        if named:
            raise
        yield LeftOut(content.name, without_place(error, content.place))
        return
    if inner is None:
        yield Found(content, named)
        return
    for member in inner:
        why = unlikely(PurePosixPath(member.name).name, member.size)
        if why is not None:
            yield LeftOut(member.name, why)
        else:
            yield Found(member, named=len(inner) == 1 and named)


def _may_be_archive(name: str) -> bool:
    """Return whether a file of this name may be a zip archive of files; a workbook in one is called `.xlsx.zip`."""
    return name.lower().endswith(".zip") or by_name(name) != EXCEL


def without_place(error: BadInput, place: str) -> str:
    """Return what an error says, without the file it says it of."""
    return str(error).removeprefix(f"{place}: ")


def left_out_notes(left: Iterable[LeftOut]) -> list[str]:
    """Return a note for each reason, with the names of the first files."""
    by_reason: dict[str, list[str]] = {}
    for one in left:
        by_reason.setdefault(one.reason, []).append(one.name)
    return [f"left out {first_names(names)}: {reason}" for reason, names in by_reason.items()]


def first_names(names: Sequence[str]) -> str:
    """Return the first names in words, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
