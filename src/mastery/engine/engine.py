"""The engine of one deployment: what a notebook, a command and the API call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace as replaced
from datetime import date, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from propcache import cached_property

from mastery import __version__
from mastery.as_of import Moment
from mastery.engine import clock
from mastery.engine.deployment import Deployment
from mastery.engine.models import Models
from mastery.errors import BadInput, Conflict, NotFound, Unwritable
from mastery.events.one_id import as_text
from mastery.given import text, texts, whole
from mastery.instants import instant, microseconds
from mastery.lake import Lake
from mastery.settings import Settings, load_settings
from mastery.tables import EVENTS, GOLD, REJECTED, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from mastery.engine.copy_state import CopiedState
    from mastery.events.read_options import ReadOptions
    from mastery.pipelines.ingest.ingest import Progress
    from mastery.pipelines.ingest.ingests import IngestEntry
    from mastery.pipelines.ingest.preview import FilePreview
    from mastery.pipelines.ingest.report import IngestReport
    from mastery.pipelines.ingest.undo import Undone
    from mastery.pipelines.live.background import Background
    from mastery.pipelines.live.forward import Forwarder
    from mastery.pipelines.live.intake import Intake
    from mastery.pipelines.live.watch import Watch
    from mastery.pipelines.queries.schemas import (
        AnswersDocument,
        ClassDocument,
        HistoryDocument,
        InNeedDocument,
        ItemProbabilitiesDocument,
        StudentDocument,
        StudentInNeed,
    )
    from mastery.pipelines.queries.tenants import TenantCounts
    from mastery.pipelines.queries.undo_preview import UndoPreview
    from mastery.pipelines.scoring.recompute import RecomputeReport
    from mastery.pipelines.scoring.reconcile import ReconcileReport
    from mastery.streams import Sink

log = logging.getLogger(__name__)

TENANTS_OPEN = 32
"""Engines of other tenants that stay open: each keeps some file descriptors, and what it has read of its course. One
that makes room for another is closed when nobody works with it any more."""


class Engine(Deployment):
    """One deployment, connected, for the tenant of its settings; `of` gives that of another tenant.

    Where a method takes a moment (`as_of`), it is `now`, `latest` (the newest event of the lake), a date (the end of
    that school day), a time in ISO 8601, or a date or datetime of Python. Where it takes a tenant, None is the engine's
    own; where it takes a scorer, None is the default one. Students are named by the source's own id, a text or a
    number, or by their pseudonym. In a `with` statement it is closed at the end.
    """

    def __enter__(self) -> Engine:
        """Return the engine."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close what was opened."""
        self.close()

    @staticmethod
    def connect(settings: Settings, *, create: bool = True) -> Engine:
        """Return the engine of these settings.

        Raises:
            NotFound: There is no lake yet and `create` is false.
        """
        engine = Engine(settings, create)
        if not create and not engine.tenants:
            raise NotFound(f"no lake at {settings.lake!r}; ingest something first, or name the folder of another one")
        return engine

    @staticmethod
    def open(home: str | Path | None = None, *, create: bool = True) -> Engine:
        """Return the engine of a home, with the settings that the command line would use there.

        Args:
            home: The folder that holds lake, state and keys; None: as the environment or `mastery.yaml` says.
            create: Whether to make a lake where there is none.

        Raises:
            NotFound: There is no lake yet and `create` is false.
        """
        return Engine.connect(load_settings(home=None if home is None else Path(home)).settings, create=create)

    def of(self, tenant: str | None) -> Engine:
        """Return the engine of another tenant of the deployment; this one for None and its own tenant.

        Those asked for last stay open. Whether there is such a tenant is found out when it is used.

        Raises:
            BadInput: The tenant is not text.
        """
        if tenant is None or tenant == self.tenant:
            return self
        try:
            text("tenant", tenant).encode()
        except UnicodeEncodeError:  # bytes of a command line that are no text
            raise BadInput("the tenant is not text in UTF-8; write it as it was ingested") from None
        return self._opened(tenant)

    @cached_property
    def _opened(self) -> Callable[[str], Engine]:
        @lru_cache(TENANTS_OPEN)
        def opened(tenant: str) -> Engine:
            return Engine(self.settings.model_copy(update={"tenant": tenant}), self.create)

        return opened

    def intake(
        self,
        tenant: str | None = None,
        door: str = "http",
        *,
        active_days: int | None = None,
        watch: Watch | None = None,
    ) -> Intake:
        """Return what takes the events of a tenant as they come in by a door; open until the engine is closed.

        `active_days` and `watch` are as in `Intake`, where this is the first to ask.

        Raises:
            NotFound: There is no tenant of that name; none is made.
        """
        from mastery.pipelines.live.intake import Intake
        from mastery.pipelines.live.watch import UNWATCHED

        name = self.tenant if tenant is None else tenant
        with self._intakes_lock:
            if (name, door) not in self._intakes:
                of = self if name == self.tenant else self._existing.of(name)
                of.lake.check_store()  # said now, and not to the first who sends something
                self._intakes[name, door] = Intake(
                    of.lake,
                    of.state,
                    lambda: of.reader.metadata().model_set,
                    of.pseudonyms,
                    tenant=name,
                    door=door,
                    now=lambda: instant(clock.now_us()),
                    timezone=self.settings.timezone,
                    code_version=__version__,
                    active_days=active_days,
                    watch=watch or UNWATCHED,
                )
            return self._intakes[name, door]

    def follow(
        self,
        stream: str,
        stop: threading.Event,
        *,
        dead_letters: str | None = None,
        batch_s: float = 0.25,
        batch_messages: int = 10_000,
        batch_mb: float = 32.0,
        watch: Watch | None = None,
    ) -> None:
        """Take the events of a stream until `stop` is set: into the lake, and into the scores of their students.

        Every few minutes what has changed is published, and some of the lake compacted (settings
        `work.publish_every_s` and `work.compact_every_s`).

        Args:
            stream: Its URL, such as `kafka:127.0.0.1:9092/answers` (docs/streams.md).
            dead_letters: URL of the stream that messages which cannot be used are sent to as well.
            batch_s: How long a batch waits for messages.
            batch_messages: How many it takes at most.
            batch_mb: How many megabytes they come to at most; a larger message is a batch of its own.
            watch: Is told of each batch.

        Raises:
            BadInput: There is no such stream.
            NotFound: There is no such tenant.
            StreamUnusable: It cannot be reached, or cannot be read.
        """
        from mastery.pipelines.live.background import Background
        from mastery.pipelines.live.compacting import compact_some
        from mastery.pipelines.live.follow import Follower
        from mastery.pipelines.live.watch import UNWATCHED
        from mastery.streams import connect, connect_sink

        intake = self.intake(door=stream, active_days=self.settings.active_days, watch=watch)
        with ExitStack() as until:
            # Of this deployment and tenant alone, and of all their workers: a name that only their key can make.
            group = f"mastery-{self.pseudonyms.student(self.tenant, 'workers')}"
            source = connect(stream, group, self.settings.stream_options)
            until.callback(source.close)
            sink = None if dead_letters is None else connect_sink(dead_letters, self.settings.stream_options)
            if sink is not None:
                until.callback(sink.close)
            chosen = self.settings
            if chosen.work.publish_every_s:
                until.enter_context(self._publishing(chosen.work.publish_every_s, watch or UNWATCHED))
            if chosen.work.compact_every_s:
                until.enter_context(
                    Background(
                        "compact",
                        chosen.work.compact_every_s,
                        partial(compact_some, self.lake),
                        threading.Event(),
                        watch or UNWATCHED,
                    )
                )
            Follower(
                source,
                intake,
                self.lake,
                self.state,
                tenant=self.tenant,
                tenants=lambda: self.tenants,
                others=self._places_of_others,
                dead_letters=sink,
                batch_s=batch_s,
                batch_messages=batch_messages,
                batch_bytes=int(batch_mb * 1e6),
                watch=watch or UNWATCHED,
            ).follow(stop)

    def publish_posted(self, tenant: str | None = None, watch: Watch | None = None) -> None:
        """Begin to publish every few minutes what has come in of a tenant (setting `api.publish_every_s`), until the
        engine is closed. Called again, it does nothing more.

        Raises:
            NotFound: There is no tenant of that name.
        """
        from mastery.pipelines.live.watch import UNWATCHED

        every_s = self.settings.api.publish_every_s
        name = self.tenant if tenant is None else tenant
        if not every_s or name in self._publishers:
            return
        of = self if name == self.tenant else self._existing.of(name)
        with self._intakes_lock:
            if name not in self._publishers:
                self._publishers[name] = of._publishing(every_s, watch or UNWATCHED).start()

    def _publishing(self, every_s: float, watch: Watch) -> Background:
        """Return what publishes what has changed, every so often."""
        from mastery.pipelines.live.background import Background
        from mastery.pipelines.live.publishing import Publishing

        stop = threading.Event()
        publishing = Publishing(
            self.lake,
            lambda: self.reader.metadata().model_set,
            clock.now_us,
            min_evidence=self.settings.min_evidence,
            derived_history=self.settings.derived_history,
            stop=stop,
            share=self.settings.work.publish_share,
            watch=watch,
        )
        return Background("publish", every_s, publishing, stop, watch)

    @cached_property
    def _publishers(self) -> dict[str, Background]:
        return {}

    def _places_of_others(self) -> dict[str, Mapping[str, int]]:
        """Return how far the workers of the other tenants are. One whose store cannot be read is left out: at the worst
        a message is then sent to the dead letters twice.
        """
        from mastery.state import StateUnusable

        found: dict[str, Mapping[str, int]] = {}
        for name in self.tenants:
            if name != self.tenant:
                try:
                    found[name] = self._existing.of(name).state.stream_offsets()
                except (StateUnusable, Unwritable) as error:
                    log.warning("tenant %s: how far its workers are cannot be read. %s", name, error)
        return found

    @cached_property
    def _existing(self) -> Engine:
        """The same deployment, which makes no tenant."""
        return replaced(self, create=False)

    @cached_property
    def _intakes(self) -> dict[tuple[str, str], Intake]:
        return {}

    @cached_property
    def _intakes_lock(self) -> threading.Lock:
        return threading.Lock()

    def forwarder(self, tenant: str | None = None) -> Forwarder | None:
        """Return what writes the posted events of a tenant to the stream of the setting `api.stream`; None without it.

        Raises:
            BadInput: There is no such stream.
            NotFound: There is no tenant of that name; none is made.
            StreamUnusable: It cannot be reached.
        """
        from mastery.pipelines.live.forward import Forwarder

        if self.settings.api.stream is None:
            return None
        name = self.tenant if tenant is None else tenant
        of = self if name == self.tenant else self._existing.of(name)
        return Forwarder(self.intake(tenant), self._sink(), of.lake, of.state, of.pseudonyms, name)

    def _sink(self) -> Sink:
        """Return the stream that posted events are written to; it stays open."""
        from mastery.streams import connect_sink

        assert self.settings.api.stream is not None
        with self._sinks_lock:
            if not self._sinks:
                self._sinks.append(connect_sink(self.settings.api.stream, self.settings.stream_options))
            return self._sinks[0]

    @cached_property
    def _sinks(self) -> list[Sink]:
        return []

    @cached_property
    def _sinks_lock(self) -> threading.Lock:
        return threading.Lock()

    def close(self) -> None:
        """Write what is still coming in, and close what was opened."""
        for publisher in self._publishers.values():
            publisher.close()
        self._publishers.clear()
        for sink in self._sinks:
            sink.close()
        self._sinks.clear()
        for intake in self._intakes.values():
            intake.close()
        self._intakes.clear()
        super().close()

    @cached_property
    def models(self) -> Models:
        """Its model sets: fit, list, compare, activate."""
        return Models(self)

    def ingest(
        self,
        source: Any,
        *,
        table: str | None = None,
        columns: Mapping[str, str | Sequence[str]] | None = None,
        units: Mapping[str, str] | None = None,
        timezone: str | None = None,
        constants: Mapping[str, str] | None = None,
        joined: Mapping[str, Sequence[str]] | None = None,
        wide: Mapping[str, str] | None = None,
        only: Mapping[str, Sequence[str]] | None = None,
        splits: Mapping[str, str] | None = None,
        repeats: str | None = None,
        on_revision: str = "replace",
        key: str | Path | None = None,
        profile: str | Path | None = None,
        values: Mapping[str, float] | None = None,
        decimal: str = ".",
        thousands: str | None = None,
        dates: str | None = None,
        day_zero: date | None = None,
        encoding: str | None = None,
        sheet: str | int | None = None,
        array: str | None = None,
        tenant: str | None = None,
        now_us: int | None = None,
        progress: Progress | None = None,
        waiting: Callable[[], None] | None = None,
        replace: bool = False,
        door: str = "python",
    ) -> IngestReport:
        """Read rows into the lake and return what became of them: accepted, revised, duplicates, rejected.

        Args:
            source: Files and folders (one path or a sequence of them), or a frame of pandas, polars, pyarrow or
                DuckDB.
            table: The source table that all of it is, such as `quiz_attempts`; None to tell from the columns.
            columns: The source's name of a column → ours, where they differ; several of ours where it is used more
                than once, "" where it is not to be read.
            units: Column → unit, where it is not in its default one; see docs/events.md.
            timezone: IANA name of the zone of time stamps that name none.
            constants: Our column → the text that it has in every row; `{file}` in it is the file's name.
            joined: Our column → columns of the source whose values make one together; also `{file}`, `{question}`.
            wide: Pattern of the columns that hold one question each → our column for their cells, such as
                `{"Question *": "is_correct"}`; see docs/events.md.
            only: Column of the source → values of the rows that are to be read.
            splits: Column of topics → what is between them where a row has several, such as `{"topic_id": "~~"}`.
            repeats: What equal rows of one moment are, `answers` or `duplicates`; None: answers where no time stamp has
                seconds.
            on_revision: What is done with a row that differs from what is known of its event: `replace` that,
                `keep` the event as it is known, or `reject` the row.
            key: File with `question_id` and `correct_answer`; `is_correct` is what was answered then.
            profile: Name of a profile that ships, or the path of one in YAML; what else is said wins over it.
            values: Word in the column of the outcome → what it is worth, from 0 (wrong) to 1 (right).
            decimal: Sign before the decimals of a number, `.` or `,`.
            thousands: Sign between the thousands of a number; None for none.
            dates: How dates without the year in front are written: `D/M/Y`, `M/D/Y`; `serial`: as spreadsheets count.
            day_zero: Numeric time stamps count days from this date.
            encoding: Of text files, where they are neither UTF-8 nor UTF-16.
            sheet: Of a workbook: its name, or its number from 1.
            array: Name of the array that holds the rows of a JSON file, such as `data.rows`.
            now_us: When the rows are received; the time of the call when left out.
            progress: Called with a file's name, the bytes of it that are done, and its size.
            waiting: Called when another ingest has been committing for seconds, and this one waits for it.
            replace: Take back what earlier ingests of these files brought, once they have been read again. A file is
                known again by its place, or by its bytes wherever it lay.
            door: By which it came, for the register of ingests.

        Raises:
            BadInput: It cannot be read, lacks a column, or has no usable value in one.
        """
        from mastery.events.read_options import ReadOptions, written
        from mastery.pipelines.ingest.ingest import ingest
        from mastery.pipelines.ingest.profiles import zone_of

        options = ReadOptions(
            table,
            columns or {},
            units or {},
            timezone,
            constants=constants or {},
            joined=joined or {},
            wide=wide or {},
            only=only or {},
            splits=splits or {},
            repeats=repeats,
            key=written(key),
            profile=written(profile),
            on_revision=on_revision,
            values=values or {},
            decimal=decimal,
            thousands=thousands,
            dates=dates,
            day_zero=day_zero,
            encoding=encoding,
            sheet=written(sheet),
            array=array,
        )
        given = _files_or_table(source, options)
        of = self.of(tenant)
        return ingest(
            given,
            lake=of.lake,
            pseudonyms=of.pseudonyms,
            tenant=of.tenant,
            now=instant(clock.now_us() if now_us is None else now_us),
            options=options,
            zone=zone_of(options.profile) or self.settings.timezone,
            progress=progress,
            waiting=waiting,
            replace=replace,
            door=door,
            code_version=__version__,
        )

    def ingests(self, tenant: str | None = None) -> list[IngestEntry]:
        """Return what was ingested, and what was taken back, the newest first."""
        from mastery.pipelines.ingest.ingests import entries

        return entries(self.of(tenant).lake)

    def preview_undo(
        self,
        ingest: str,
        *,
        files: Sequence[str] | None = None,
        tenant: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> UndoPreview:
        """Return what `undo` would change; nothing is written. The students concerned are folded twice.

        Args:
            ingest: Its id, or the beginning of it.
            files: Only what these files of it brought, by name; None for all.
            progress: Called with the number of events that have been read since it was called before.

        Raises:
            NotFound: There is no such ingest.
            BadInput: It is an undo, or read no such file; or the text begins several ids.
        """
        from mastery.pipelines.ingest.ingests import entries, named

        of = self.of(tenant)
        sources = None if files is None else texts("files", files) or None
        return of.reader.undo_preview(
            named(entries(of.lake), text("ingest", ingest)), clock.now_us(), sources, progress
        )

    def undo(
        self,
        ingest: str,
        *,
        files: Sequence[str] | None = None,
        tenant: str | None = None,
        now_us: int | None = None,
        waiting: Callable[[], None] | None = None,
        door: str = "python",
    ) -> Undone:
        """Take back what an ingest brought, and return what that was. Done twice it changes nothing more.

        Its events go, and revisions that they replaced count again. What is published changes with the next recompute.

        Args:
            ingest: Its id, or the beginning of it.
            files: Only what these files of it brought, by name; None for all.
            now_us: When; the time of the call when left out.
            waiting: Called when an ingest has been committing for seconds, and this waits for it.
            door: By which it came, for the register.

        Raises:
            NotFound: There is no such ingest.
            BadInput: It is an undo, or read no such file; or the text begins several ids.
        """
        from mastery.pipelines.ingest.ingests import entries, named
        from mastery.pipelines.ingest.undo import undo
        from mastery.pipelines.scoring.catch_up import catch_up
        from mastery.state import StateUnusable

        of = self.of(tenant)
        undone = undo(
            of.lake,
            named(entries(of.lake), text("ingest", ingest)),
            now=instant(clock.now_us() if now_us is None else now_us),
            sources=None if files is None else texts("files", files) or None,
            door=door,
            code_version=__version__,
            waiting=waiting,
        )
        with suppress(StateUnusable, Unwritable):  # whoever reads a record next is told, and does it then
            catch_up(of.lake, of.state)
        return undone

    def preview(
        self,
        source: Any,
        *,
        rows: int = 3,
        tenant: str | None = None,
        progress: Progress | None = None,
        **how: Any,
    ) -> tuple[list[FilePreview], list[str]]:
        """Return what each file would be read as, and notes on files that are left out. Nothing is written.

        Args:
            source: As `ingest` takes it.
            rows: How many rows to show of each file; nobody is named in them.
            progress: Called with a file's name, the bytes of it that are done, and its size.
            how: What `ingest` takes to say how rows are read: `table`, `columns`, `units`, `profile` and so on.

        Raises:
            BadInput: It cannot be read, lacks a column, has no usable value in one, or was read before under another
                zone.
        """
        from mastery.events.read_options import ReadOptions, written
        from mastery.pipelines.ingest.preview import preview
        from mastery.pipelines.ingest.profiles import zone_of
        from mastery.tables import EVENTS

        of = self.of(tenant)
        how |= {name: written(how.get(name)) for name in ("key", "profile", "sheet")}
        said = ReadOptions(**{name: value for name, value in how.items() if value is not None})
        given = _files_or_table(source, said)
        return preview(
            given,
            now=instant(clock.now_us()),
            options=said,
            zone=zone_of(said.profile) or self.settings.timezone,
            tenant=of.tenant,
            rows=rows,
            progress=progress,
            beside=(of.lake, of.pseudonyms) if of.tenant in self.tenants and of.lake.count(EVENTS) else None,
        )

    def recompute(
        self,
        as_of: Moment = "now",
        *,
        workers: int | None = None,
        tenant: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> RecomputeReport:
        """Fold every student of a tenant and publish; `progress` is called with the events of each bucket."""
        from mastery.pipelines.models.active import shadow_model_set

        of = self.of(tenant)
        publish = of.publisher(as_of, clock.now_us(), workers=workers, progress=progress)
        return publish(of.reader.metadata().model_set, shadow=shadow_model_set(of.lake), switch=None)

    def reconcile(
        self,
        *,
        repair: bool = True,
        workers: int | None = None,
        tenant: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> ReconcileReport:
        """Compare every stored state of a tenant with the fold of the lake, bit for bit, and put right those that
        differ. What is published stays as it is; whoever writes meanwhile is not kept waiting.

        Args:
            repair: False only compares.
            workers: Threads that fold; the setting workers when left out.
            tenant: Whose states.
            progress: Called with the events of each part of a bucket.

        Raises:
            StateUnusable: The state store cannot be read or written.
        """
        from mastery.pipelines.scoring.reconcile import reconcile

        of = self.of(tenant)
        return reconcile(
            of.lake,
            of.state,
            of.reader.metadata().model_set,
            now_us=clock.now_us(),
            workers=self.settings.workers if workers is None else whole("workers", workers, 1),
            active_days=self.settings.active_days,
            days=of.days,
            repair=repair,
            progress=progress,
        )

    def student(
        self,
        student_id: object,
        *,
        topics: str | Sequence[object] | None = None,
        as_of: Moment = "now",
        scorer: str | None = None,
        tenant: str | None = None,
        most: int | None = None,
    ) -> StudentDocument:
        """Return one student's scores with their reasons, of all topics where none are named; of those with the lowest
        scores, `most` of them, where that is given.
        """
        of = self.of(tenant)
        return of.reader.student(
            of.pseudonym(student_id),
            tenant=of.tenant,
            as_of_us=of.moment_us(as_of, clock.now_us()),
            source=scorer,
            topics=_ids("topic", topics),
            most=most,
        )

    def history(
        self, student_id: object, topic_id: object, *, scorer: str | None = None, tenant: str | None = None
    ) -> HistoryDocument:
        """Return one student's score on a topic at the end of each active day, as last published."""
        of = self.of(tenant)
        return of.reader.history(of.pseudonym(student_id), as_text("topic", topic_id), tenant=of.tenant, source=scorer)

    def past_answers(
        self, student_id: object, topic_id: object, *, as_of: Moment = "now", tenant: str | None = None
    ) -> AnswersDocument:
        """Return which of a student's past answers make linear_rnn's score of a topic, and by how much."""
        of = self.of(tenant)
        return of.reader.past_answers(
            of.pseudonym(student_id),
            as_text("topic", topic_id),
            tenant=of.tenant,
            as_of_us=of.moment_us(as_of, clock.now_us()),
        )

    def item_probabilities(
        self,
        student_id: object,
        topic_id: object,
        *,
        items: str | Sequence[object] | None = None,
        as_of: Moment = "now",
        tenant: str | None = None,
    ) -> ItemProbabilitiesDocument:
        """Return one student's probability of a right answer to items of a topic."""
        of = self.of(tenant)
        return of.reader.item_probabilities(
            of.pseudonym(student_id),
            as_text("topic", topic_id),
            tenant=of.tenant,
            as_of_us=of.moment_us(as_of, clock.now_us()),
            items=_ids("item", items),
        )

    def class_scores(self, *, scorer: str | None = None, tenant: str | None = None) -> ClassDocument:
        """Return a class as last published."""
        of = self.of(tenant)
        return of.reader.class_scores(tenant=of.tenant, source=scorer)

    def class_report(
        self,
        *,
        in_need: int = 10,
        students: int | None = None,
        as_of: Moment | None = None,
        scorer: str | None = None,
        tenant: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[ClassDocument, list[StudentInNeed]]:
        """Return a class, and who needs help first: with the topics, reasons and a next step.

        Args:
            in_need: How many students who need help, at most; each once, the one with the lowest score first.
            students: Of how many students the document lists every score, the lowest mean first; None: of all. Its
                numbers are of the whole class.
            as_of: A moment, at which every student of the tenant is folded again; None: as last published.
            scorer: Whose scores.
            tenant: Whose students.
            progress: Called with the number of events that have been folded since it was called before.
        """
        of = self.of(tenant)
        whole("in_need", in_need, 0)
        if as_of is not None:
            as_of_us = of.moment_us(as_of, clock.now_us())
            return of.reader.class_at(
                tenant=of.tenant, as_of_us=as_of_us, source=scorer, in_need=in_need, limit=students, progress=progress
            )
        return of.reader.class_report(tenant=of.tenant, source=scorer, in_need=in_need, limit=students)

    def in_need(self, *, limit: int = 10, scorer: str | None = None, tenant: str | None = None) -> InNeedDocument:
        """Return who needs help first, as last published: up to `limit` students, each once."""
        whole("limit", limit, 0)
        of = self.of(tenant)
        return of.reader.in_need(tenant=of.tenant, source=scorer, limit=limit)

    def tenant_counts(self) -> list[TenantCounts]:
        """Return the tenants by name, with what the lake holds of each."""
        from mastery.pipelines.queries.tenants import counts_of

        return [counts_of(self.of(tenant).lake, tenant) for tenant in self.tenants]

    def copy_state(self, source: str, target: str, *, overwrite: bool = False) -> list[CopiedState]:
        """Copy the states of all tenants from one store into another; each is named as the setting `state` is.

        Nothing may write to either meanwhile.

        Args:
            source: Is not changed.
            target: Must hold no records, unless they are to be replaced.
            overwrite: Replace them.

        Returns:
            One for each tenant and model set.

        Raises:
            BadInput: They are the same, or one of them can be no store.
            NotFound: There are no states to copy.
            Conflict: The target holds records, or somebody else wrote to it.
            StateUnusable: One of the stores cannot be used.
        """
        from mastery.engine.copy_state import copy_state

        return copy_state(self.tenants, source, target, overwrite=overwrite)

    def topic_id(self, text: str, tenant: str | None = None) -> str:
        """Return the id of the topic that a text names: by id, capitals aside, or by its title. Where no metadata know
        it, the text itself.

        Raises:
            BadInput: Two topics have this title.
        """
        from mastery.pipelines.queries.names import id_named

        of = self.of(tenant)
        places = of.reader.metadata().places.get(of.tenant, {})
        return id_named(text, places, {topic: place.title for topic, place in places.items()})

    def item_id(self, text: str, tenant: str | None = None) -> str:
        """Return the id of the item that a text names, capitals aside. Where no metadata know it, the text itself.

        Raises:
            BadInput: Two ids differ from it in capitals alone.
        """
        from mastery.pipelines.queries.names import id_named

        of = self.of(tenant)
        return id_named(text, of.reader.items(of.tenant))

    def superseded(self, limit: int = 50, tenant: str | None = None) -> tuple[list[dict[str, Any]], int]:
        """Return revisions of a tenant's events that do not count any more, the newest reading first, and how many
        there are in all; `limit` 0 returns all. `replaced_by` of each is the revision that counts.
        """
        from mastery.pipelines.queries.superseded import superseded_rows

        return superseded_rows(self.of(tenant).lake, whole("limit", limit, 0))

    def rejected(self, limit: int = 50, tenant: str | None = None) -> tuple[list[dict[str, Any]], int]:
        """Return rejected rows of a tenant, the newest reading first and each by file and line, and how many there
        are in all; `limit` 0 returns all.
        """
        shown = ("source_table", "source", "line", "column", "value", "reason", "code", "received_at")
        rows = self.of(tenant).lake.scan(REJECTED, shown)
        rows = rows.sort_by([("received_at", "descending"), ("source", "ascending"), ("line", "ascending")])
        most = whole("limit", limit, 0) or rows.num_rows
        return rows.slice(0, min(most, rows.num_rows)).to_pylist(), rows.num_rows

    def rejected_at(self, received_at: datetime) -> list[dict[str, Any]]:
        """Return table, column and reason of the rows that one reading rejected for the first time."""
        import pyarrow.compute as pc

        rows = self.lake.scan(REJECTED, ["source_table", "column", "reason", "received_at"])
        same = pc.equal(rows["received_at"].cast("int64"), microseconds(received_at))
        return rows.filter(same).drop_columns(["received_at"]).to_pylist()

    def checks(self) -> Mapping[str, Callable[[], object]]:
        """Return what to try, by name, to know that the stores can be read."""
        return {
            "events": partial(self._read_a_little, EVENTS),
            "gold": partial(self._read_a_little, GOLD),
            "models": self._load_active,
            "state": self._read_state,
        }

    @cached_property
    def _tables_seen(self) -> set[str]:
        return set()

    def _read_a_little(self, table: Table) -> None:
        """Read a table's log, which an open table would not miss, and a few rows, however many there are."""
        opened = self._opened_again()
        found = opened.shown(table)
        if found.version >= 0:
            self._tables_seen.add(table.name)
        elif table.name in self._tables_seen:
            raise Conflict(
                f"table {table.name!r} was there and is gone: restore it, or recompute if it is a published one"
            )
        opened.read_a_little(table, found, "tenant")

    def _load_active(self) -> None:
        """Load the active model set from its tables: a reader that has it would not miss them."""
        from mastery.pipelines.models.active import active_model_set

        active_model_set(self._opened_again(), self.rules.params)

    def _opened_again(self) -> Lake:
        return Lake.open(self.lake.root, storage_options=self.settings.storage_options or None, create=False)

    def _read_state(self) -> None:
        """Read from the state store. One that may only be read hinders nobody: students are folded from the lake."""
        with suppress(Unwritable):
            self.state.known_lake()


def _files_or_table(source: Any, options: ReadOptions) -> list[str | Path | pa.Table]:
    """Return what `ingest` reads: paths, or one table of what a frame holds.

    Raises:
        BadInput: It is neither, or a list holds something other than paths.
    """
    from mastery.events.recognise import names_read
    from mastery.frames import EXPECTED, read_frame

    if isinstance(source, str | Path):
        return [source]
    if not isinstance(source, list | tuple):
        return [read_frame(source, names_read(options)).table]
    for one in source:
        if not isinstance(one, str | Path):
            raise BadInput(f"a list of files holds {one!r:.60}; expected paths alone; not in a list, {EXPECTED}")
    return list(source)


def _ids(what: str, given: str | Sequence[object] | None) -> list[str] | None:
    """Return ids as texts: one alone, or several; None for all."""
    if given is None:
        return None
    return [as_text(what, one) for one in ([given] if isinstance(given, str) else given)]
