"""Remove stored model sets that nobody needs: only when somebody asks, for a person may still want to compare them.

A set stays if it is active or in shadow, is what a rollback goes back to, is the default set of today, has published
scores, or is not old enough. Its card stays in any case: what it was fitted on and how well it did is a few kilobytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mastery.arrays import Floats
from mastery.instants import instant
from mastery.lake import Lake
from mastery.pipelines.models.activations import active_choice
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.store import versions
from mastery.tables import MODEL_ARRAYS, MODEL_PARAMS

VERSION = "model_version"

Reason = Literal["active", "previous", "shadow", "published", "default", "recent"]
"""Why a set stays. Previous: the one that was active before, which a rollback goes back to."""


@dataclass(frozen=True)
class Prunable:
    """A model set that may go, and about how many bytes of the lake are its own."""

    version: str
    created_at: datetime
    bytes: int


@dataclass(frozen=True)
class Pruning:
    """Every stored model set, the oldest first: those that may go, and by version why each other one stays."""

    goes: list[Prunable]
    stays: dict[str, Reason]


def prunable(lake: Lake, rules: Floats, now_us: int, days: int) -> Pruning:
    """Return which sets nobody needs and were stored more than that many days ago, and why the others stay."""
    shown = lake.publication()
    now = active_choice(lake, shown)
    default = current_model_set(lake, rules).version
    needed: dict[str | None, Reason] = {default: "default", shown.model_version: "published", now.shadow: "shadow"}
    needed |= {before or default: "previous" for before in now.before[:1]}
    needed[now.active or default] = "active"  # of several reasons the last one is told
    until = instant(now_us) - timedelta(days=days)
    sizes = _bytes_by_version(lake)
    found = Pruning([], {})
    for version, one in versions(lake).items():
        if version in needed:
            found.stays[version] = needed[version]
        elif one.created_at >= until:
            found.stays[version] = "recent"
        else:
            found.goes.append(Prunable(version, one.created_at, sizes[version]))
    return found


def prune(lake: Lake, rules: Floats, now_us: int, days: int) -> Pruning:
    """Remove what `prunable` says may go, and return the same. The files stay a day for who still reads them.

    While this runs nobody publishes, so no set becomes active meanwhile; an activation that has begun stores its set
    again before it switches.

    Raises:
        Conflict: A fit or a compaction has rewritten a file meanwhile; what is left goes when it is run again.
    """
    with lake.one_publisher():
        found = prunable(lake, rules, now_us, days)
        for table in (MODEL_PARAMS, MODEL_ARRAYS):  # arrays last: as long as they are there, the version is
            lake.remove_rows(table, VERSION, {one.version for one in found.goes})
    return found


def _bytes_by_version(lake: Lake) -> Counter[str]:
    """Return the bytes of each version: of each file as much as its share of the rows."""
    found: Counter[str] = Counter()
    for table in (MODEL_PARAMS, MODEL_ARRAYS):
        for file in lake.snapshot(table).files:
            rows = Counter(lake.read_files(table, [file.path], [VERSION])[VERSION].to_pylist())
            found.update({version: file.size * count // file.rows for version, count in rows.items()})
    return found
