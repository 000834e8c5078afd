"""The tables of the lake: their names, columns and keys. One home for every column name.

Student and teacher ids in all of them are pseudonyms (``s_…``, ``t_…``); the ids of topics and
items are the source's own and are scoped by ``tenant``.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

UTC = pa.timestamp("us", tz="UTC")

MILLION = 1_000_000
"""A success is counted in millionths, so that sums are integers and do not depend on order."""

UNASSIGNED = "unassigned"
"""The topic of events that name none. It is kept and counted, and gets no score."""

WINDOW_DAYS = (7, 30, 90)


@dataclass(frozen=True)
class Table:
    """One Delta table.

    Attributes:
        name: Folder under the lake's root.
        schema: Columns in order; partition columns included.
        key: Columns that tell two rows apart.
        partition_by: Partition columns. Tables of students are cut by ``bucket``, our own stable
            hash of the pseudonym, so one student's rows lie in one folder.
        doc: What one row is.
        published: Whether a recompute makes all of it, so that one of another version is made again.
        grows: Whether versions of the engine add columns to it; those that a file lacks are null.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    partition_by: tuple[str, ...]
    doc: str
    published: bool = False
    grows: bool = False


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


STRINGS = pa.list_(pa.string())

EVENTS = Table(
    "events",
    _schema(
        bucket=pa.int32(),
        tenant=pa.string(),
        student_id=pa.string(),
        event_id_hi=pa.int64(),
        event_id_lo=pa.int64(),
        body_hash=pa.int64(),
        kind=pa.string(),
        topic_id=pa.string(),
        other_topic_ids=STRINGS,  # further topics of an event on several; null for one
        item_id=pa.string(),
        occurred_at=UTC,
        sequence=pa.int64(),
        attempts=pa.int32(),  # quiz 1, practice its attempts, tutor its help requests, else 1
        success_ppm=pa.int64(),  # successes among the attempts, in millionths; null: withdrawn
        duration_ms=pa.int64(),
        attempt_number=pa.int32(),
        hints=pa.int32(),
        rewinds=pa.int32(),
        replaces_hi=pa.int64(),
        replaces_lo=pa.int64(),
        teacher_id=pa.string(),
        reason=pa.string(),
        source=pa.string(),
        received_at=UTC,
        source_version=pa.int64(),  # of the event, where its source counts its revisions; null so far
        ingest=pa.int64(),  # number of the ingest that brought it, as in INGESTS
    ),
    key=("event_id_hi", "event_id_lo"),
    partition_by=("bucket",),
    doc="One fact about one student, as it was read. Append-only; of the revisions of one event one counts.",
)

SUPERSEDED = Table(
    "superseded",
    EVENTS.schema,
    key=("event_id_hi", "event_id_lo", "body_hash", "ingest"),
    partition_by=("bucket",),
    doc="A revision of an event that does not count any more, taken out of events by compaction.",
)

REJECTED = Table(
    "rejected",
    _schema(
        tenant=pa.string(),
        content_hash=pa.int64(),
        source_table=pa.string(),
        source=pa.string(),
        line=pa.int64(),
        column=pa.string(),
        value=pa.string(),
        reason=pa.string(),
        code=pa.string(),
        received_at=UTC,
        ingest=pa.int64(),
    ),
    key=("tenant", "content_hash"),
    partition_by=(),
    doc="One row that was read and not accepted, and why. Values of id columns are never kept.",
)

INGESTS = Table(
    "ingests",
    _schema(
        tenant=pa.string(),
        ingest=pa.int64(),  # its number: microseconds since 1970 at which it was begun, unlike that of any other
        id=pa.string(),  # the same for people: 20260131-142533-0k7q
        kind=pa.string(),  # ingest, undo
        state=pa.string(),  # started, finished
        at=UTC,  # when it came into this state
        door=pa.string(),  # command line, python
        engine_version=pa.string(),
        options=pa.string(),  # what was said about the files, in JSON
        files=pa.string(),  # in JSON: what was read, and when finished what became of the rows of each
        notes=STRINGS,
        repeats=pa.string(),  # in JSON: number of an earlier ingest → how many of its events were read again
        undoes=pa.int64(),  # of an undo: the number of the ingest that it takes back
        sources=STRINGS,  # of an undo: the files whose events it takes back; null for all
        events=pa.int64(),  # rows accepted or revised (null until finished), or taken back
    ),
    key=("tenant", "ingest", "state"),
    partition_by=(),
    doc="A state of one ingest, or of one undo. Rows are added, never changed.",
)

TOPICS = Table(
    "topics",
    _schema(
        tenant=pa.string(),
        topic_id=pa.string(),
        title=pa.string(),
        chapter=pa.string(),
        subject=pa.string(),
        course=pa.string(),
        prerequisites=STRINGS,
        difficulty_estimate=pa.float64(),
        content_length=pa.float64(),
    ),
    key=("tenant", "topic_id"),
    partition_by=(),
    doc="Course metadata of one topic. The last one read wins.",
)

ITEMS = Table(
    "items",
    _schema(
        tenant=pa.string(),
        item_id=pa.string(),
        topic_id=pa.string(),
        other_topic_ids=STRINGS,  # further topics of an item on several; null for one
        difficulty=pa.float64(),
        kind=pa.string(),
    ),
    key=("tenant", "item_id"),
    partition_by=(),
    doc="Metadata of one item (question). The last one read wins.",
)

LEDGER_COUNTS = (
    "q_attempts",
    "q_success_ppm",
    "timed_attempts",
    "time_ms",
    "practice_attempts",
    "practice_success_ppm",
    "assignments",
    "assignment_ppm",
    "videos",
    "video_ppm",
    "rewinds",
    "hints",
    "help_requests",
    "help_resolved_ppm",
)
"""What a ledger row sums, all int64. See docs/features.md."""

LEDGER = Table(
    "ledger",
    pa.schema(
        [
            pa.field("bucket", pa.int32()),
            pa.field("tenant", pa.string()),
            pa.field("student_id", pa.string()),
            pa.field("topic_id", pa.string()),
            pa.field("day", pa.date32()),
            *[pa.field(name, pa.int64()) for name in LEDGER_COUNTS],
            pa.field("gap_days", pa.int32()),  # days since the last active day on it; 0 on the first
        ]
    ),
    key=("student_id", "topic_id", "day"),
    partition_by=("bucket",),
    doc="What one student did on one topic on one school day, in integers.",
    published=True,
)

WINDOWED_COUNTS = ("q_attempts", "q_correct", "practice_attempts")
WINDOWED_RATES = (
    "q_accuracy",
    "avg_time_per_question",
    "practice_success_rate",
    "assignment_score",
    "video_watch_pct",
    "rewind_rate",
    "revisit_rate",
    "hint_usage_rate",
    "help_resolved_rate",
    "spaced_practice_success",
)
LATEST_FEATURES = ("last_activity_days_ago", "rolling_mastery_trend", "recency", "teacher_feedback_score")

FEATURES = Table(
    "features",
    pa.schema(
        [
            pa.field("bucket", pa.int32()),
            pa.field("tenant", pa.string()),
            pa.field("student_id", pa.string()),
            pa.field("topic_id", pa.string()),
            pa.field("as_of", UTC),
            *[pa.field(f"{name}_{days}", pa.int32()) for name in WINDOWED_COUNTS for days in WINDOW_DAYS],
            *[pa.field(f"{name}_{days}", pa.float32()) for name in WINDOWED_RATES for days in WINDOW_DAYS],
            *[pa.field(name, pa.float32()) for name in LATEST_FEATURES],
        ]
    ),
    key=("student_id", "topic_id"),
    partition_by=("bucket",),
    doc="Windowed features of one student-topic at as_of. Null where there was nothing to count.",
    published=True,
)

COUNTERS = (
    "evidence",
    "answers",
    "right",
    "recent_answers",
    "recent_bits",
    "hints",
    "timed",
    "time_ms",
    "practice_attempts",
    "practice_right_ppm",
    "assignments",
    "assignment_ppm",
    "videos",
    "video_ppm",
    "help_requests",
    "active_days",
    "first_at_us",
    "last_at_us",
    "last_practice_us",
    "refreshed_at_us",
    "refreshed_day",
    "refreshed_days",
    "answers_to_right",
)
"""Integers kept per student-topic for words and tags; see mastery.features.counters."""

CONTRIBUTIONS = (
    "start",
    "answers_right",
    "answers_wrong",
    "practice",
    "assignments",
    "learning",
    "other_topics",
    "past_answers",
    "accuracy",
    "practice_success",
    "spaced_practice",
    "revisit",
    "video",
    "hints",
    "recency",
    "calibration",
    "limit",
    "forgetting",
)
"""Every name under which a scorer may book a contribution. A scorer uses some; the rest are null."""

GOLD = Table(
    "gold",
    pa.schema(
        [
            pa.field("bucket", pa.int32()),
            pa.field("tenant", pa.string()),
            pa.field("student_id", pa.string()),
            pa.field("topic_id", pa.string()),
            pa.field("score_source", pa.string()),
            pa.field("mastery_score", pa.float64()),
            pa.field("lower", pa.float64()),
            pa.field("upper", pa.float64()),
            pa.field("band", pa.string()),
            pa.field("evidence_count", pa.int32()),
            pa.field("model_version", pa.string()),
            pa.field("as_of", UTC),
            pa.field("last_activity_at", UTC),
            pa.field("explanation", pa.struct([pa.field(name, pa.float64()) for name in CONTRIBUTIONS])),
            pa.field("override_score", pa.float64()),
            pa.field("override_at", UTC),
            pa.field("last_updated", UTC),
        ]
    ),
    key=("student_id", "topic_id", "score_source"),
    partition_by=("bucket",),
    doc="student_mastery: one scorer's score of one student-topic, with its contributions.",
    published=True,
)

CLASS_STUDENTS = Table(
    "class_students",
    _schema(
        tenant=pa.string(),
        score_source=pa.string(),
        place=pa.int64(),  # by mean score, the lowest first, from 0
        lake_place=pa.int64(),  # by bucket
        student_id=pa.string(),
        mean=pa.float64(),  # of the topics with enough evidence; null without any
        in_need=pa.bool_(),  # of help, on at least one topic
    ),
    key=("tenant", "score_source", "place"),
    partition_by=(),
    doc="The students of a tenant in gold, by one scorer, in the order in which a class is shown.",
    published=True,
)

CLASS_TOPICS = Table(
    "class_topics",
    _schema(
        tenant=pa.string(),
        score_source=pa.string(),
        topic_id=pa.string(),
        score_sum=pa.int64(),  # of the students with enough evidence, in 2^-40
        evidence=pa.int64(),
        not_enough_evidence=pa.int64(),  # students in each band
        needs_help=pa.int64(),
        developing=pa.int64(),
        proficient=pa.int64(),
        mastered=pa.int64(),
        as_of=UTC,
        model_version=pa.string(),
    ),
    key=("tenant", "score_source", "topic_id"),
    partition_by=(),
    doc="How one topic stands over all students of a tenant in gold, by one scorer.",
    published=True,
)

CLASS_WEAKEST = Table(
    "class_weakest",
    _schema(
        tenant=pa.string(),
        score_source=pa.string(),
        place=pa.int64(),  # from 0, the weakest
        student_id=pa.string(),
        topic_id=pa.string(),
        mastery_score=pa.float64(),
        lower=pa.float64(),
        upper=pa.float64(),
        band=pa.string(),
        evidence_count=pa.int32(),
        min_evidence=pa.int32(),  # that a verdict needed
    ),
    key=("tenant", "score_source", "place"),
    partition_by=(),
    doc="The weakest student-topics of a tenant in gold with enough evidence, by one scorer.",
    published=True,
)

HISTORY = Table(
    "history",
    _schema(
        bucket=pa.int32(),
        tenant=pa.string(),
        student_id=pa.string(),
        topic_id=pa.string(),
        score_source=pa.string(),
        day=pa.date32(),
        mastery_score=pa.float64(),
        lower=pa.float64(),
        upper=pa.float64(),
        evidence_count=pa.int32(),
        model_version=pa.string(),
    ),
    key=("student_id", "topic_id", "score_source", "day"),
    partition_by=("bucket",),
    doc="student_mastery_history: the score as it stood at the end of each day with activity.",
    published=True,
)

MODEL_PARAMS = Table(
    "model_params",
    _schema(
        model_version=pa.string(),
        scorer=pa.string(),
        tenant=pa.string(),
        topic_id=pa.string(),
        item_id=pa.string(),
        name=pa.string(),
        value=pa.float64(),
        created_at=UTC,
    ),
    key=("model_version", "scorer", "tenant", "topic_id", "item_id", "name"),
    partition_by=(),
    doc="Parameters of every model set that are single numbers. Rows are added, never changed. Null topic_id: default.",
)

MODEL_ARRAYS = Table(
    "model_arrays",
    _schema(
        model_version=pa.string(),
        scorer=pa.string(),
        role=pa.string(),  # scorer (what follows, in JSON), default, topic, item, shared
        tenant=pa.string(),
        id=pa.string(),  # topic_id, item_id, or the name of a shared array
        dtype=pa.string(),
        shape=pa.list_(pa.int64()),
        bytes=pa.binary(),
        created_at=UTC,
    ),
    key=("model_version", "scorer", "role", "tenant", "id"),
    partition_by=(),
    doc="Every number of every model set, bit for bit: what is loaded. Rows are added, never changed.",
)

MODEL_CARDS = Table(
    "model_cards",
    _schema(model_version=pa.string(), parent=pa.string(), created_at=UTC, card=pa.string()),
    key=("model_version",),
    partition_by=(),
    doc="What a fitted model set was made from and how well it does, as JSON. Rows are added, never changed.",
)

ACTIVATIONS = Table(
    "activations",
    _schema(
        number=pa.int64(),  # 1 for the first row, one more for each that follows
        at=UTC,
        action=pa.string(),  # activate, rollback, shadow
        version=pa.string(),  # null: the default set; of a shadow: none
        previous=pa.string(),
    ),
    key=("number",),
    partition_by=(),
    doc="Choices of a model set, as they were kept before there were PUBLICATIONS. Only read.",
)

SHADOW = Table(
    "shadow",
    GOLD.schema,
    key=GOLD.key,
    partition_by=("bucket",),
    doc="The scores of the model set that runs in shadow: seen by nobody, compared with gold.",
    published=True,
)

PUBLICATIONS = Table(
    "publications",
    _schema(
        number=pa.int64(),  # the generation: one more with each row
        at=UTC,  # when what it publishes was begun
        committed_at=UTC,
        action=pa.string(),  # recompute, activate, rollback, shadow, compact, changes; found: what was there first
        version=pa.string(),  # the set that is chosen: null is the default set; of a shadow: none
        previous=pa.string(),
        model_version=pa.string(),  # whose scores are published
        timezone=pa.string(),  # of the school days by which they were made; null: UTC
        as_of=UTC,
        events=pa.int64(),  # version of the events that everybody was folded from
        changed_events=pa.int64(),  # and up to which students with news are published; null: nobody publishes changes
        ledger=pa.int64(),  # versions of the tables that people see
        features=pa.int64(),
        gold=pa.int64(),
        history=pa.int64(),
        shadow=pa.int64(),
        class_students=pa.int64(),
        class_topics=pa.int64(),
        class_weakest=pa.int64(),
    ),
    key=("number",),
    partition_by=(),
    doc="What people see: the last row names the version of every published table. Rows are added, never changed.",
    grows=True,
)

TABLES = {
    table.name: table
    for table in (
        EVENTS,
        SUPERSEDED,
        REJECTED,
        INGESTS,
        TOPICS,
        ITEMS,
        LEDGER,
        FEATURES,
        GOLD,
        CLASS_STUDENTS,
        CLASS_TOPICS,
        CLASS_WEAKEST,
        HISTORY,
        MODEL_PARAMS,
        MODEL_ARRAYS,
        MODEL_CARDS,
        PUBLICATIONS,
        SHADOW,
    )
}
