"""What every command gets from the global options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mastery.settings import Loaded, Settings


@dataclass(frozen=True)
class Chosen:
    """The global options as given; None where an option was left out."""

    home: Path | None = None


def loaded(context: typer.Context) -> Loaded:
    """Return the settings active, and where each came from."""
    from mastery.settings import load_settings

    chosen = context.obj if isinstance(context.obj, Chosen) else Chosen()
    return load_settings(home=chosen.home)


def settings(context: typer.Context) -> Settings:
    """Return the settings active."""
    return loaded(context).settings
