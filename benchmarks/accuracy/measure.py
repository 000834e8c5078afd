"""One data set evaluated, in a process of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.child import Stopwatch


def measure(
    watch: Stopwatch, *, path: str, split: str, folds: int | None, clock: str, scorers: str | None, unfitted: bool,
    seed: int, threads: int, out: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the document of an evaluation; reports go to `out` where it is given."""
    from mastery.evaluation.splits import parse_split
    from mastery.pipelines.evaluation.evaluate import evaluate
    from mastery.pipelines.evaluation.logs import answers_log
    from mastery.pipelines.evaluation.predictors import fitted, wanted_scorers
    from mastery.pipelines.evaluation.predictors import unfitted as by_default
    from mastery.pipelines.evaluation.report import as_json
    from mastery.pipelines.evaluation.report_files import write_report
    from mastery.pipelines.ingest.answers import read_answers
    from mastery.pipelines.models.rules import load_rules
    from mastery.scorers import SPECS
    from mastery.scorers import unfitted as with_defaults

    rules = load_rules("classic").params
    names = wanted_scorers(scorers, with_defaults() if unfitted else list(SPECS))
    how = parse_split(split)
    with watch:
        answers = read_answers(Path(path), now=datetime.now(UTC), keep=[how.name] if how.name else [])
        log = answers_log(answers, "answer" if clock == "answer" else "start")
        predictor = (
            by_default(rules)
            if unfitted
            else fitted(
                rules, scorers=names, clock="answer" if clock == "answer" else "start", seed=seed, threads=threads
            )
        )
        found = evaluate(
            log,
            how,
            predictor,
            cv_folds=folds,
            scorers=names,
            clock="answer" if clock == "answer" else "start",
            seed=seed,
        )
    if out is not None:
        write_report(found, Path(out))
    return as_json(found)
