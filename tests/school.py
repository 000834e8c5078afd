"""A deployment on disk for tests: the sample school, or a research log, ingested and ready to be folded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.queries.reader import Reader
from mastery.pipelines.scoring.recompute import RecomputeReport, recompute
from mastery.state import StateStore, connect
from mastery.tables import EVENTS

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample"
RESEARCH = ROOT.parent / "shared" / "data"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1e6)
KEY = Pseudonyms(bytes(range(32)))


@dataclass
class Deployment:
    """A lake, a state store and a reader over both."""

    lake: Lake
    state: StateStore
    reader: Reader

    @staticmethod
    def at(folder: Path, *, buckets: int = 4, state_url: str | None = None) -> Deployment:
        lake = Lake.open(str(folder / "lake"), buckets=buckets)
        state = connect(state_url or f"sqlite:{folder / 'state.db'}")
        rules = load_rules("classic").params
        return Deployment(lake, state, Reader(lake, state, rules, min_evidence=3, default_scorer="rule_based"))

    def ingest(self, *files: Path, **options):
        return ingest(
            list(files), **({"lake": self.lake, "pseudonyms": KEY, "tenant": "default", "now": NOW} | options)
        )

    def newest_us(self) -> int:
        newest = self.lake.newest(EVENTS, "occurred_at")
        assert newest is not None
        return newest

    def recompute(self, as_of_us: int | None = None, *, workers: int = 1, active_days: int = 30) -> RecomputeReport:
        return recompute(
            self.lake,
            self.reader.metadata().model_set,
            as_of_us=self.newest_us() if as_of_us is None else as_of_us,
            now_us=NOW_US,
            min_evidence=3,
            workers=workers,
            state=self.state,
            active_days=active_days,
        )


def student(number: int) -> str:
    """Return the pseudonym of a student of the sample school."""
    return KEY.student("default", f"S{number:06d}")
