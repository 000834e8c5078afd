"""Every student's record compared, bit for bit, with the fold of all events that the lake has of them, and put right.

    1. Note the news of the lake. For each bucket, a part of its students at a time: fold their events up to that
       version, make their records, and compare the bytes with those in the store.
    2. A record that has seen later events was written meanwhile: its student is looked at again, with the events that
       there are by then. So are students who have a record and no event.
    3. What differs is written by one compare-and-set: whoever was faster, or has seen more, is not overwritten.

Writers need not stop. A record that is current has seen all events of its student up to its version, and there were
none between the two where its version is the smaller one, so both are folds of the same events; one that has news to
come counts as absent for every reader already, and is `BEHIND`, which is no fault. Nothing that is published is looked
at: a recompute makes all of it again. A kill between two writes leaves records that are right, and others as they were.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.events.identity import buckets as bucket_of
from mastery.features.columns import READ
from mastery.instants import DAY_US, microseconds
from mastery.lake import Lake
from mastery.lake.files import Only
from mastery.lake.publication import Publication
from mastery.pipelines.scoring.catch_up import View, catch_up
from mastery.pipelines.scoring.compare_records import differences
from mastery.pipelines.scoring.continue_record import END_OF_TIME
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.pipelines.scoring.recompute import READ_ROWS, parts
from mastery.pipelines.scoring.records import is_current, record_block, records_of
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.scorers.model_set import ModelSet
from mastery.state import (
    CorruptRecord,
    EncodedBlock,
    OtherFormat,
    StateStore,
    StoredRow,
    WrongPosition,
    decode,
    encode_block,
    require_position,
    require_possible,
    seen_and_content,
)
from mastery.tables import EVENTS

BEHIND, MISSING, OTHER_RULES, DAMAGED, DIFFERENT, SURPLUS = CAUSES = (
    "behind",
    "missing",
    "other_rules",
    "damaged",
    "different",
    "surplus",
)
"""Why a record is not what the lake says:

    behind       events came in that it has not seen, or nobody has folded its student since they came; no fault
    missing      the last recompute should have left one, and there is none
    other_rules  made under another model set, by other school days, or in another version's format
    damaged      its bytes cannot be read, or are gone
    different    other bits, although it is said to be of the same events; or what it is said to be of cannot be true
                 (position)
    surplus      its student has no event that counts
"""

COLUMNS = (*READ, "body_hash")

LOOKS = 5
"""How often students whose records are written meanwhile are looked at again."""

EXAMPLES = 10
"""Students that a report names, for each cause."""


@dataclass(frozen=True)
class Example:
    """A record that was not what the lake says.

    Attributes:
        student_id: Pseudonym.
        cause: One of `CAUSES`.
        what: What differs → the topics in which it does; see `differences`. Empty for another cause.
    """

    student_id: str
    cause: str
    what: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class ReconcileReport:
    """What a reconciliation found.

    Attributes:
        model_version: Whose records: the active model set's.
        events, students: How many were folded; of students those with an event that counts.
        same: Records with the bits of the fold.
        unmade: Students who have no record because they were not active: it is made when they are first asked for.
        causes: Cause → number of records.
        what: Of those that are `DIFFERENT`: what differs → number of records.
        repaired: Cause → number of records that were put right.
        overtaken: Records that another writer wrote before they could be put right; that one's stand.
        examples: Some of each cause.
    """

    model_version: str
    events: int = 0
    students: int = 0
    same: int = 0
    unmade: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    what: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    overtaken: int = 0
    examples: list[Example] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many records were wrong, those not counted that are only behind the lake."""
        return self.causes.total() - self.causes[BEHIND]


def reconcile(
    lake: Lake,
    state: StateStore,
    model_set: ModelSet,
    *,
    now_us: int,
    workers: int,
    active_days: int = 30,
    days: SchoolDays = UTC_DAYS,
    repair: bool = True,
    progress: Callable[[int], None] | None = None,
) -> ReconcileReport:
    """Compare every record under the active model set with the fold of the lake, and put right those that differ.

    Args:
        lake, state, model_set: Of one tenant.
        now_us: Moment from which activity is counted where nothing was published yet.
        workers: Threads that fold; what each holds is bounded as in a recompute, and eight bytes a student beside it.
        active_days: As given to recomputes: who of those without a record should have one.
        days: Of the tenant's schools.
        repair: False only compares.
        progress: Called with the number of events that have been folded since it was called before.

    Raises:
        StateUnusable: The store cannot be read or written.
        Unwritable: Its disk is full, or may not be written to.
    """
    published = lake.publication()  # before the events: what it has read is among them
    run = _Run(lake, state, replace(model_set, days=days), _Expected(lake, published, now_us, active_days), repair)
    buckets = iter(run.view.events.buckets)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with run.lock:
                bucket = next(buckets, None)
            if bucket is None:
                return
            run.compare_bucket(bucket, progress)

    with ThreadPoolExecutor(workers) as pool:
        try:
            for job in as_completed([pool.submit(work) for _ in range(workers)]):
                job.result()
        finally:
            stop.set()
    run.look_for_surplus()
    run.look_again()
    return run.report


class _Expected:
    """Who should have a record although nobody has asked for them: whom the last recompute has given one."""

    def __init__(self, lake: Lake, published: Publication, now_us: int, active_days: int) -> None:
        self._lake, self._published = lake, published
        as_of_us = None if published.as_of is None else microseconds(published.as_of)
        self._as_of_us = as_of_us
        self._active_since_us = (now_us if as_of_us is None else as_of_us) - active_days * DAY_US
        self._since: frozenset[str] | None = None

    def look(self, view: View, model_set: ModelSet) -> None:
        """Find the students whose events have come in since; everybody where the set is another one."""
        published = self._published
        news = None
        if published.events is not None and published.model_version == model_set.version:
            news = self._lake.news(EVENTS, published.events, view.events.version)
        if news is None:
            return
        try:
            students = [self._lake.read_files(EVENTS, [path], ["student_id"])["student_id"] for path in news.added]
        except FileNotFoundError:  # compacted since, and vacuumed
            return
        self._since = frozenset().union(*(pc.unique(one).to_pylist() for one in students))

    def of(self, folded: Folded) -> tuple[list[bool], list[bool]]:
        """Return of each student whether they are active, and whether they should have a record."""
        batch = folded.batch
        last = batch.at_us[batch.student_ptr[1:] - 1]
        active = last > self._active_since_us
        known = [self._since is not None and one not in self._since for one in batch.students]
        later = any(k and at > (self._as_of_us or 0) for k, at in zip(known, last.tolist(), strict=True))
        # A recompute gives nobody a record where there are events after its moment.
        return active.tolist(), [bool(a) and k and not later for a, k in zip(active, known, strict=True)]


class _Run:
    """One reconciliation: what its workers share."""

    def __init__(self, lake: Lake, state: StateStore, model_set: ModelSet, expected: _Expected, repair: bool) -> None:
        self._lake, self._state, self._model_set, self._repair = lake, state, model_set, repair
        self.lock = threading.Lock()
        self.view = catch_up(lake, state)
        self._expected = expected
        expected.look(self.view, model_set)
        self._others = [name for name in state.model_versions() if name != model_set.version]
        self._again = set[str]()
        self._stored: list[Int64s] = []
        self.report = ReconcileReport(model_set.version)

    def compare_bucket(self, bucket: int, progress: Callable[[int], None] | None) -> None:
        """Compare the records of all students of a bucket, some of them at a time."""
        at = self.view.events
        for students in self._lake.student_ranges(EVENTS, bucket, READ_ROWS, at):
            only = None if students is None else Only(students)
            for events in parts(self._lake.read_bucket(EVENTS, bucket, COLUMNS, at, only)):
                folded = fold_events(events, self._model_set, END_OF_TIME, history=False)
                rows = self._compare(events, folded)
                with self.lock:
                    self.report.events += events.num_rows
                    self.report.students += len(folded.batch.students)
                    self._stored.append(_hashes(rows))
                if progress is not None:
                    progress(events.num_rows)

    def look_for_surplus(self) -> None:
        """Note whose records are there although no event of theirs was. The store is walked through only if it holds
        more records than have been compared.
        """
        compared = np.sort(np.concatenate([np.empty(0, np.int64), *self._stored]))
        if self._state.count(self._model_set.version) <= compared.size:
            return
        for page in self._state.stored(self._model_set.version):
            names = [one.student_id for one in page]
            at = np.searchsorted(compared, hashes := _hashes(names))
            there = compared.take(np.minimum(at, compared.size - 1)) == hashes if compared.size else hashes != hashes
            self._again.update(name for name, known in zip(names, there.tolist(), strict=True) if not known)

    def look_again(self) -> None:
        """Compare those whose records were written meanwhile with what the lake has by then."""
        for _ in range(LOOKS):
            if not self._again:
                return
            students, self._again = self._again, set()
            self.view = catch_up(self._lake, self._state)
            names = pa.array(sorted(students), pa.string())
            bucket = np.asarray(bucket_of(names, self._lake.buckets))
            for one in np.unique(bucket).tolist():
                theirs = names.filter(pa.array(bucket == one)).to_pylist()
                only = Only(column="student_id", values=tuple(theirs))
                events = self._lake.read_bucket(EVENTS, one, COLUMNS, self.view.events, only)
                folded = fold_events(events, self._model_set, END_OF_TIME, history=False)
                self._compare(events, folded)
                self._drop_surplus(set(theirs) - set(folded.batch.students))
        for name in sorted(self._again):  # written each time: by somebody who is at it
            self._note(name, BEHIND)

    def _compare(self, events: pa.Table, folded: Folded) -> Sequence[str]:
        """Compare the records of folded students, and write those that differ; return who has one by then."""
        names = folded.batch.students
        if not names:
            return []
        everybody = np.arange(len(names), dtype=np.int64)
        made = encode_block(record_block(events, folded, everybody, self.view.seen))
        rows = {row[0]: row for row in self._state.get_rows(names, self._model_set.version)}
        active, expected = self._expected.of(folded)
        absent = {name for name in names if name not in rows}
        elsewhere = self._under_other_sets([name for s, name in enumerate(names) if name in absent and expected[s]])
        wrong: list[tuple[int, int, str]] = []
        for s, name in enumerate(names):
            what: Mapping[str, tuple[str, ...]] = {}
            cause: str | None
            if name not in absent:
                cause, what = self._cause(rows[name], made, s)
            elif not active[s]:
                cause = None
                with self.lock:
                    self.report.unmade += 1
            elif not expected[s]:
                cause = BEHIND
            else:
                cause = OTHER_RULES if name in elsewhere else MISSING
            if cause is not None:
                self._note(name, cause, what)
                wrong.append((s, 0 if name in absent else rows[name][1], cause))
        if not (wrong and self._repair):
            return list(rows)
        self._put(events, folded, wrong)
        return [*rows, *(names[s] for s, _, _ in wrong if names[s] in absent)]

    def _cause(self, row: StoredRow, made: EncodedBlock, s: int) -> tuple[str | None, Mapping[str, tuple[str, ...]]]:
        """Return why a stored record is wrong, and what differs; None where it is right, or is looked at again."""
        own = made.buffer[made.ptr[s] : made.ptr[s + 1]].tobytes()
        try:
            require_possible(row)
            if row.body is None:
                return BEHIND, {}
            seen, content = seen_and_content(row.body)
            require_position(row, seen)
            if seen > self.view.seen:
                with self.lock:
                    self._again.add(row.student_id)
                return None, {}
            if content == seen_and_content(own)[1]:
                with self.lock:
                    self.report.same += 1
                return None, {}
            stored = decode(row.body, row.version, row.stream)
        except WrongPosition:
            return DIFFERENT, {"position": ()}
        except OtherFormat:
            return OTHER_RULES, {}
        except CorruptRecord:
            return DAMAGED, {}
        if not is_current(stored, self._model_set):
            return OTHER_RULES, {}
        return DIFFERENT, differences(stored, decode(own))

    def _under_other_sets(self, students: Sequence[str]) -> set[str]:
        """Return which of the students have a record under another model set."""
        if not students:
            return set()
        return {row[0] for other in self._others for row in self._state.get_rows(students, other)}

    def _put(self, events: pa.Table, folded: Folded, wrong: Sequence[tuple[int, int, str]]) -> None:
        """Write the records of some students, each where it still has the version that was read."""
        of = np.array([s for s, _, _ in wrong], np.int64)
        made = records_of(record_block(events, folded, of, self.view.seen))
        records = [replace(one, version=version) for one, (_, version, _) in zip(made, wrong, strict=True)]
        overtaken = set(self._state.put_each(records))
        with self.lock:
            self.report.overtaken += len(overtaken)
            self.report.repaired.update(
                cause for one, (_, _, cause) in zip(made, wrong, strict=True) if one.student_id not in overtaken
            )

    def _drop_surplus(self, students: Collection[str]) -> None:
        """Delete the records of students without an event that counts, unless they have got one by now."""
        rows = self._state.get_rows(students, self._model_set.version)
        for row in rows:
            self._note(row.student_id, BEHIND if row.body is None else SURPLUS)
        if rows and self._repair:
            here = self.view.seen
            self._state.drop_students([row[0] for row in rows], here._replace(version=here.version + 1))
            left = {row[0] for row in self._state.get_rows([row[0] for row in rows], self._model_set.version)}
            self.report.overtaken += len(left)
            self.report.repaired.update(
                BEHIND if row.body is None else SURPLUS for row in rows if row.student_id not in left
            )

    def _note(self, student_id: str, cause: str, what: Mapping[str, tuple[str, ...]] | None = None) -> None:
        with self.lock:
            self.report.causes[cause] += 1
            self.report.what.update((what or {}).keys())
            if sum(one.cause == cause for one in self.report.examples) < EXAMPLES:
                self.report.examples.append(Example(student_id, cause, what or {}))


def _hashes(students: Sequence[str]) -> Int64s:
    """Return a number for each student, the same within this process."""
    return np.array([hash(one) for one in students], np.int64)
