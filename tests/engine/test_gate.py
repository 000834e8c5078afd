"""A set fitted to too little, or to nothing but coin tosses, is not activated unless somebody says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mastery.engine import Engine
from mastery.errors import Conflict, NotFound
from mastery.pipelines.models.activations import active_choice
from mastery.settings import Settings
from school import RESEARCH

CASES = RESEARCH.parent / "cases" / "models"
START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def engine_at(folder: Path, **settings) -> Engine:
    # The key decides which students are held out, and so what is chosen.
    return Engine.connect(Settings(home=folder, workers=2, buckets=2, pseudonym_key="5a" * 32, **settings))


def answers(students: int, each: int, seed: int = 0) -> pa.Table:
    """Return tosses of a coin, on two topics."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"s{s}", f"q{rng.integers(12)}", f"t{rng.integers(2)}", int(rng.integers(2)), START + timedelta(hours=7 * k))
        for s in range(students)
        for k in range(each)
    ]
    names = ("student_id", "question_id", "topic_id", "is_correct", "timestamp")
    return pa.table({name: [row[k] for row in rows] for k, name in enumerate(names)})


def refused(engine: Engine, version: str) -> list[str]:
    """Return the names of the checks that fail, once an activation has been refused for them."""
    with pytest.raises(Conflict, match=f"{version} is not activated"):
        engine.models.activate(version, "latest")
    assert active_choice(engine.lake).active is None
    gate = engine.models.show(version).gate
    assert gate is not None and not gate.passed
    return [check.name for check in gate.checks if check.passed is False]


@pytest.mark.slow
def test_a_set_fitted_to_coin_tosses_is_refused_and_force_activates_it(tmp_path):
    engine = engine_at(tmp_path / "home")
    engine.ingest(answers(40, 30))
    version = engine.models.fit("elo").card.version
    assert "auc" in refused(engine, version)
    assert engine.models.activate(version, "latest", force=True).model_version == version
    assert engine.models.gate(version).checks[-1].passed is None, "nothing drifts against itself"
    engine.models.rollback("latest")
    engine.close()


@pytest.mark.slow
def test_thresholds_come_from_the_settings(tmp_path):
    engine = engine_at(tmp_path / "home", gate={"answers": 10, "students": 2, "auc": 0.0, "ece": 1.0, "drift": 1.0})
    engine.ingest(answers(4, 25))
    version = engine.models.fit("elo").card.version
    assert engine.models.gate(version).passed
    assert engine.models.activate(version, "latest").model_version == version
    engine.close()


@pytest.mark.slow
@pytest.mark.skipif(not CASES.exists(), reason="the small inputs that went wrong are not here")
@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("oneanswer", {"answers", "students", "auc"}),
        ("three", {"answers", "students", "auc"}),
        ("degenerate", {"degenerate"}),
    ],
)
def test_sets_that_say_nothing_are_refused(tmp_path, case, why):
    engine = engine_at(tmp_path / "home")
    engine.ingest(CASES / case)
    assert why <= set(refused(engine, engine.models.fit().card.version))
    engine.close()


@pytest.mark.slow
def test_topics_that_came_after_the_fit_are_told(tmp_path):
    engine = engine_at(tmp_path / "home")
    table = answers(12, 20)
    engine.ingest(table)
    version = engine.models.fit("elo").card.version
    assert engine.models.gate(version).warnings == []
    engine.ingest(table.set_column(2, "topic_id", pa.array(["brand-new"] * table.num_rows)).slice(0, 5))
    (told,) = engine.models.gate(version).warnings
    assert "on 1 topic that the fit has not seen (brand-new)" in told
    engine.close()


def test_a_set_without_a_card_has_no_gate(tmp_path):
    engine = engine_at(tmp_path / "home")
    engine.ingest(answers(2, 3))
    with pytest.raises(NotFound, match="default has no card"):
        engine.models.gate("default")
    with pytest.raises(NotFound, match="unknown version"):
        engine.models.activate("fit-0")
    engine.close()
