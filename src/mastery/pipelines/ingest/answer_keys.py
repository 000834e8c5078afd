"""Answer keys: a file with the right answer to each question, where a log only says what was answered."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from mastery.errors import BadInput, did_you_mean
from mastery.events.ids import written_id
from mastery.events.right_answers import written_answer
from mastery.events.values import as_text
from mastery.pipelines.ingest.files import open_input
from mastery.pipelines.ingest.find_files import LeftOut, find_files

QUESTION, ANSWER = "question_id", "correct_answer"
"""The columns of a key."""


def read_key(path: str) -> Mapping[str, str]:
    """Return question → right answer, of a file in any format that is read; both as they are compared.

    Raises:
        NotFound: There is no such file.
        BadInput: It cannot be read, has not the columns `QUESTION` and `ANSWER`, or two right answers to one question.
    """
    those = [one for one in find_files(path) if not isinstance(one, LeftOut)]
    if len(those) != 1:
        raise BadInput(f"answer key {path}: these are {len(those)} files that can be read; expected one")
    file = open_input(those[0].content)
    for name in (QUESTION, ANSWER):
        if name not in file.columns:
            raise BadInput(
                f"answer key {path}: there is no column {name!r}{did_you_mean(name, list(file.columns))}; expected "
                f"{QUESTION} and {ANSWER}"
            )
    found: dict[str, str] = {}
    for block in file.blocks({QUESTION: False, ANSWER: False}):
        raw = block.read().raw
        questions, answers = (_texts(raw[name]) for name in (QUESTION, ANSWER))
        for question, answer in zip(questions, answers, strict=True):
            question, right = written_id(question), written_answer(answer)
            if not question or not right:
                continue
            if found.setdefault(question, right) != right:
                raise BadInput(
                    f"answer key {path}: question {question!r} has two right answers; expected one for each question"
                )
    if not found:
        raise BadInput(f"answer key {path}: there is no question with its right answer in it")
    return found


def _texts(values: pa.ChunkedArray) -> list[str]:
    return [
        "" if text is None else text for chunk in values.chunks for text in as_text(chunk).cast(pa.string()).to_pylist()
    ]
