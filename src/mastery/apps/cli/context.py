"""What every command gets from the global options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mastery.errors import BadInput, did_you_mean

if TYPE_CHECKING:
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
