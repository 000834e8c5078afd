"""The documents people and programs are given: the same from `mastery show --json` and from the API."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

Share = Field(ge=0.0, le=1.0)


class FactorDocument(BaseModel):
    """One reason for a score."""

    name: str = Field(description="Name of the contribution, as in docs/explanations.md.")
    points: int = Field(
        description="By how many points (hundredths of the score) it raises the score against the reference; negative: "
        "lowers it."
    )
    value: dict[str, float | int | None] = Field(description="The numbers behind it.")
    text: str = Field(description="The same in words.")


class ReferenceDocument(BaseModel):
    """What a score is compared with."""

    name: Literal["typical_student", "start"] = Field(
        description="typical_student: the mean score of the topic's students with enough evidence, as last published; "
        "start: the score of a student of whom nothing is known, where those are fewer than five, or the moment is "
        "more than seven days from that of the publication."
    )
    mastery_score: float = Share
    students: int = Field(description="On how many students' scores it rests; 0 for start.")


class ExplanationDocument(BaseModel):
    """Why a score is what it is."""

    summary: str
    reference: ReferenceDocument
    factors: list[FactorDocument] = Field(
        description="Up to three (five where much would be left out) of those that move the score by a point or "
        "more. A low score begins with what lowers it."
    )
    points: dict[str, int] = Field(
        description="Of every contribution, in points against the reference. They add up to the score less the "
        "reference, both in whole hundredths, rounded down."
    )
    scale: str = Field(
        description="For experts. What the contributions add up to: log_odds of the score, or index: the score itself."
    )
    contributions: dict[str, float] = Field(
        description="For experts. Every contribution on the scorer's own scale; they add up to the score on it."
    )


class TagDocument(BaseModel):
    """A strength or a weakness."""

    name: str
    text: str
    value: dict[str, float | int | None]


class ScoreDocument(BaseModel):
    """The score of one scorer."""

    mastery_score: float = Share
    lower: float = Share
    upper: float = Share
    band: str


class OverrideDocument(BaseModel):
    """What a teacher said. It stands beside the computed score and does not change it."""

    score: float = Share
    at: datetime


class RetentionDocument(BaseModel):
    """What time does to a score while nothing happens."""

    retained: float = Field(ge=0.0, le=1.0, description="Share of the score that is left; the rest has faded.")
    half_life_days: float | None = Field(
        description="Days after which half of what can still be forgotten is forgotten; null when nothing fades."
    )
    target: float = Field(ge=0.0, le=1.0, description="The score that is to be kept.")
    falls_below_at: datetime | None = Field(
        description="When the score falls under the target, if nothing happens; null when it is below already, or will "
        "not be within ten years."
    )


class TopicDocument(BaseModel):
    """One topic of one student."""

    topic_id: str
    title: str | None = None
    chapter: str | None = None
    subject: str | None = None
    course: str | None = None
    mastery_score: float = Share
    lower: float = Field(
        ge=0.0, le=1.0, description="The interval from lower to upper should contain the truth 90 % of the time."
    )
    upper: float = Share
    band: str
    score_source: str
    evidence_count: int = Field(description="Graded observations the score rests on.")
    last_activity_at: datetime | None
    explanation: ExplanationDocument
    retention: RetentionDocument
    next_step: str | None = Field(
        description="The one thing to do next; null in the bands proficient and mastered, and without enough evidence."
    )
    strengths: list[TagDocument]
    weaknesses: list[TagDocument]
    override: OverrideDocument | None = None
    scores: dict[str, ScoreDocument] = Field(
        description="For experts: every scorer's score of the topic. People are shown one."
    )


class RollupDocument(BaseModel):
    """A chapter, subject or course: the evidence-weighted mean of its topics."""

    level: str
    name: str
    parents: list[str] = Field(description="The units around it, the widest first.")
    mastery_score: float | None = Field(ge=0.0, le=1.0, description="Null when no topic has enough evidence.")
    lower: float | None = Field(ge=0.0, le=1.0, description="Mean of the topics' lower bounds.")
    upper: float | None = Field(ge=0.0, le=1.0, description="Mean of the topics' upper bounds.")
    band: str
    evidence_count: int = Field(
        description="Graded observations of its topics, added up: an answer on two of them counts on each."
    )
    topics: int = Field(description="Topics the score rests on.")
    topics_known: int = Field(description="Topics the unit has.")


class StudentDocument(BaseModel):
    """How well one student masters each topic, how sure that is, and why."""

    student_id: str = Field(description="Pseudonym.")
    tenant: str
    as_of: datetime
    score_source: str
    model_version: str
    topics: list[TopicDocument] = Field(description="Lowest score first.")
    topics_left_out: int = Field(
        default=0, exclude=True, description="Topics beside these, where only some are listed."
    )
    rollups: list[RollupDocument]
    notes: list[str]


class HistoryPoint(BaseModel):
    """The score as it stood at the end of a day."""

    day: date
    mastery_score: float = Share
    lower: float = Share
    upper: float = Share
    band: str = Field(description="not_enough_evidence where too little was graded by then for a verdict.")
    evidence_count: int
    model_version: str


class HistoryDocument(BaseModel):
    """A point for each day with activity, oldest first."""

    student_id: str
    tenant: str
    topic_id: str
    title: str | None = None
    score_source: str
    points: list[HistoryPoint]
    notes: list[str]


class PastAnswersDocument(BaseModel):
    """A student's right answers on one topic, or all others on it, and what they add together."""

    topic_id: str = Field(description="Topic of these answers; often not the topic of the score.")
    title: str | None = None
    right: bool = Field(description="True for answers that are at least half right, false for the others.")
    answers: int
    last_at: datetime
    contribution: float = Field(
        description="Log-odds that they add; of either sign, for a wrong answer on a hard item can speak for a student."
    )
    text: str = Field(description="The same in words.")


class AnswersDocument(BaseModel):
    """Which past answers make linear_rnn's score of a topic: `start` and all contributions add up to `log_odds`."""

    student_id: str
    tenant: str
    as_of: datetime
    topic_id: str
    title: str | None = None
    score_source: str
    model_version: str
    start: float = Field(description="Log-odds of a right answer on the topic's mean item before any answer.")
    answers: list[PastAnswersDocument] = Field(description="Those that add or take away most come first.")
    log_odds: float = Field(description="Log-odds of a right answer on the topic's mean item, before forgetting.")


class ItemProbabilityDocument(BaseModel):
    """How likely one student is to answer one item correctly."""

    item_id: str | None = Field(description="Null for an unknown item: as difficult as the topic's mean item.")
    p_correct: float = Field(ge=0, le=1, description="Probability that an answer given to it now is right.")
    answered: int = Field(description="How often this student has answered it.")


class ItemProbabilitiesDocument(BaseModel):
    """How likely one student is to answer items of a topic correctly: for choosing items, not a score."""

    student_id: str
    tenant: str
    as_of: datetime
    topic_id: str
    title: str | None = None
    source: str = Field(description="Whose probabilities; blend_unconstrained where the model set has it.")
    model_version: str
    items: list[ItemProbabilityDocument] = Field(description="Those most likely to be answered correctly come first.")


class ClassRow(BaseModel):
    """One student-topic of a class."""

    student_id: str
    topic_id: str
    mastery_score: float = Share
    lower: float = Share
    upper: float = Share
    band: str
    evidence_count: int
    reason: str | None = Field(
        None, description="Why, in words; given for the lowest topic of a student in need, null on a page of a class."
    )


class StudentInNeed(BaseModel):
    """A student who needs help."""

    student_id: str = Field(description="Pseudonym.")
    topics: list[ClassRow] = Field(
        description="Those in the band needs_help, the lowest score first; that one with its reasons."
    )
    next_step: str | None = Field(
        description="The one thing to do next, on the first of the topics; null where its band has changed since."
    )


class InNeedDocument(BaseModel):
    """Who needs help first, as last published: students, each once, the one with the lowest score first."""

    tenant: str
    as_of: datetime
    score_source: str
    model_version: str
    students_in_need: int = Field(description="Students in the band needs_help on at least one topic.")
    students: list[StudentInNeed] = Field(
        description="As many of them as were asked for; empty where nobody needs help."
    )
    titles: dict[str, str] = Field(description="What people call the topics, where metadata know it.")


class TopicSummary(BaseModel):
    """One topic over a class."""

    topic_id: str
    title: str | None = None
    chapter: str | None = None
    subject: str | None = None
    course: str | None = None
    mean: float | None = Field(description="Mean score of the students with enough evidence; null for none.")
    students: int = Field(description="Students with enough evidence.")
    evidence_count: int
    needs_help: int = Field(description="Of them, how many are in the band needs_help.")
    bands: dict[str, int] = Field(description="How many students are in each band, zeros too.")


class ClassTotals(BaseModel):
    """The numbers of the whole class, however few of its students are listed."""

    students: int
    topics: int
    student_topics: int = Field(description="Pairs of a student and a topic with a score.")
    bands: dict[str, int] = Field(description="How many student-topics are in each band, zeros too.")
    students_in_need: int = Field(description="Students in the band needs_help on at least one topic.")


class PublishedScorer(BaseModel):
    """A scorer whose scores are published."""

    name: str = Field(description="What `scorer` and `score_source` call it.")
    label: str = Field(description="What people call it.")


class ClassDocument(BaseModel):
    """A class as last published: the numbers of all of it, and some of its students with their scores."""

    tenant: str
    as_of: datetime
    score_source: str
    scorers: list[PublishedScorer] = Field(description="Whose scores are published; each may be requested by its name.")
    model_version: str
    totals: ClassTotals
    offset: int = Field(ge=0, description="Students that come before those listed.")
    next_offset: int | None = Field(description="The offset of the next page; null on the last one.")
    students: list[str] = Field(
        description="Pseudonyms, lowest mean score first; those without enough evidence on any topic last."
    )
    topics: list[TopicSummary] = Field(
        description="Over the whole class. Lowest mean first; topics without enough evidence last."
    )
    scores: list[ClassRow] = Field(description="Those of the students listed.")
    notes: list[str]
