"""A simulated school: students who learn, forget, guess, slip and idle, and the truth about what they know."""

from mastery.simulation.check_schools import check_schools
from mastery.simulation.chunk import Chunk
from mastery.simulation.course import Course, course, course_of
from mastery.simulation.plan import SchoolPlan
from mastery.simulation.school import simulate

__all__ = ["Chunk", "Course", "SchoolPlan", "check_schools", "course", "course_of", "simulate"]
