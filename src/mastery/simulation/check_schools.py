"""Kinds of schools on which what was found on others is checked: the same wherever something is, with other seeds."""

from __future__ import annotations

from dataclasses import replace

from mastery.simulation.plan import SchoolPlan

THIRTEEN_WEEKS = SchoolPlan(students=1, days=91)

KINDS = {
    "like the first": THIRTEEN_WEEKS,
    "more topics, less study": replace(THIRTEEN_WEEKS, topics=64, topics_per_student=48, active_share=0.2),
    "few topics, much study": replace(THIRTEEN_WEEKS, topics=16, topics_per_student=8, active_share=0.5, days=63),
    "half a year, short days": replace(THIRTEEN_WEEKS, days=182, events_per_active_day=4.0),
    "much is known before": replace(THIRTEEN_WEEKS, starting_skill=-0.2, half_life_days=50.0),
    "little is known, quickly forgotten": replace(THIRTEEN_WEEKS, starting_skill=-1.6, half_life_days=18.0),
}


def check_schools(students: int, first_seed: int, kinds: int = len(KINDS)) -> dict[str, SchoolPlan]:
    """Return the first `kinds` kinds of schools, of that many students each, with seeds from `first_seed` on."""
    return {
        name: replace(KINDS[name], students=students, seed=first_seed + number)
        for number, name in enumerate([*KINDS][:kinds])
    }
