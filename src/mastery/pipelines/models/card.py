"""Model cards: what a model set was made from, with what, how well it does, and what had to be pooled."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
from pydantic import BaseModel, Field

from mastery.lake import Lake
from mastery.tables import MODEL_CARDS


class DataDocument(BaseModel):
    """The events that a fit has learnt from."""

    since: datetime | None = Field(description="Events before this were left out; null: none.")
    until: datetime | None = Field(description="Events after this were left out; null: none.")
    first_event: datetime | None
    last_event: datetime | None
    events: int
    answers: int = Field(description="Quiz answers among them: what is predicted. One on several topics is one.")
    students: int
    topics: int
    items: int
    pooled_topics: int | None = Field(
        None, description="Topics with too few graded answers for numbers of their own; null: not counted."
    )
    buckets_read: int = Field(
        description="A bucket holds a fair sample of students, chosen by a hash of the pseudonym."
    )
    buckets: int
    hash: str = Field(description="Sum over the events of a hash of id and body: the same in any order.")


class TopicMeasures(BaseModel):
    """How well one scorer predicts the answers on one topic."""

    tenant: str
    topic_id: str
    answers: int
    measures: dict[str, float | None]


class CalibrationPoint(BaseModel):
    """Answers that were predicted about alike."""

    answers: int
    predicted: float = Field(description="Mean probability that was predicted.")
    right: float = Field(description="Share that was right.")


class ScorerCard(BaseModel):
    """What is known of one scorer of the set.

    Measures of held-out answers are of students that what predicted them had not seen.
    """

    fitted: bool = Field(
        description="Whether this fit found its parameters; else they are the parent's, or, as a note says, defaults."
    )
    topics: int = Field(description="Topics with numbers of their own.")
    items: int = Field(description="Items with numbers of their own.")
    answers: int = Field(0, description="Held-out answers; one on several topics is one.")
    held_out: dict[str, float | None] = Field({}, description="AUC, log loss, ECE … on held-out answers.")
    auc_95: tuple[float | None, float | None] | None = Field(
        None, description="95 % interval of the AUC on held-out answers; null where it was not measured."
    )
    by_topic: list[TopicMeasures] = []
    calibration: list[CalibrationPoint] = []
    measures: dict[str, float | str | None] = Field({}, description="What the fit chose and reached.")
    notes: list[str] = Field([], description="What was pooled, left out or fell back, and why.")


class SimulatedSchool(BaseModel):
    """A simulated school like that of the log; numbers as in docs/simulation.md."""

    seed: int
    students: int
    days: int
    topics: int
    topics_per_student: int
    items_per_topic: int
    active_share: float
    idle_week_share: float
    events_per_active_day: float
    starting_skill: float
    half_life_days: float
    learning_rate: float = Field(description="Times what is usual in simulated schools.")


class Covered(BaseModel):
    """How scores of simulated students lie to the truth."""

    group: str = Field(description="All, a band, or a class of evidence.")
    scores: int
    share: float = Field(description="Share of the 90 % intervals that contain the truth.")
    bias: float = Field(description="Mean of score − truth.")


class SimulatedDocument(BaseModel):
    """Simulated schools like that of the log, on which the half widths of intervals were found."""

    schools: list[SimulatedSchool]
    scorers: dict[str, list[Covered]] = Field(description="By scorer whose half widths were found there.")


class ModelCard(BaseModel):
    """One fitted model set."""

    version: str
    parent: str = Field(description="Version whose parameters stand where nothing was fitted.")
    created_at: datetime
    code_version: str
    seed: int
    settings: dict[str, str | int | float | None] = Field(description="What the fit was asked to do.")
    data: DataDocument
    scorers: dict[str, ScorerCard]
    simulated: SimulatedDocument | None = Field(
        None, description="Where half widths of intervals were found; null: those that are shipped, or of the parent."
    )
    notes: list[str] = []

    @property
    def outdated(self) -> bool:
        """Whether an earlier version wrote it, which measured less: the same fit again measures the rest."""
        return self.data.pooled_topics is None


def write_card(lake: Lake, card: ModelCard) -> None:
    """Append a card, unless the version has one that is not outdated."""
    row = {
        "model_version": card.version,
        "parent": card.parent,
        "created_at": card.created_at,
        "card": card.model_dump_json(),
    }
    lake.append_unless(
        MODEL_CARDS,
        lambda: (there := cards(lake).get(card.version)) is not None and not there.outdated,
        pa.Table.from_pylist([row], schema=MODEL_CARDS.schema),
        f"mastery.card.2.{card.version}",
    )


def cards(lake: Lake) -> dict[str, ModelCard]:
    """Return every card by version. Where one was written twice, the first that is not outdated stands."""
    found: dict[str, ModelCard] = {}
    for row in sorted(lake.scan(MODEL_CARDS).to_pylist(), key=lambda one: one["created_at"]):
        before = found.get(row["model_version"])
        if before is None or before.outdated:
            found[row["model_version"]] = ModelCard.model_validate_json(row["card"])
    return found
