"""What to say when nothing is known of a student or a tenant: the likeliest slip, and the tenants that there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING

from mastery.directory.pseudonyms import is_pseudonym
from mastery.errors import NotFound

if TYPE_CHECKING:
    from mastery.engine import Engine


@contextmanager
def naming_what_there_is(engine: Engine, student: str | None = None) -> Iterator[None]:
    """Let an error say more where the engine's tenant has no events, or the student has none in it.

    Raises:
        NotFound: instead of the one that was raised inside.
    """
    try:
        yield
    except NotFound as error:
        if student is not None and _has_events(engine, student):
            raise
        if not _has_any(engine):
            raise NotFound(_no_events(engine)) from None
        if student is None:
            raise
        slip = _slip(engine, student)
        raise NotFound(f"no event of student {student!r} in tenant {engine.tenant!r}; {slip}") from error


def _no_events(engine: Engine) -> str:
    from mastery.insight.words import counted
    from mastery.tables import REJECTED

    said = f"there are no events of tenant {engine.tenant!r}"
    rejected = engine.lake.count(REJECTED) if engine.tenant in engine.tenants else 0
    if rejected:
        command = f"mastery rejected --tenant {quote(engine.tenant)}"
        return f"{said}, only {counted(rejected, 'rejected row')}: `{command}` says why"
    return f"{said}; {others(engine, [tenant for tenant in engine.tenants if _has_any(engine.of(tenant))])}"


def others(engine: Engine, among: Sequence[str] | None = None) -> str:
    """Return in words which other tenants there are, among all of them or these."""
    every = [tenant for tenant in (engine.tenants if among is None else among) if tenant != engine.tenant]
    if not every:
        return "the lake holds no events at all; `mastery ingest FILE...` reads some in"
    return f"there {'is' if len(every) == 1 else 'are'} {', '.join(map(repr, every))}: name one with --tenant"


def _slip(engine: Engine, student: str) -> str:
    # of a pseudonym nobody is told whose it is
    for tenant in () if is_pseudonym(student) else engine.tenants:
        if _has_events(engine.of(tenant), student):
            return f"there is one in tenant {tenant!r}: add --tenant {tenant}"
    for other in dict.fromkeys((student.upper(), student.lower(), student.capitalize(), student.strip())):
        if _has_events(engine, other):
            return f"did you mean {other!r}?"
    return "check the id, upper and lower case too, or ingest their events"


def _has_any(engine: Engine) -> bool:
    from mastery.tables import EVENTS

    return engine.tenant in engine.tenants and engine.lake.count(EVENTS) > 0


def _has_events(engine: Engine, student: str) -> bool:
    from mastery.tables import EVENTS

    return _has_any(engine) and engine.lake.read_student(EVENTS, engine.pseudonym(student), ["tenant"]).num_rows > 0
