"""The errors a caller can do something about. Nothing here imports anything of ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


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

    @property
    def public(self) -> str:
        """What anybody may read who asks over the network: no folder, no file, nothing that another program said."""
        return str(self)


class Stopped(Exception):
    """Whoever does this in the background was told to end; nothing of it is to be seen."""


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


class NotFitted(MasteryError, ValueError, AttributeError):
    """An estimator that was asked before it has learnt anything. scikit-learn's error has the same bases."""

    exit_code: int = 2
    status: int = 422
    title: str = "The model has not been fitted"


class Conflict(MasteryError):
    """Two writers met, or a store holds something that this version cannot use."""

    exit_code = 4
    status = 409
    title = "The store is in use or holds something else"
    problem: str | None = None
    """What kind of problem the API calls it where it is not that a store cannot be read."""

    @property
    def public(self) -> str:
        return "a store of the engine is in use, or cannot be read; the server's log says why"


class Unwritable(MasteryError):
    """A disk that is full, or a place that may not or cannot be written to."""

    exit_code = 5
    status = 507
    title = "The store cannot be written to"


MOST_LETTERS = 1_500
"""Of a message: what somebody typed is in it, and may be of any length."""


def shortened(message: str, most: int = MOST_LETTERS) -> str:
    """Return the message, or its beginning and its end, where most messages say what to do."""
    if len(message) <= most:
        return message
    half = most // 2
    return f"{message[:half]} … ({len(message) - 2 * half:,} characters left out) … {message[-half:]}"


FULL, FORBIDDEN, IMPOSSIBLE = "full", "forbidden", "impossible"

NUMBERS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EROFS: FORBIDDEN,
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.ENOTDIR: IMPOSSIBLE,
    errno.ENAMETOOLONG: IMPOSSIBLE,
    errno.ELOOP: IMPOSSIBLE,
}

TEXTS = {
    "no space left on device": FULL,
    "disk quota exceeded": FULL,
    "file too large": FULL,
    "database or disk is full": FULL,
    "read-only file system": FORBIDDEN,
    "permission denied": FORBIDDEN,
    "attempt to write a readonly database": FORBIDDEN,
    "not a directory": IMPOSSIBLE,
    "file name too long": IMPOSSIBLE,
    "too many levels of symbolic links": IMPOSSIBLE,
}
"""What delta-rs, SQLite and DuckDB say, whose errors have no number of the operating system."""


def unwritable(error: BaseException, what: str, where: object) -> Unwritable | None:
    """Return the error of a full disk, or of a place that is forbidden or cannot be, in one sentence; None for an
    error of another kind.

    The errors that led to this one count too: closing a file that could not be written fails in ways of its own.
    """
    cause = next((kind for kind in map(_kind, chain(error)) if kind is not None), None)
    if cause == FULL:
        return Unwritable(
            f"no space left to write {what} in {where}; what had been committed before is kept: free some space "
            "there, and run the same command again"
        )
    if cause == FORBIDDEN:
        return Unwritable(
            f"not allowed to write {what} in {where} (read-only, or not yours): "
            "make it writable for the user who runs this, or use another home"
        )
    if cause == IMPOSSIBLE:
        return Unwritable(
            f"{what} cannot be in {where}: a file stands where a folder is needed, or the name is too long or leads in "
            "a circle; give another path"
        )
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it, each once: one may have been raised from itself."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _kind(error: BaseException) -> str | None:
    number = NUMBERS.get(error.errno) if isinstance(error, OSError) and error.errno is not None else None
    said = str(error).lower()
    return number or next((kind for text, kind in TEXTS.items() if text in said), None)


@contextmanager
def writing(what: str, where: object) -> Iterator[None]:
    """Turn an error of a full disk, or of a place that is forbidden or cannot be, into `Unwritable`; others pass.

    Args:
        what: What is being written, such as "table 'events'".
        where: The folder or file.
    """
    try:
        yield
    except MasteryError:
        raise
    except Exception as error:
        known = unwritable(error, what, where)
        if known is None:
            raise
        raise known from error


def why_unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file cannot be read as text, in a few words and without its name."""
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "its bytes are not UTF-8"


def did_you_mean(name: str, known: list[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known name, capitals aside, or an empty string."""
    close = closest(name, known)
    return "" if close is None else f" (did you mean {close!r}?)"


def closest(name: str, known: list[str]) -> str | None:
    """Return the known name that is closest, capitals aside; None where none is close."""
    from difflib import get_close_matches

    folded = {one.casefold(): one for one in known}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None
