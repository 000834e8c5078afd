"""The engine of one deployment: from the settings to what commands and the API call. Everything is opened when it is
first needed: `ingest` opens no state store, `export` no key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from propcache import cached_property

from mastery.apps.as_of import as_of_us
from mastery.apps.numba_start import start_numba
from mastery.errors import BadInput, Conflict
from mastery.instants import microseconds
from mastery.lake import Lake
from mastery.settings import Settings
from mastery.tables import EVENTS, REJECTED

if TYPE_CHECKING:
    from mastery.apps.models import Models
    from mastery.directory.pseudonyms import Pseudonyms
    from mastery.pipelines.queries.reader import Reader
    from mastery.pipelines.queries.schemas import (
        AnswersDocument,
        ClassDocument,
        ClassRow,
        HistoryDocument,
        ItemProbabilitiesDocument,
        StudentDocument,
    )
    from mastery.pipelines.scoring.activate import Publish
    from mastery.pipelines.scoring.recompute import RecomputeReport
    from mastery.scorers.rule_based.rules import ScoringRules
    from mastery.state import StateStore


def now_us() -> int:
    """Return the time: microseconds since 1970."""
    return time.time_ns() // 1_000


@dataclass(frozen=True)
class Engine:
    """One deployment, connected."""

    settings: Settings
    lake: Lake

    @staticmethod
    def connect(settings: Settings, *, create: bool = True) -> Engine:
        """Return the engine of these settings.

        Raises:
            NotFound: There is no lake yet and `create` is false.
        """
        lake = Lake.open(
            settings.lake, buckets=settings.buckets, storage_options=settings.storage_options or None, create=create
        )
        return Engine(settings, lake)

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """Pseudonyms under the key of the settings; a new key only while nobody depends on one."""
        from mastery.directory.pseudonyms import Pseudonyms, load_or_create_key

        path, configured = self.settings.pseudonym_key_file, self.settings.pseudonym_key
        if configured is None and not path.exists() and self.lake.count(EVENTS):
            raise Conflict(
                f"{path}: the key of the pseudonyms is gone, and the lake holds students under it; restore it from "
                "your backup, or name its place (MASTERY_PSEUDONYM_KEY_FILE). A new one would make them strangers"
            )
        return Pseudonyms(load_or_create_key(path, configured))

    @cached_property
    def rules(self) -> ScoringRules:
        """Weights of the rule-based score."""
        from mastery.pipelines.models.rules import load_rules

        return load_rules(self.settings.rules)

    @cached_property
    def state(self) -> StateStore:
        """The learner-state store."""
        from mastery.state import connect

        return connect(self.settings.state)

    @cached_property
    def reader(self) -> Reader:
        """Answers questions about scores."""
        start_numba()
        from mastery.pipelines.queries.reader import Reader

        return Reader(
            self.lake,
            self.state,
            self.rules.params,
            min_evidence=self.settings.min_evidence,
            default_scorer=self.settings.scorer,
            target=self.settings.target,
        )

    def student(
        self, student_id: str, *, topics: Sequence[str] | None, as_of: str, scorer: str | None, tenant: str | None
    ) -> StudentDocument:
        """Return one student's scores; `student_id` is the source's own or a pseudonym."""
        scope = self._tenant(tenant)
        return self.reader.student(
            self._pseudonym(scope, student_id),
            tenant=scope,
            as_of_us=self.moment_us(as_of, now_us()),
            source=scorer,
            topics=topics,
        )

    def history(self, student_id: str, topic_id: str, *, scorer: str | None, tenant: str | None) -> HistoryDocument:
        """Return one student's history on a topic."""
        scope = self._tenant(tenant)
        return self.reader.history(self._pseudonym(scope, student_id), topic_id, tenant=scope, source=scorer)

    def past_answers(self, student_id: str, topic_id: str, *, as_of: str, tenant: str | None) -> AnswersDocument:
        """Return which of a student's past answers make what linear_rnn says of a topic."""
        scope = self._tenant(tenant)
        return self.reader.past_answers(
            self._pseudonym(scope, student_id),
            topic_id,
            tenant=scope,
            as_of_us=self.moment_us(as_of, now_us()),
        )

    def item_probabilities(
        self, student_id: str, topic_id: str, *, items: Sequence[str] | None, as_of: str, tenant: str | None
    ) -> ItemProbabilitiesDocument:
        """Return the probability of a right answer of one student to items of a topic."""
        scope = self._tenant(tenant)
        return self.reader.item_probabilities(
            self._pseudonym(scope, student_id),
            topic_id,
            tenant=scope,
            as_of_us=self.moment_us(as_of, now_us()),
            items=items,
        )

    def class_report(
        self, *, weakest: int, scorer: str | None, tenant: str | None
    ) -> tuple[ClassDocument, list[ClassRow]]:
        """Return a class as last published, and its weakest student-topics with reasons."""
        scope = self._tenant(tenant)
        document = self.reader.class_scores(tenant=scope, source=scorer)
        return document, self.reader.weakest(tenant=scope, source=scorer, limit=weakest)

    def recompute(
        self, as_of: str, *, workers: int | None = None, progress: Callable[[int], None] | None = None
    ) -> RecomputeReport:
        """Fold everybody from the lake and publish; `progress` is called with the events of each finished bucket."""
        from mastery.pipelines.models.active import shadow_model_set

        publish = self.publisher(as_of, now_us(), workers=workers, progress=progress)
        return publish(self.reader.metadata().model_set, shadow=shadow_model_set(self.lake), switch=None)

    def publisher(
        self, as_of: str, now: int, *, workers: int | None = None, progress: Callable[[int], None] | None = None
    ) -> Publish:
        """Return what folds everybody into a model set as of a moment, and publishes."""
        from mastery.pipelines.scoring.recompute import recompute

        return partial(
            recompute,
            self.lake,
            as_of_us=self.moment_us(as_of, now),
            now_us=now,
            min_evidence=self.settings.min_evidence,
            workers=self.settings.workers if workers is None else workers,
            state=self.state,
            active_days=self.settings.active_days,
            progress=progress,
        )

    @cached_property
    def models(self) -> Models:
        """Its model sets."""
        from mastery.apps.models import Models

        return Models(self)

    def moment_us(self, as_of: str, now: int) -> int:
        """Return the moment that a text names."""
        return as_of_us(as_of, now, self.reader.newest_event_us)

    def rejected(self, tenant: str, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return rejected rows of a tenant, the newest first and of one reading by file and line, and how many there
        are in all; `limit` 0 returns all.
        """
        import pyarrow.compute as pc

        shown = ("source_table", "source", "line", "column", "value", "reason", "code", "received_at")
        rows = self.lake.scan(REJECTED, ["tenant", *shown])
        rows = rows.filter(pc.equal(rows["tenant"], tenant)).select(list(shown))
        rows = rows.sort_by([("received_at", "descending"), ("source", "ascending"), ("line", "ascending")])
        return rows.slice(0, limit if limit else None).to_pylist(), rows.num_rows

    def rejected_at(self, received_at: datetime) -> list[dict[str, Any]]:
        """Return table, column and reason of the rows that one reading rejected for the first time."""
        import pyarrow.compute as pc

        rows = self.lake.scan(REJECTED, ["source_table", "column", "reason", "received_at"])
        same = pc.equal(rows["received_at"].cast("int64"), microseconds(received_at))
        return rows.filter(same).drop_columns(["received_at"]).to_pylist()

    def checks(self) -> Mapping[str, Callable[[], object]]:
        """Return what to try, by name, to know that the stores can be read."""
        return {"lake": lambda: self.lake.version(EVENTS), "state": self._count_records}

    def _count_records(self) -> int:
        return self.state.count()

    def close(self) -> None:
        """Close what was opened."""
        if "state" in self.__dict__:
            self.state.close()

    def _tenant(self, tenant: str | None) -> str:
        return self.settings.tenant if tenant is None else tenant

    def _pseudonym(self, tenant: str, student_id: str) -> str:
        try:
            return self.pseudonyms.student(tenant, student_id)
        except UnicodeEncodeError:
            raise BadInput("the student id is not text in UTF-8; write it as the source does") from None
