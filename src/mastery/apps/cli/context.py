"""What every command gets from the global options."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mastery.errors import BadInput, did_you_mean

if TYPE_CHECKING:
    from mastery.engine import Engine
    from mastery.settings import Loaded, Settings


@dataclass(frozen=True)
class Chosen:
    """The global options as given; None where an option was left out."""

    home: Path | None = None


def loaded(context: typer.Context) -> Loaded:
    """Return the active settings, and where each came from.

    Raises:
        BadInput: A setting that cannot be used. The settings know no scorers, so the one that is named is checked here.
    """
    from mastery.settings import load_settings

    chosen = context.obj if isinstance(context.obj, Chosen) else Chosen()
    found = load_settings(home=chosen.home)
    if found.settings.scorer is not None:
        _check_scorer(found.settings.scorer, found.origin["scorer"])
    return found


def _check_scorer(name: str, origin: str) -> None:
    from mastery.scorers import with_scores

    known = with_scores()
    if name not in known:
        raise BadInput(
            f"{origin}: scorer: {name!r} is not a scorer (known: {', '.join(known)}){did_you_mean(name, list(known))}"
        )


def settings(context: typer.Context) -> Settings:
    """Return the active settings."""
    return loaded(context).settings


def typed(context: typer.Context, command: str, tenant: str | None = None) -> str:
    """Return how another command is typed for the same home and tenant, as they were given."""
    chosen = context.obj if isinstance(context.obj, Chosen) else Chosen()
    home = "" if chosen.home is None else f"--home {shlex.quote(str(chosen.home))} "
    return f"mastery {home}{command}" + ("" if tenant is None else f" --tenant {shlex.quote(tenant)}")


def engine_of(context: typer.Context, tenant: str | None = None) -> Engine:
    """Return the engine of a tenant that has been ingested; None for the one of the settings.

    Raises:
        NotFound: There is no such tenant; it says which there are.
    """
    from mastery.apps.cli.unknown import naming_what_there_is
    from mastery.engine import Engine

    engine = Engine.connect(settings(context), create=False).of(tenant)
    with naming_what_there_is(engine):
        engine.lake  # noqa: B018 - opened now, so that the tenant is known to be there
    return engine


def engines_of(context: typer.Context, tenant: str | None, all_tenants: bool) -> list[Engine]:
    """Return the engine of a tenant, or those of all tenants that there are.

    Raises:
        BadInput: Both were asked for.
    """
    if not all_tenants:
        return [engine_of(context, tenant)]
    if tenant is not None:
        raise BadInput("--tenant names one, --all-tenants means all of them; give one of the two")
    from mastery.engine import Engine

    engine = Engine.connect(settings(context), create=False)
    return [engine.of(one) for one in engine.tenants]
