"""What a teacher reads, read back: is each clause true of the events it is about?

It knows nothing of counters, contributions or conditions: it parses the words, and counts the events again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mastery.features.batch import Batch
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE, QUIZ, TUTOR, VIDEO
from mastery.insight.words import percent, portion, seconds
from mastery.instants import DAY_US

RECENT, BREAK_DAYS, LEDGER_DAYS = 8, 3, 90


@dataclass(frozen=True)
class Happened:
    """One event on one topic."""

    kind: int
    day: int
    attempts: int
    success_ppm: int
    hints: int
    duration_ms: int
    row: int

    @property
    def share(self) -> float:
        return self.success_ppm / self.attempts / 1e6


@dataclass(frozen=True)
class Story:
    """All that happened to one student on each topic, in order, as it is told today."""

    topics: dict[str, list[Happened]]
    today: int
    last_day: int

    @staticmethod
    def of(batch: Batch, student: int, as_of_us: int) -> Story:
        topics: dict[str, list[Happened]] = {}
        rows = range(int(batch.student_ptr[student]), int(batch.student_ptr[student + 1]))
        for i in rows:
            mine = topics.setdefault(batch.topics[batch.slot_topic[batch.slot[i]]][1], [])
            numbers = (batch.attempts[i], batch.success_ppm[i], batch.hints[i], batch.duration_ms[i], batch.row[i])
            if batch.kind[i] != FEEDBACK:
                mine.append(Happened(int(batch.kind[i]), int(batch.at_us[i] // DAY_US), *(int(one) for one in numbers)))
        return Story(topics, as_of_us // DAY_US, int(batch.at_us[rows.stop - 1] // DAY_US))

    def elsewhere(self, topic: str) -> dict[str, list[Happened]]:
        return {name: events for name, events in self.topics.items() if name not in (topic, "unassigned")}


@dataclass(frozen=True)
class Place:
    """A topic in a story, with the score that is explained and what it was at the last activity."""

    story: Story
    topic: str
    score: float
    last_score: float
    starts_higher: bool = True

    @property
    def graded(self) -> list[Happened]:
        return [event for event in self.events if event.kind in (QUIZ, PRACTICE, ASSIGNMENT)]

    @property
    def events(self) -> list[Happened]:
        return self.story.topics[self.topic]

    def of(self, kind: int) -> list[Happened]:
        return [event for event in self.events if event.kind == kind]

    @property
    def answers(self) -> list[bool]:
        return [event.success_ppm >= 1_000_000 for event in self.of(QUIZ)]

    @property
    def better(self) -> bool:
        """Whether the last answers were right more often than those before."""
        last, older = self.answers[-RECENT:], self.answers[:-RECENT]
        return sum(last) / len(last) > sum(older) / len(older)

    @property
    def days(self) -> list[int]:
        return sorted({event.day for event in self.events})

    @property
    def idle_days(self) -> int:
        return max(0, self.story.today - self.days[-1])

    @property
    def questions(self) -> int:
        return len(self.answers) + sum(event.attempts for event in self.of(PRACTICE))

    @property
    def asked(self) -> tuple[int, int]:
        hints = sum(max(0, event.hints) for event in (*self.of(QUIZ), *self.of(PRACTICE)))
        return hints, sum(event.attempts for event in self.of(TUTOR))

    @property
    def after_breaks(self) -> tuple[int, float, str]:
        """Answers on days that follow a break, how many of them were right, in the last 90 days of work, and where."""
        days = self.days
        back = {day for before, day in pairwise(days) if day - before >= BREAK_DAYS}
        back = {day for day in back if day > self.story.last_day - LEDGER_DAYS}
        work = [event for event in self.events if event.day in back and event.kind in (QUIZ, PRACTICE)]
        answers = sum(event.attempts if event.kind == PRACTICE else 1 for event in work)
        kinds = {event.kind for event in work if event.kind == QUIZ or event.attempts}
        noun = "answer" if kinds == {QUIZ} else "practice answer" if kinds == {PRACTICE} else "quiz and practice answer"
        return answers, sum(event.success_ppm / 1e6 for event in work), noun


NUMBER = r"([\d,]+)"
TALLY = (
    r"(?:(?P<one>the only)|(?P<both>both)|(?P<all>all)(?: of)?(?=.{0,10} \d)|(?P<none>none) of|(?P<part>[\d,]+) of)"
    r"(?: the)?(?P<last> last)?(?: (?P<total>[\d,]+))?"
    r" (?P<noun>(?:(?:quiz and )?practice )?answer)s? (?P<outcome>right|wrong)"
)


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def counted(match: re.Match[str]) -> tuple[int, int]:
    """Return (how many, of how many) had the outcome that a tally names, both as numbers of right ones."""
    total = 1 if match["one"] else 2 if match["both"] else whole(match["total"])
    part = 0 if match["none"] else whole(match["part"]) if match["part"] else total
    return (part if match["outcome"] == "right" else total - part), total


def of_answers(match: re.Match[str], place: Place) -> bool:
    answers = place.answers
    if match["last"]:
        assert len(answers) > RECENT
        answers = answers[-RECENT:]
    return counted(match) == (sum(answers), len(answers))


def of_others(match: re.Match[str], place: Place) -> bool:
    kind = PRACTICE if match["noun"] == "practice answer" else QUIZ
    others = {
        name: [e for e in events if e.kind == kind] for name, events in place.story.elsewhere(place.topic).items()
    }
    # one answer on two topics is one
    work = [*{event.row: event for events in others.values() for event in events}.values()]
    right = [event.success_ppm / 1e6 if kind == PRACTICE else event.success_ppm >= 1_000_000 for event in work]
    total = sum(event.attempts if kind == PRACTICE else 1 for event in work)
    topics = sum(bool(events) for events in others.values())
    return counted(match) == (round(sum(right), 6), total) and whole(match["topics"]) == topics >= 1


def share_of_others(match: re.Match[str], place: Place) -> bool:
    """The mean over other topics, each by its answers; of several topics, for of one they are counted."""
    kind = PRACTICE if match["noun"] == "practice answer" else QUIZ
    others = [[e for e in events if e.kind == kind] for events in place.story.elsewhere(place.topic).values()]
    each = [(e.success_ppm / 1e6, e.attempts) if kind == PRACTICE else (e.success_ppm >= 1_000_000, 1)
            for events in others for e in events]  # fmt: skip
    share = sum(right for right, _ in each) / sum(attempts for _, attempts in each)
    share = min(1.0, share) if match["outcome"] == "right" else 1.0 - share
    told = {"all": "100 %", "no": "0 %"}.get(match["word"] or "", match["share"])
    topics = sum(bool(events) for events in others)
    return told == percent(round(share, 12)) and whole(match["topics"]) == topics > 1


def practice(match: re.Match[str], place: Place) -> bool:
    sessions = place.of(PRACTICE)
    right = sum(event.success_ppm for event in sessions) / 1e6
    return counted(match) == (right, sum(event.attempts for event in sessions))


def practice_share(match: re.Match[str], place: Place) -> bool:
    sessions = place.of(PRACTICE)
    attempts = sum(event.attempts for event in sessions)
    share = sum(event.success_ppm for event in sessions) / 1e6 / attempts
    return match["share"] == percent(min(1.0, share)) and whole(match["total"]) == attempts


def practice_share_of_others(match: re.Match[str], place: Place) -> bool:
    others = [[e for e in events if e.kind == PRACTICE] for events in place.story.elsewhere(place.topic).values()]
    work = [event for events in others for event in events]
    attempts = sum(event.attempts for event in work)
    share = sum(event.success_ppm for event in work) / 1e6 / attempts
    topics = sum(bool(events) for events in others)
    return (match["share"], whole(match["total"]), whole(match["topics"])) == (
        percent(min(1.0, share)),
        attempts,
        topics,
    )


def few_in_practice(match: re.Match[str], place: Place) -> bool:
    right = sum(event.success_ppm for event in place.of(PRACTICE)) / 1e6
    wrong = sum(event.attempts for event in place.of(PRACTICE)) - right
    return whole(match[1]) == (right if match[2] == "right" else wrong)


def assignments(match: re.Match[str], place: Place) -> bool:
    shares = [event.share for event in place.of(ASSIGNMENT)]
    number = 1 if match["number"] is None else whole(match["number"])
    return number == len(shares) and match["share"] == percent(sum(shares) / len(shares))


def hints(match: re.Match[str], place: Place) -> bool:
    told = [whole(match["hints"] or "0"), whole(match["requests"] or "0")]
    return told == [*place.asked] and whole(match["questions"]) == place.questions


def few_hints(match: re.Match[str], place: Place) -> bool:
    return hints(match, place) and sum(place.asked) <= 0.2 * place.questions


def changed(match: re.Match[str], place: Place) -> bool:
    older = place.answers[:-RECENT]
    return of_answers(match, place) and (whole(match["a"]), whole(match["b"])) == (sum(older), len(older))


def changed_from(match: re.Match[str], place: Place) -> bool:
    older = place.answers[:-RECENT]
    return (whole(match[2]), whole(match[3])) == (sum(older), len(older)) and (match[1] == "better") == place.better


def watched(match: re.Match[str], place: Place) -> bool:
    shares = [event.success_ppm / 1e6 for event in place.of(VIDEO)]
    return match[1] == portion(sum(shares) / len(shares)) and (match[2] == "video") == (len(shares) == 1)


def idle(match: re.Match[str], place: Place) -> bool:
    text = match["ago"]
    days = {"today": 0, "yesterday": 1}.get(text)
    return place.idle_days == (whole(text.split()[0]) if days is None else days)


def faded(match: re.Match[str], place: Place) -> bool:
    return idle(match, place) and place.idle_days >= 1 and place.last_score - place.score >= 0.01


def faded_before_wrong_ones(match: re.Match[str], place: Place) -> bool:
    well = [e for e in place.events if e.kind in (VIDEO, TUTOR) or 2 * e.success_ppm >= e.attempts * 1_000_000]
    since = (well[-1:] + place.events[:1])[0].day
    days = place.story.today - since
    return whole(match[1]) == days > place.idle_days and place.last_score - place.score >= 0.01


def stood_at(match: re.Match[str], place: Place) -> bool:
    return faded(match, place) and whole(match["points"]) == int(100.0 * place.last_score + 1e-9)


def the_others(match: re.Match[str], place: Place) -> bool:
    number = 1 if match["number"] is None else whole(match["number"])
    right = match["outcome"] == "right"
    return number in (place.answers.count(right), place.answers[-RECENT:].count(right))


def after_breaks(match: re.Match[str], place: Place) -> bool:
    answers, right, noun = place.after_breaks
    return counted(match) == (right, answers) and match["noun"] == noun


def share_after_breaks(match: re.Match[str], place: Place) -> bool:
    answers, right, noun = place.after_breaks
    told = whole(match["total"]), match["share"], match["noun"]
    return told == (answers, percent(min(1.0, right / answers)), noun)


def came_back(match: re.Match[str], place: Place) -> bool:
    times = {"once": 1, "twice": 2}.get(match[1]) or whole(match[1].split()[0])
    return times + 1 == whole(match[2]) == len(place.days)


def careless(match: re.Match[str], place: Place) -> bool:
    lately = place.answers[-RECENT:]
    pairs = pairwise(lately)
    return of_answers(match, place) and sum(lately) > len(lately) / 2 and all(one or other for one, other in pairs)


def pace(match: re.Match[str], place: Place) -> bool:
    def mean(events: list[Happened]) -> float:
        times = [event.duration_ms for event in events if event.kind == QUIZ and event.duration_ms >= 0]
        return float(np.mean(times))

    here = mean(place.events)
    usual = mean([event for events in place.story.topics.values() for event in events])
    mostly_right = sum(place.answers) >= 0.7 * len(place.answers)
    return mostly_right and (match[1], match[2]) == (seconds(here), seconds(usual)) and here != usual


HINTED = (
    r"(?:(?P<hints>[\d,]+) hints?)?(?: and )?(?:(?P<requests>[\d,]+) help requests?)?"
    r" on (?P<questions>[\d,]+) questions?"
)
PERCENT = r"(?P<share>(?:less than |more than )?\d+ %)"
ASSIGNED = rf"{PERCENT} (?:on the only assignment|on average in (?P<number>[\d,]+) assignments)"
SHARE = rf"{PERCENT} right in (?P<total>[\d,]+)"
SUFFIX = r"(?: \((?:more than expected|less than expected)\))?"
AGO = r"last worked on (?P<ago>today|yesterday|[\d,]+ days ago)"
TRULY: dict[str, Callable[[re.Match[str], Place], bool]] = {
    TALLY: lambda m, p: practice(m, p) if m["noun"] == "practice answer" else of_answers(m, p),
    rf"(?:on average {PERCENT} of|(?P<word>all|no)) (?P<noun>(?:practice )?answer)s (?P<outcome>right|wrong)"
    r" on (?P<topics>[\d,]+) other topics": share_of_others,
    rf"{TALLY} on (?P<topics>[\d,]+) other topics?": of_others,
    rf"{SHARE} practice answers? on (?P<topics>[\d,]+) other topics?": practice_share_of_others,
    rf"{NUMBER} earlier answers? (right|wrong)": lambda m, p: (
        whole(m[1]) == p.answers[:-RECENT].count(m[2] == "right") and p.answers[-RECENT:].count(m[2] == "right") == 0
    ),
    rf"{NUMBER} (right|wrong) answers? so far": lambda m, p: whole(m[1]) == p.answers.count(m[2] == "right") > 0,
    r"the other (?:answer|(?P<number>[\d,]+) answers) (?P<outcome>right|wrong)": the_others,
    r"answers right in part": lambda m, p: not any(p.answers) and any(e.success_ppm > 0 for e in p.of(QUIZ)),
    rf"{SHARE} practice answers?": practice_share,
    rf"{NUMBER} (right|wrong) answers? in practice": few_in_practice,
    ASSIGNED: assignments,
    rf"{TALLY}, (?P<a>[\d,]+) of (?P<b>[\d,]+) before": changed,
    rf"the last answers (better|worse) than the {NUMBER} of {NUMBER} right before": changed_from,
    rf"what {NUMBER} days? of work usually brings?": lambda m, p: whole(m[1]) == len(p.days),
    rf"only {NUMBER} days? of work in {NUMBER}": lambda m, p: (
        (whole(m[1]), whole(m[2])) == (len(p.days), p.days[-1] - p.days[0] + 1) and whole(m[2]) > whole(m[1])
    ),
    rf"came back to the topic (once|twice|[\d,]+ times) \({NUMBER} days of work\)": came_back,
    r"watched (.+) of the (videos?)": watched,
    HINTED: hints,
    rf"few hints: {HINTED}": few_hints,
    AGO: idle,
    r"the time since the last work": lambda m, p: p.idle_days >= 0,
    rf"faded \({AGO}\)": faded,
    rf"faded \(nothing has gone well for {NUMBER} days?\)": faded_before_wrong_ones,
    rf"{TALLY} on days after a break": after_breaks,
    rf"{SHARE} (?P<noun>(?:(?:quiz and )?practice )?answer)s? on days after a break": share_after_breaks,
    r"has not come back to the topic yet": lambda m, p: len(p.days) <= 1,
    # about the scorer and not about the student
    r"few answers (?:so far|since a start (above|below) the typical score)": lambda m, p: (
        max(len(p.graded), p.questions) < 10 and (m[1] is None or p.starts_higher == (m[1] == "above"))
    ),
    r"all students start (above|below) the typical score": lambda m, p: p.starts_higher == (m[1] == "above"),
    r"[a-z ]+, taken together|what work usually brings|where students start|the ends of the scale": lambda m, p: True,
    r"students with such results usually know (more|less)": lambda m, p: True,
    r"kept at the top of the scale": lambda m, p: p.score >= 0.99,
    r"kept at the bottom of the scale": lambda m, p: p.score <= 0.01,
    # tags
    rf"stood at (?P<points>[\d]+) when {AGO.replace('on ', 'on, ')}": stood_at,
    rf"no practice for {NUMBER} days?": lambda m, p: (
        whole(m[1]) == p.story.today - max(e.day for e in p.of(PRACTICE)) and p.idle_days >= 14
    ),
    rf"no practice yet, and not worked on for {NUMBER} days?": lambda m, p: (
        not p.of(PRACTICE) and whole(m[1]) == p.idle_days >= 14
    ),
    rf"not worked on for {NUMBER} days?": lambda m, p: whole(m[1]) == p.idle_days >= 14,
    rf"{TALLY} though most are right and never two wrong in a row": careless,
    r"([\d.]+ (?:s|min)) per answer here, ([\d.]+ (?:s|min)) over all topics": pace,
    rf"no hints on {NUMBER} questions": lambda m, p: whole(m[1]) == p.questions and sum(p.asked) == 0,
}  # fmt: skip


STEP = re.compile(
    r"(?:work on it again|try it without hints|go over the wrong answers|practise it|go over the assignments): (.+)"
)


def is_true_step(text: str, place: Place) -> bool:
    """Whether a next step names what happened."""
    match = STEP.fullmatch(text)
    if match is not None:
        return is_true(match[1], place)
    graded = re.fullmatch(rf"give it more work: {NUMBER} graded pieces? so far", text)
    assert graded is not None, text
    return whole(graded[1]) == sum(event.kind in (QUIZ, PRACTICE, ASSIGNMENT) for event in place.events)


def is_true(text: str, place: Place) -> bool:
    """Whether a clause is true of a place; two clauses with "and" between them are when both are.

    Raises:
        LookupError: nobody has taught this page to read the clause.
    """
    read = [(re.fullmatch(words + SUFFIX, text), truly) for words, truly in TRULY.items()]
    found = [truly(match, place) for match, truly in read if match is not None]
    if found:
        return all(found)
    for also in re.finditer(r",? and ", text):
        one, other = text[: also.start()], text[also.end() :]
        try:
            return is_true(one, place) and is_true(other, place)
        except LookupError:
            continue
    raise LookupError(text)
