"""elo fitted: difficulties in joint passes with the students' levels, everything else by what is predicted best.

A pass folds the answers, takes the level that each was predicted from as given, and moves every difficulty by one
Newton step towards its most likely value, drawn towards the mean of its topic (Pelánek 2016, section 3, estimates
both online; passes use each answer for its item however early it came). Steps, memory and asymptotes are then chosen
one after the other by the log loss of held-out students.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mastery.arrays import Floats, Int32s
from mastery.features.batch import Batch
from mastery.features.subset import take_students
from mastery.scorers.base import Model, States, defaults, mean_row, predict, start
from mastery.scorers.elo import scorer as elo
from mastery.scorers.elo.chapters import NO_CHAPTER, estimated_chapters, numbered_chapters
from mastery.scorers.fits import Fit, held_out, some_students
from mastery.scorers.item_codes import (
    answers_of_codes,
    has_items,
    item_codes,
    rows_of_items,
    shrunk_to_items,
    topic_of_codes,
)
from mastery.scorers.parameters import KeyedRows, Parameters, Scoped, no_rows
from mastery.scorers.scale import shared_scale

FEWEST_HELD_OUT = 200
"""Answers of held-out students below which nothing is chosen and the defaults stand."""

THIN_TOPIC = 20
"""Topics with fewer answers are named in the notes: their difficulty is mostly that of all topics."""

PASSES = 6
FARTHEST_DIFFICULTY = 8.0

LEAST_GAIN = 1e-5
"""Nats per answer by which a choice must be better than the one before it."""


ENOUGH_TO_CHOOSE = 400_000
"""Settings are compared on this many answers; the one chosen is fitted to all of them."""


@dataclass(frozen=True)
class Setting:
    """What is chosen on held-out students.

    Attributes:
        spread: Standard deviation of difficulties within a topic, and of topics, in logits.
        asymptotes: Share of the scale's guess and slip that answers are predicted with, 0 to 1.
    """

    variance_ability: float = 0.5
    variance_offset: float = 0.7
    memory_ability: float = 0.97
    memory_offset: float = 0.8
    share: float = 0.4
    chapter_share: float = 0.0
    spread: float = 1.0
    asymptotes: float = 0.0
    uncertain_days: float = 180.0
    half_life_days: float = 120.0


LINES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("asymptotes", (0.0, 0.5, 1.0)),
    ("variance_offset", (0.15, 0.3, 0.5, 0.7, 1.0, 1.5)),
    ("variance_ability", (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.5)),
    ("memory_offset", (0.6, 0.7, 0.8, 0.87, 0.93, 0.97, 1.0)),
    ("memory_ability", (0.85, 0.92, 0.97, 0.985, 0.995, 1.0)),
    ("share", (0.2, 0.3, 0.4, 0.5)),
    ("spread", (0.5, 0.75, 1.0, 1.4, 2.0)),
)
OF_TIME: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("uncertain_days", (10.0, 30.0, 90.0, 180.0, 720.0)),
    ("half_life_days", (15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 1_000.0, 36_500.0)),
)
CHAPTER_SHARES = (0.0, 0.1, 0.2, 0.3)
ROUNDS = 2


@dataclass(frozen=True)
class _Answers:
    """A batch with what a pass needs to know of it.

    Attributes:
        code: int64[m]. Item codes of the rows that weigh something, see `scorers.item_codes`.
        group: int32[U + T]. The topic of each code.
        guess, slip: float64[T]. Of the scale.
        chapter: float64[T]. Number of each topic's chapter.
    """

    batch: Batch
    code: Int32s
    group: Int32s
    guess: Floats
    slip: Floats
    chapter: Floats

    def of(self, batch: Batch) -> _Answers:
        """Return the same for other students."""
        return replace(self, batch=batch, code=item_codes(batch)[batch.weight > 0.0].astype(np.int32))


def fit(
    batch: Batch,
    *,
    given: Mapping[str, Parameters],
    seed: int = 0,
    threads: int = 1,
    chapters: Mapping[Scoped, str] | None = None,
    chosen: tuple[Setting, Floats] | None = None,
) -> Fit:
    """Return elo's parameters; guess and slip of the scale come from given["bkt"].

    Without `chapters` (chapter by topic), topics are gathered by how alike students' offsets are on them. Chapters
    count for nothing where they predict nothing. `chosen` is the setting, and float64[T] the chapter of each topic, to
    fit with; they are searched for where None.
    """
    guess, slip = shared_scale(batch, given)
    if not (batch.weight > 0.0).any():
        row = defaults(elo.SCORER, 1)[0]
        return Fit(Parameters(row, no_rows(row.size), no_rows(1)), ("elo: no answers; the defaults stand.",))
    number = numbered_chapters(batch.topics, chapters)
    answers = _Answers(batch, np.zeros(0, np.int32), topic_of_codes(batch), guess, slip, number).of(batch)
    some, notes = some_students(batch, ENOUGH_TO_CHOOSE), []
    held = held_out(some.students, 10)
    learn, judge = answers.of(take_students(some, ~held)), answers.of(take_students(some, held))
    setting, measures = Setting(), {}
    if chosen is not None:
        setting, answers = chosen[0], replace(answers, chapter=chosen[1])
    elif min(learn.code.size, judge.code.size) >= FEWEST_HELD_OUT:
        setting, chapter, loss = _choose(learn, judge, guessed=chapters is None)
        answers = replace(answers, chapter=chapter)
        measures["held_out_log_loss"] = loss
        if setting.chapter_share == 0.0:
            notes.append("elo: chapters do not help to predict answers; topics are moved by the ability alone.")
        elif chapters is None:
            count = np.unique(chapter[chapter >= 0.0]).size
            were = "chapter was" if count == 1 else "chapters were"
            notes.append(f"elo: {count} {were} estimated from how alike students' offsets are on their topics.")
    else:
        notes.append(
            f"elo: fewer than {FEWEST_HELD_OUT} answers of students held out to choose by; default steps and memory"
        )
    if setting.chapter_share == 0.0:
        answers = replace(answers, chapter=np.full(len(batch.topics), NO_CHAPTER))
    difficulty = np.zeros(answers.group.size)
    for _ in range(PASSES):
        difficulty = one_pass(answers, setting, difficulty)
    thin = np.bincount(answers.group, answers_of_codes(batch), len(batch.topics)) < THIN_TOPIC
    if thin.any():
        names = [topic for (_, topic), few in zip(batch.topics, thin, strict=True) if few]
        named = ", ".join(names[:10]) + (" and others" if len(names) > 10 else "")
        notes.append(
            f"elo: on {len(names)} of {len(batch.topics)} topics there are fewer than {THIN_TOPIC} answers; "
            f"they lean on the mean of all: {named}"
        )
    values = {name: float(value) for name, value in vars(setting).items()}
    found = _parameters(answers, setting, difficulty)
    return Fit(found, tuple(notes), {**measures, **values}, (setting, answers.chapter))


def _choose(learn: _Answers, judge: _Answers, guessed: bool) -> tuple[Setting, Floats, float]:
    """Return the setting that predicts the answers of `judge` best, the chapters, and the log loss."""
    best, difficulty = Setting(), np.zeros(learn.group.size)
    for _ in range(PASSES - 2):
        difficulty = one_pass(learn, best, difficulty)
    loss = log_loss(judge, best, difficulty)
    waits = bool((np.diff(judge.batch.at_us) > 0).any())
    lines = [*LINES, *(OF_TIME if waits else ())]

    def search(name: str, values: tuple[float, ...]) -> None:
        nonlocal best, difficulty, loss
        for value in values:
            candidate = replace(best, **{name: value})
            if candidate == best:
                continue
            moved = one_pass(learn, candidate, difficulty)
            found = log_loss(judge, candidate, moved)
            if found < loss - LEAST_GAIN:
                best, difficulty, loss = candidate, moved, found

    for _ in range(ROUNDS):
        for name, values in lines:
            search(name, values)
    if guessed:
        states = _folded(learn, best, difficulty)[1]
        chapter = estimated_chapters(learn.batch, states.slot[:, elo.OFFSET], states.slot[:, elo.EVIDENCE])
        learn, judge = replace(learn, chapter=chapter), replace(judge, chapter=chapter)
    if (learn.chapter >= 0.0).any():
        search("chapter_share", CHAPTER_SHARES)
    return best, learn.chapter, loss


def log_loss(answers: _Answers, setting: Setting, difficulty: Floats) -> float:
    """Return the mean −ln of the probability given to each answer, by weight."""
    rows = answers.batch.weight > 0.0
    p = np.clip(_folded(answers, setting, difficulty)[0], 1e-9, 1.0 - 1e-9)
    y, weight = answers.batch.y[rows], answers.batch.weight[rows]
    return float(-(weight * (y * np.log(p) + (1.0 - y) * np.log(1.0 - p))).sum() / weight.sum())


def one_pass(answers: _Answers, setting: Setting, difficulty: Floats) -> Floats:
    """Return float64[U + T]: difficulties after one fold and one Newton step each, drawn towards their topics.

    Codes without answers get the mean of their topic.
    """
    batch, topics = answers.batch, answers.guess.size
    rows, count = batch.weight > 0.0, np.bincount(answers.code, minlength=difficulty.size)
    probability, _ = _folded(answers, setting, difficulty)
    lower, upper = (column[batch.slot_topic[batch.slot[rows]]] for column in _asymptotes(answers, setting))
    free = np.clip((probability - lower) / (upper - lower), 1e-6, 1.0 - 1e-6)
    rise = (upper - lower) * free * (1.0 - free)
    spread = np.maximum(probability * (1.0 - probability), 1e-9)
    y, weight = batch.y[rows], batch.weight[rows]
    pull = np.bincount(answers.code, weight * rise * (probability - y) / spread, difficulty.size)
    know = np.bincount(answers.code, weight * rise * rise / spread, difficulty.size)
    precision = setting.spread**-2
    mean = topic_means(difficulty, np.where(count > 0, know, 0.0), answers.group, topics, precision)[answers.group]
    step = (pull - precision * (difficulty - mean)) / (know + precision)
    moved = difficulty + np.clip(step, -2.0, 2.0)
    return np.clip(np.where(count > 0, moved, mean), -FARTHEST_DIFFICULTY, FARTHEST_DIFFICULTY)


def topic_means(value: Floats, know: Floats, group: Int32s, topics: int, precision: float) -> Floats:
    """Return float64[T]: the mean of each topic's items, those that are well known counting most.

    Topics are drawn towards the mean of all as items are towards their topic's.
    """
    sure = know / (know + precision)
    of_topic, total = np.bincount(group, sure, topics), np.bincount(group, sure * value, topics)
    overall = float(total.sum() / max(float(of_topic.sum()), 1e-9))
    found: Floats = (total + overall) / (of_topic + 1.0)
    return found


def _folded(answers: _Answers, setting: Setting, difficulty: Floats) -> tuple[Floats, States]:
    """Return the probability given to each answer that weighs something, and the states afterwards."""
    model = _model(answers, setting, difficulty)
    states = start(elo.SCORER, model, answers.batch)
    return predict(elo.SCORER, model, answers.batch, states)[answers.batch.weight > 0.0], states


def _asymptotes(answers: _Answers, setting: Setting) -> tuple[Floats, Floats]:
    return setting.asymptotes * answers.guess, 1.0 - setting.asymptotes * answers.slip


def _model(answers: _Answers, setting: Setting, difficulty: Floats) -> Model:
    items, topics = answers.batch.use_item.size, len(answers.batch.topics)
    params = defaults(elo.SCORER, topics)
    params[:, elo.DIFFICULTY] = difficulty[items:]
    params[:, elo.GUESS], params[:, elo.SLIP] = answers.guess, answers.slip
    params[:, elo.LOWER], params[:, elo.UPPER] = _asymptotes(answers, setting)
    params[:, elo.CHAPTER] = answers.chapter
    for name in ("variance_ability", "variance_offset", "memory_ability", "memory_offset", "share", "chapter_share",
                 "uncertain_days", "half_life_days"):  # fmt: skip
        params[:, elo.SCORER.column(name)] = getattr(setting, name)
    return Model(params, difficulty[:items].reshape(-1, 1))


def _parameters(answers: _Answers, setting: Setting, difficulty: Floats) -> Parameters:
    """Return the parameters by name; a topic whose answers name items has their mean difficulty."""
    batch = answers.batch
    count = answers_of_codes(batch).astype(np.float64)
    mean = topic_means(difficulty, count * elo.INFORMATION, answers.group, len(batch.topics), setting.spread**-2)
    model = _model(answers, setting, difficulty)
    params = model.params.copy()
    params[:, elo.DIFFICULTY] = np.where(has_items(batch), mean, params[:, elo.DIFFICULTY])
    default = mean_row(params)
    default[elo.CHAPTER] = NO_CHAPTER
    answered = count[: batch.use_item.size]
    items = rows_of_items(batch, answered, shrunk_to_items(batch.use_item, answered, model.items))
    return Parameters(default, KeyedRows(tuple(batch.topics), params), items)
