"""The errors a caller can do something about. Nothing here imports anything of ours."""


class MasteryError(Exception):
    """What went wrong, with the value; where; what was expected; what to do.

    Attributes:
        exit_code: What the command line exits with.
        status: The HTTP status the API answers with.
        title: One short phrase for problem+json, the same for every error of the class.
    """

    exit_code: int = 1
    status: int = 500
    title: str = "The engine could not do this"


class BadInput(MasteryError, ValueError):
    """Something the caller gave (file, option, setting, id) that cannot be used as it is."""

    exit_code = 2
    status = 422
    title = "The input cannot be used as it is"


class NotFound(MasteryError, LookupError):
    """Something asked for by name that is not there."""

    exit_code = 3
    status = 404
    title = "Nothing is known under this name"


class Conflict(MasteryError):
    """Two writers met, or a store holds something that this version cannot use."""

    exit_code = 4
    status = 409
    title = "The store is in use or holds something else"


def did_you_mean(name: str, known: list[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty string."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
