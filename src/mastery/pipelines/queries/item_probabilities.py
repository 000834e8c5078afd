"""How likely a student is to answer each item of a topic correctly now, for choosing items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from mastery.arrays import Floats
from mastery.errors import BadInput, NotFound, did_you_mean
from mastery.features.columns import QUIZ, EventColumns, event_columns
from mastery.features.next_answers import next_answers
from mastery.insight.rollups import CurriculumPath
from mastery.pipelines.queries.names import no_events, no_topic
from mastery.pipelines.queries.schemas import ItemProbabilitiesDocument, ItemProbabilityDocument
from mastery.scorers import telling_items
from mastery.scorers.model_set import ModelSet
from mastery.tables import UNASSIGNED

ROWS_AT_ONCE = 200_000
"""Each item takes a copy of the student's past; this many rows are predicted together."""


def item_probabilities(
    events: pa.Table,
    model_set: ModelSet,
    as_of_us: int,
    student_id: str,
    tenant: str,
    topic_id: str,
    wanted: Sequence[str] | None,
    *,
    items: Mapping[str, str | None],
    places: Mapping[str, CurriculumPath],
) -> ItemProbabilitiesDocument:
    """Return the probability of a right answer of one student to items of a topic, likeliest first.

    Args:
        events: All events of the student, columns `features.columns.READ`.
        wanted: Which items. Where None, all that metadata place in the topic; where they name none, those that this
            student has answered on it, and one that nobody knows, which is as difficult as the topic.
        items: Topic by item, as metadata say.
        places: By topic of the student's tenant.

    Raises:
        NotFound: no event of the student by then, or a topic or item that nobody has heard of.
        BadInput: an item of another topic.
    """
    columns = event_columns(events, as_of_us)
    if not columns.students or columns.tenants[0] != tenant:
        raise NotFound(no_events(student_id, tenant, as_of_us, model_set.days))
    source = telling_items(model_set.scorers)
    known = {topic for of, topic in model_set.scorers[source].topics.keys if of == tenant}
    known |= {topic for _, topic in columns.topics} | set(places) | {topic for topic in items.values() if topic}
    known -= {UNASSIGNED}
    if topic_id not in known:
        raise NotFound(no_topic(topic_id, tenant, known, {one: place.title for one, place in places.items()}))
    chosen = _chosen(wanted, topic_id, tenant, items, model_set, columns)
    probability = _probabilities(columns, model_set, source, topic_id, chosen, as_of_us)
    before = _answered(columns, chosen)
    place = places.get(topic_id)
    documents = [
        ItemProbabilityDocument(item_id=item, p_correct=float(p), answered=count)
        for item, p, count in zip(chosen, probability, before, strict=True)
    ]
    return ItemProbabilitiesDocument(
        student_id=student_id,
        tenant=tenant,
        as_of=model_set.days.instant(as_of_us),
        topic_id=topic_id,
        title=None if place is None else place.title,
        source=source,
        model_version=model_set.version,
        items=sorted(documents, key=lambda one: (-one.p_correct, one.item_id or "")),
    )


def _chosen(
    wanted: Sequence[str] | None,
    topic_id: str,
    tenant: str,
    items: Mapping[str, str | None],
    model_set: ModelSet,
    columns: EventColumns,
) -> list[str | None]:
    if wanted is None:
        placed = sorted(item for item, topic in items.items() if topic == topic_id)
        return [*placed] if placed else [*_answered_on(columns, topic_id), None]
    answered = {item for _, item in columns.items}
    known = {*items, *answered}
    for item in wanted:
        if items.get(item) not in (None, topic_id):
            raise BadInput(f"item {item!r} is of topic {items[item]!r}, not of {topic_id!r}; ask for it there")
        fitted = any(mine.items.places([(tenant, item)])[0] >= 0 for mine in model_set.scorers.values())
        if item not in known and not fitted:
            raise NotFound(
                f"no item {item!r} in tenant {tenant!r}{did_you_mean(item, sorted(known))}; "
                "leave the item out to see those of the topic"
            )
    return list(dict.fromkeys(wanted))


def _probabilities(
    columns: EventColumns, model_set: ModelSet, source: str, topic_id: str, items: Sequence[str | None], as_of_us: int
) -> Floats:
    # It loads XGBoost where the set has trees, so only who asks waits for it.
    from mastery.scorers.predictions import predict_all

    found = []
    at_once = max(1, ROWS_AT_ONCE // (columns.row.size + 1))
    for first in range(0, len(items), at_once):
        batch, rows = next_answers(columns, topic_id, items[first : first + at_once], as_of_us, model_set.days)
        found.append(predict_all(model_set.scorers, batch)[source][rows])
    return np.concatenate(found)


def _answered_on(columns: EventColumns, topic_id: str) -> list[str]:
    """Return the items that the student has answered on a topic, ascending."""
    of_topic = np.array([topic == topic_id for _, topic in columns.topics])[columns.topic]
    codes = np.unique(columns.item[of_topic & (columns.kind == QUIZ) & (columns.item >= 0)])
    return sorted(columns.items[code][1] for code in codes)


def _answered(columns: EventColumns, items: Sequence[str | None]) -> list[int]:
    """Return how often the student has answered each item: an answer on two topics, two rows of one event, is one."""
    answers = (columns.kind == QUIZ) & (columns.item >= 0)
    once = np.flatnonzero(answers)[np.unique(columns.row[answers], return_index=True)[1]]
    of_code = np.bincount(columns.item[once], minlength=len(columns.items))
    count = {item: int(of_code[code]) for code, (_, item) in enumerate(columns.items)}
    return [0 if item is None else count.get(item, 0) for item in items]
