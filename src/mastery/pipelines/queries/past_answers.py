"""Which past answers of a student make the score of a topic, by a scorer that can be taken apart exactly."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from mastery.errors import BadInput, NotFound
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.insight.rollups import CurriculumPath
from mastery.insight.words import ago, counted
from mastery.pipelines.queries.names import topic_meant
from mastery.pipelines.queries.schemas import AnswersDocument, PastAnswersDocument
from mastery.school_days import SchoolDays
from mastery.scorers import SPECS
from mastery.scorers.model_set import ModelSet
from mastery.scorers.past_answers import Influence, influences
from mastery.tables import UNASSIGNED


def past_answers(
    events: pa.Table,
    model_set: ModelSet,
    as_of_us: int,
    student_id: str,
    topic_id: str,
    places: Mapping[str, CurriculumPath],
) -> AnswersDocument:
    """Return what each group of a student's past answers adds to the log-odds of a topic.

    Args:
        events: All events of the student, columns `features.columns.READ`.
        places: By topic of the student's tenant.

    Raises:
        NotFound: no event of the student, or none on the topic, by then.
        BadInput: the model set has no scorer that tells past answers apart.
    """
    tellers = [name for name, spec in SPECS.items() if spec.past_answers is not None]
    name = next((name for name in tellers if name in model_set.scorers), None)
    if name is None:
        raise BadInput(
            f"model set {model_set.version!r} has no {' or '.join(tellers)}, the scorer that tells past answers apart; "
            "run 'mastery fit', and 'mastery models activate' with the version it makes"
        )
    days = model_set.days
    batch = make_batch(event_columns(events, as_of_us), days=days)
    topics = [batch.topics[t][1] for t in batch.slot_topic]
    if topic_id not in topics:
        titles = {one: place.title for one, place in places.items()}
        raise NotFound(
            f"no event of this student on topic {topic_id!r} by {days.moment(as_of_us)}"
            f"{topic_meant(topic_id, {*topics} - {UNASSIGNED}, titles)}"
        )
    slot = topics.index(topic_id)
    model = model_set.models(batch.topics, batch.uses)[name]
    whole = SPECS[name].load_past_answers()(batch, model, slot)
    return AnswersDocument(
        student_id=student_id,
        tenant=batch.topics[int(batch.slot_topic[slot])][0],
        as_of=days.instant(as_of_us),
        topic_id=topic_id,
        title=_title(places, topic_id),
        score_source=name,
        model_version=model_set.version,
        start=whole.start,
        answers=[_in_words(one, places, days, as_of_us) for one in influences(batch, whole)],
        log_odds=whole.logit,
    )


def _in_words(
    one: Influence, places: Mapping[str, CurriculumPath], days: SchoolDays, as_of_us: int
) -> PastAnswersDocument:
    topic = one.topic[1]
    title = _title(places, topic)
    kind = "right answer" if one.right else "wrong answer"
    last = ago(days.day_of(as_of_us) - days.day_of(one.last_at_us))  # by the calendar, as everywhere else
    when = last if one.answers == 1 else f"the last {last}"
    return PastAnswersDocument(
        topic_id=topic,
        title=title,
        right=one.right,
        answers=one.answers,
        last_at=days.instant(one.last_at_us),
        contribution=one.contribution,
        text=f"{counted(one.answers, kind)} on {topic if title is None else title}, {when}",
    )


def _title(places: Mapping[str, CurriculumPath], topic_id: str) -> str | None:
    place = places.get(topic_id)
    return None if place is None else place.title
