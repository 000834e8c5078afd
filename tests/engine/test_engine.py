"""The engine as a notebook uses it: frames in, documents out, the settings that the command line would use."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.csv as pacsv
import pytest

from mastery.engine import Engine
from mastery.errors import BadInput, NotFound

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture
def engine(tmp_path):
    engine = Engine.open(tmp_path / "home")
    yield engine
    engine.close()


def quiz_attempts():
    """The sample's answers as an Arrow table of texts, as a file has them."""
    return pacsv.read_csv(
        SAMPLE / "quiz_attempts.csv",
        convert_options=pacsv.ConvertOptions(
            column_types={"is_correct": "string", "timestamp": "string"}, strings_can_be_null=True
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "frame_of",
    [
        lambda table: table,
        lambda table: table.to_pandas(),
        pl.from_arrow,
        lambda table: pl.from_arrow(table).lazy(),
        duckdb.from_arrow,
    ],
    ids=["pyarrow", "pandas", "polars", "lazy polars", "duckdb"],
)
def test_a_frame_comes_in_as_its_file_does(engine, tmp_path, frame_of):
    other = Engine.open(tmp_path / "other")
    from_file = other.ingest(SAMPLE / "quiz_attempts.csv")
    other.close()
    counts = engine.ingest(frame_of(quiz_attempts()), table="quiz_attempts")
    assert counts.accepted == from_file.accepted
    assert engine.ingest(SAMPLE / "quiz_attempts.csv").accepted == 0  # the very same events


def test_columns_of_a_frame_are_renamed(engine):
    frame = pd.DataFrame(
        {
            "pupil": ["S1", "S1", "S2"],
            "question_id": ["q1", "q2", "q1"],
            "topic_id": ["t", "t", "t"],
            "is_correct": [True, False, True],
            "timestamp": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"], utc=True),
        }
    )
    counts = engine.ingest(frame, table="quiz_attempts", columns={"pupil": "student_id"})
    assert (counts.accepted, counts.rejected) == (3, 0)
    engine.recompute("latest")
    assert [topic.topic_id for topic in engine.student("S1", as_of="latest").topics] == ["t"]
    assert len(engine.class_scores().students) == 2


def test_what_is_no_frame_is_refused_by_name(engine):
    with pytest.raises(BadInput, match=r"^dict cannot be read; expected a frame of pandas, polars"):
        engine.ingest({"student_id": ["S1"]})


def test_a_home_that_must_be_there_is_not_made(tmp_path):
    with pytest.raises(NotFound):
        Engine.open(tmp_path / "nowhere", create=False)


@pytest.mark.slow
def test_a_fit_is_listed_and_activated_without_more_than_its_version(engine):
    engine.ingest(SAMPLE)
    engine.recompute("latest")
    version = engine.models.fit("bkt").card.version
    assert version in [one.version for one in engine.models.versions()]
    engine.models.activate(version, "latest")
    assert engine.student(engine.class_scores().students[0], as_of="latest").model_version == version
