"""Whether the first line of a file names its columns, or is a row already. A message shows names, never a person's.

A file without a header has a pupil's name where a column's should be. So columns are shown only where more of them have
a word that headers have than look like a value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mastery.events.registry import SOURCES

_LIST = (
    "account actor answer answers answered assignment attempt attempts category chapter class code column comment "
    "concept context correct count course created date datetime description difficulty duration email end ended event "
    "exercise feedback finished first grade group hint hints id ids incorrect index interaction item key last lesson "
    "level log max maximum module name no number object order outcome pct percent percentage platform points "
    "prerequisites problem pupil qid question queries quiz right wrong ok fold reason "
    "response result rewind row school score sec seconds "
    "section session skill source start started state status step student subject submission submitted teacher test "
    "text time timestamp title topic topics total type uid unit updated user username value verb version video watch "
    "when "
    # the same in some other languages of schools
    "aufgabe datum ergebnis frage klasse kurs lehrer punkte schüler schueler thema uhrzeit zeit "
    "cours date_heure élève eleve exercice heure question réponse reponse sujet élèves "
    "alumno estudiante fecha hora nota pregunta puntos respuesta tema "
    "aluno data_hora disciplina pergunta resposta turma leerling vraag antwoord"
)
WORDS = frozenset(_LIST.split())
"""Words of which a column's name has at least one, as a rule."""

SHOWN = 12
"""Columns that a message lists; of more it says the number."""

_KNOWN = frozenset(column.name for source in SOURCES.values() for column in source.columns)
_PARTS = re.compile(r"[A-Z]?[a-zà-ÿ]+|[A-Z]+")
_VALUE = re.compile(r"(?i)[-+]?\d[\d.,:/ eTZ+%-]*|true|false|yes|no|t|f|.+@.+\..+|[0-9a-f-]{32,36}")
_SHORT = re.compile(r"[A-Za-z]|[A-Za-z]{1,3}[ _.-]?\d+")
"""Such as `Q1` or `HW 2`."""
_NUMBERED = re.compile(r"#\d+$")


def names_shown(columns: Sequence[str]) -> list[str]:
    """Return the columns that a message may show: all of them, or none where they may be values."""
    names = sum(_is_name(column) for column in columns)
    values = sum(_VALUE.fullmatch(_NUMBERED.sub("", column)) is not None for column in columns)
    return list(columns) if names > values else []


def named(columns: Sequence[str]) -> list[str]:
    """Return the columns that have a word of headers, and the number of the others: they may be names of people."""
    shown = [printable(column) for column in columns if _is_name(column)]
    others = len(columns) - len(shown)
    return shown if not others else [*shown, f"{others:,} other{'s' if others > 1 else ''}"]


def columns_shown(columns: Sequence[str]) -> str:
    """Return the columns in words, for a message."""
    if not columns:
        return "no columns"
    names = names_shown(columns)
    listed = [printable(name) for name in names if _is_name(name)][:SHOWN]
    rest = len(names) - len(listed)
    shown = " and ".join([*filter(None, [", ".join(listed)]), *([f"{rest:,} more"] if rest else [])])
    many = "1 column" if len(columns) == 1 else f"{len(columns)} columns"
    return shown or (
        f"{many} whose names are not shown here, because they look like a row of values, or a title; put the names of "
        "the columns above it, or delete the lines above them"
    )


def printable(name: str) -> str:
    """Return a name on one line: a header may have line ends in it, and a damaged one anything."""
    return "".join(letter if letter.isprintable() else " " for letter in name)


def _is_name(column: str) -> bool:
    if column in _KNOWN or _SHORT.fullmatch(column):
        return True
    return any(part.casefold() in WORDS for part in _PARTS.findall(column)) and not _VALUE.fullmatch(column)
