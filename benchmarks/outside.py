"""`python -m benchmarks.outside [NAME…]`: scores of public logs beside outcomes that no answer tells, week by week."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.accuracy.__main__ import DATA
from benchmarks.line import ROOT
from benchmarks.machine import cores

RESULTS = ROOT / "benchmarks" / "results" / "outside"
PAGE = ROOT / "docs" / "evaluation.md"

BEGIN = "<!-- measured: `python -m benchmarks.outside --write-docs` writes this part -->"
END = "<!-- end of what is measured beside outcomes -->"

HEADS = (
    "| end of week | students | good | `blend` (95 %) | above share right (95 %) | best single scorer | share right | "
    "answers so far |"
)

SHOWN = "blend"
PLAIN = ("share_right", "answers")


@dataclass(frozen=True)
class Outside:
    """A log with an outcome.

    Attributes:
        outcome, cohort, folds: As `mastery evaluate` takes them.
        about: What the outcome is.
        prepare: Returns the answers, and the table of students; None where the outcome is a column of the answers.
    """

    name: str
    outcome: str
    cohort: str | None
    folds: int | None
    about: str
    prepare: Callable[[pa.Table], tuple[pa.Table, pa.Table | None]]


def as_it_is(log: pa.Table) -> tuple[pa.Table, None]:
    """Return the answers as they are."""
    return log, None


def quizzes_and_marks(log: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the quizzes of a Moodle log, and the mean mark of each student's graded assignments."""
    graded = pc.equal(log["event_type"], "assignment")
    marks = log.filter(graded).group_by("student_id").aggregate([("score", "mean")])
    return (
        log.filter(pc.invert(graded)).drop_columns(["score"]),
        pa.table({"student_id": marks["student_id"], "mark": marks["score_mean"].cast(pa.string())}),
    )


LOGS = {
    one.name: one
    for one in (
        Outside("oulad_assessments", "final_result=Pass,Distinction", "presentation", None,
                "the course's final result: Pass or Distinction against Fail or Withdrawn", as_it_is),
        Outside("moodle_delfi22", "mark", None, 5,
                "the mean mark of the course's graded assignments, from answers to its quizzes", quizzes_and_marks),
    )
}  # fmt: skip


def measure(
    one: Outside, path: Path, *, scorers: str | None, unfitted: bool, seed: int, threads: int
) -> dict[str, Any]:
    """Return the document of an evaluation beside the outcome."""
    from mastery.evaluation.outcomes import outcome_of, parse_outcome
    from mastery.evaluation.splits import Split
    from mastery.pipelines.evaluation.evaluate import evaluate
    from mastery.pipelines.evaluation.logs import answers_log
    from mastery.pipelines.evaluation.predictors import fitted, wanted_scorers
    from mastery.pipelines.evaluation.predictors import unfitted as by_default
    from mastery.pipelines.evaluation.report import as_json
    from mastery.pipelines.evaluation.roster import student_column
    from mastery.pipelines.ingest.answers import read_answers
    from mastery.pipelines.models.rules import load_rules
    from mastery.scorers import SPECS
    from mastery.scorers import unfitted as with_defaults

    answers, roster = one.prepare(pq.read_table(path))
    rules, rule = load_rules("classic").params, parse_outcome(one.outcome)
    names = wanted_scorers(scorers, with_defaults() if unfitted else list(SPECS))
    log = answers_log(read_answers(answers, now=datetime.now(UTC), keep=None), "start")
    found = evaluate(
        log,
        Split("student"),
        by_default(rules) if unfitted else fitted(rules, scorers=names, clock="start", seed=seed, threads=threads),
        cv_folds=one.folds,
        scorers=names,
        seed=seed,
        outcome=outcome_of(rule, student_column(log, roster, rule.column)),
        cohort=None if one.cohort is None else student_column(log, roster, one.cohort),
    )
    return as_json(found)


def markdown(documents: dict[str, dict[str, Any]]) -> str:
    """Return a table for each log: AUC of the blend, of the best single scorer, of the share right and of the number of
    answers; correlations behind the bar."""
    pages = []
    for name, document in documents.items():
        outcome = document["outcome"]
        weeks = [week for week in outcome["weeks"] if week["scores"]]
        lines = [
            f"**{name}**: {LOGS[name].about}. {_tested(document)}; good is: {outcome['good']}.",
            "",
            HEADS,
            "|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for week in weeks:
            scores = week["scores"]
            single = max((s for s in scores if s not in (SHOWN, *PLAIN)), key=lambda s: scores[s]["auc"])
            cells = (
                str(week["week"]),
                f"{week['students']:,}",
                f"{week['good']:,}",
                f"{_pair(scores[SHOWN])} ({_ends(scores[SHOWN], 'auc')})",
                f"{scores[SHOWN]['auc_gain']:+.3f} ({_ends(scores[SHOWN], 'auc_gain', '+.3f')})",
                f"`{single}` {_pair(scores[single])}",
                *(_pair(scores[plain]) for plain in PLAIN),
            )
            lines.append(f"| {' | '.join(cells)} |")
        pages.append("\n".join(lines))
    return "\n\n".join(pages) + "\n"


def _tested(document: dict[str, Any]) -> str:
    tests = len(document["folds"])
    students = sum(one["test"]["students"] for one in document["folds"])
    return f"{students:,} students tested, {tests} test{'s' * (tests > 1)}"


def _pair(one: dict[str, Any]) -> str:
    r = one["correlation"]
    return f"{one['auc']:.3f} \\| {'–' if r is None else f'{r:.2f}'}"


def _ends(one: dict[str, Any], measure: str, form: str = ".3f") -> str:
    low, high = one["intervals_95"][measure]
    return "–" if low is None or high is None else f"{low:{form}} to {high:{form}}"


def write_docs(results: Path, page: Path = PAGE) -> list[str]:
    """Put the tables of what was measured last into the page; return the names of the logs.

    Raises:
        ValueError: nothing fitted was measured, or the page lacks the two marks.
    """
    found = {name: results / f"{name}.json" for name in LOGS}
    documents = {name: json.loads(path.read_text("utf-8")) for name, path in found.items() if path.exists()}
    documents = {
        name: one for name, one in documents.items() if any(SHOWN in week["scores"] for week in one["outcome"]["weeks"])
    }
    text = page.read_text("utf-8")
    if not documents or text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page}: expected the lines {BEGIN!r} and {END!r}, and results with the blend in {results}")
    page.write_text(f"{text.split(BEGIN)[0]}{BEGIN}\n\n{markdown(documents)}\n{END}{text.split(END)[1]}", "utf-8")
    return list(documents)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the logs that the arguments name, and keep the documents; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outside", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"logs, all when left out: {', '.join(LOGS)}")
    parser.add_argument("--scorers", metavar="NAMES", help="names with commas; all when left out")
    parser.add_argument("--unfitted", action="store_true", help="the starter set; such numbers never come into docs")
    parser.add_argument("--seed", type=int, default=0, help="of splits, fits and intervals")
    parser.add_argument("--threads", type=int, default=cores(), help="that fits may use")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="folder with the logs")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where documents are kept")
    parser.add_argument("--write-docs", action="store_true", help="write the newest numbers into docs/evaluation.md")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in LOGS]
    if unknown:
        parser.error(f"no log is called {unknown[0]!r}; known: {', '.join(LOGS)}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    if chosen.write_docs:
        console.print(f"{PAGE.name}: {', '.join(write_docs(chosen.results))}")
        return 0
    for name in chosen.names or LOGS:
        path = chosen.data / f"{name}.parquet"
        if not path.exists():
            console.print(f"{name}: left out: there is no {chosen.data.name}/{name}.parquet beside the repository")
            continue
        document = measure(
            LOGS[name], path, scorers=chosen.scorers, unfitted=chosen.unfitted, seed=chosen.seed, threads=chosen.threads
        )
        chosen.results.mkdir(parents=True, exist_ok=True)
        (chosen.results / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        for week in document["outcome"]["weeks"]:
            areas = ", ".join(f"{scorer} {got['auc']:.3f}" for scorer, got in week["scores"].items())
            console.print(f"{name}, end of week {week['week']}, {week['students']} students: {areas or 'too few'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
