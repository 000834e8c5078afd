"""Two model sets side by side: their measures, what of their parameters differs, and how their scores differ."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, Field

from mastery.lake import Lake
from mastery.lake.publication import Publication
from mastery.lake.snapshot import Snapshot
from mastery.pipelines.models.card import ModelCard
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import Parameters
from mastery.tables import GOLD, SHADOW, Table

KEY = ["student_id", "topic_id", "score_source"]


class ScoreDifference(BaseModel):
    """How the scores of one scorer differ."""

    student_topics: int
    mean_difference: float = Field(description="Mean of |new − old|.")
    mean_shift: float = Field(description="Mean of new − old.")
    largest_difference: float
    band_changes: float = Field(description="Share of student-topics in another band.")


class ScorerComparison(BaseModel):
    """One scorer in both sets; null where a set does not have it."""

    same_parameters: bool | None
    old: dict[str, float | None] | None = Field(description="Measures on held-out answers, from the card.")
    new: dict[str, float | None] | None
    scores: ScoreDifference | None = Field(description="Null unless scores of both sets are published.")


class Comparison(BaseModel):
    """Two model sets, the old one first."""

    old: str
    new: str
    scorers: dict[str, ScorerComparison]
    notes: list[str] = []


def compare(lake: Lake, old: ModelSet, new: ModelSet, cards: dict[str, ModelCard]) -> Comparison:
    """Return what differs between two sets. Scores are compared where one of them is published and one in shadow."""
    shown = lake.publication()
    published = {
        version: table for table in (GOLD, SHADOW) if (version := published_version(lake, table, shown)) is not None
    }
    notes = []
    scores: dict[str, ScoreDifference] = {}
    missing = [one.version for one in (old, new) if one.version not in published]
    if old.version == new.version:
        notes.append("both are the same set")
    elif missing:
        notes.append(
            f"scores are compared when both sets are published: {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not; 'mastery models shadow' and 'mastery recompute' publish one"
        )
    else:
        scores = differences(lake, published[old.version], published[new.version], shown)
    measured = [cards[one.version].data.hash for one in (old, new) if one.version in cards]
    if len(set(measured)) > 1:
        notes.append("the measures of the two were taken on different events")
    names = dict.fromkeys([*old.scorers, *new.scorers])
    return Comparison(
        old=old.version,
        new=new.version,
        scorers={
            name: ScorerComparison(
                same_parameters=_same(old.scorers.get(name), new.scorers.get(name)),
                old=_held_out(cards.get(old.version), name),
                new=_held_out(cards.get(new.version), name),
                scores=scores.get(name),
            )
            for name in names
        },
        notes=notes,
    )


def published_version(lake: Lake, table: Table, shown: Publication | None = None) -> str | None:
    """Return the model set whose scores a table holds, as a publication shows it; None for an empty one."""
    for file in lake.shown(table, shown).files:
        if file.rows:
            return str(lake.read_files(table, [file.path], ["model_version"])["model_version"][0].as_py())
    return None


def differences(lake: Lake, old: Table, new: Table, shown: Publication) -> dict[str, ScoreDifference]:
    """Return by scorer how the scores of one table differ from those of another, bucket by bucket."""
    at = {table.name: lake.shown(table, shown) for table in (old, new)}
    sums: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]] = {}
    for bucket in at[old.name].buckets:
        pairs = _scores(lake, old, bucket, at[old.name]).join(
            _scores(lake, new, bucket, at[new.name]), keys=KEY, join_type="inner", right_suffix="_new"
        )
        for name in pc.unique(pairs["score_source"]).to_pylist():
            mine = pairs.filter(pc.equal(pairs["score_source"], name))
            shift = mine["mastery_score_new"].to_numpy() - mine["mastery_score"].to_numpy()
            moved = pc.not_equal(mine["band"], mine["band_new"]).to_numpy()
            total = [shift.size, np.abs(shift).sum(), shift.sum(), moved.sum(), np.abs(shift).max(initial=0.0)]
            sums.setdefault(name, []).append(np.array(total, np.float64))
    found = {}
    for name, rows in sums.items():
        count, distance, shift_sum, bands, _ = np.sum(rows, axis=0)
        found[name] = ScoreDifference(
            student_topics=int(count),
            mean_difference=float(distance / count),
            mean_shift=float(shift_sum / count),
            largest_difference=float(np.max(rows, axis=0)[-1]),
            band_changes=float(bands / count),
        )
    return found


def _scores(lake: Lake, table: Table, bucket: int, at: Snapshot) -> pa.Table:
    rows = lake.read_bucket(table, bucket, [*KEY, "mastery_score", "band"], at=at)
    return rows.cast(pa.schema([table.schema.field(name) for name in rows.column_names]))


def _same(old: Parameters | None, new: Parameters | None) -> bool | None:
    return None if old is None or new is None else old.digest() == new.digest()


def _held_out(card: ModelCard | None, name: str) -> dict[str, float | None] | None:
    return None if card is None or name not in card.scorers else card.scorers[name].held_out or None
