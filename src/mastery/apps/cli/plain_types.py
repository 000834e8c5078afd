"""What help says of the type of an option, in words: typer's own are of Python, such as <list[str]> and [x>=0]."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

Parameters = TypeVar("Parameters", bound=list[Any])

WORDS: dict[Any, str] = {int: "NUMBER", float: "NUMBER", Path: "PATH"}


def in_words(parameters: Parameters) -> Parameters:
    """Return the parameters of a command, with the types that help shows in words: nothing for a flag.

    Only what is shown changes: values are read, and held to their bounds, as before.
    """
    for one in parameters:
        if one.param_type_name == "argument":
            vars(one)["display_type_rich"] = _nothing  # its name says what it is
        elif one.metavar is None:
            one.metavar = "" if one.is_flag else _type(one)
            one.min = one.max = None
    return parameters


def _type(option: Any) -> str:
    described = getattr(option, "type_descriptor", None)
    word = WORDS.get(getattr(described, "annotation", None), "TEXT")
    if option.min is None and option.max is None:
        return word
    if option.max is None:
        return f"{word}, {option.min} or more"
    return f"{word}, {option.max} or less" if option.min is None else f"{word}, {option.min} to {option.max}"


def _nothing(**_context: object) -> None:
    return None
