"""`mastery evaluate`: how well each scorer predicts answers, or finds the truth of simulated students."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mastery.apps.cli.context import engine_of, settings
from mastery.apps.cli.options import AsJson, Tenant
from mastery.apps.cli.reading import given_path, reads_files
from mastery.errors import BadInput, did_you_mean
from mastery.events.read_options import NOTHING_SAID, ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from mastery.arrays import Floats
    from mastery.evaluation.outcomes import Outcome
    from mastery.evaluation.splits import Log, Split
    from mastery.evaluation.student_columns import StudentColumn
    from mastery.features.answer_log import Clock
    from mastery.lake import Lake
    from mastery.pipelines.evaluation.audit import Audit
    from mastery.pipelines.evaluation.evaluate import Evaluation
    from mastery.pipelines.evaluation.simulated import Learnt
    from mastery.pipelines.evaluation.simulated_report import Table
    from mastery.school_days import SchoolDays
    from mastery.scorers.parameters import Scoped
    from mastery.settings import Settings

CLOCKS = ("start", "answer")

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Files or folders of answers, as for `mastery ingest`.",
        metavar="FILE",
        show_default=False,
        parser=given_path,
    ),
]


@reads_files
def evaluate(
    context: typer.Context,
    files: Files = None,
    lake: Annotated[bool, typer.Option("--lake", help="Evaluate on the events of the lake.")] = False,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Compare scores and parameters with the truth of simulated students.")
    ] = False,
    split: Annotated[
        str,
        typer.Option(
            help="What is tested: student, time, time:MOMENT, column:NAME=VALUE, or column:NAME, each value in turn.",
            metavar="SPLIT",
        ),
    ] = "student",
    folds: Annotated[
        int | None,
        typer.Option(help="How many CV folds are tested in turn; when left out one student in five, or each value."),
    ] = None,
    scorers: Annotated[
        str | None, typer.Option(help="Names with commas between them; all when left out.", metavar="NAMES")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Also measure groups of students apart: the values of this column, such as gender or region.",
            metavar="COLUMN",
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            help="Also compare scores, week by week, with an outcome from outside: COLUMN, COLUMN=VALUE,VALUE for the "
            "good values, or COLUMN>=NUMBER.",
            metavar="OUTCOME",
        ),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(
            help="Column of the course or year whose first answer begins the weeks of --outcome; each student's own "
            "when left out.",
            metavar="COLUMN",
        ),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            help="Table with a row per student (student_id) that has the columns of --by, --outcome and --cohort; "
            "columns that it lacks are those of FILE.",
            metavar="TABLE",
        ),
    ] = None,
    clock: Annotated[
        str, typer.Option(help="When time stamps were taken: at the start of a question, or at its answer.")
    ] = "start",
    unfitted: Annotated[
        bool, typer.Option("--unfitted", help="Fit nothing: what scorers start with before any fit.")
    ] = False,
    students: Annotated[
        str, typer.Option(help="Simulated students to learn from: one number, or several with commas.", metavar="N,…")
    ] = "100,300,1000",
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Threads that fits may use; the setting `workers` when left out.", min=1)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write JSON, Markdown and a PNG to as well.", metavar="DIR")
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(
            help="Also write training rows and predictions (of the last scorer) as Parquet, in the "
            "columns of the package kt-audit.",
            metavar="FILE",
        ),
    ] = None,
    how: ReadOptions = NOTHING_SAID,
    tenant: Tenant = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse files with rows that cannot be used, instead of leaving them out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how well scorers predict answers that they have not seen: fit on some, test on others."""
    if bool(files) + lake + simulated != 1:
        raise BadInput("give one thing to evaluate on: FILEs, --lake or --simulated")
    if not files and (how != NOTHING_SAID or strict):
        raise BadInput(
            "options like --as, --map, --unit, --set, --timezone and --strict say how files are read; give a FILE"
        )
    about_students = [name for name in (by, outcome, cohort) if name is not None]
    if not files and (about_students or roster is not None):
        raise BadInput("--by, --outcome, --cohort and --roster are about the students of files; give a FILE")
    if roster is not None and not about_students:
        raise BadInput("--roster is a table of students; say with --by or --outcome which of its columns is wanted")
    if cohort is not None and outcome is None:
        raise BadInput("--cohort says when the weeks of --outcome begin; give both, or neither")
    if clock not in CLOCKS:
        raise BadInput(f"unknown clock {clock!r}{did_you_mean(clock, list(CLOCKS))}; expected start or answer")
    from mastery.pipelines.evaluation.predictors import wanted_scorers
    from mastery.pipelines.models.rules import load_rules
    from mastery.scorers import SPECS
    from mastery.scorers import unfitted as with_defaults

    chosen = settings(context)
    names = wanted_scorers(scorers, with_defaults() if unfitted else list(SPECS))
    rules = load_rules(chosen.rules).params
    threads = chosen.workers if threads is None else threads
    if simulated:
        if audit is not None:
            raise BadInput("--audit is about answers that were predicted; give a FILE or --lake")
        _show_simulated(_simulated(rules, names, unfitted, students, seed, threads), out, as_json, unfitted)
        return
    from mastery.evaluation.outcomes import outcome_of, parse_outcome
    from mastery.evaluation.splits import parse_split
    from mastery.pipelines.evaluation.audit import Audit
    from mastery.pipelines.evaluation.roster import read_roster, student_column

    rows = None if audit is None else Audit()
    parted, when = parse_split(split), cast("Clock", clock)
    if files:
        known = None if roster is None else read_roster(roster)
        rule = None if outcome is None else parse_outcome(outcome)
        columns = [by, cohort, None if rule is None else rule.column]
        log, notes = _read(files, _kept(parted, columns, known), when, chosen, how, strict)
        groups, cohorts, marks = (None if name is None else student_column(log, known, name) for name in columns)
        beside = None if rule is None or marks is None else outcome_of(rule, marks)
        chapters = None
    else:
        engine = engine_of(context, tenant)
        log, notes, chapters = _read_lake(engine.lake, engine.days)
        groups, cohorts, beside = None, None, None
    found = _measured(
        log,
        parted,
        folds,
        names,
        when,
        unfitted,
        rules,
        seed,
        threads,
        chapters,
        chosen.bounds,
        rows,
        groups,
        beside,
        cohorts,
    )
    found = replace(found, notes=(*found.notes, *notes))
    if rows is not None and audit is not None:
        rows.write(audit)
    from mastery.pipelines.evaluation.report import as_json as document
    from mastery.pipelines.evaluation.report_files import write_report

    written, missing = ([], None) if out is None else write_report(found, out)
    if as_json:
        typer.echo(json.dumps(document(found)))
    else:
        show_evaluation(found)
    _tell_written(written, missing)


def _kept(split: Split, columns: list[str | None], roster: pa.Table | None) -> list[str]:
    """Return the columns of the files' rows that are wanted."""
    of_rows = [name for name in columns if name is not None and (roster is None or name not in roster.column_names)]
    return list(dict.fromkeys([*([split.name] if split.name else []), *of_rows]))


def _read(
    files: list[Path],
    keep: list[str],
    clock: Clock,
    chosen: Settings,
    how: ReadOptions,
    strict: bool,
) -> tuple[Log, list[str]]:
    """Return the answers in files, with columns of their rows, and notes on these."""
    from mastery.apps.progress import progress
    from mastery.engine import now_us
    from mastery.instants import instant
    from mastery.pipelines.evaluation.logs import answers_log
    from mastery.pipelines.ingest.answers import read_answers
    from mastery.pipelines.ingest.profiles import zone_of
    from mastery.school_days import school_days

    with progress("Reading files") as report:

        def read(name: str, done: int, size: int) -> None:
            report.update(done=done, total=size, title=name)

        answers = read_answers(
            files,
            now=instant(now_us()),
            options=replace(how, timezone=how.timezone or zone_of(how.profile) or chosen.timezone),
            keep=keep,
            strict=strict,
            progress=read,
        )
    return answers_log(answers, clock, school_days(chosen.school_zone)), answers.notes()


def _read_lake(lake: Lake, days: SchoolDays) -> tuple[Log, list[str], dict[Scoped, str] | None]:
    from mastery.pipelines.evaluation.logs import lake_log
    from mastery.pipelines.models.chapters import chapters_of

    log, note = lake_log(lake, days=days)
    return log, [] if note is None else [note], chapters_of(lake)


def _measured(
    log: Log,
    split: Split,
    folds: int | None,
    names: list[str] | None,
    clock: Clock,
    unfitted: bool,
    rules: Floats,
    seed: int,
    threads: int,
    chapters: dict[Scoped, str] | None,
    bounds: dict[str, Any],
    audit: Audit | None,
    groups: StudentColumn | None,
    outcome: Outcome | None,
    cohort: StudentColumn | None,
) -> Evaluation:
    from mastery.apps.progress import progress
    from mastery.pipelines.evaluation.evaluate import evaluate as measure
    from mastery.pipelines.evaluation.predictors import fitted
    from mastery.pipelines.evaluation.predictors import unfitted as by_default

    with progress("Evaluating") as report:

        def told(title: str, done: int, total: int) -> None:
            report.update(done=done, total=total, title=f"Evaluating, {title}")

        predictor = by_default(rules) if unfitted else fitted(
            rules, scorers=names, clock=clock, seed=seed, threads=threads, chapters=chapters, bounds=bounds,
            progress=told,
        )  # fmt: skip
        return measure(
            log, split, predictor, cv_folds=folds, scorers=names, clock=clock, seed=seed, progress=told,
            hear=None if audit is None else audit.hear, groups=groups, outcome=outcome, cohort=cohort,
        )  # fmt: skip


def show_evaluation(found: Evaluation) -> None:
    """Print the measures of every scorer, cold start, and the notes."""
    from rich.text import Text

    from mastery.apps.cli.console import console, number, numbers_table, printable
    from mastery.insight.words import counted
    from mastery.pipelines.evaluation.report import GROUP_HEADS, TITLES, group_rows, outside_rows, shown

    out = console()
    tests = sum(cv_fold.tested.y.size for cv_fold in found.cv_folds)
    out.print(
        Text(f"{counted(tests, 'answer')} predicted, each before it was seen", "bold").append(
            f" · the log: {counted(found.answers, 'answer')} of {counted(found.students, 'student')}", "default"
        )
    )
    how = f"split {found.split} · {counted(len(found.cv_folds), 'test')} · clock {found.clock}"
    out.print(Text(f"{printable(how)} · seed {found.seed}\n", "bright_black"))
    heads = ("scorer", "AUC", "95 %", "accuracy", "RMSE", "log loss", "ECE", "if perfect", "next week")
    rows = []
    for name, one in found.summaries.items():
        got, (low, high) = one.measures, one.intervals["auc"]
        measures = [shown(got[measure]) for measure in ("accuracy", "rmse", "logloss", "ece")]
        perfect = f"{shown(got['ece_perfect'])}, at most {shown(got['ece_perfect_95'])}"
        interval = f"{shown(low, 3)}–{shown(high, 3)}"
        rows.append([name, shown(got["auc"]), interval, *measures, perfect, shown(one.next_week, 3)])
    out.print(numbers_table(out, heads, rows))
    for title, groups in (
        ("AUC of a student's first answers", [one.cold_start for one in found.summaries.values()]),
        ("AUC by how much was learnt of the topic", [one.topic_size for one in found.summaries.values()]),
    ):
        out.print(Text(f"\n{title}", "bold"))
        rows = [
            [TITLES[same[0].name], number(same[0].answers), *(shown(group.measures["auc"]) for group in same)]
            for same in zip(*groups, strict=True)
        ]
        out.print(numbers_table(out, ("", "answers", *found.summaries), rows))
    if found.by_group is not None and (apart := group_rows(found.by_group)):
        out.print(Text(f"\nBy {printable(found.by_group.column)}, all tests together", "bold"))
        out.print(numbers_table(out, GROUP_HEADS, [[printable(cell) for cell in row] for row in apart]))
    if found.outside is not None:
        columns, cells = outside_rows(found.outside, ", ")
        good = printable(f"Beside {found.outside.column} (good: {found.outside.meaning})")
        out.print(Text(f"\n{good}: AUC and correlation of the mean score", "bold"))
        out.print(numbers_table(out, columns, [list(row) for row in cells]))
    for note in found.notes:
        out.print(Text(f"\nnote: {printable(note)}", "yellow"), soft_wrap=True)


def _simulated(
    rules: Floats, names: list[str] | None, unfitted: bool, students: str, seed: int, threads: int
) -> list[Learnt]:
    from mastery.apps.progress import progress
    from mastery.pipelines.evaluation.simulated import evaluate_simulated, fitted_parameters, unfitted_parameters

    try:
        sizes = [int(one) for one in students.split(",")]
    except ValueError:
        raise BadInput(f"--students is {students!r}; expected a number, or several with commas, like 100,300") from None
    learn = (
        unfitted_parameters(rules) if unfitted else fitted_parameters(rules, scorers=names, seed=seed, threads=threads)
    )
    with progress("Learning from simulated students") as report:

        def told(title: str, done: int, total: int) -> None:
            report.update(done=done, total=total, title=f"Learning from {title}")

        # Seed 0 is the school of the simulator's own default.
        return evaluate_simulated(learn, sizes=sizes, scorers=names, seed=7 + seed, progress=told)


def _show_simulated(found: list[Learnt], out: Path | None, as_json: bool, unfitted: bool) -> None:
    from mastery.pipelines.evaluation.simulated_report import as_json as document
    from mastery.pipelines.evaluation.simulated_report import finite, tables, write_report

    written = [] if out is None else write_report(found, out)
    if as_json:
        typer.echo(json.dumps(finite(document(found))))
    else:
        _print_tables(tables(found))
    _tell_written(written, None if unfitted else AS_FITTED_HERE)


AS_FITTED_HERE = (
    "intervals have the widths as shipped, and the blend is not corrected: `mastery fit` finds both on simulated "
    "schools like the deployment"
)


def _print_tables(found: list[Table]) -> None:
    from rich.text import Text

    from mastery.apps.cli.console import console, numbers_table

    out = console()
    for title, heads, rows in found:
        if not rows:
            continue
        out.print(Text(title, "bold"))
        out.print(numbers_table(out, heads, rows))
        out.print()


def _tell_written(written: list[Path], missing: str | None) -> None:
    from mastery.apps.cli.console import say

    for path in written:
        say(f"written: {path}")
    if missing is not None:
        say(f"note: {missing}")
