"""How files are read: the options that `ingest`, `evaluate` and other commands share.

A command takes them all as one value: its parameter `how: ReadOptions` becomes these options on the command line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from mastery.errors import BadInput
from mastery.events.read_options import NOTHING_SAID, ReadOptions


def read_options(
    table: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Source table that the files are, such as quiz_attempts; recognised from the columns when left out.",
            metavar="TABLE",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="Name of a column in the file and ours, such as pupil=student_id. For a column that is used "
            "twice, give both: --map exercise=item_id --map exercise=topic_id. THEIRS= leaves it out. May be repeated.",
            metavar="THEIRS=OURS",
        ),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(
            "--unit", help="Unit of a column, such as watch_pct=fraction. May be repeated.", metavar="COLUMN=UNIT"
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            help="Zone of time stamps that name none, such as Europe/Berlin; the one of the settings when left out.",
            metavar="ZONE",
        ),
    ] = None,
    constants: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A column of ours that is the same in every row, such as topic_id=fractions; {file} in it is "
            "the file's name. May be repeated.",
            metavar="OURS=TEXT",
        ),
    ] = None,
    joined: Annotated[
        list[str] | None,
        typer.Option(
            "--join", help="A column of ours made of several in the file, such as attempt_id=quiz and attempt_id=try. "
            "May be repeated.",
            metavar="OURS=THEIRS",
        ),
    ] = None,
    wide: Annotated[
        list[str] | None,
        typer.Option(
            "--wide", help="One row per student, one column per question: which columns, with * for the question, and "
            "what their cells are, such as 'Question *=is_correct'. May be repeated.",
            metavar="PATTERN=OURS",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="Read the rows with this value in a column of the file, such as kind=exercise, and no "
            "others. May be repeated.",
            metavar="THEIRS=VALUE",
        ),
    ] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option(
            "--split-topics", help="What is between the topics in one value, such as topic_id=~~. May be repeated.",
            metavar="COLUMN=SEPARATOR",
        ),
    ] = None,
    repeats: Annotated[
        str | None,
        typer.Option(
            help="How to treat identical rows with the same time stamp: answers, or duplicates. Default: answers if no "
            "time stamp of the file has seconds, otherwise duplicates.",
            metavar="answers|duplicates",
        ),
    ] = None,
    on_revision: Annotated[
        str,
        typer.Option(
            help="What to do with a row that differs from what is stored of its event.",
            metavar="replace|keep|reject",
        ),
    ] = "replace",
    key: Annotated[
        str | None,
        typer.Option(
            help="File with the columns question_id and correct_answer. is_correct then holds the given answer; it is "
            "right if it equals correct_answer.",
            metavar="FILE",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Ready-made settings for the files of a platform or data set: a name that `mastery profiles` lists, "
            "or a YAML file of your own.",
            metavar="NAME|FILE",
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            help="What words in the column of the outcome are worth, from 0 (wrong) to 1 (right), such as "
            "gelöst=1,'nicht gelöst=0'. May be repeated.",
            metavar="WORD=WORTH,…",
        ),
    ] = None,
    decimal: Annotated[
        str, typer.Option(help="Sign before the decimals of a number: a point or a comma.", metavar="SIGN")
    ] = ".",
    thousands: Annotated[
        str | None, typer.Option(help="Sign between the thousands of a number, where there is one.", metavar="SIGN")
    ] = None,
    dates: Annotated[
        str | None,
        typer.Option(
            help="How dates are written that do not begin with the year; serial: the days that spreadsheets count.",
            metavar="D/M/Y|M/D/Y|serial",
        ),
    ] = None,
    day_zero: Annotated[
        str | None,
        typer.Option(help="Numeric time stamps count days from this date.", metavar="YYYY-MM-DD"),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Encoding of text files, such as windows-1252, where it is neither UTF-8 nor UTF-16.", metavar="NAME"
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option(help="Sheet of a workbook, by its name or its number from 1.", metavar="SHEET"),
    ] = None,
    array: Annotated[
        str | None,
        typer.Option(
            help="Array that holds the rows of a JSON file, such as data.rows, where that is not the file itself.",
            metavar="PATH",
        ),
    ] = None,
) -> ReadOptions:  # fmt: skip
    """Return what the command line says about files."""
    return ReadOptions(
        table,
        several(columns, "--map", empty=True),
        pairs(units, "--unit"),
        timezone,
        constants=pairs(constants, "--set", empty=True),
        joined=several(joined, "--join"),
        wide=pairs(wide, "--wide", last=True),
        only=several(only, "--only", empty=True),
        splits=pairs(splits, "--split-topics"),
        repeats=repeats,
        key=key,
        profile=profile,
        on_revision=on_revision,
        values=worths(values),
        decimal=decimal,
        thousands=thousands,
        dates=dates,
        day_zero=None if day_zero is None else day(day_zero),
        encoding=encoding,
        sheet=sheet,
        array=array,
    )


def typed_options(how: ReadOptions) -> list[str]:
    """Return what was said as it is typed on the command line: the words of `read_options`, for another command."""
    words: list[str] = []
    for name, parameter in OPTIONS.items():
        said = getattr(how, name)
        if said == getattr(NOTHING_SAID, name):
            continue
        (option,) = parameter.annotation.__metadata__
        named = [word for word in (option.default, *(option.param_decls or ())) if str(word).startswith("--")]
        flag = named[0] if named else f"--{name.replace('_', '-')}"
        if isinstance(said, Mapping):
            for left, many in said.items():
                words += [
                    word for one in (many if isinstance(many, tuple) else (many,)) for word in (flag, f"{left}={one}")
                ]
        elif isinstance(said, bool):
            words += [flag]
        else:
            words += [flag, str(said)]
    return words


OPTIONS = inspect.signature(read_options, eval_str=True).parameters
"""The options on the command line, by name."""


def reads_files(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with these options in place of its parameter `how`."""
    own = inspect.signature(command, eval_str=True).parameters

    @wraps(command)
    def with_options(**given: Any) -> None:
        how = read_options(**{name: given.pop(name) for name in OPTIONS})
        command(**given, how=how)

    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        parameters += OPTIONS.values() if name == "how" else [parameter]
    with_options.__dict__["__signature__"] = inspect.Signature(
        [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def day(text: str) -> date:
    """Return a day. Raises BadInput for what is none in ISO 8601."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--day-zero {text!r}: expected a day in ISO 8601, such as 2013-10-01") from None


def worths(given: list[str] | None) -> dict[str, float]:
    """Return `word=number,word=number` texts as word → number.

    Raises:
        BadInput: A word has no number, or stands there twice.
    """
    found: dict[str, float] = {}
    for word, text in pairs([one for some in given or [] for one in some.split(",")], "--values", last=True).items():
        try:
            found[word] = float(text)
        except ValueError:
            raise BadInput(f"--values {word}={text}: expected a number from 0 (wrong) to 1 (right)") from None
    return found


FORMS = {
    "--map": "THEIRS=OURS",
    "--unit": "COLUMN=UNIT",
    "--set": "OURS=TEXT",
    "--join": "OURS=THEIRS",
    "--wide": "PATTERN=OURS",
    "--only": "THEIRS=VALUE",
    "--split-topics": "COLUMN=SEPARATOR",
    "--values": "WORD=WORTH",
}
"""Option of two sides → how it is written."""


def given_path(text: str) -> Path:
    """Return a path that was given. Raises BadParameter for an empty one, which would be the current folder."""
    if not text:
        raise typer.BadParameter("the path is empty; give the path of a file or a folder")
    return Path(text)


def pairs(given: list[str] | None, option: str, *, empty: bool = False, last: bool = False) -> dict[str, str]:
    """Return `a=b` texts as a → b.

    Args:
        empty: Nothing may stand on the right.
        last: The last `=` divides, not the first.

    Raises:
        BadInput: One has no `=`, nothing on one of its sides, or names its left side again.
    """
    found: dict[str, str] = {}
    for text in given or []:
        left, right = _divided(text, option, empty=empty, last=last)
        if left in found:
            raise BadInput(f"{option}: {left!r} is given twice; give it once")
        found[left] = right
    return found


def several(given: list[str] | None, option: str, *, empty: bool = False) -> dict[str, tuple[str, ...]]:
    """Return `a=b` texts as a → every b, in order. Raises BadInput as `pairs` does, but for what is named again."""
    found: dict[str, tuple[str, ...]] = {}
    for text in given or []:
        left, right = _divided(text, option, empty=empty, last=False)
        found[left] = (*found.get(left, ()), right)
    return found


def _divided(text: str, option: str, *, empty: bool, last: bool) -> tuple[str, str]:
    left, equals, right = (part.strip() for part in (text.rpartition("=") if last else text.partition("=")))
    if not (left and equals and (right or empty)):
        raise BadInput(f"{option} {text!r}: expected {FORMS[option]}")
    return left, right
