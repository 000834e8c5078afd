"""Find the half-widths of 90 % intervals on simulated schools, and check them on others.

    python scripts/intervals.py --write      find, write interval_numbers.py in the room of each scorer, check
    python scripts/intervals.py              check what is shipped

`--scorer NAME` does it for one scorer: only what that one needs is fitted, and only its file is written.

In every school some students are used for fitting and others are scored, at the ends of three weeks. Schools differ in
their seed (other courses, items, students), topics per student, activity and length; those used for checking are not
used for finding. Both are done with the starter set and with everything fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import ANSWERS, EVIDENCE, RIGHT
from mastery.fitting.fit_all import fit_all
from mastery.fitting.intervals import PROBE, evidence_of, fit_intervals, fitted_intervals, with_numbers
from mastery.insight.bands import BANDS, band_codes
from mastery.pipelines.evaluation.simulated import truth_of
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers import SPECS, needs, with_scores
from mastery.scorers.interval import LEAST, Numbers
from mastery.scorers.model_set import ModelSet, default_model_set
from mastery.scorers.parameters import Parameters
from mastery.simulation import SchoolPlan, check_schools

LEARNT_FROM = 200
READ = 400
CV_FOLDS = 2
"""Of the training students, for cross-fitting: five take twice the time."""
MIN_EVIDENCE = 3


def school(seed: int, **other: object) -> SchoolPlan:
    """Return a school of thirteen weeks unless `days` says otherwise."""
    return SchoolPlan(**{"students": LEARNT_FROM + READ, "days": 91, "seed": seed, **other})


FOUND_ON = (
    school(101),
    school(102, topics=60, topics_per_student=40, active_share=0.25),
    school(103, topics=20, topics_per_student=12, days=63, active_share=0.45),
    school(104, days=182, items_per_topic=30, active_share=0.3),
    school(105, topics=18, topics_per_student=9, active_share=0.45, days=70),
    school(106, topics=70, topics_per_student=45, active_share=0.22),
    school(107, days=168, events_per_active_day=5.0),
    school(108, topics=30, topics_per_student=20, days=119),
)
UNLIKE = (
    school(109, starting_skill=-0.2),
    school(110, topics=16, topics_per_student=10, days=63, starting_skill=0.6, half_life_days=60.0),
    school(111, starting_skill=-1.6, half_life_days=18.0),
)
"""Where more or less is known beforehand: for the starter set, which is not fitted to the school."""

AGAIN = 3
"""With the starter set each of the first is taken so often, with other seeds; fitting costs minutes a school."""

CHECKED_ON = check_schools(LEARNT_FROM + READ, 801, kinds=4)

Rows = Mapping[str, np.ndarray]
"""Columns score, lower, upper, evidence, truth, observations, share, term_ends of student-topics at some time."""


def readings(plan: SchoolPlan, parameters: Mapping[str, Parameters]) -> dict[str, Rows]:
    """Return what every scorer says of the students read, after 4/10, 7/10 and all of the weeks.

    `share` is the plain share of right answers, NaN without any; `term_ends` is 1 after all of the weeks.
    """
    events, truth = simulated_events(plan, 0, READ)
    weeks = plan.days // 7
    found: dict[str, list[Rows]] = {}
    for week in sorted({max(1, weeks * tenths // 10) for tenths in (4, 7, 10)}):
        end = plan.start + timedelta(days=7 * week)
        as_of_us = int(datetime.combine(end, time(), UTC).timestamp() * 1e6)
        told = truth.filter(pc.equal(truth["day"], pa.scalar(end - timedelta(days=1), pa.date32())))
        probes = {name: with_numbers(name, mine, PROBE) for name, mine in parameters.items()}
        probed = fold_events(events, ModelSet("probe", probes), as_of_us, history=False)
        true, probe = truth_of(probed.batch, told), probed.scores()
        asked = probed.counters[:, ANSWERS]
        share = np.where(asked > 0, probed.counters[:, RIGHT] / np.maximum(asked, 1), np.nan)
        shown = fold_events(events, ModelSet("shown", parameters), as_of_us, history=False).scores()
        for name, got in shown.items():
            rows = {
                "score": got.score,
                "lower": got.lower,
                "upper": got.upper,
                "evidence": evidence_of(*probe[name][:3]),
                "truth": true,
                "observations": probed.counters[:, EVIDENCE],
                "share": share,
                "term_ends": np.full(true.size, float(week == weeks)),
            }
            found.setdefault(name, []).append({key: column[np.isfinite(true)] for key, column in rows.items()})
    return {
        name: {key: np.concatenate([one[key] for one in all_of]) for key in all_of[0]} for name, all_of in found.items()
    }


def parameters_of(plan: SchoolPlan, fitted: bool, scorer: str | None = None) -> Mapping[str, Parameters]:
    """Return those of the starter set, or those fitted to the students of the school who are not read; of all scorers,
    or of one and those that it needs.
    """
    some = None if scorer is None else [*needs(scorer), scorer]
    rules = load_rules("classic").params
    if not fitted:
        shipped = default_model_set(rules, {}, {}).scorers
        return {name: mine for name, mine in shipped.items() if some is None or name in some}
    batch = make_batch(event_columns(simulated_events(plan, READ, READ + LEARNT_FROM)[0]))
    found = fit_all(batch, rules=rules, seed=0, threads=1, scorers=some, cv_folds=CV_FOLDS).scorers
    mine = with_scores() if some is None else [name for name in with_scores() if name in some]
    return fitted_intervals({name: found[name] for name in found if name in mine})


def find(fitted: bool, scorer: str | None = None) -> dict[str, Numbers]:
    """Return the half widths by scorer, of one or of all, every school counting alike."""
    again = [replace(one, seed=one.seed + 20 * k) for one in FOUND_ON for k in range(AGAIN)]
    plans = FOUND_ON if fitted else [*again, *UNLIKE]
    schools = [readings(plan, parameters_of(plan, fitted, scorer)) for plan in plans]
    return {
        name: fit_intervals(
            *(np.concatenate([one[name][key] for one in schools]) for key in ("score", "evidence", "truth"))
        )
        for name in schools[0]
        if scorer is None or name == scorer
    }


def coverage(rows: Rows) -> dict[str, tuple[float, int]]:
    """Return the share of intervals that hold the truth, and of how many, by band and of all."""
    held = (rows["truth"] >= rows["lower"]) & (rows["truth"] <= rows["upper"])
    band = band_codes(rows["score"], rows["observations"], MIN_EVIDENCE)
    groups = {"all": np.ones(held.size, bool), **{word: band == code for code, word in enumerate(BANDS)}}
    return {
        name: (float(held[mine].mean()) if mine.any() else np.nan, int(mine.sum())) for name, mine in groups.items()
    }


def ratio(rows: Rows) -> float:
    """Return the RMSE of the score against the truth when the term ends, as a share of that of the share right."""
    there = (rows["term_ends"] == 1.0) & np.isfinite(rows["share"])
    score, share, truth = (rows[name][there] for name in ("score", "share", "truth"))
    return float(np.sqrt(np.mean((score - truth) ** 2) / np.mean((share - truth) ** 2)))


def table(found: Mapping[str, Mapping[str, tuple[float, int]]], title: str) -> str:
    """Return a table in Markdown."""
    heads = ("all", *BANDS)
    lines = [f"{title}:", "", f"| scorer | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for name, of in found.items():
        cells = [f"{100 * of[head][0]:.1f} % ({of[head][1]:,})" if of[head][1] else "–" for head in heads]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def source(name: str, unfitted: Numbers | None, fitted: Numbers) -> str:
    """Return the text of a room's interval_numbers.py."""

    def block(word: str, numbers: Numbers, doc: str) -> str:
        below, above = (", ".join(f"{max(width, LEAST):.4g}" for width in side) for side in numbers[:2])
        rest = "".join(f"    {field}={getattr(numbers, field):.4g},\n" for field in Numbers._fields[2:])
        return f'{word} = Numbers(\n    below=({below}),\n    above=({above}),\n{rest})\n"""{doc}"""\n'

    head = (
        f'"""Half widths of the intervals of {name} from simulated schools. '
        'Written by `scripts/intervals.py --write`."""\n'
        "\nfrom __future__ import annotations\n\nfrom mastery.scorers.interval import Numbers\n"
    )
    blocks = [] if unfitted is None else [block("UNFITTED", unfitted, "With the starter set.")]
    return "\n".join([head, *blocks, block("FITTED", fitted, "With fitted parameters.")])


def home_of(name: str) -> Path:
    """Return where the numbers of a scorer are kept: in its room."""
    package = SPECS[name].fit.partition(":")[0].rpartition(".")[0]
    return Path(import_module(f"{package}.interval_numbers").__file__)


def main() -> None:
    """Find and write, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="find the numbers again and write them")
    parser.add_argument("--only", choices=("unfitted", "fitted"), help="one of the two")
    parser.add_argument("--scorer", choices=with_scores(), help="one scorer; all when left out")
    given = parser.parse_args()
    kinds = [False, True] if given.only is None else [given.only == "fitted"]
    if given.write:
        unfitted, fitted = (find(kind, given.scorer) if kind in kinds else {} for kind in (False, True))
        for name in with_scores():
            shipped = SPECS[name].intervals
            if shipped is not None and given.scorer in (None, name):
                text = source(name, unfitted.get(name, shipped.unfitted), fitted.get(name, shipped.fitted))
                home_of(name).write_text(text, "utf-8")
        print("written; run it again without --write to check", file=sys.stderr)
        return
    for fitted_too in kinds:
        for name, plan in CHECKED_ON.items():
            seen = readings(plan, parameters_of(plan, fitted_too, given.scorer))
            found = {scorer: coverage(rows) for scorer, rows in seen.items()}
            ratios = ", ".join(f"{scorer} {ratio(rows):.2f}" for scorer, rows in seen.items())
            print(f"RMSE of the score / RMSE of the share right: {ratios}\n")
            print(table(found, f"{'fitted' if fitted_too else 'starter set'}, {name}"), flush=True)
            print(json.dumps({"fitted": fitted_too, "school": name, "coverage": found}), file=sys.stderr)


if __name__ == "__main__":
    main()
