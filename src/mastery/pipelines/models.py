"""The model set in force: parameters as shipped, with what the lake knows of topics and items."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from mastery.arrays import Floats
from mastery.lake import Lake
from mastery.scorers import SCORERS
from mastery.scorers.model_set import ModelSet, default_model_set
from mastery.tables import ITEMS, MODEL_PARAMS, TOPICS


def current_model_set(lake: Lake, rules: Floats) -> ModelSet:
    """Return the default set for the topics and items of the lake. `rules`: float64[K], as the rules' YAML says."""
    topics = lake.scan(TOPICS, ["tenant", "topic_id", "difficulty_estimate"])
    items = lake.scan(ITEMS, ["tenant", "item_id", "topic_id", "difficulty"])
    estimates = {
        (row["tenant"], row["topic_id"]): row["difficulty_estimate"]
        for row in topics.to_pylist()
        if row["difficulty_estimate"] is not None
    }
    known = {
        (row["tenant"], row["item_id"]): (row["topic_id"], row["difficulty"])
        for row in items.to_pylist()
        if row["difficulty"] is not None
    }
    return default_model_set(rules, estimates, known)


def record_model_set(lake: Lake, model_set: ModelSet, now_us: int) -> None:
    """Write the set's parameters into MODEL_PARAMS, unless this version is there already."""
    versions = lake.scan(MODEL_PARAMS, ["model_version"]).column("model_version").unique().to_pylist()
    if model_set.version in versions:
        return
    created = datetime.fromtimestamp(now_us / 1e6, UTC)
    rows: list[dict[str, object]] = []
    for name, mine in model_set.scorers.items():
        scorer = SCORERS[name]
        names, item_names = [p.name for p in scorer.parameters], [p.name for p in scorer.item_parameters]
        places: list[tuple[dict[str, str], list[str], Floats]] = [({}, names, mine.default)]
        places += [
            ({"tenant": tenant, "topic_id": topic}, names, values)
            for (tenant, topic), values in zip(mine.topics.keys, mine.topics.values, strict=True)
        ]
        places += [
            ({"tenant": tenant, "item_id": item}, item_names, values)
            for (tenant, item), values in zip(mine.items.keys, mine.items.values, strict=True)
        ]
        rows += [
            {"scorer": name, **place, "name": parameter, "value": float(value)}
            for place, parameters, values in places
            for parameter, value in zip(parameters, values, strict=True)
            if not np.isnan(value)
        ]
    stamp = {"model_version": model_set.version, "created_at": created}
    lake.append(MODEL_PARAMS, pa.Table.from_pylist([row | stamp for row in rows], schema=MODEL_PARAMS.schema))
