"""How the score that people see would change with another model set: a sample of students, folded into both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mastery.features.batch import Batch, make_batch
from mastery.features.columns import READ, event_columns
from mastery.features.counters import EVIDENCE
from mastery.insight.bands import band_codes
from mastery.insight.data_quality import share_unknown, unknown_topics
from mastery.lake import Lake
from mastery.pipelines.models.gate import Drift, Unknown
from mastery.pipelines.models.sample import sampled_buckets
from mastery.pipelines.scoring.fold import Folded, fold_batch
from mastery.scorers import shown_by_default
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import Scoped

ENOUGH = 100_000
"""Events of whole buckets that say enough: thousands of student-topics, folded twice in a second."""


def drift(
    lake: Lake, old: ModelSet | None, new: ModelSet, chosen: str | None, min_evidence: int
) -> tuple[Drift | None, Unknown | None]:
    """Return how scores of the lake's students differ under two sets, as of the newest event of the sample, and
    what of their answers is on topics that the new set knows nothing of.

    Args:
        old: None where it cannot be used: nothing is compared then, and no Drift comes back.
        chosen: Whose score people see, in either set that has it; None for the default one.
    """
    tables = list(sampled_buckets(lake, READ, enough=ENOUGH))
    events = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    if not events.num_rows:
        return None, None
    batch = make_batch(event_columns(events), days=new.days)
    known = {key for mine in new.scorers.values() for key in mine.topics.keys}
    unknown = _unknown(sorted(known), batch) if known else None
    if old is None or old.version == new.version:
        return None, unknown
    as_of_us = int(batch.at_us.max())
    folded = [fold_batch(batch, one, as_of_us, history=False) for one in (old, new)]
    names = [_shown(one, chosen) for one in folded]
    was, becomes = (one.scores()[name].score for one, name in zip(folded, names, strict=True))
    there = np.isfinite(was) & np.isfinite(becomes)
    if not there.any():
        return None, unknown
    bands = [band_codes(score, folded[0].counters[:, EVIDENCE], min_evidence)[there] for score in (was, becomes)]
    found = Drift(
        against=old.version,
        old_scorer=names[0],
        new_scorer=names[1],
        student_topics=int(there.sum()),
        mean_difference=float(np.abs(becomes - was)[there].mean()),
        band_changes=float(np.mean(bands[0] != bands[1])),
    )
    return found, unknown


def _unknown(known: Sequence[Scoped], batch: Batch) -> Unknown | None:
    share = share_unknown(known, batch)
    return None if share is None else Unknown(share=share, sentences=unknown_topics(known, batch, "of the lake"))


def _shown(folded: Folded, chosen: str | None) -> str:
    """Return whose score people see."""
    names = [*folded.models, *folded.derived]
    return chosen if chosen is not None and chosen in names else shown_by_default(names)
