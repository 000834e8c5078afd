"""Every source table that can be read. A new one takes a file of its own and a line here."""

from __future__ import annotations

from mastery.events.assignment import ASSIGNMENT
from mastery.events.feedback import FEEDBACK
from mastery.events.metadata import ITEM_METADATA, TOPIC_METADATA
from mastery.events.practice import PRACTICE
from mastery.events.quiz import QUIZ
from mastery.events.responses import RESPONSES
from mastery.events.source import Source
from mastery.events.tutor import TUTOR
from mastery.events.video import VIDEO

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (QUIZ, ASSIGNMENT, VIDEO, PRACTICE, TUTOR, FEEDBACK, TOPIC_METADATA, ITEM_METADATA, RESPONSES)
}
