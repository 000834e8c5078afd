"""What the answers look like, for OpenAPI. A test holds each against its document."""

from __future__ import annotations

from typing import Any

_STUDENT = "s_5f0c2a9b7d314e6688a1c3d2e4f5a6b7"
_MODEL = "default-4f1c9a2b7e30"
_TOPIC = {
    "topic_id": "frac-compare",
    "title": "Comparing fractions",
    "chapter": "Fractions",
    "subject": "Mathematics",
    "course": "Mathematics grade 6",
}

STUDENT: dict[str, Any] = {
    "student_id": _STUDENT,
    "tenant": "default",
    "as_of": "2026-04-11T15:02:11Z",
    "score_source": "rule_based",
    "model_version": _MODEL,
    "topics": [
        {
            **_TOPIC,
            "mastery_score": 0.24,
            "lower": 0.13,
            "upper": 0.41,
            "band": "needs_help",
            "score_source": "rule_based",
            "evidence_count": 14,
            "last_activity_at": "2026-03-20T09:12:45Z",
            "explanation": {
                "summary": "31 points below the topic's typical student (55). What lowers it: 5 of the last 8 answers "
                "wrong (−17), faded (last worked on 22 days ago) (−5); what raises it: 2 of 5 practice answers right "
                "(+2); all else: −11.",
                "reference": {"name": "typical_student", "mastery_score": 0.55, "students": 27},
                "factors": [
                    {
                        "name": "accuracy",
                        "points": -17,
                        "value": {"wrong": 5, "answers": 8},
                        "text": "5 of the last 8 answers wrong",
                    },
                    {
                        "name": "forgetting",
                        "points": -5,
                        "value": {"idle_days": 22},
                        "text": "faded (last worked on 22 days ago)",
                    },
                    {
                        "name": "practice_success",
                        "points": 2,
                        "value": {"right": 2, "practice_attempts": 5},
                        "text": "2 of 5 practice answers right",
                    },
                ],
                "points": {"start": -11, "accuracy": -17, "practice_success": 2, "forgetting": -5},
                "scale": "index",
                "contributions": {"accuracy": 0.21, "practice_success": 0.08, "forgetting": -0.05},
            },
            "retention": {
                "retained": 0.83,
                "half_life_days": 30.0,
                "target": 0.6,
                "falls_below_at": None,
            },
            "next_step": "work on it again: last worked on 22 days ago",
            "strengths": [],
            "weaknesses": [
                {"name": "not_practised", "text": "no practice for 24 days", "value": {"practice_idle_days": 24}}
            ],
            "override": {"score": 0.15, "at": "2026-01-15T14:45:02Z"},
            "scores": {
                "rule_based": {"mastery_score": 0.24, "lower": 0.13, "upper": 0.41, "band": "needs_help"},
                "bkt": {"mastery_score": 0.19, "lower": 0.05, "upper": 0.44, "band": "needs_help"},
                "elo": {"mastery_score": 0.28, "lower": 0.15, "upper": 0.46, "band": "needs_help"},
            },
        }
    ],
    "rollups": [
        {
            "level": "chapter",
            "name": "Fractions",
            "parents": ["Mathematics grade 6", "Mathematics"],
            "mastery_score": 0.41,
            "lower": 0.29,
            "upper": 0.55,
            "band": "developing",
            "evidence_count": 61,
            "topics": 4,
            "topics_known": 5,
        }
    ],
    "notes": [],
}

HISTORY: dict[str, Any] = {
    "student_id": _STUDENT,
    "tenant": "default",
    "topic_id": "frac-compare",
    "title": "Comparing fractions",
    "score_source": "rule_based",
    "points": [
        {
            "day": day,
            "mastery_score": score,
            "lower": lower,
            "upper": upper,
            "band": band,
            "evidence_count": evidence,
            "model_version": _MODEL,
        }
        for day, score, lower, upper, band, evidence in (
            ("2026-02-02", 0.35, 0.11, 0.70, "not_enough_evidence", 2),
            ("2026-02-09", 0.31, 0.14, 0.56, "developing", 9),
            ("2026-03-20", 0.29, 0.17, 0.45, "needs_help", 14),
        )
    ],
    "notes": [],
}

ANSWERS: dict[str, Any] = {
    "student_id": _STUDENT,
    "tenant": "default",
    "as_of": "2026-04-11T15:02:11Z",
    "topic_id": "frac-compare",
    "title": "Comparing fractions",
    "score_source": "linear_rnn",
    "model_version": "fit-91c2d7e0a4b3",
    "start": 0.62,
    "answers": [
        {
            "topic_id": "frac-compare",
            "title": "Comparing fractions",
            "right": False,
            "answers": 5,
            "last_at": "2026-03-20T09:12:45Z",
            "contribution": -1.31,
            "text": "5 wrong answers on Comparing fractions, the last 22 days ago",
        },
        {
            "topic_id": "frac-equiv",
            "title": "Equivalent fractions",
            "right": True,
            "answers": 3,
            "last_at": "2026-04-09T10:40:02Z",
            "contribution": 0.44,
            "text": "3 right answers on Equivalent fractions, the last 2 days ago",
        },
    ],
    "log_odds": -0.25,
}

ITEMS: dict[str, Any] = {
    "student_id": _STUDENT,
    "tenant": "default",
    "as_of": "2026-04-11T15:02:11Z",
    "topic_id": "frac-compare",
    "title": "Comparing fractions",
    "source": "blend_unconstrained",
    "model_version": "fit-91c2d7e0a4b3",
    "items": [
        {"item_id": "frac-compare-q04", "p_correct": 0.81, "answered": 1},
        {"item_id": "frac-compare-q11", "p_correct": 0.57, "answered": 0},
    ],
}

CLASS: dict[str, Any] = {
    "tenant": "default",
    "as_of": "2026-04-11T15:02:11Z",
    "score_source": "rule_based",
    "scorers": [
        {"name": "rule_based", "label": "Rules"},
        {"name": "bkt", "label": "Knowledge tracing (BKT)"},
        {"name": "elo", "label": "Elo"},
    ],
    "model_version": _MODEL,
    "totals": {
        "students": 30,
        "topics": 1,
        "student_topics": 29,
        "bands": {"not_enough_evidence": 2, "needs_help": 5, "developing": 11, "proficient": 8, "mastered": 3},
        "students_in_need": 5,
    },
    "offset": 0,
    "next_offset": 1,
    "students": [_STUDENT],
    "topics": [
        {
            **_TOPIC,
            "mean": 0.52,
            "students": 27,
            "evidence_count": 402,
            "needs_help": 5,
            "bands": {"not_enough_evidence": 2, "needs_help": 5, "developing": 11, "proficient": 8, "mastered": 3},
        }
    ],
    "scores": [
        {
            "student_id": _STUDENT,
            "topic_id": "frac-compare",
            "mastery_score": 0.24,
            "lower": 0.13,
            "upper": 0.41,
            "band": "needs_help",
            "evidence_count": 14,
            "reason": None,
        }
    ],
    "notes": [],
}


IN_NEED: dict[str, Any] = {
    "tenant": "default",
    "as_of": "2026-04-11T15:02:11Z",
    "score_source": "rule_based",
    "model_version": _MODEL,
    "students_in_need": 5,
    "students": [
        {
            "student_id": _STUDENT,
            "topics": [
                CLASS["scores"][0] | {"reason": "3 of the last 8 answers right; faded (last worked on 22 days ago)"}
            ],
            "next_step": "work on it again: last worked on 22 days ago",
        }
    ],
    "titles": {"frac-compare": "Comparing fractions"},
}


POSTED: dict[str, Any] = {
    "read": 3,
    "accepted": 1,
    "revised": 0,
    "duplicates": 1,
    "rejected": [{"index": 2, "id": "a-83", "problem": "student_id is empty, and a value is needed"}],
    "scores": None,
}


RECEIVED: dict[str, Any] = {
    "received": 2,
    "rejected": [{"index": 2, "id": "a-83", "problem": "student_id is empty, and a value is needed"}],
    "receipt": "w9fFq0V2bX0m8nJ5T1o3kHicizQyMDQyNjKwVKpWyk4sTssvylWyyk7PL8pXSixLLEhVslIyVLIy0FHKz0ktKFayMqwFAD0kDzA",
}

RECEIPT: dict[str, Any] = {
    "received": 2,
    "waiting": 1,
    "scored": 1,
    "partitions": [
        {"partition": "kafka:answers/0@Yb3sQvJzRk2mT6oQ9fWc0A", "waiting": 0, "scored": 1},
        {"partition": "kafka:answers/3@Yb3sQvJzRk2mT6oQ9fWc0A", "waiting": 1, "scored": 0},
    ],
}


def example(document: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for an answer that looks like this."""
    return {200: {"content": {"application/json": {"example": document}}}}
