"""`mastery tune`: weights of the rule-based score, searched on answers that were held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engine_of
from mastery.apps.cli.options import AsJson, Tenant
from mastery.errors import BadInput

if TYPE_CHECKING:
    from mastery.engine import Engine


def tune(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="YAML file to write; only shown when left out.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Use events up to this moment; all of them when left out.", metavar="TIME")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file when it is there.")] = False,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Search for the weights and half-life of the rule-based score that predict answers in your own data best."""
    from mastery.apps.progress import progress
    from mastery.engine import now_us
    from mastery.pipelines.models.rules import text_of
    from mastery.pipelines.models.tune import tune as search

    if out is not None and out.exists() and not overwrite:
        raise BadInput(f"{out} is there already; give another name, or --overwrite")
    engine = engine_of(context, tenant)
    as_of_us = None if until is None else engine.moment_us(until, now_us(), "until")
    with progress("Searching weights") as report:

        def half_lives_done(done: int, total: int) -> None:
            report.update(done=done, total=total)

        tuned = search(engine.lake, engine.rules, as_of_us=as_of_us, days=engine.days, progress=half_lives_done)
    text = text_of(tuned.rules)
    if out is not None:
        out.write_text(text, "utf-8")
    if as_json:
        slices = {one.name: {"answers": one.answers, "before": one.before, "after": one.after} for one in tuned.slices}
        typer.echo(json.dumps({"brier": slices, "rules": text, "out": None if out is None else str(out)}))
        return
    typer.echo(f"{'students':<12} {'answers':>10}  Brier score before → after (lower is better)")
    for one in tuned.slices:
        typer.echo(f"{one.name:<12} {one.answers:>10,}  {one.before:.4f} → {one.after:.4f}")
    typer.echo()
    if out is None:
        typer.echo(text)
        return
    how = f"set MASTERY_RULES={out}, or `rules: {out}` in mastery.yaml; then {_next(engine)}"
    typer.echo(f"{out} is written. To use it, {how}.")


def _next(engine: Engine) -> str:
    """Return what makes new weights count: a fitted set keeps those that it was fitted with."""
    from mastery.pipelines.models.activations import active_choice

    active = active_choice(engine.lake).active
    if active is None:
        return "run `mastery recompute`"
    return (
        f"run `mastery fit` and activate the version it makes, because {active}, which is active, keeps the weights it "
        "was fitted with"
    )
