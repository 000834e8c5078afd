"""A model set of a deployment as one file, and such a file as a stored set: the same version, the same bits.

Nothing that is read becomes active: an imported set is one that is stored, with the card it had, and is checked like
any other before it is activated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mastery.errors import BadInput
from mastery.lake import Lake
from mastery.pipelines.models.card import ModelCard, cards, write_card
from mastery.pipelines.models.files import AGAIN, SET_KINDS, check_version, model_path, read, write
from mastery.pipelines.models.store import store_model_set
from mastery.scorers import unfitted
from mastery.scorers.model_set import ModelSet

VERSION = re.compile(r"[a-z_]+-[0-9a-f]{12}")


@dataclass(frozen=True)
class Imported:
    """A set that was read from a file; `new` unless it was stored before."""

    version: str
    card: ModelCard | None
    new: bool


def export_set(lake: Lake, model_set: ModelSet, path: object) -> Path:
    """Write a set and its card to one file, and return its path. A file that is there is replaced once it is whole.

    Raises:
        BadInput: It is no path, or cannot be written to.
    """
    card = cards(lake).get(model_set.version)
    about = {"model_set": True, "card": {} if card is None else card.model_dump(mode="json")}
    return write(model_path(path), about, model_set)


def import_set(lake: Lake, path: object, tenant: str, now_us: int) -> Imported:
    """Store the set in a file that `export_set` wrote.

    Raises:
        NotFound: There is no such file.
        BadInput: It is something else, damaged, changed, of another tenant, or of a version of the engine that means
            something else by the same numbers.
    """
    file = model_path(path)
    model, scorers = read(file, SET_KINDS)
    said = model["model_version"]
    if not VERSION.fullmatch(said):
        raise BadInput(f"{file}: the version {said[:60]!r} is none of a model set. {AGAIN}")
    version = check_version(file, said.rpartition("-")[0], said, scorers)
    missing = [name for name in unfitted() if name not in scorers]
    if missing:
        raise BadInput(f"{file}: lacks {', '.join(missing)}, which every model set of a deployment has. {AGAIN}")
    tenants = {key[0] for mine in scorers.values() for rows in (mine.topics, mine.items) for key in rows.keys}
    others = sorted(tenants - {tenant})
    if others:
        raise BadInput(
            f"{file}: holds topics of the tenant {others[0]!r}, and this is {tenant!r}, whose topics are others; "
            f"import it with --tenant {others[0]} (in Python, by engine.of({others[0]!r}))"
        )
    card = _card(file, model["card"], version)
    new = store_model_set(lake, ModelSet(version, scorers), now_us)
    if card is not None:
        write_card(lake, card)
    return Imported(version, card, new)


def _card(file: Path, found: dict[str, object], version: str) -> ModelCard | None:
    if not found:
        return None
    try:
        card = ModelCard.model_validate(found)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BadInput(f"{file}: the card cannot be read at {where}: {error.errors()[0]['msg']}. {AGAIN}") from None
    if card.version != version:
        raise BadInput(f"{file}: the card is of {card.version[:60]!r}, and the set is {version}. {AGAIN}")
    return card
