"""What to say when nothing is known of a student or a tenant: the likeliest slip, and the tenants that there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mastery.errors import NotFound

if TYPE_CHECKING:
    from mastery.engine import Engine
    from mastery.pipelines.queries.tenants import TenantCounts


@contextmanager
def naming_what_there_is(engine: Engine, tenant: str | None, student: str | None = None) -> Iterator[None]:
    """Let an error say more where the tenant has no events, or the student has none in it.

    Raises:
        NotFound: instead of the one that was raised inside.
    """
    try:
        yield
    except NotFound as error:
        scope = engine.tenant_named(tenant)
        if student is not None and _has_events(engine, scope, student):
            raise
        every = engine.tenants()  # reads two columns of every event, so only where nothing was found
        if not any(one.tenant == scope and one.events for one in every):
            raise NotFound(f"there are no events of tenant {scope!r}; {others(every)}") from None
        if student is None:
            raise
        slip = _slip(engine, scope, student, [one.tenant for one in every if one.events])
        raise NotFound(f"no event of student {student!r} in tenant {scope!r}; {slip}") from error


def others(every: list[TenantCounts]) -> str:
    """Return in words which tenants there are."""
    if not every:
        return "the lake holds no events at all; `mastery ingest FILE...` reads some in"
    return f"there are {', '.join(repr(one.tenant) for one in every)}: name one with --tenant"


def _slip(engine: Engine, scope: str, student: str, tenants: list[str]) -> str:
    for tenant in tenants:
        if _has_events(engine, tenant, student):
            return f"there is one in tenant {tenant!r}: add --tenant {tenant}"
    for other in dict.fromkeys((student.upper(), student.lower(), student.capitalize(), student.strip())):
        if _has_events(engine, scope, other):
            return f"did you mean {other!r}?"
    return "check the id, upper and lower case too, or ingest their events"


def _has_events(engine: Engine, tenant: str, student: str) -> bool:
    import pyarrow.compute as pc

    from mastery.tables import EVENTS

    rows = engine.lake.read_student(EVENTS, engine.pseudonym(tenant, student), ["tenant"])
    return bool(pc.any(pc.equal(rows["tenant"].cast("string"), tenant)).as_py())
