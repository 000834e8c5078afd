"""A home in which the sample school has been read and scored, and the command line over it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.working import row
from mastery.apps.cli import build
from mastery.engine import Engine
from mastery.pipelines.ingest.ingest import ingest
from mastery.settings import load_settings

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def give_key(home: Path) -> Path:
    """Return the folder of a new home whose key is always the same.

    A key of its own would hold out other students each time, and of the 30 of the sample sometimes too few to tune on.
    """
    key = home / "keys" / "pseudonym.key"
    key.parent.mkdir(parents=True, mode=0o700)
    key.touch(mode=0o600)
    key.write_text("5a" * 32 + "\n")
    return home


@pytest.fixture
def new_home(tmp_path):
    """Folder of a home with a key and nothing else."""
    return give_key(tmp_path / "home")


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Folder of a home with the sample school, scored as of its newest event. Tests only read it."""
    folder = give_key(tmp_path_factory.mktemp("school") / "home")
    engine = Engine.connect(load_settings(home=folder, environ={}).settings)
    ingest(
        [SAMPLE], lake=engine.lake, pseudonyms=engine.pseudonyms, tenant="default", now=datetime(2026, 5, 1, tzinfo=UTC)
    )
    engine.recompute("latest", workers=2)
    engine.close()
    return folder


@pytest.fixture
def mastery(home):
    """The command line over the sample school, in this process: mastery(*arguments, home=…)."""

    def run(*arguments: str, home: Path = home):
        return CliRunner().invoke(build(), ["--home", str(home), *map(str, arguments)])

    return run


@pytest.fixture
def school(new_home, tmp_path):
    """A home with one tenant, and the folder that is followed."""
    (tmp_path / "topics.csv").write_text("topic_id,title\nt1,Fractions\n")
    (tmp_path / "first.ndjson").write_text(row(0) + "\n")
    with Engine.connect(load_settings(home=new_home, environ={}).settings) as engine:
        engine.ingest([str(tmp_path / "topics.csv"), str(tmp_path / "first.ndjson")])
    (tmp_path / "incoming").mkdir()
    return new_home, tmp_path / "incoming"
