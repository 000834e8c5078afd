"""`mastery serve`: the API and the dashboard on this machine, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mastery.apps.cli.context import engine_of, settings
from mastery.apps.memory import share_arenas
from mastery.errors import BadInput, NotFound

if TYPE_CHECKING:
    from mastery.engine import Engine

NEEDS = {"api": ("fastapi", "uvicorn"), "dashboard": ("streamlit", "altair", "httpx")}
"""Extra → what it brings."""


def serve(
    context: typer.Context,
    dashboard: Annotated[bool, typer.Option(help="Start the dashboard too.")] = True,
    wait_s: Annotated[float, typer.Option(help="Give up if they are not ready after this many seconds.", min=1)] = 60.0,
) -> None:
    """Start the API and the dashboard on this machine, until Ctrl-C ends both.

    The API answers reads and takes events (docs/api.md, docs/live.md).
    """
    import asyncio

    share_arenas()
    chosen = settings(context)
    _check_extras(["api", "dashboard"] if dashboard else ["api"])
    from mastery.apps import serving

    engine = _engine_to_serve(context)
    _say_what_is_there(engine)
    beside = None
    if dashboard:
        from mastery.apps.dashboard.server import command

        page = chosen.dashboard
        beside = serving.Beside(command(chosen), page.host, page.port, page.url)
    try:
        asyncio.run(serving.serve(engine, beside, wait_s, typer.echo))
    finally:
        engine.close()


def _check_extras(wanted: list[str]) -> None:
    from importlib.util import find_spec

    missing = {extra: [name for name in NEEDS[extra] if find_spec(name) is None] for extra in wanted}
    lacking = [extra for extra, names in missing.items() if names]
    if lacking:
        names = ", ".join(name for extra in lacking for name in missing[extra])
        raise BadInput(
            f"not installed: {names}; install the extra{'s' if len(lacking) > 1 else ''} {' and '.join(lacking)}: "
            f"`make setup` in a checkout, or pip install 'student-mastery-engine[{','.join(lacking)}]'"
        )


def _engine_to_serve(context: typer.Context) -> Engine:
    """Return the engine of the settings, whose lake is there: who only reads makes none.

    Raises:
        NotFound: There is none; it says how to see the demo's, where that has been run.
    """
    from mastery.apps.cli.demo import HOME, MARK

    try:
        return engine_of(context)
    except NotFound as error:
        if not (HOME / MARK).is_file() or settings(context).home.resolve() == HOME.resolve():
            raise
        raise NotFound(f"{error}; to see the school of the demo: mastery --home {HOME} serve") from None


def _say_what_is_there(engine: Engine) -> None:
    """Say so when there is nothing to be seen yet."""
    from mastery.apps.cli.console import say
    from mastery.tables import EVENTS, GOLD

    chosen = engine.settings
    if not engine.lake.count(EVENTS):
        say(f"note: {chosen.lake} holds no events yet; `mastery ingest FILE...` reads some in")
    elif not engine.lake.count(GOLD):
        say("note: no scores are published yet; `mastery recompute` computes them")
