"""Find the starter set on simulated schools: what scorers start with before anything is fitted.

    python scripts/starter.py --write      find, write starter_numbers.py in the room of each scorer, check
    python scripts/starter.py              check what is shipped

Searched for are the numbers that every topic of a school that nobody knows is given: the parameters of bkt and elo
whose scores come nearest to the truth, one blend of the two, and which score an index of the shipped rules stands for.
What counts is the RMSE of the score, every school and moment alike, plus `LOSS` times the log loss of the predicted
answers, and what is written down in `WRITTEN`: histories of which nobody needs a simulation to know the score.

Schools differ in their seed, topics, activity, length, half-life and in what students know before they are taught;
those that are checked were not used for finding. The half widths of the intervals come after, from
`scripts/intervals.py --only unfitted --write`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.optimize import lsq_linear, minimize

import mastery as ms
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import QUIZ, event_columns
from mastery.features.counters import EVIDENCE
from mastery.insight.bands import band_codes
from mastery.pipelines.evaluation.simulated import truth_of
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import Folded, fold_batch
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers import SPECS
from mastery.scorers.base import predict, start
from mastery.scorers.blend.scorer import WEIGHT_OF, mixture
from mastery.scorers.blend.scorer import predict as blend_predictions
from mastery.scorers.model_set import ModelSet, default_model_set, starter_parameters
from mastery.scorers.parameters import Parameters, no_rows
from mastery.scorers.rule_based.scorer import INDEXES, with_scale
from mastery.scorers.spec import Starter
from mastery.simulation import SchoolPlan, check_schools

STUDENTS = 160
LOSS = 0.2
"""One hundredth of log loss counts as two thousandths of RMSE: predictions are to be honest, scores to be right."""


def school(seed: int, **other: object) -> SchoolPlan:
    """Return a school of thirteen weeks unless `days` says otherwise."""
    return SchoolPlan(**{"students": STUDENTS, "days": 91, "seed": seed, **other})


FOUND_ON = (
    school(201),
    school(202, topics=60, topics_per_student=40, active_share=0.25, starting_skill=-0.8),
    school(203, topics=20, topics_per_student=12, days=63, active_share=0.45, starting_skill=-0.4),
    school(204, days=182, items_per_topic=30, active_share=0.3, half_life_days=60.0),
    school(205, topics=18, topics_per_student=9, active_share=0.45, days=70, starting_skill=0.0),
    school(206, topics=70, topics_per_student=45, active_share=0.22, starting_skill=-1.6),
    school(207, days=168, events_per_active_day=5.0, half_life_days=20.0),
    school(208, topics=30, topics_per_student=20, days=119, starting_skill=-0.6, half_life_days=45.0),
    school(209, topics=12, topics_per_student=6, days=56, starting_skill=-1.0),
    school(210, starting_skill=0.4, half_life_days=60.0),
    school(211, topics=50, topics_per_student=30, starting_skill=0.8),
    school(212, topics=16, topics_per_student=10, days=63, starting_skill=0.6, half_life_days=90.0),
)
CHECKED_ON = check_schools(STUDENTS, 901)

WRITTEN: Mapping[str, tuple[Sequence[int], int, float, float]] = {
    "20 of 20, two a day": ([1] * 20, 2, 0.88, 0.985),
    "20 of 20 in one day": ([1] * 20, 20, 0.87, 0.985),
    "0 of 10, one a day": ([0] * 10, 1, 0.01, 0.085),
    "0 of 10 in one day": ([0] * 10, 10, 0.01, 0.085),
    "16 of 20, two a day": ([1, 1, 1, 1, 0] * 4, 2, 0.70, 0.95),
    "every other one of 200": ([1, 0] * 100, 10, 0.40, 0.55),
    "1 of 1": ([1], 1, 0.20, 0.60),
}
"""By name: outcomes in order, how many a day, and the least and most that the score right after them may be."""

SEARCHED: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "elo": {
        "difficulty": (-2.0, 2.0),
        "guess": (0.10, 0.20),
        "slip": (0.04, 0.10),
        "half_life_days": (15.0, 400.0),
        "variance_ability": (0.05, 5.0),
        "variance_offset": (0.05, 5.0),
        "uncertain_days": (10.0, 2000.0),
        "memory_ability": (0.7, 1.0),
        "memory_offset": (0.7, 1.0),
        "share": (0.0, 0.6),
    },
    "bkt": {
        "p_init": (0.05, 0.6),
        "guess": (0.05, 0.30),
        "slip": (0.03, 0.20),
        "half_life_days": (15.0, 400.0),
        "p_learn": (0.0, 0.3),
        "p_learn_practice": (0.0, 0.4),
        "p_learn_assignment": (0.0, 0.3),
        "p_learn_video": (0.0, 0.1),
        "p_learn_tutor": (0.0, 0.1),
    },
}
TIED: Mapping[str, Callable[[dict[str, float]], dict[str, float]]] = {
    "elo": lambda found: {"lower": found["guess"], "upper": 1.0 - found["slip"]},
    "bkt": lambda found: {"guess_practice": found["guess"], "slip_practice": found["slip"]},
}
"""What follows from what was found: elo's range is that of the scale, so that a score is σ(logit) itself, and practice
is answered like questions, which keeps bkt to its fast fold."""

IN_ORDER = ("elo", "bkt", "blend")
MEMBERS = ("bkt", "elo")
BLENDED = {
    f"{WEIGHT_OF}bkt": (0.0, 2.0),
    f"{WEIGHT_OF}elo": (0.0, 2.0),
    "bias": (-2.0, 2.0),
    "half_life_days": (15.0, 400.0),
    "half_life_growth": (1.0, 2.0),
    "prior": (0.25, 0.60),
}


SCHOOLS_EACH = 3.0
"""What a written history weighs where the scale of rules is found."""


@dataclass(frozen=True)
class Moment:
    """A school at one time: its batch, the time, and float64[P] what its students truly know (NaN: not told)."""

    batch: Batch
    as_of_us: int
    truth: np.ndarray


def moments(plan: SchoolPlan) -> list[Moment]:
    """Return a school after 4/10, 7/10 and all of its weeks."""
    events, truth = simulated_events(plan, 0, STUDENTS)
    weeks, found = plan.days // 7, []
    for week in sorted({max(1, weeks * tenths // 10) for tenths in (4, 7, 10)}):
        end = plan.start + timedelta(days=7 * week)
        as_of_us = int(datetime.combine(end, time(), UTC).timestamp() * 1e6)
        told = truth.filter(pc.equal(truth["day"], pa.scalar(end - timedelta(days=1), pa.date32())))
        batch = make_batch(event_columns(events, as_of_us))
        found.append(Moment(batch, as_of_us, truth_of(batch, told)))
    return found


def written() -> dict[str, Batch]:
    """Return a batch of one student for each history of `WRITTEN`."""
    morning = datetime(2026, 1, 12, 9, tzinfo=UTC)
    found = {}
    for name, (outcomes, a_day, *_) in WRITTEN.items():
        rows = [
            {
                "student_id": "one",
                "topic_id": "topic",
                "question_id": f"q{k}",
                "is_correct": bool(outcome),
                "timestamp": morning + timedelta(days=k // a_day, minutes=3 * (k % a_day)),
            }
            for k, outcome in enumerate(outcomes)
        ]
        found[name] = ms.read_answers(pa.Table.from_pylist(rows)).batch
    return found


class Search:
    """One search: the numbers of one scorer, those of the scorers before it being what they are."""

    def __init__(self, schools: Sequence[Moment], begun: Mapping[str, Parameters]) -> None:
        self.schools = schools
        self.begun = begun
        self.written = written()

    def fold(self, batch: Batch, as_of_us: int, name: str, mine: Parameters) -> Folded:
        """Return the fold of a batch by one scorer, and by those that it reads."""
        members = MEMBERS if name == "blend" else ()
        scorers = {other: self.begun[other] for other in members}
        return fold_batch(batch, ModelSet("search", {**scorers, name: mine}), as_of_us, history=False)

    def score(self, moment: Moment, name: str, mine: Parameters) -> np.ndarray:
        """Return float64[P]: the scores at that moment."""
        return self.fold(moment.batch, moment.as_of_us, name, mine).scores()[name].score

    def rmse(self, name: str, mine: Parameters) -> float:
        """Return the RMSE of the scores against the truth, every school and moment counting alike."""
        return float(np.sqrt(np.mean([_squared(self.score(one, name, mine), one.truth) for one in self.schools])))

    def loss(self, name: str, mine: Parameters) -> float:
        """Return the log loss of unaided first answers at the end of each school."""
        return float(np.mean([self._loss(one, name, mine) for one in self.schools[2::3]]))

    def of_written(self, name: str, mine: Parameters) -> dict[str, float]:
        """Return the score right after each written history."""
        return {
            word: float(self.fold(batch, int(batch.at_us.max()), name, mine).scores()[name].score[0])
            for word, batch in self.written.items()
        }

    def cost(self, name: str, mine: Parameters) -> float:
        """Return what is made least."""
        told = self.of_written(name, mine)
        missed = sum(max(0.0, low - told[word], told[word] - high) for word, (_, _, low, high) in WRITTEN.items())
        return self.rmse(name, mine) + LOSS * self.loss(name, mine) + 2.0 * missed

    def _loss(self, moment: Moment, name: str, mine: Parameters) -> float:
        batch = moment.batch
        if name == "blend":
            said = {other: _predicted(batch, other, self.begun[other]) for other in MEMBERS}
            probability = blend_predictions(mixture(mine.shared), said)
        else:
            probability = _predicted(batch, name, mine)
        there = (batch.kind == QUIZ) & (batch.weight == 1.0)
        p, y = np.clip(probability[there], 1e-9, 1.0 - 1e-9), batch.y[there]
        return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


def _squared(score: np.ndarray, truth: np.ndarray) -> float:
    there = np.isfinite(truth)
    return float(np.mean((score[there] - truth[there]) ** 2))


def _predicted(batch: Batch, name: str, mine: Parameters) -> np.ndarray:
    scorer, model = SPECS[name].scorer, mine.model(batch.topics, batch.items)
    assert scorer is not None
    return predict(scorer, model, batch, start(scorer, model, batch))


def starter_of(name: str, numbers: Mapping[str, float], before: Mapping[str, Starter]) -> Starter:
    """Return what a search has tried, with what follows from it."""
    if name != "blend":
        return Starter({**numbers, **TIED[name](dict(numbers))})
    own = {word: value for word, value in numbers.items() if word in ("half_life_days", "half_life_growth", "prior")}
    scale = {word: before["elo"].numbers[word] for word in ("guess", "slip")}
    shared = {word: (value,) for word, value in numbers.items() if word not in own}
    line = (-10.0, 10.0)
    return Starter({**scale, **own}, {**shared, "knots_x": line, "knots_y": line})


def search(name: str, schools: Sequence[Moment], before: Mapping[str, Starter], rounds: int, tries: int) -> Starter:
    """Return the best start that a simplex finds (Nelder & Mead 1965), begun again `rounds` times around the best."""
    bounds = BLENDED if name == "blend" else SEARCHED[name]
    low, high = (np.array(side) for side in zip(*bounds.values(), strict=True))
    begun = {other: starter_parameters(SPECS[other], one) for other, one in before.items()}
    work = Search(schools, begun)

    def starter(at: np.ndarray) -> Starter:
        values = low + (high - low) * np.clip(at, 0.0, 1.0)
        return starter_of(name, dict(zip(bounds, values.tolist(), strict=True)), before)

    def cost(at: np.ndarray) -> float:
        outside = float(np.sum(np.maximum(0.0, at - 1.0) + np.maximum(0.0, -at)))
        return work.cost(name, starter_parameters(SPECS[name], starter(at))) + outside

    first = _first(name, bounds)
    at = np.clip((np.array([first[word] for word in bounds]) - low) / (high - low), 0.02, 0.98)
    for turn in range(rounds):
        corners = [at, *(at + 0.12 * (1.0 if at[k] < 0.5 else -1.0) * np.eye(at.size)[k] for k in range(at.size))]
        options = {"maxfev": tries, "adaptive": True, "initial_simplex": np.array(corners)}
        found = minimize(cost, at, method="Nelder-Mead", options=options)
        at = np.clip(found.x, 0.0, 1.0)
        print(f"{name}: round {turn + 1} of {rounds}: {found.fun:.4f}", file=sys.stderr, flush=True)
    return starter(at)


def _first(name: str, bounds: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Return where a search begins: at what is shipped, else at the defaults, and at halves of the members."""
    found = {"bias": 0.0, **{parameter.name: parameter.default for parameter in SPECS[name].parameters}}
    shipped = SPECS[name].starter
    if shipped is not None:
        found |= shipped.numbers
        found |= {word: values[0] for word, values in shipped.shared.items()}
    return {word: found.get(word, 0.5) for word in bounds}


def scale_of(rules: str, schools: Sequence[Moment]) -> list[float]:
    """Return the score that each of `INDEXES` stands for under shipped rules: least squares that never fall.

    Each written history counts as much as `SCHOOLS_EACH` moments of schools, with the middle of what its score may be:
    few students have answered once or never rightly, and they are told a score too.
    """
    plain = with_scale(load_rules(rules).params)
    mine = Parameters(plain, no_rows(plain.size), no_rows(0))
    knots = np.array(INDEXES)
    left, right = [], []
    told = Search((), {})
    said = told.of_written("rule_based", mine)
    cases = [(np.array([said[word]]), np.array([0.5 * (low + high)])) for word, (_, _, low, high) in WRITTEN.items()]
    weights = [np.sqrt(SCHOOLS_EACH)] * len(cases)
    for one in schools:
        cases.append((told.score(one, "rule_based", mine), one.truth))
        weights.append(1.0)
    for (index, truth), times in zip(cases, weights, strict=True):
        there = np.isfinite(truth)
        weight = times / np.sqrt(there.sum())
        piece = np.clip(np.searchsorted(knots, index[there], side="right") - 1, 0, knots.size - 2)
        share = (index[there] - knots[piece]) / np.diff(knots)[piece]
        rows = np.zeros((int(there.sum()), knots.size))
        rows[np.arange(len(rows)), piece] = 1.0 - share
        rows[np.arange(len(rows)), piece + 1] += share
        left.append(weight * rows)
        right.append(weight * truth[there])
    steps = np.tril(np.ones((knots.size, knots.size)))  # a score is the sum of steps that are not negative
    smooth = 0.3 * np.diff(np.eye(knots.size), n=2, axis=0)  # where nobody has such an index, the line goes on
    a = np.vstack([*left, smooth]) @ steps
    found = lsq_linear(a, np.concatenate([*right, np.zeros(len(smooth))]), bounds=(0.0, 1.0))
    return np.minimum(1.0, np.cumsum(found.x)).tolist()


def source(name: str, starter: Starter) -> str:
    """Return the text of a room's starter_numbers.py."""
    numbers = "".join(f'        "{word}": {float(f"{value:.4g}")!r},\n' for word, value in starter.numbers.items())
    shared = "".join(
        f'        "{word}": ({", ".join(repr(float(f"{value:.4g}")) for value in values)},),\n'
        for word, values in starter.shared.items()
    )
    second = f"    {{\n{shared}    }},\n" if shared else ""
    return (
        f'"""What {name} starts with before anything is fitted. Written by `scripts/starter.py --write`."""\n\n'
        "from __future__ import annotations\n\nfrom mastery.scorers.spec import Starter\n\n"
        f"STARTER = Starter(\n    {{\n{numbers}    }},\n{second})\n"
    )


def home_of(name: str) -> Path:
    """Return where the numbers of a scorer are kept: in its room."""
    package = SPECS[name].fit.partition(":")[0].rpartition(".")[0]
    folder = import_module(package).__file__
    assert folder is not None
    return Path(folder).parent / "starter_numbers.py"


def find(names: Sequence[str], rounds: int, tries: int) -> None:
    """Find, and write."""
    schools = [moment for plan in FOUND_ON for moment in moments(plan)]
    found: dict[str, Starter] = {}
    for name in IN_ORDER:
        shipped = SPECS[name].starter
        found[name] = search(name, schools, found, rounds, tries) if name in names or shipped is None else shipped
        home_of(name).write_text(source(name, found[name]), "utf-8")
    guess, slip = (found["elo"].numbers[word] for word in ("guess", "slip"))
    for rules in ("classic", "spaced"):
        scores = ", ".join(f"{score:.3f}" for score in scale_of(rules, schools))
        print(f"rules/{rules}.yaml:\nscale:\n  guess: {guess:.3g}\n  slip: {slip:.3g}\n  score_at: [{scores}]")


def check() -> None:
    """Print how near the scores of the shipped set come to the truth in schools that were not used for finding."""
    shipped = default_model_set(load_rules("classic").params, {}, {})
    print("| school | scorer | RMSE | right band | intervals | bias |\n|---|---|---:|---:|---:|---:|")
    for title, plan in CHECKED_ON.items():
        for name, numbers in measured(moments(plan), shipped).items():
            rmse, right, held, bias = numbers
            print(f"| {title} | {name} | {rmse:.3f} | {100 * right:.0f} % | {100 * held:.1f} % | {bias:+.3f} |")
    for name, mine in shipped.scorers.items():
        told = Search((), shipped.scorers).of_written(name, mine)
        print(name, {word: round(value, 3) for word, value in told.items()})


def measured(school: Sequence[Moment], model_set: ModelSet) -> dict[str, tuple[float, float, float, float]]:
    """Return RMSE, share of scores in the band of the truth, share of intervals that hold it, and mean error."""
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for one in school:
        folded = fold_batch(one.batch, model_set, one.as_of_us, history=False)
        for name, scores in folded.scores().items():
            there = np.isfinite(one.truth) & (folded.counters[:, EVIDENCE] >= 3)
            score, truth = scores.score[there], one.truth[there]
            much = np.full(truth.size, 3)
            right = float(np.mean(band_codes(score, much, 3) == band_codes(truth, much, 3)))
            held = float(np.mean((scores.lower[there] <= truth) & (truth <= scores.upper[there])))
            found.setdefault(name, []).append((_squared(scores.score, one.truth), right, held, (score - truth).mean()))
    means = {name: np.mean(rows, axis=0) for name, rows in found.items()}
    return {name: (float(np.sqrt(row[0])), *(float(value) for value in row[1:])) for name, row in means.items()}


def main() -> None:
    """Find and write, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="find the numbers again and write them")
    parser.add_argument("--only", choices=IN_ORDER, nargs="+", default=IN_ORDER, help="search these scorers again")
    parser.add_argument("--rounds", type=int, default=2, help="searches of each scorer, each around the best so far")
    parser.add_argument("--tries", type=int, default=250, help="sets of numbers tried in each of them")
    given = parser.parse_args()
    if given.write:
        find(given.only, given.rounds, given.tries)
        print("written; put what is printed into the rules; run it again without --write to check", file=sys.stderr)
    else:
        check()


if __name__ == "__main__":
    main()
