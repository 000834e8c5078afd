"""Which column of a file may be a missing one of ours."""

from __future__ import annotations

import pytest

from mastery.events.likely_columns import likely_columns


@pytest.mark.parametrize(
    ("missing", "spare", "likely"),
    [
        (["student_id"], ["pupil"], {"student_id": "pupil"}),
        (["student_id"], ["took", "learnerKey", "room"], {"student_id": "learnerKey"}),
        (["student_id"], ["studentid", "pupil"], {"student_id": "studentid"}),  # a near spelling comes first
        (["student_id"], ["user", "pupil"], {}),  # either
        (["topic_id"], ["colour"], {"topic_id": "colour"}),  # nothing else is left
        (["topic_id"], ["colour", "shape"], {}),
        (["student_id", "timestamp"], ["when", "who"], {"timestamp": "when"}),
        (["student_id", "question_id"], [], {}),
    ],
)
def test_a_column_is_offered_where_one_alone_comes_into_question(missing, spare, likely):
    assert likely_columns(missing, spare) == likely
