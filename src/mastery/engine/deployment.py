"""What one tenant of a deployment is connected to: lake, state store, key, rules. Each is opened when first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from propcache import cached_property

from mastery.as_of import Moment, as_of_us
from mastery.errors import BadInput, Conflict, NotFound
from mastery.events.one_id import as_text
from mastery.given import whole
from mastery.lake import Lake, WrongKey
from mastery.lake.tenants import check_roots, folder_of, root_of, tenants_in
from mastery.settings import Settings
from mastery.tables import EVENTS

if TYPE_CHECKING:
    from mastery.directory.pseudonyms import Pseudonyms
    from mastery.pipelines.queries.reader import Reader
    from mastery.pipelines.scoring.activate import Publish
    from mastery.school_days import SchoolDays
    from mastery.scorers.scoring_rules import ScoringRules
    from mastery.state import StateStore


@dataclass(frozen=True)
class Deployment:
    """The settings of one deployment, and what they lead to for the tenant that they name.

    Attributes:
        create: Whether the tenant's lake is made where there is none.
    """

    settings: Settings
    create: bool = True

    @property
    def tenant(self) -> str:
        """Whose lake, states, model sets and publications these are."""
        return self.settings.tenant

    @cached_property
    def lake(self) -> Lake:
        """The tenant's lake.

        Raises:
            NotFound: The tenant has none, and none is to be made.
        """
        found = self.settings
        check_roots(found.lake, found.storage_options or None)
        try:
            return Lake.open(
                root_of(found.lake, self.tenant),
                buckets=found.buckets,
                storage_options=found.storage_options or None,
                create=self.create,
            )
        except NotFound:
            raise NotFound(
                f"there are no events of tenant {self.tenant!r}; check its name, or ingest its files"
            ) from None

    @property
    def tenants(self) -> list[str]:
        """The tenants that there are, by name."""
        return tenants_in(self.settings.lake, self.settings.storage_options or None)

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """Pseudonyms under the key of the settings; a new key is made only while nothing depends on one.

        Raises:
            WrongKey: The students in the lake were named with another key.
        """
        from mastery.directory.pseudonyms import Pseudonyms, load_or_create_key

        path, configured = self.settings.pseudonym_key_file, self.settings.pseudonym_key
        if configured is None and not path.exists() and self._has_students():
            raise Conflict(
                f"{path}: the key of the pseudonyms is gone, and the lake holds students under it; restore it from "
                "your backup, or name its place (MASTERY_PSEUDONYM_KEY_FILE). With a new one, every student would "
                "get a second, unconnected record"
            )
        names = Pseudonyms(load_or_create_key(path, configured))
        if self._key_check() not in (None, names.check):
            raise WrongKey
        return names

    @cached_property
    def days(self) -> SchoolDays:
        """The days of the tenant's schools."""
        from mastery.school_days import school_days

        return school_days(self.settings.school_zone)

    @cached_property
    def rules(self) -> ScoringRules:
        """Weights of the rule-based score."""
        from mastery.pipelines.models.rules import load_rules

        return load_rules(self.settings.rules)

    @cached_property
    def state(self) -> StateStore:
        """The learner-state store."""
        from mastery.state import connect, url_of

        return connect(url_of(self.settings.state, folder_of(self.tenant)))

    @cached_property
    def reader(self) -> Reader:
        """Answers questions about scores."""
        from mastery.pipelines.queries.reader import Reader

        return Reader(
            self.lake,
            self.state,
            self.rules.params,
            min_evidence=self.settings.min_evidence,
            default_scorer=self.settings.scorer,
            target=self.settings.target,
            days=self.days,
        )

    def publisher(
        self, as_of: Moment, now: int, *, workers: int | None = None, progress: Callable[[int], None] | None = None
    ) -> Publish:
        """Return what folds every student into a model set as of a moment, and publishes."""
        from mastery.pipelines.scoring.recompute import recompute

        return partial(
            recompute,
            self.lake,
            as_of_us=self.moment_us(as_of, now),
            now_us=now,
            min_evidence=self.settings.min_evidence,
            workers=self.settings.workers if workers is None else whole("workers", workers, 1),
            state=self.state,
            active_days=self.settings.active_days,
            derived_history=self.settings.derived_history,
            days=self.days,
            progress=progress,
        )

    def moment_us(self, as_of: Moment, now: int, name: str = "as_of") -> int:
        """Return a moment in microseconds since 1970; `name` is what the caller calls it."""
        return as_of_us(as_of, now, self.reader.newest_event_us, name, days=self.days)

    def pseudonym(self, student_id: object) -> str:
        """Return the pseudonym of a student, from the source's own id, text or number, or from the pseudonym itself.

        Raises:
            BadInput: No student can have this id.
        """
        try:
            return self.pseudonyms.student(self.tenant, as_text("student", student_id))
        except UnicodeEncodeError:
            raise BadInput("the student id is not text in UTF-8; write it as the source does") from None

    def _key_check(self) -> int | None:
        """Return the check value of the key in the tenant's lake; of a new tenant, in that of another one."""
        own_first = sorted(self.tenants, key=lambda one: one != self.tenant)
        return next((kept for one in own_first if (kept := self._lake_of(one).key_check()) is not None), None)

    def _has_students(self) -> bool:
        """Tell whether any tenant has events: they are under the one key that all tenants share."""
        return any(self._lake_of(tenant).count(EVENTS) for tenant in self.tenants)

    def _lake_of(self, tenant: str) -> Lake:
        found = self.settings
        return Lake.open(root_of(found.lake, tenant), storage_options=found.storage_options or None, create=False)

    def close(self) -> None:
        """Close what was opened."""
        if "state" in self.__dict__:
            self.state.close()
