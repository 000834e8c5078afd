"""The command `mastery`: its global options, its list of commands, and what an error looks like.

A command is one file in this folder and one line in `COMMANDS`. Its module imports little at the top
and the rest inside its function, so that `mastery show` does not wait for what only `serve` needs.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from mastery.apps.cli.answers import answers
from mastery.apps.cli.class_report import class_report
from mastery.apps.cli.compact import compact
from mastery.apps.cli.compiling import tell_of_compiling
from mastery.apps.cli.config import config
from mastery.apps.cli.context import Chosen
from mastery.apps.cli.demo import demo
from mastery.apps.cli.evaluate import evaluate
from mastery.apps.cli.export import export
from mastery.apps.cli.fit import fit
from mastery.apps.cli.groups import Group
from mastery.apps.cli.history import history
from mastery.apps.cli.ingest import ingest
from mastery.apps.cli.ingests import ingests
from mastery.apps.cli.items import items
from mastery.apps.cli.models import models
from mastery.apps.cli.preview import preview
from mastery.apps.cli.produce import produce
from mastery.apps.cli.profiles import profiles
from mastery.apps.cli.recompute import recompute
from mastery.apps.cli.reconcile import reconcile
from mastery.apps.cli.rejected import rejected
from mastery.apps.cli.serve import serve
from mastery.apps.cli.show import show
from mastery.apps.cli.simulate import simulate
from mastery.apps.cli.state import state
from mastery.apps.cli.tenants import tenants
from mastery.apps.cli.texts import TextCommand
from mastery.apps.cli.tune import tune
from mastery.apps.cli.version import print_version, version
from mastery.apps.cli.warm_up import warm_up
from mastery.apps.cli.work import work
from mastery.apps.interrupt import INTERRUPTED
from mastery.errors import MasteryError, shortened, unwritable

SET_UP, WORK, MODELS, PEOPLE = "Set up", "Move data", "Fit and choose models", "See scores"

COMMANDS: tuple[tuple[str, Callable[..., Any] | typer.Typer], ...] = (
    (WORK, ingest),
    (WORK, preview),
    (WORK, ingests),
    (WORK, profiles),
    (WORK, recompute),
    (WORK, reconcile),
    (WORK, rejected),
    (WORK, tenants),
    (WORK, export),
    (WORK, compact),
    (WORK, state),
    (WORK, simulate),
    (WORK, produce),
    (WORK, work),
    (MODELS, fit),
    (MODELS, models),
    (MODELS, evaluate),
    (MODELS, tune),
    (PEOPLE, show),
    (PEOPLE, answers),
    (PEOPLE, items),
    (PEOPLE, history),
    (PEOPLE, class_report),
    (PEOPLE, serve),
    (SET_UP, demo),
    (SET_UP, warm_up),
    (SET_UP, config),
    (SET_UP, version),
)
"""Panel of the help page and function of each command, or group of commands, in the order in which they are listed."""


def build() -> typer.Typer:
    """Return the whole command line: the global options and one command for each line of `COMMANDS`."""
    app = typer.Typer(
        name="mastery",
        cls=Commands,
        help="Read what students do; compute how well each of them masters each topic, with reasons.",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,  # a traceback with local values would show children's answers
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for panel, command in COMMANDS:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=panel)
            continue
        name = command.__name__.replace("_", "-")
        app.command(name=name, cls=TextCommand, rich_help_panel=panel)(command)
    return app


def _path_or_none(text: str) -> Path | None:
    """Return a path; None for an empty text, as an empty MASTERY_HOME is none: `Path("")` is the current folder."""
    return Path(text) if text else None


def _options(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Folder of lake, state and keys; MASTERY_HOME when left out, else .mastery.",
            metavar="DIR",
            parser=_path_or_none,
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    context.obj = Chosen(home)


NOBODY_READS = 141
"""Exit code: what a shell says of a program that SIGPIPE has ended."""


class Commands(Group):
    """All commands. They end as other programs do when somebody presses Ctrl-C or the reader of a pipe goes away."""

    def make_context(self, info_name: str | None, args: list[str], *parent: Any, **extra: Any) -> Any:
        """Read the global options; `--help` and `--version` print here, and end."""
        with _ending_as_others_do():
            return super().make_context(info_name, args, *parent, **extra)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override] # typer's own class of contexts is private
        """Run the command."""
        with _ending_as_others_do():
            result = super().invoke(ctx)
            sys.stdout.flush()  # while a reader that has gone is still an error that can be caught
        return result


@contextmanager
def _ending_as_others_do() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        _end_interrupted()
    except BrokenPipeError:
        _end_unread()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich, which prints help pages, ends with 1
            _end_unread()
        raise
    except Exception as error:  # typer has no name of its own for the errors of arguments, and prints them itself
        if isinstance(told := getattr(error, "message", None), str):
            error.message = shortened(told)  # type: ignore[attr-defined]
        raise


def main() -> None:
    """Run the command line. Ends the process with 0, or with the exit code of the error."""
    if sys.stdout is None:  # closed by who started it, as `>&-` does: nobody reads, and that is no error
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the whole process
    _start_quickly()
    tell_of_compiling()
    try:
        build()(prog_name="mastery")
    except MasteryError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _end_interrupted()
    except BrokenPipeError:
        _end_unread()
    except OSError as error:  # of a full disk where no store was asked: a report, a key, standard output
        known = unwritable(error, error.filename or "the output", "the place it goes to")
        if known is None:
            raise
        _tell(known)
        sys.exit(known.exit_code)


def _start_quickly() -> None:
    """Set what the start-up of libraries depends on: most of the time of a short command goes into imports.

    The garbage collector looks through all objects after each 700 new ones, and while modules are loaded nothing is
    garbage. pyarrow imports pandas, where it is installed, to see whether what it is given comes from there, and
    pydantic searches the metadata of all installed packages for plugins; no command needs either.
    """
    gc.set_threshold(50_000, 20, 50)
    atexit.register(gc.freeze)
    sys.meta_path.insert(0, WithoutPandas())
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


class WithoutPandas:
    """Says that there is no pandas.

    pyarrow has no setting for it, and None in `sys.modules`, Python's own mark for a module that must not be imported,
    is taken for pandas itself by modules made with Cython.
    """

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Refuse pandas and know nothing of any other module."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out of the command line: it is slow to load", name=name)


def _end_interrupted() -> NoReturn:
    """End after Ctrl-C: by now the bar is gone, files that were begun are removed and no commit is half made."""
    sys.stderr.write("\ninterrupted\n" if sys.stderr.isatty() else "interrupted\n")
    sys.exit(INTERRUPTED)


def _end_unread() -> NoReturn:
    """End quietly: the reader (`| head`) has seen enough, and what is still buffered must not complain on its way."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    sys.exit(NOBODY_READS)


def _tell(error: MasteryError) -> None:
    from rich.console import Console
    from rich.text import Text

    # soft_wrap: a message in a log is one line for each thing that is wrong.
    message = Text("error: ", style="bold red").append(shortened(str(error)), style="default")
    Console(stderr=True).print(message, soft_wrap=True)
