"""One student's days: when there is study, on what topic, and the events that come of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mastery.instants import DAY_S
from mastery.kernels import kernel
from mastery.log_odds import sigmoid
from mastery.simulation import rows
from mastery.simulation.course import VIDEOS_PER_TOPIC, CourseNumbers, Floats
from mastery.simulation.curriculum import TOPICS_PER_CHAPTER
from mastery.simulation.draws import Random, lognormal, normal, poisson, stream, uniform
from mastery.simulation.rows import Log, Mind
from mastery.simulation.skill import helped, learn, p_right, readiness, skill_at, worth

BEDTIME_S = 81_000  # 22:30; nothing is begun later, so that a day's study ends on that day
LIGHTS_OUT_S = 84_600  # 23:30; a practice session is broken off
REVIEW_SHARE = 0.35  # of the topics of a day are old ones
SWITCH_SHARE = 0.3  # of the events turn to another topic
RETRY_SHARE = 0.45  # of wrong answers are tried again at once
RETRY_BONUS = 0.5  # log-odds, for having seen the item a moment ago
WEEKDAY, WEEKEND = 1.16, 0.6  # factors on the probability to study; their mean over a week is 1
# What one opportunity of each kind is worth, as a factor on the topic's and the student's rate.
QUIZ_GAIN, PRACTICE_GAIN, ASSIGNMENT_GAIN, VIDEO_GAIN, CHATBOT_GAIN = 1.0, 0.55, 1.4, 0.8, 0.5


class Habits(NamedTuple):
    """The numbers of a SchoolPlan that the kernel reads."""

    seed: int
    days: int
    start_weekday: int  # 0 is Monday
    items_per_topic: int
    active_share: float
    idle_week_share: float
    events_per_day: float
    hint_abuser_share: float
    careless_share: float
    starting_skill: float
    half_life_days: float
    write_truth: bool
    kinds: Floats  # float64[len(KINDS)], cumulated shares


class Life(NamedTuple):
    """All that the kernel works on while it lives one student."""

    random: Random
    trait: Floats
    habits: Habits
    course: CourseNumbers
    mind: Mind
    log: Log


@kernel
def write(life: Life, kind: int, slot: int, at_s: int, a: int, b: int, c: int, d: int, e: int) -> None:
    """Append one event, or only count it where the log is full."""
    log = life.log
    n = log.used[rows.USED_EVENTS]
    if n < log.at_s.size:
        row = log.events[n]
        row[rows.KIND], row[rows.STUDENT], row[rows.TOPIC] = kind, log.used[rows.WHO], life.mind.path[slot]
        row[rows.SERIAL] = log.used[rows.USED_SERIAL]
        row[rows.A], row[rows.B], row[rows.C], row[rows.D], row[rows.E] = a, b, c, d, e
        log.at_s[n] = at_s
    log.used[rows.USED_EVENTS] += 1
    log.used[rows.USED_SERIAL] += 1


@kernel
def write_truth(life: Life, day: int) -> None:
    """Append the true mastery at the end of `day`: of topics studied on it, each seventh day of all met so far."""
    log, skill = life.log, life.mind.skill
    for slot in range(life.mind.path.size):
        last_day = skill[slot, rows.LAST_DAY]
        if last_day == day or (day % 7 == 6 and last_day >= 0):
            n = log.used[rows.USED_TRUTH]
            if n < log.mastery.size:
                row = log.truth[n]
                row[0], row[1], row[2] = log.used[rows.WHO], life.mind.path[slot], day
                log.mastery[n] = sigmoid(skill_at(skill, slot, day + 1.0))
            log.used[rows.USED_TRUTH] += 1


@kernel
def begin(life: Life, student: int) -> None:
    """Draw the student's traits and path, and set the mind to before the first day."""
    random, trait, habits, mind = life.random, life.trait, life.habits, life.mind
    stream(random, habits.seed, student)
    trait[rows.ABILITY] = 0.8 * normal(random)
    trait[rows.RATE] = lognormal(random, 1.0, 0.35)
    trait[rows.HALF_LIFE] = lognormal(random, habits.half_life_days, 0.4)
    trait[rows.RUSH] = 0.4 if uniform(random) < habits.careless_share else 0.04
    abuser = uniform(random) < habits.hint_abuser_share
    trait[rows.ABUSER] = 1.0 if abuser else 0.0
    trait[rows.HINT] = 0.85 if abuser else 0.05 + 0.2 * uniform(random)
    trait[rows.DILIGENCE] = lognormal(random, 0.956, 0.3)  # its mean is 1
    trait[rows.SLOWNESS] = lognormal(random, 1.0, 0.25)
    trait[rows.PACE] = 0.75 + 0.35 * uniform(random)
    spare_chapters = (mind.slot_of.size - mind.path.size) // TOPICS_PER_CHAPTER
    first = int(uniform(random) * (spare_chapters + 1)) * TOPICS_PER_CHAPTER
    mind.slot_of[:] = -1
    mind.tries[:] = 0
    mind.skill[:] = 0.0
    for slot in range(mind.path.size):
        topic = first + slot
        mind.path[slot], mind.slot_of[topic] = topic, slot
        base = habits.starting_skill + trait[rows.ABILITY] - life.course.difficulty[topic] + 0.4 * normal(random)
        mind.skill[slot, rows.BASE] = mind.skill[slot, rows.LEVEL] = base
        mind.skill[slot, rows.MEMORY] = trait[rows.HALF_LIFE]
        mind.skill[slot, rows.LAST_DAY] = -1.0
    life.log.used[rows.WHO], life.log.used[rows.USED_SERIAL] = student, 0


@kernel
def answer(life: Life, slot: int, place: int, at_day: float, gain: float, bonus: float) -> tuple[bool, int, float]:
    """Answer the topic's item at `place` and learn from it; return right or not, hints asked, seconds taken."""
    random, trait, course = life.random, life.trait, life.course
    item = life.mind.path[slot] * life.habits.items_per_topic + place
    distance = skill_at(life.mind.skill, slot, at_day) + bonus - course.item_difficulty[item]
    abuser, hints = trait[rows.ABUSER] > 0.5, 0
    if uniform(random) < trait[rows.HINT] * (1.0 - sigmoid(distance)):
        hints = (2 if abuser else 1) + int(uniform(random) * 2.0)
    rushed = hints == 0 and uniform(random) < trait[rows.RUSH]
    slip = course.slip[item] + (0.2 if rushed else 0.0)
    right = uniform(random) < helped(p_right(distance, 0.0, course.guess[item], slip), hints, abuser)
    # Slower where the item is hard for this student.
    seconds = course.seconds[item] * trait[rows.SLOWNESS] * math.exp(0.35 * normal(random))
    seconds *= math.exp(-0.3 * min(max(distance, -4.0), 4.0))
    if rushed or (abuser and hints > 0):
        seconds *= 0.35
    learn(life.mind.skill, slot, at_day, gain * worth(hints, abuser, rushed))
    return right, hints, min(max(seconds, 1.5), 900.0)


@kernel
def quiz(life: Life, slot: int, at_s: int, gain: float, missed: int) -> tuple[int, int]:
    """Answer one question, perhaps the one just missed; return the time after it and the item if missed, else −1."""
    place, bonus = int(uniform(life.random) * life.habits.items_per_topic), 0.0
    if missed >= 0 and uniform(life.random) < RETRY_SHARE:
        place, bonus = missed, RETRY_BONUS
    right, hints, seconds = answer(life, slot, place, at_s / DAY_S, gain * QUIZ_GAIN, bonus)
    life.mind.tries[slot, place] += 1
    tenths, at_s = round(seconds * 10.0), at_s + math.ceil(seconds)
    item = life.mind.path[slot] * life.habits.items_per_topic + place
    write(life, rows.QUIZ, slot, at_s, item, 1 if right else 0, tenths, life.mind.tries[slot, place], hints)
    return at_s, -1 if right else place


@kernel
def practice(life: Life, slot: int, at_s: int, gain: float) -> int:
    """Work through some questions in one session; return the time after it."""
    attempts, rights, hints = 0, 0, 0
    for _ in range(3 + poisson(life.random, 4.0)):
        if attempts > 0 and at_s % DAY_S > LIGHTS_OUT_S:
            break
        attempts += 1
        place = int(uniform(life.random) * life.habits.items_per_topic)
        right, asked, seconds = answer(life, slot, place, at_s / DAY_S, gain * PRACTICE_GAIN, 0.0)
        rights, hints, at_s = rights + (1 if right else 0), hints + asked, at_s + math.ceil(seconds)
    write(life, rows.PRACTICE, slot, at_s, attempts, rights, hints, 0, 0)
    return at_s


@kernel
def assignment(life: Life, slot: int, at_s: int, gain: float) -> int:
    """Hand in work on the topic and up to two earlier ones of its chapter; return the time after it."""
    random, mind = life.random, life.mind
    at_s += int(900.0 + 2100.0 * uniform(random))
    others = np.full(2, -1, dtype=np.int64)
    total, topics = sigmoid(skill_at(mind.skill, slot, at_s / DAY_S)), 1
    for back in range(1, 3):
        other = slot - back
        if other < 0 or mind.path[other] // TOPICS_PER_CHAPTER != mind.path[slot] // TOPICS_PER_CHAPTER:
            break
        if mind.skill[other, rows.LAST_DAY] >= 0 and uniform(random) < 0.6:
            others[topics - 1] = mind.path[other]
            total += sigmoid(skill_at(mind.skill, other, at_s / DAY_S))
            topics += 1
            learn(mind.skill, other, at_s / DAY_S, gain * ASSIGNMENT_GAIN * 0.5)
    learn(mind.skill, slot, at_s / DAY_S, gain * ASSIGNMENT_GAIN)
    score = min(max(0.05 + 0.9 * total / topics + 0.07 * normal(random), 0.0), 1.0)
    mind.skill[slot, rows.ASSIGNMENTS] += 1.0
    nth = int(mind.skill[slot, rows.ASSIGNMENTS])
    write(life, rows.ASSIGNMENT, slot, at_s, others[0], others[1], round(score * 200.0), nth, 0)
    return at_s


@kernel
def video(life: Life, slot: int, at_s: int, gain: float) -> int:
    """Watch one of the topic's videos, most of them to the end; return the time after it."""
    random, at_day = life.random, at_s / DAY_S
    which = int(uniform(random) * VIDEOS_PER_TOPIC)
    share = 0.9 + 0.1 * uniform(random) if uniform(random) < 0.6 else 0.1 + 0.85 * uniform(random)
    share = round(share * 1000.0) / 1000.0
    rewinds = poisson(random, 0.3 + 2.0 * (1.0 - sigmoid(skill_at(life.mind.skill, slot, at_day))) * share)
    seconds = int(life.course.video_s[life.mind.path[slot] * VIDEOS_PER_TOPIC + which] * share) + 12 * rewinds
    learn(life.mind.skill, slot, at_day, gain * VIDEO_GAIN * share)
    at_s += seconds
    write(life, rows.VIDEO, slot, at_s, which, round(share * 1000.0), seconds, rewinds, 0)
    return at_s


@kernel
def chatbot(life: Life, slot: int, at_s: int, gain: float) -> int:
    """Ask the tutor for help, more often the less is known; return the time after it."""
    random, at_day, resolved = life.random, at_s / DAY_S, 0
    queries = 1 + poisson(random, 0.3 + 1.7 * (1.0 - sigmoid(skill_at(life.mind.skill, slot, at_day))))
    for _ in range(queries):
        resolved += 1 if uniform(random) < 0.7 else 0
    learn(life.mind.skill, slot, at_day, gain * CHATBOT_GAIN * resolved / queries)
    at_s += 45 * queries
    write(life, rows.CHATBOT, slot, at_s, queries, resolved, 0, 0, 0)
    return at_s


@kernel
def feedback(life: Life, slot: int, at_s: int) -> int:
    """Let a teacher judge, in twentieths and with an error of 0.12; return the time after it."""
    true = sigmoid(skill_at(life.mind.skill, slot, at_s / DAY_S))
    twentieths = round(min(max(true + 0.12 * normal(life.random), 0.0), 1.0) * 20.0)
    reason = min(twentieths // 5, 3) * 2 + int(uniform(life.random) * 2.0)
    write(life, rows.FEEDBACK, slot, at_s + 30, twentieths * 5, reason, 0, 0, 0)
    return at_s + 30


@kernel
def next_slot(life: Life, day: int) -> int:
    """Return a topic for now: near where the class is on this day, or now and then an old one."""
    random, topics = life.random, life.mind.path.size
    reached = min(topics * life.trait[rows.PACE] * day / life.habits.days, topics - 1.0)
    if uniform(random) < REVIEW_SHARE:
        return int(uniform(random) * (reached + 1.0))
    return int(min(max(reached + 1.2 * normal(random), 0.0), topics - 1.0))


@kernel
def study(life: Life, day: int) -> None:
    """Live one day of study, event after event, from some hour until the work is done or it is bedtime."""
    random, mind, trait = life.random, life.mind, life.trait
    midnight = day * DAY_S
    at_s = midnight + int(27_000.0 + 22_000.0 * (uniform(random) + uniform(random)))
    slot, missed, gain = -1, -1, 0.0
    for _ in range(1 + poisson(random, life.habits.events_per_day - 1.0)):
        if slot < 0 or uniform(random) < SWITCH_SHARE:
            slot, missed = next_slot(life, day), -1
            ready = readiness(life.course, mind.slot_of, mind.skill, trait[rows.ABILITY], mind.path[slot], at_s / DAY_S)
            gain = ready * trait[rows.RATE] * life.course.rate[mind.path[slot]]
        drawn, kind = uniform(random), 0
        while kind < life.habits.kinds.size - 1 and drawn >= life.habits.kinds[kind]:
            kind += 1
        if kind == rows.PRACTICE:
            at_s = practice(life, slot, at_s, gain)
        elif kind == rows.ASSIGNMENT:
            at_s = assignment(life, slot, at_s, gain)
        elif kind == rows.VIDEO:
            at_s = video(life, slot, at_s, gain)
        elif kind == rows.CHATBOT:
            at_s = chatbot(life, slot, at_s, gain)
        elif kind == rows.FEEDBACK and mind.skill[slot, rows.LAST_DAY] >= 0:
            at_s = feedback(life, slot, at_s)
        else:
            at_s, missed = quiz(life, slot, at_s, gain, missed)
        at_s += 3 + int(30.0 * uniform(random))
        if at_s > midnight + BEDTIME_S:
            break


@kernel
def live(life: Life, first: int, last: int, traits: Floats) -> None:
    """Live the students first to last − 1 one after another into the log; traits gets a row for each."""
    life.log.used[:] = 0
    for student in range(first, last):
        begin(life, student)
        traits[student - first] = life.trait
        idle = False
        for day in range(life.habits.days):
            if day % 7 == 0:
                idle = uniform(life.random) < life.habits.idle_week_share
            factor = WEEKEND if (life.habits.start_weekday + day) % 7 >= 5 else WEEKDAY
            if uniform(life.random) < factor * life.habits.active_share * life.trait[rows.DILIGENCE] and not idle:
                study(life, day)
            if life.habits.write_truth:
                write_truth(life, day)
