"""Which column of a file may be one of ours under another name: a guess to offer, never to act on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mastery.errors import closest

WORDS = {
    "student_id": "student pupil learner user username uid schüler schueler élève eleve alumno aluno leerling",
    "question_id": "question item problem exercise quiz qid frage aufgabe pregunta pergunta vraag",
    "item_id": "item question problem exercise qid",
    "topic_id": "topic skill concept category chapter thema tema sujet",
    "is_correct": "correct right outcome result score ergebnis nota",
    "timestamp": "timestamp time date datetime when created submitted answered datum fecha heure uhrzeit",
}
"""Ours → words that its column has elsewhere, in some languages of schools."""

_PARTS = re.compile(r"[A-Z]?[a-zà-ÿ]+|[A-Z]+")


def likely_columns(missing: Sequence[str], spare: Sequence[str]) -> dict[str, str]:
    """Return which spare column of a file may be which missing one: ours → theirs, where one alone comes into question.

    By a near spelling, else by a word in its name, else as the only one that is left for the only one that is missing.
    """
    found: dict[str, str] = {}
    for ours in missing:
        left = [theirs for theirs in spare if theirs not in found.values()]
        near = closest(ours, left)
        named = [theirs for theirs in left if _words(theirs) & set(WORDS.get(ours, "").split())]
        if near is not None:
            found[ours] = near
        elif len(named) == 1:
            found[ours] = named[0]
        elif len(left) == len(missing) == 1:
            found[ours] = left[0]
    return found


def _words(column: str) -> set[str]:
    return {part.casefold() for part in _PARTS.findall(column)}
