"""What one deployment is connected to: lake, state store, key, rules. Each is opened when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from propcache import cached_property

from mastery.as_of import as_of_us
from mastery.errors import BadInput, Conflict, Unwritable
from mastery.lake import Lake
from mastery.settings import Settings
from mastery.tables import EVENTS

if TYPE_CHECKING:
    from mastery.directory.pseudonyms import Pseudonyms
    from mastery.pipelines.queries.reader import Reader
    from mastery.pipelines.scoring.activate import Publish
    from mastery.scorers.scoring_rules import ScoringRules
    from mastery.state import StateStore


@dataclass(frozen=True)
class Deployment:
    """The settings of one deployment and what they lead to."""

    settings: Settings
    lake: Lake

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """Pseudonyms under the key of the settings; a new key is made only while nothing depends on one."""
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
        from mastery.pipelines.queries.reader import Reader

        try:
            state: StateStore | None = self.state
        except Unwritable:  # a full disk, or one that may only be read: the lake has all that an answer needs
            state = None
        return Reader(
            self.lake,
            state,
            self.rules.params,
            min_evidence=self.settings.min_evidence,
            default_scorer=self.settings.scorer,
            target=self.settings.target,
        )

    def publisher(
        self, as_of: str, now: int, *, workers: int | None = None, progress: Callable[[int], None] | None = None
    ) -> Publish:
        """Return what folds every student into a model set as of a moment, and publishes."""
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

    def moment_us(self, as_of: str, now: int) -> int:
        """Return the moment that a text names, in microseconds since 1970."""
        return as_of_us(as_of, now, self.reader.newest_event_us)

    def tenant_named(self, tenant: str | None) -> str:
        """Return the tenant, or the one of the settings where none is named."""
        if tenant is not None and not tenant.isascii():
            try:
                tenant.encode()
            except UnicodeEncodeError:  # bytes of a command line that are no text
                raise BadInput("the tenant is not text in UTF-8; write it as it was ingested") from None
        return self.settings.tenant if tenant is None else tenant

    def pseudonym(self, tenant: str, student_id: str) -> str:
        """Return the pseudonym of a student, from the source's own id or from the pseudonym itself."""
        try:
            return self.pseudonyms.student(tenant, student_id)
        except UnicodeEncodeError:
            raise BadInput("the student id is not text in UTF-8; write it as the source does") from None

    def close(self) -> None:
        """Close what was opened."""
        if "state" in self.__dict__:
            self.state.close()
