"""The states of all tenants of a deployment, moved to another store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mastery.errors import BadInput, NotFound
from mastery.lake.tenants import folder_of
from mastery.settings.addresses import shown
from mastery.settings.model import STATE_BACKENDS, state_url
from mastery.state import connect, copy_store, require_empty, url_of


@dataclass(frozen=True)
class CopiedState:
    """How many records of a tenant and model set were copied; damaged ones were left out.

    Attributes:
        tenant: Whose they are.
        model_version: The model set.
        records: Copied.
        damaged: Left out, and made again from the lake.
    """

    tenant: str
    model_version: str
    records: int
    damaged: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def copy_state(tenants: Sequence[str], source: str, target: str, *, overwrite: bool) -> list[CopiedState]:
    """See `Engine.copy_state`."""
    if source == target:
        raise BadInput(f"both stores are {shown(source)!r}; name another one to copy to")
    for url in (source, target):
        _check(url)
    backend, _, folder = source.partition(":")
    if backend == "sqlite" and not Path(folder).is_dir():
        raise _nothing(source)
    with ExitStack() as until:

        def opened(url: str, tenant: str) -> Any:
            return until.enter_context(closing(connect(url_of(url, folder_of(tenant)))))

        stores = [(tenant, opened(source, tenant), opened(target, tenant)) for tenant in tenants]
        if not overwrite:
            for _, _, there in stores:  # all of them before the first is written to
                require_empty(there, shown(target))
        if not any(here.count() for _, here, _ in stores):
            raise _nothing(source)
        return [
            CopiedState(tenant, one.model_version, one.records, one.damaged)
            for tenant, here, there in stores
            for one in copy_store(here, there)
        ]


def _check(url: str) -> None:
    """Raise BadInput unless the setting `state` may name this place; `connect` says which backends there are."""
    if url.partition(":")[0] not in STATE_BACKENDS:
        return
    try:
        state_url(url)
    except ValueError as error:
        raise BadInput(f"state store {shown(url)!r} {error}") from None


def _nothing(source: str) -> NotFound:
    return NotFound(
        f"state store {shown(source)!r} holds no states; `mastery config` names the one that is used, and without any "
        "there is nothing to copy: states are made from the lake"
    )
