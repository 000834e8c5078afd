"""A page of a class: some of its students, and all that is said of them."""

from __future__ import annotations

from pydantic import Field

from mastery.pipelines.queries.schemas import ClassDocument


class ClassPage(ClassDocument):
    """Some students of a class, the lowest mean score first; the topics are those of the whole class."""

    students_total: int = Field(description="Students of the whole class.")
    offset: int = Field(description="So many students come before these.")


def page(whole: ClassDocument, offset: int, limit: int) -> ClassPage:
    """Return `limit` students of a class after the first `offset`, and their scores."""
    students = whole.students[offset : offset + limit]
    kept = set(students)
    scores = whole.scores if len(kept) == len(whole.students) else [r for r in whole.scores if r.student_id in kept]
    # what the class holds has been validated once
    fields = {name: getattr(whole, name) for name in type(whole).model_fields}
    return ClassPage.model_construct(
        **fields | {"students": students, "scores": scores}, students_total=len(whole.students), offset=offset
    )
