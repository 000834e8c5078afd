"""The topics of the simulated school: forty with a name, further ones made by rule.

Chapters are listed in the order in which a school year meets them, the subjects in turn, so that the
first N topics of the list are always a plausible timetable and a prerequisite always comes before
what needs it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One topic and its place in the course.

    Attributes:
        topic_id: Readable id, such as ``frac-add``.
        prerequisites: Ids of topics that come earlier in the list.
    """

    topic_id: str
    title: str
    chapter: str
    subject: str
    course: str
    prerequisites: tuple[str, ...] = ()


TOPICS_PER_CHAPTER = 4

MATHEMATICS = ("Mathematics", "Mathematics grade 6")
SCIENCE = ("Science", "Science grade 6")
ENGLISH = ("English", "English grade 6")
GEOGRAPHY = ("Geography", "Geography grade 6")
COMPUTING = ("Computing", "Computing grade 6")
SUBJECTS = (MATHEMATICS, SCIENCE, ENGLISH, GEOGRAPHY, COMPUTING)

# (subject and course, chapter, ((topic id, title, prerequisites), ...))
_CHAPTERS: tuple[tuple[tuple[str, str], str, tuple[tuple[str, str, tuple[str, ...]], ...]], ...] = (
    (
        MATHEMATICS,
        "Fractions",
        (
            ("frac-equiv", "Equivalent fractions", ()),
            ("frac-compare", "Comparing fractions", ("frac-equiv",)),
            ("frac-add", "Adding and subtracting fractions", ("frac-equiv",)),
            ("frac-multiply", "Multiplying fractions", ("frac-equiv",)),
        ),
    ),
    (
        SCIENCE,
        "Forces and motion",
        (
            ("force-types", "Kinds of forces", ()),
            ("force-balance", "Balanced and unbalanced forces", ("force-types",)),
            ("force-speed", "Speed, distance and time", ()),
            ("force-friction", "Friction and air resistance", ("force-balance",)),
        ),
    ),
    (
        ENGLISH,
        "Reading",
        (
            ("read-main-idea", "Finding the main idea", ()),
            ("read-inference", "Reading between the lines", ("read-main-idea",)),
            ("read-vocabulary", "Words in context", ()),
            ("read-summary", "Summarising a text", ("read-main-idea",)),
        ),
    ),
    (
        MATHEMATICS,
        "Ratios and percentages",
        (
            ("ratio-basics", "What a ratio says", ("frac-equiv",)),
            ("ratio-scale", "Scaling and unit rates", ("ratio-basics",)),
            ("percent-of", "Percentage of a number", ("frac-multiply",)),
            ("percent-change", "Increase and decrease in per cent", ("percent-of",)),
        ),
    ),
    (
        SCIENCE,
        "Cells and life",
        (
            ("cell-parts", "Parts of a cell", ()),
            ("cell-plants", "Plant and animal cells", ("cell-parts",)),
            ("cell-photosynthesis", "Photosynthesis", ("cell-plants",)),
            ("cell-food-webs", "Food chains and food webs", ("cell-photosynthesis",)),
        ),
    ),
    (
        ENGLISH,
        "Grammar",
        (
            ("gram-tenses", "Past, present and future tense", ()),
            ("gram-agreement", "Subject and verb agreement", ("gram-tenses",)),
            ("gram-clauses", "Main and subordinate clauses", ("gram-agreement",)),
            ("gram-commas", "Commas and conjunctions", ("gram-clauses",)),
        ),
    ),
    (
        MATHEMATICS,
        "Expressions and equations",
        (
            ("alg-expressions", "Writing expressions", ()),
            ("alg-one-step", "One-step equations", ("alg-expressions",)),
            ("alg-two-step", "Two-step equations", ("alg-one-step", "frac-add")),
            ("alg-inequalities", "Inequalities on a number line", ("alg-one-step", "frac-compare")),
        ),
    ),
    (
        GEOGRAPHY,
        "Maps and climate",
        (
            ("map-scale", "Scale and distance on a map", ("ratio-scale",)),
            ("map-coordinates", "Latitude and longitude", ()),
            ("climate-zones", "Climate zones", ("map-coordinates",)),
            ("climate-graphs", "Reading climate graphs", ("climate-zones",)),
        ),
    ),
    (
        MATHEMATICS,
        "Geometry and data",
        (
            ("geo-angles", "Angles and triangles", ()),
            ("geo-area", "Area of triangles and parallelograms", ("geo-angles", "frac-multiply")),
            ("data-average", "Mean, median and mode", ("frac-add",)),
            ("data-charts", "Reading charts", ("data-average", "percent-of")),
        ),
    ),
    (
        COMPUTING,
        "First programs",
        (
            ("code-sequence", "Sequences of steps", ()),
            ("code-variables", "Variables", ("code-sequence", "alg-expressions")),
            ("code-loops", "Loops", ("code-sequence",)),
            ("code-conditions", "Conditions", ("code-variables",)),
        ),
    ),
)

NAMED: tuple[Topic, ...] = tuple(
    Topic(topic_id, title, chapter, subject, course, prerequisites)
    for (subject, course), chapter, topics in _CHAPTERS
    for topic_id, title, prerequisites in topics
)


def curriculum(topics: int) -> tuple[Topic, ...]:
    """Return the first `topics` topics of the school, in the order in which they are taught."""
    made = [_made(place) for place in range(len(NAMED), topics)]
    return (*NAMED[:topics], *made)


def _made(place: int) -> Topic:
    """Return the topic at `place` beyond the named ones: ``mathematics-u3-t2`` and the like."""
    chapter, within = divmod(place - len(NAMED), TOPICS_PER_CHAPTER)
    turn, which = divmod(chapter, len(SUBJECTS))
    subject, course = SUBJECTS[which]
    unit = f"{subject.lower()}-u{turn + 1}"
    before = [f"{unit}-t{within}"] if within > 0 else []
    if within == 0 and turn > 0:
        before.append(f"{subject.lower()}-u{turn}-t{TOPICS_PER_CHAPTER}")
    return Topic(
        topic_id=f"{unit}-t{within + 1}",
        title=f"{subject} unit {turn + 1}, part {within + 1}",
        chapter=f"{subject} unit {turn + 1}",
        subject=subject,
        course=course,
        prerequisites=tuple(before),
    )
