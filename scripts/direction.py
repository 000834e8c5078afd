"""Measure whether scores move with the answers, and how far apart the scorers are.

    python scripts/direction.py                     the sample and a simulated school; starter set and fitted
    python scripts/direction.py --log FILE …        logs of real students besides

For answers to one question without help (plain ones) by students who had a score of the topic already, every score is
read just before and just after the answer, **at the same moment**, so that what was forgotten meanwhile is not counted.
A wrong answer that raises the score of its topic, or a right one that lowers it, moves it against the answer. `at last
activity` reads both with nothing forgotten at all: there an answer does not also remind.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.features.batch import Batch, make_batch
from mastery.features.columns import QUIZ, event_columns
from mastery.features.counters import EVIDENCE, MOMENTS, NEVER
from mastery.fitting.fit_all import fit_all
from mastery.fitting.intervals import fitted_intervals
from mastery.insight.bands import band_codes
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import Folded, fold_batch
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers import SCORERS, with_scores
from mastery.scorers.base import Scores
from mastery.scorers.blend.scorer import mixture
from mastery.scorers.derived import BEFORE_ALL_US
from mastery.scorers.model_set import ModelSet, default_model_set
from mastery.scorers.parameters import Parameters
from mastery.simulation import SchoolPlan

LEARNT_FROM, READ = 200, 200
SCHOOL = SchoolPlan(students=LEARNT_FROM + READ, days=91, seed=821)
"""A school that nothing was found on."""

ANSWERS = 2_000
"""Plain answers that are looked at: each costs two folds of all that its student did before."""

MIN_EVIDENCE = 3

NOW = datetime(2027, 1, 1, tzinfo=UTC)
"""All answers are older."""

ROUNDING = 1e-9
"""Smaller moves are rounding."""

SPREAD = 5e-4
"""A blend is outside its members where it is by more than half a tenth of a point."""


class Steps:
    """Scores of every topic just before and just after K answers, at the moment of each.

    Not `forgotten`: with nothing forgotten.

    Attributes:
        before, after: By scorer, float64[P]: P topics that the students had scores of.
        own: bool[P]. The answer's own topic.
        right: bool[P]. Whether the answer was right.
    """

    def __init__(self, events: pa.Table, model_set: ModelSet, answers: int, *, forgotten: bool) -> None:
        whole = make_batch(event_columns(events))
        chosen = plain_answers(whole, answers)
        student = np.searchsorted(whole.student_ptr, chosen, side="right") - 1
        first = whole.student_ptr[student]
        rows = [np.unique(whole.row[a:b]) for a, b in zip(first, chosen, strict=True)]
        before = fold_prefixes(events, rows, model_set)
        after = fold_prefixes(
            events, [np.append(mine, whole.row[i]) for mine, i in zip(rows, chosen, strict=True)], model_set
        )
        at_us = whole.at_us[chosen]
        topic = np.array(whole.topics, object)[whole.slot_topic[whole.slot[chosen]]]
        place = {key: p for p, key in enumerate(keys(after))}
        pairs = np.array([(p, place[key]) for p, key in enumerate(keys(before))])
        asked = np.array([int(before.batch.students[s]) for s in before.batch.slot_student])
        self.own = np.array(
            [tuple(topic[k]) == before.batch.topics[t] for k, t in zip(asked, before.batch.slot_topic, strict=True)]
        )
        self.right = whole.y[chosen][asked] == 1.0
        self.before = {name: one.score for name, one in read_at(before, at_us, forgotten).items()}
        self.after = {name: one.score[pairs[:, 1]] for name, one in read_at(after, at_us, forgotten).items()}

    def against(self, name: str, own: bool) -> tuple[float, float, float, float]:
        """Return how many per cent of the scores a right answer lowers, by how many points at most, and the same of
        those that a wrong answer raises; of the answer's own topic, or of others.
        """
        moved = 100.0 * (self.after[name] - self.before[name])
        told = []
        for right in (True, False):
            there = (self.own == own) & (self.right == right) & np.isfinite(moved)
            wrong_way = -moved[there] if right else moved[there]
            share = 100.0 * float(np.mean(wrong_way > 100.0 * ROUNDING)) if wrong_way.size else np.nan
            told += [share, float(max(0.0, wrong_way.max(initial=0.0)))]
        return told[0], told[1], told[2], told[3]


def plain_answers(batch: Batch, most: int) -> np.ndarray:
    """Return int64[K]: rows that are one answer to one question on one topic without help, not the first on it."""
    order = np.argsort(batch.slot, kind="stable")
    again = np.zeros(batch.slot.size, bool)
    again[order[1:]] = batch.slot[order[1:]] == batch.slot[order[:-1]]
    topics = np.bincount(batch.row)[batch.row]
    plain = (batch.kind == QUIZ) & (batch.weight == 1.0) & ((batch.y == 0.0) | (batch.y == 1.0)) & (topics == 1)
    found = np.flatnonzero(plain & again)
    return found if found.size <= most else found[np.linspace(0, found.size - 1, most).astype(np.int64)]


def fold_prefixes(events: pa.Table, rows: Sequence[np.ndarray], model_set: ModelSet) -> Folded:
    """Return the fold of K students called 0 … K − 1, each of whom did some rows of the events."""
    table = events.take(pa.array(np.concatenate(rows)))
    ids = pa.array(np.repeat([f"{k:06d}" for k in range(len(rows))], [mine.size for mine in rows]))
    table = table.set_column(table.column_names.index("student_id"), "student_id", ids)
    return fold_batch(make_batch(event_columns(table)), model_set, int(1e17), history=False)


def keys(folded: Folded) -> list[tuple[str, tuple[str, str]]]:
    """Return student and topic of each slot."""
    batch = folded.batch
    return [(batch.students[s], batch.topics[t]) for s, t in zip(batch.slot_student, batch.slot_topic, strict=True)]


def read_at(folded: Folded, at_us: np.ndarray, forgotten: bool) -> Mapping[str, Scores]:
    """Return the scores of student k at at_us[k], or with nothing forgotten.

    All are read at one time, so what each student did last is moved to as long before it.
    """
    if not forgotten:
        return replace(folded, as_of_us=BEFORE_ALL_US).scores()
    end = int(at_us.max())
    later = (end - at_us[np.array([int(name) for name in folded.batch.students])])[folded.batch.slot_student]
    for name, states in folded.states.items():
        states.slot[:, SCORERS[name].slot_state.index("last_at_us")] += later
    for moment in MOMENTS:
        met = folded.counters[:, moment] != NEVER
        folded.counters[met, moment] += later[met]
    return replace(folded, as_of_us=end).scores()


def side_by_side(events: pa.Table, model_set: ModelSet) -> dict[str, float]:
    """Return how the scorers differ on student-topics with enough evidence, at the end of the log; where the blend lies
    beside the members that its scores are made of, with nothing forgotten: each forgets at its own pace.
    """
    batch = make_batch(event_columns(events))
    folded = fold_batch(batch, model_set, int(batch.at_us.max()), history=False)
    much = folded.counters[:, EVIDENCE] >= MIN_EVIDENCE
    every = np.array([one.score[much] for name, one in folded.scores().items() if name in with_scores()])
    bands = np.array([band_codes(row, np.full(row.size, MIN_EVIDENCE), MIN_EVIDENCE) for row in every])
    last = replace(folded, as_of_us=BEFORE_ALL_US).scores()
    names, _ = mixture(model_set.scorers["blend"].shared).of_scores()
    members, blend = np.array([last[name].score[much] for name in names]), last["blend"].score[much]
    below, above = members.min(axis=0) - blend, blend - members.max(axis=0)
    return {
        "blend below all members, %": 100.0 * float(np.mean(below > SPREAD)),
        "below, points at most": 100.0 * float(max(0.0, below.max())),
        "above all, %": 100.0 * float(np.mean(above > SPREAD)),
        "above, points at most": 100.0 * float(max(0.0, above.max())),
        "median spread, points": 100.0 * float(np.median(every.max(axis=0) - every.min(axis=0))),
        "two bands or more, %": 100.0 * float(np.mean(bands.max(axis=0) > bands.min(axis=0))),
    }


def report(title: str, events: pa.Table, scorers: Mapping[str, Parameters], answers: int) -> None:
    """Print both tables of one log and one model set."""
    model_set = ModelSet("measured", scorers)
    shown = [name for name in with_scores() if name in scorers]
    for forgotten in (True, False):
        steps = Steps(events, model_set, answers, forgotten=forgotten)
        print(f"\n{title}; {'at the moment of the answer' if forgotten else 'at last activity'}\n")
        print("| scorer | own topic: right lowers, % | by at most | wrong raises, % | by at most |", end="")
        print(" others: right lowers, % | by at most | wrong raises, % | by at most |\n|---|" + "---:|" * 8)
        for name in shown:
            numbers = [*steps.against(name, own=True), *steps.against(name, own=False)]
            print(f"| {name} | " + " | ".join(f"{one:.2f}" for one in numbers) + " |", flush=True)
    told = ", ".join(f"{word}: {value:.1f}" for word, value in side_by_side(events, model_set).items())
    print(f"\n{told}", flush=True)


def fitted_to(events: pa.Table) -> Mapping[str, Parameters]:
    """Return everything fitted to these answers."""
    batch = make_batch(event_columns(events))
    found = fit_all(batch, rules=load_rules("classic").params, seed=0, threads=1, cv_folds=2).scorers
    return fitted_intervals({name: found[name] for name in with_scores() if name in found})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", action="append", type=Path, default=[], help="file of answers; may be repeated")
    parser.add_argument("--students", type=int, default=400, help="of each log, half of them fitted to")
    parser.add_argument("--answers", type=int, default=ANSWERS)
    given = parser.parse_args()
    starter = default_model_set(load_rules("classic").params, {}, {}).scorers
    sample = read_answers(Path(__file__).parent.parent / "data" / "sample", now=NOW).events
    report("sample, starter set", sample, starter, given.answers)
    report("sample, fitted to itself", sample, fitted_to(sample), given.answers)
    logs = {
        "simulated school": [simulated_events(SCHOOL, *some)[0] for some in ((0, READ), (READ, READ + LEARNT_FROM))]
    }
    for path in given.log:
        events = read_answers(path, now=NOW).events
        ids = sorted(set(events["student_id"].to_pylist()))[: given.students]
        logs[path.stem] = [events.filter(pc.is_in(events["student_id"], pa.array(ids[k::2]))) for k in (0, 1)]
    for name, (read, learnt_from) in logs.items():
        report(f"{name}, starter set", read, starter, given.answers)
        report(f"{name}, fitted", read, fitted_to(learnt_from), given.answers)


if __name__ == "__main__":
    main()
