"""What model sets there are, for people: which is active, which in shadow, and what is known of each."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from mastery.arrays import Floats
from mastery.errors import Conflict, NotFound, did_you_mean
from mastery.lake import Lake
from mastery.pipelines.models.activations import DEFAULT, active_choice
from mastery.pipelines.models.active import current_model_set, named_model_set
from mastery.pipelines.models.card import ModelCard, cards
from mastery.pipelines.models.compare import published_version
from mastery.pipelines.models.gate import Gate
from mastery.pipelines.models.store import versions
from mastery.scorers import SPECS
from mastery.tables import GOLD


class VersionDocument(BaseModel):
    """One model set."""

    version: str
    is_default: bool = Field(description="The default set of today, which follows the course's metadata and the rules.")
    active: bool = Field(description="Active: readers answer from it.")
    shadow: bool = Field(description="Runs beside the active one.")
    published: bool = Field(description="Its scores are those of the last recompute.")
    created_at: datetime | None = Field(description="Null for a default set that has not been published yet.")
    parent: str | None
    scorers: list[str]
    fitted: list[str]
    events: int | None
    students: int | None


class VersionDetail(BaseModel):
    """One model set with its card, and the parameters of a topic that nothing is known of.

    Attributes:
        defaults: By scorer, parameter → value; with single numbers that all topics share, such as a blend's weights.
    """

    version: VersionDocument
    card: ModelCard | None
    defaults: dict[str, dict[str, float]]
    gate: Gate | None = Field(None, description="What it has to pass before it is activated; null without a card.")
    notes: list[str] = []


def list_versions(lake: Lake, rules: Floats) -> list[VersionDocument]:
    """Return every model set, the default one of today first, then the oldest first."""
    shown = lake.publication()
    now, known, stored = active_choice(lake, shown), cards(lake), versions(lake)
    today, published = current_model_set(lake, rules), published_version(lake, GOLD, shown)

    def document(version: str, created_at: datetime | None, scorers: list[str]) -> VersionDocument:
        card, is_default = known.get(version), version == today.version
        return VersionDocument(
            version=version,
            is_default=is_default,
            active=now.active == version or (is_default and now.active is None),
            shadow=now.shadow == version,
            published=published == version,
            created_at=created_at,
            parent=None if card is None else card.parent,
            scorers=scorers,
            fitted=[] if card is None else [name for name, one in card.scorers.items() if one.fitted],
            events=None if card is None else card.data.events,
            students=None if card is None else card.data.students,
        )

    first = stored.get(today.version)
    return [
        document(today.version, None if first is None else first.created_at, list(today.scorers)),
        *(document(v, one.created_at, list(one.scorers)) for v, one in stored.items() if v != today.version),
    ]


def show_version(lake: Lake, rules: Floats, version: str) -> VersionDetail:
    """Return what is known of one set; `default` names the default set of today.

    Raises:
        NotFound: no set has this version.
    """
    every = list_versions(lake, rules)
    known = [one.version for one in every]
    wanted = every[0].version if version == DEFAULT else version
    if wanted not in known:
        raise NotFound(
            f"unknown version {version!r}{did_you_mean(version, [DEFAULT, *known])}; 'mastery models list' lists them"
        )
    document = every[known.index(wanted)]
    notes = []
    defaults: dict[str, dict[str, float]] = {}
    try:
        model_set = named_model_set(lake, rules, None if document.is_default else wanted)
        for name, mine in model_set.scorers.items():
            names = [p.name for p in SPECS[name].parameters if p.size == 1] if name in SPECS else []
            if names and len(names) == mine.default.size:
                defaults[name] = dict(zip(names, (float(value) for value in mine.default), strict=True))
                shared = {word: one for word, one in mine.shared.items() if one.shape == (1,) and one.dtype.kind == "f"}
                defaults[name] |= {word: float(one[0]) for word, one in shared.items()}
    except Conflict as error:
        notes.append(str(error))
    return VersionDetail(version=document, card=cards(lake).get(wanted), defaults=defaults, notes=notes)
