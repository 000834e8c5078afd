"""Names of a file's columns, each once.

A name that comes again is told apart with `#2`, `#3` …; a column without a name is called by its place: `#7`. So those
that nobody needs disturb nobody, and each can be renamed by `--map`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_UNSEEN = re.compile("[\u200b\u200c\u200d\u2060\ufeff]")
_NUMBERED = re.compile(r"(.+)#1")


def cleaned(name: str) -> str:
    """Return a name without what nobody sees: blanks around it, zero-width characters; composed letters (NFC)."""
    return unicodedata.normalize("NFC", _UNSEEN.sub("", name)).strip()


def told_apart(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, cleaned, each of them once."""
    given = [cleaned(name) for name in names]
    taken, found = set(given), []
    count: dict[str, int] = {}
    for place, name in enumerate(given, 1):
        count[name] = count.get(name, 0) + 1
        if name and count[name] == 1:
            found.append(name)
            continue
        number = place if not name else count[name]
        while f"{name}#{number}" in taken:
            number += 1
        taken.add(f"{name}#{number}")
        found.append(f"{name}#{number}")
    return tuple(found)


def repeated(name: str, columns: Sequence[str]) -> list[str]:
    """Return the columns that had this name in the file, when there are several."""
    same = [other for other in columns if re.fullmatch(re.escape(name) + r"#\d+", other)]
    return [name, *same] if name and same else []


def first_of(name: str) -> str:
    """Return the column that `name#1` is: the first of this name."""
    numbered = _NUMBERED.fullmatch(name)
    return name if numbered is None else numbered.group(1)
