"""Rows of many requests at once, gathered into batches: while one batch is being written, the next one fills.

So however many there are, the lake gets one commit for all that waited, and a single request waits for nobody.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from itertools import groupby

from mastery.directory.pseudonyms import Pseudonyms
from mastery.instants import DAY_US
from mastery.lake import Lake, TakenBack
from mastery.lake.delta import TIDY_ARRIVED_ROWS
from mastery.pipelines.ingest import course_metadata as courses
from mastery.pipelines.ingest.key_check import use_key
from mastery.pipelines.live.batch import ACCEPTED, DUPLICATE, REJECTED_ROW, REVISED_ROW, Taken, newest_us, take
from mastery.pipelines.live.register import Register
from mastery.pipelines.live.sets_beside import SetsBeside
from mastery.pipelines.live.understand import Door, Incoming, Request, check_table, understand, understand_all
from mastery.pipelines.live.watch import UNWATCHED, Watch
from mastery.scorers.model_set import ModelSet
from mastery.state import StateStore
from mastery.tables import EVENTS, ITEMS

log = logging.getLogger(__name__)

MOST_ROWS = 10_000
"""Rows of one batch, unless a single request has more."""

OUTCOMES = {"accepted": ACCEPTED, "revised": REVISED_ROW, "duplicates": DUPLICATE, "rejected": REJECTED_ROW}

TIDIED_EVERY = 64
"""Batches after which small files are merged, while the next ones are written; at the latest after twice as many."""

TIDIED_ROWS = TIDY_ARRIVED_ROWS
"""The same of rows, which lie in files of several buckets until then."""


class Intake:
    """Takes the rows that come in by one door for one tenant. Safe for threads.

    Requests are written by one thread, which lives while there is something to write. It understands the small ones
    too, all that wait together; large ones are understood by whoever brings them.
    """

    def __init__(
        self,
        lake: Lake,
        state: StateStore,
        model_set: Callable[[], ModelSet],
        pseudonyms: Pseudonyms,
        *,
        tenant: str,
        door: str,
        now: Callable[[], datetime],
        timezone: str | None = None,
        code_version: str = "",
        active_days: int | None = None,
        watch: Watch = UNWATCHED,
    ) -> None:
        """Take what rows are written to.

        Args:
            model_set: Returns the active one.
            tenant: The institution.
            door: By which rows come, for the register of ingests and the column `source`.
            now: Returns the time, in UTC.
            timezone: Of clocks that name no zone.
            code_version: Version of the engine, for the register.
            active_days: Students without an event in this many days before the newest one of the lake get no record
                with their events; None: all do.
            watch: Is told what becomes of the rows.
        """
        self._lake, self._state, self._model_set, self._pseudonyms = lake, state, model_set, pseudonyms
        self._tenant, self._door, self._now, self._timezone = tenant, door, now, timezone
        self._watch, self._active_days = watch, active_days
        self._newest_us: int | None = None
        self._beside = SetsBeside(lake, state)
        self._register = Register(lake, tenant, door, code_version)
        self._of_door: tuple[int, Door] | None = None
        self._waiting: list[tuple[Incoming | Request, Future[Taken]]] = []
        self._changed = threading.Condition()
        self._writing = False
        self._batches = self._rows = 0  # since small files were merged
        self._tidying: threading.Thread | None = None

    def understand(self, rows: Sequence[bytes], table: str | None = None) -> Incoming:
        """Return what rows are; see `mastery.pipelines.live.understand`.

        Raises:
            BadInput: There is no such source table, or it describes a course.
        """
        with self._watch.taking("understand"):
            return understand(rows, self._door_now(), self._now(), table)

    def post(self, rows: Sequence[bytes], table: str | None = None) -> Future[Taken]:
        """Let a few rows be understood, together with those of other requests, and written; see `submit`.

        Raises:
            BadInput: There is no such source table, or it describes a course.
        """
        check_table(table)
        return self._enqueue(Request(rows, table))

    def submit(self, incoming: Incoming) -> Future[Taken]:
        """Let rows be written; the future is done once their events are on the disk and the records have them."""
        return self._enqueue(incoming)

    def _enqueue(self, incoming: Incoming | Request) -> Future[Taken]:
        future: Future[Taken] = Future()
        future.set_running_or_notify_cancel()  # whoever stops waiting stops nothing
        with self._changed:
            self._waiting.append((incoming, future))
            if not self._writing:
                self._writing = True
                threading.Thread(target=self._write_all, name=f"intake-{self._tenant}").start()
        return future

    def close(self) -> None:
        """Wait until everything that was submitted is written, and say that the ingest has ended."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)
            self._end_tidying()
            self._register.end()

    def _door_now(self) -> Door:
        version = self._lake.version(ITEMS)
        if self._of_door is None or self._of_door[0] != version:
            items = courses.item_topics(self._lake, self._tenant)
            self._of_door = (
                version,
                Door(self._tenant, self._door, self._timezone, self._pseudonyms, self._lake.buckets, items),
            )
        return self._of_door[1]

    def _write_all(self) -> None:
        """Write batch after batch until nothing waits."""
        while True:
            with self._changed:
                batch = self._next()
                if not batch:
                    self._writing = False
                    self._changed.notify_all()
                    return
            self._tidy(self._write(batch))

    def _next(self) -> list[tuple[Incoming | Request, Future[Taken]]]:
        """Return what is written next: all that waits, up to `MOST_ROWS`."""
        rows, n = 0, 0
        for incoming, _ in self._waiting:
            rows += len(incoming.rows) if isinstance(incoming, Request) else incoming.read
            if n and rows > MOST_ROWS:
                break
            n += 1
        batch, self._waiting = self._waiting[:n], self._waiting[n:]
        return batch

    def _write(self, batch: Sequence[tuple[Incoming | Request, Future[Taken]]]) -> int:
        """Write one batch, and tell those who wait what became of their rows; return how many were written."""
        try:
            incoming = self._understood([one for one, _ in batch])
        except BaseException as error:  # noqa: BLE001 - as below
            if len(batch) > 1:  # one whose rows nobody foresaw keeps no other from being written
                return sum(self._write([alone]) for alone in batch)
            batch[0][1].set_exception(error)
            return 0
        try:
            try:
                taken = self._take(incoming)
            except TakenBack:
                self._register.forget()
                taken = self._take(incoming)
        except BaseException as error:  # noqa: BLE001 - whoever brought the rows is told, and raises it
            for _, future in batch:
                future.set_exception(error)
            return 0
        outcomes = {name: sum(one.count(code) for one in taken) for name, code in OUTCOMES.items()}
        self._register.count(read=sum(outcomes.values()), **outcomes)
        self._watch.rows(outcomes)
        for one, (_, future) in zip(taken, batch, strict=True):
            future.set_result(one)
        return outcomes["accepted"] + outcomes["revised"]

    def _understood(self, batch: Sequence[Incoming | Request]) -> list[Incoming]:
        """Return what all rows are, in their order, those of requests understood together."""
        found: list[Incoming] = []
        for waits, some in groupby(batch, key=lambda one: isinstance(one, Request)):
            if waits:
                with self._watch.taking("understand"):
                    requests = [one for one in some if isinstance(one, Request)]
                    found += understand_all(requests, self._door_now(), self._now())
            else:
                found += [one for one in some if isinstance(one, Incoming)]
        return found

    def _take(self, batch: Sequence[Incoming]) -> list[Taken]:
        if not any(incoming.read for incoming in batch):
            return self._write_rows(batch, ingest=0)
        self._lake.check_identity()
        use_key(self._lake, self._pseudonyms)
        return self._write_rows(batch, ingest=self._register.number(self._now()))

    def _write_rows(self, batch: Sequence[Incoming], ingest: int) -> list[Taken]:
        model_set = self._model_set()
        return take(
            batch,
            lake=self._lake,
            state=self._state,
            model_set=model_set,
            ingest=ingest,
            beside=self._beside.of(model_set),
            active_since_us=self._active_since_us(batch),
            watch=self._watch,
        )

    def _active_since_us(self, batch: Sequence[Incoming]) -> int | None:
        """Return since when an event makes a student active: by the newest event and not by the clock, so that an old
        log is followed as it was lived.
        """
        if self._active_days is None:
            return None
        if self._newest_us is None:
            self._newest_us = self._lake.newest(EVENTS, "occurred_at")
        of_batch = newest_us(piece for incoming in batch for piece in incoming.pieces)
        self._newest_us = max((one for one in (self._newest_us, of_batch) if one is not None), default=None)
        return None if self._newest_us is None else self._newest_us - self._active_days * DAY_US

    def _tidy(self, rows: int) -> None:
        """Let small files be merged now and then, in a thread of its own: done here, one request in 64 waited for it, a
        fifth of a second. Only where it takes longer than as many batches again do these wait, or files would grow
        faster than they are merged.
        """
        self._batches, self._rows = self._batches + 1, self._rows + rows
        since = max(self._batches / TIDIED_EVERY, self._rows / TIDIED_ROWS)
        if since < 1 or (since < 2 and self._tidying is not None and self._tidying.is_alive()):
            return
        self._end_tidying()
        self._batches = self._rows = 0
        tidying = threading.Thread(target=self._merge_files, name=f"tidy-{self._tenant}")
        try:
            tidying.start()
        except RuntimeError:  # the process may have no more threads: the batches do not depend on this one
            log.exception("the small files of the lake in %s are merged later", self._lake.root)
        else:
            self._tidying = tidying

    def _end_tidying(self) -> None:
        if self._tidying is not None:
            self._tidying.join()
            self._tidying = None

    def _merge_files(self) -> None:
        """Merge small files. What goes wrong is no matter of those who brought rows."""
        try:
            self._lake.tidy()
        except Exception:
            log.exception("the small files of the lake in %s could not be merged", self._lake.root)
