"""The learner-state store in one SQLite file. Safe for threads and processes; one writes at a time.

Two tables of records: `heads` (who, which model set, version, what it has seen, a stream's offsets and outbox; small)
and `bodies` (the bytes), and
one with the students' news, so that noting events of thousands of students rewrites no record. Pages of 32 KiB hold
several records each: with 4 KiB every record spills into overflow pages and seeding takes twice as long. WAL lets
readers read while one writes; a commit survives the end of the process at any moment.

Records of a model set that nobody needs any more go at once for all readers, and their bytes a few thousand at a time:
the set loses its name first, and whatever has no name is deleted whenever records are next dropped.

Two connections a store, one that reads and one that writes, whatever the number of threads: one a thread
cost an API three file descriptors for each of its forty. Each is opened when it is first needed.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from mastery.errors import BadInput, writing
from mastery.state.position import ANYWHERE, NOWHERE, KnownLake, Position
from mastery.state.record import Record, RecordBlock
from mastery.state.store import (
    STORED_AT_ONCE,
    EncodedBlock,
    FoundRecords,
    Overtaken,
    RecordWrite,
    StateUnusable,
    StoredRecord,
    StoredRow,
    encode_block,
    found_records,
    one_model_version,
    record_of,
    writes_of,
    writes_of_block,
)

log = logging.getLogger(__name__)

LAYOUT = 6
"""Version of the tables below, and of the records in them; kept in SQLite's `user_version`."""

APPLICATION = 0x4D415354
"""SQLite's `application_id`: MAST."""

PAGE_BYTES = 32_768
CHECKPOINT_PAGES = 4_096
"""The write-ahead log is copied into the file each 128 MiB: each 4 MiB cost a third of the speed of seeding."""

STUDENT_RECORDS = "student records"

BUSY_S = 30.0
"""How long a writer waits for another; a seeding transaction takes 0.1 s."""

OPENED_AGAIN_S = 0.01
"""After this time a new file that another one is just opening is tried again."""

LITTLE_BYTES = 4 << 20
"""With less room than this on the disk, an error of writing means that it is full."""

DROPPED_AT_ONCE = 4_000
"""Records deleted in one transaction: some 30 MB, for deleted bytes are overwritten, and so go through the log."""

FREED_AT_ONCE = 1_024
"""Pages given back in one transaction, 32 MiB, for pages from the end of the file take their place. In one, the 39,000
of 200,000 records kept other writers out for 8 s and made the log 1,450 MiB long."""

PAUSE_S = 0.1
"""Between two of these transactions: who waits for the lock looks only as often (SQLite waits by sleeping)."""

TABLES = """
CREATE TABLE lake (
    here INTEGER PRIMARY KEY CHECK (here = 1),
    lineage INTEGER NOT NULL,
    table_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL
);
CREATE TABLE model_sets (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE heads (
    id INTEGER PRIMARY KEY,
    student_id TEXT NOT NULL,
    model_set INTEGER NOT NULL REFERENCES model_sets (id),
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    lineage INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    stream TEXT,
    UNIQUE (student_id, model_set)
);
CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE news (student_id TEXT PRIMARY KEY, lineage INTEGER NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE offsets (source TEXT PRIMARY KEY, lineage INTEGER NOT NULL, place INTEGER NOT NULL) WITHOUT ROWID;
"""

OFFSETS = "SELECT source, place FROM offsets WHERE lineage = (SELECT lineage FROM lake)"

RAISE = """
INSERT INTO offsets (source, lineage, place) VALUES (?, ?, ?)
ON CONFLICT (source) DO UPDATE SET lineage = excluded.lineage, place = excluded.place
WHERE (excluded.lineage, excluded.place) > (lineage, place)
"""

FOUND = """
SELECT h.student_id, h.version, CASE WHEN l.lineage = h.lineage THEN h.stream END,
    CASE WHEN l.lineage = h.lineage AND h.seen >= min(coalesce(n.version, h.seen), l.version)
        THEN coalesce(b.body, x'') END,
    h.lineage, h.seen, (h.lineage, h.seen) > (l.lineage, l.version)
FROM json_each(?) AS wanted
CROSS JOIN heads h ON h.student_id = wanted.value AND h.model_set = (SELECT id FROM model_sets WHERE name = ?)
LEFT JOIN bodies b ON b.id = h.id
LEFT JOIN lake l
LEFT JOIN news n ON n.student_id = h.student_id AND n.lineage = h.lineage
"""
"""`CROSS JOIN`: who is wanted comes first, whatever SQLite thinks of the sizes of these tables."""

STORED = """
SELECT h.student_id, h.version, h.stream, coalesce(b.body, x''), n.version FROM heads h
JOIN lake l ON l.lineage <= h.lineage
LEFT JOIN bodies b ON b.id = h.id
LEFT JOIN news n ON n.student_id = h.student_id AND n.lineage = h.lineage
WHERE h.model_set = (SELECT id FROM model_sets WHERE name = ?) AND h.student_id > ?
ORDER BY h.student_id LIMIT ?
"""

HEADS = """
SELECT h.student_id, h.id, h.version, h.lineage, h.seen
FROM json_each(?) AS wanted CROSS JOIN heads h ON h.student_id = wanted.value AND h.model_set = ?
"""

HEAD = """
SELECT h.version FROM heads h JOIN model_sets m ON m.id = h.model_set AND m.name = ? WHERE h.student_id = ?
"""

NOTE = """
INSERT INTO news (student_id, lineage, version) SELECT value, ?, ? FROM json_each(?) WHERE true
ON CONFLICT DO UPDATE SET lineage = excluded.lineage, version = excluded.version
WHERE (excluded.lineage, excluded.version) > (lineage, version)
"""

PUT_HEAD = """
INSERT INTO heads (id, student_id, model_set, tenant, version, lineage, seen, stream) VALUES (?, ?, ?, ?, 1, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    version = version + 1, tenant = excluded.tenant, lineage = excluded.lineage, seen = excluded.seen,
    stream = coalesce(excluded.stream, CASE WHEN lineage = excluded.lineage THEN stream END)
"""
"""The stream of who folded the student from the lake stays: see `StateStore.put`."""

PUT_BODY = "INSERT OR REPLACE INTO bodies (id, body) VALUES (?, ?)"

KNOWN_LAKE = "SELECT lineage, table_id, version, fingerprint FROM lake"


class SqliteStore:
    """A connection that reads, one that writes, and the statements of `StateStore`. Threads take turns at each."""

    def __init__(self, path: str) -> None:
        """Take the file's path. The file is opened, and made if it is not there, when it is first needed.

        Whatever needs it then raises `StateUnusable` where it is damaged, of another program or of a later version, and
        `Unwritable` where the disk is full, or may not be written to. A store of an earlier version is made again,
        empty: the lake has all that was in it.

        Raises:
            BadInput: The path is a folder.
        """
        if Path(path).is_dir():
            raise BadInput(f"state store {path!r} is a folder; give the path of a file in it")
        self._path = path
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._turn = threading.Lock()

    # Reading

    def get(self, student_id: str, model_version: str) -> Record | None:
        return next(map(record_of, self.get_rows([student_id], model_version)), None)

    def get_many(self, student_ids: Iterable[str], model_version: str) -> FoundRecords:
        return found_records(self.get_rows(student_ids, model_version))

    def get_rows(self, student_ids: Iterable[str], model_version: str) -> list[StoredRow]:
        return [
            StoredRow(student_id, version, stream, body, Position(lineage, seen), bool(ahead))
            for student_id, version, stream, body, lineage, seen, ahead in self._read(
                FOUND, _json(set(student_ids)), model_version
            )
        ]

    def version(self, student_id: str, model_version: str) -> int:
        rows = self._read(HEAD, model_version, student_id)
        return int(rows[0][0]) if rows else 0

    def stored(self, model_version: str) -> Iterator[list[StoredRecord]]:
        last = ""
        while page := [StoredRecord(*row) for row in self._read(STORED, model_version, last, STORED_AT_ONCE)]:
            yield page
            last = page[-1].student_id

    def known_lake(self) -> KnownLake | None:
        rows = self._read(KNOWN_LAKE)
        return KnownLake(*rows[0]) if rows else None

    def count(self, model_version: str | None = None) -> int:
        return self._count(
            "SELECT count(*) FROM heads h JOIN model_sets m ON m.id = h.model_set WHERE m.name = coalesce(?, m.name)",
            model_version,
        )

    def model_versions(self) -> list[str]:
        return [name for (name,) in self._read("SELECT name FROM model_sets WHERE name IS NOT NULL ORDER BY id")]

    # Writing

    def put(self, record: Record, expected_version: int) -> int:
        overtaken = self._put(record.model_version, writes_of([replace(record, version=expected_version)]))
        if overtaken:
            raise Overtaken(record.student_id, expected_version, overtaken[record.student_id])
        return expected_version + 1

    def put_each(self, records: Sequence[Record]) -> list[str]:
        return list(self._put(one_model_version(records), writes_of(records))) if records else []

    def put_encoded(self, block: EncodedBlock, versions: Sequence[int]) -> list[str]:
        return list(self._put(block.model_version, writes_of_block(block, versions)))

    def put_many(self, block: RecordBlock | EncodedBlock) -> int:
        encoded = encode_block(block) if isinstance(block, RecordBlock) else block
        ids, view, places = encoded.student_ids, encoded.buffer.data, encoded.ptr.tolist()
        with self._writing() as db:
            model_set = _model_set(db, encoded.model_version)
            last = _last_head(db)
            known = _heads(db, ids, model_set) if last else {}
            puts: Sequence[int] = range(len(ids))
            if known:
                most = max(encoded.seen, _known_position(db))
                puts = [s for s in puts if ids[s] not in known or not encoded.seen < known[ids[s]].seen <= most]
            heads = [known[ids[s]].id if ids[s] in known else last + s + 1 for s in puts]
            columns = ([ids[s] for s in puts], repeat(model_set), [encoded.tenants[s] for s in puts])
            seen_and_stream = map(repeat, (*encoded.seen, None))
            db.executemany(PUT_HEAD, zip(heads, *columns, *seen_and_stream, strict=False))  # some have no end
            db.executemany(
                PUT_BODY, ((head, view[places[s] : places[s + 1]]) for head, s in zip(heads, puts, strict=True))
            )
        return len(puts)

    def note_events(self, student_ids: Iterable[str], at: Position) -> None:
        with self._writing() as db:
            db.execute(NOTE, (*at, _json(sorted(set(student_ids)))))

    def stream_offsets(self) -> Mapping[str, int]:
        return dict(self._read(OFFSETS))

    def raise_stream_offsets(self, offsets: Mapping[str, int], lineage: int) -> None:
        with self._writing() as db:
            db.executemany(RAISE, [(source, lineage, place) for source, place in offsets.items()])

    def know_lake(self, now: KnownLake, before: KnownLake | None) -> bool:
        with self._writing() as db:
            row = db.execute(KNOWN_LAKE).fetchone()
            if before != (KnownLake(*row) if row else None):
                return False
            db.execute(
                "INSERT OR REPLACE INTO lake (here, lineage, table_id, version, fingerprint) VALUES (1, ?, ?, ?, ?)",
                now,
            )
            other = before is None or before.lineage != now.lineage
            if other:  # at once for all readers: none of what is left is of this lineage
                db.execute("UPDATE model_sets SET name = NULL WHERE name IS NOT NULL")
                db.execute("DELETE FROM news WHERE lineage < ?", (now.lineage,))
        if other:
            self._delete_what_has_no_name()
        return True

    def drop_model_versions(self, model_versions: Iterable[str]) -> int:
        names = _json(model_versions)
        with self._writing() as db:
            sets = "SELECT id FROM model_sets WHERE name IN (SELECT value FROM json_each(?))"
            dropped = _one(db, f"SELECT count(*) FROM heads WHERE model_set IN ({sets})", names)
            db.execute(f"UPDATE model_sets SET name = NULL WHERE id IN ({sets})", (names,))
        self._delete_what_has_no_name()
        return int(dropped)

    def drop_students(self, student_ids: Iterable[str], before: Position) -> int:
        with self._writing() as db:
            heads = (
                "SELECT h.id FROM json_each(?) AS wanted JOIN heads h ON h.student_id = wanted.value "
                "WHERE ((h.lineage, h.seen) < (?, ?) OR (h.lineage, h.seen) > (SELECT lineage, version FROM lake)) "
                "AND h.stream IS NULL"
            )
            ids = [head for (head,) in db.execute(heads, (_json(student_ids), *before))]
            for table in ("bodies", "heads"):
                db.execute(f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
        return len(ids)

    def close(self) -> None:
        """Close both connections."""
        with self._turn, self._reading:
            for db in (self._reader, self._writer):
                if db is not None:
                    db.close()
            self._reader = self._writer = None

    # Within

    def _put(self, model_version: str, writes: Sequence[RecordWrite]) -> dict[str, int]:
        """Write each record whose version is still the one it has; return the others' students and what was found."""
        overtaken, heads, bodies = dict[str, int](), [], []
        if not writes:
            return overtaken
        with self._writing() as db:
            model_set = _model_set(db, model_version)
            known = _heads(db, [write.student_id for write in writes], model_set)
            new, most = _Head(_last_head(db), 0, NOWHERE), _known_position(db)
            for write in writes:
                head = known.get(write.student_id)
                if head is None:
                    head = new = new._replace(id=new.id + 1)
                if write.version != head.version or write.seen < head.seen <= most:
                    overtaken[write.student_id] = head.version
                    continue
                heads.append((head.id, write.student_id, model_set, write.tenant, *write.seen, write.stream))
                bodies.append((head.id, write.body))
            db.executemany(PUT_HEAD, heads)
            db.executemany(PUT_BODY, bodies)
        return overtaken

    def _connect(self) -> sqlite3.Connection:
        folder = Path(self._path).absolute().parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
            raise StateUnusable(
                f"state store {self._path!r}: its folder cannot be made ({error}); "
                "give it another path (setting `state`)"
            ) from error
        db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # what is dropped can be given back to the disk
            self._check_program(db)
            _log_ahead(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            if _layout(db) < LAYOUT:
                self._make_tables(db)
            db.execute("PRAGMA secure_delete = ON")  # the bytes of deleted records do not stay in free pages
        except BaseException:
            db.close()  # where file descriptors are short it holds one
            raise
        return db

    def _check_program(self, db: sqlite3.Connection) -> None:
        """Raise StateUnusable unless the file is empty or a store of this version or an earlier one."""
        tables = _one(db, "SELECT count(*) FROM sqlite_master")  # first: who makes them meanwhile says whose they are
        if tables and _one(db, "PRAGMA application_id") != APPLICATION:
            raise StateUnusable(
                f"{self._path!r} is a database of another program; give the state store another path (setting `state`)"
            )
        layout = _layout(db)
        if layout > LAYOUT:
            raise StateUnusable(
                f"state store {self._path!r} has layout {layout}, this version knows {LAYOUT}: a later version made "
                f"it; use that one, or {_moved_away(self._path)}"
            )

    def _make_tables(self, db: sqlite3.Connection) -> None:
        """Make the tables, in place of those of an earlier layout, unless another process has done it."""
        db.execute("PRAGMA secure_delete = OFF")  # VACUUM leaves nothing of what is dropped here
        db.execute("BEGIN IMMEDIATE")
        try:
            layout = _layout(db)
            tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            earlier = [name for (name,) in db.execute(tables)]
            if layout < LAYOUT:
                for name in earlier:
                    db.execute(f'DROP TABLE "{name}"')
                for statement in TABLES.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION}")
                db.execute(f"PRAGMA user_version = {LAYOUT}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        if layout < LAYOUT and earlier:
            db.executescript("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
            log.warning(
                "state store %r was made by an earlier version (layout %d, now %d): its records were dropped, and "
                "are made again from the lake as students are shown, or all at once by 'mastery recompute'",
                self._path,
                layout,
                LAYOUT,
            )

    def _read(self, statement: str, *values: Any) -> list[Any]:
        """Return all rows of a query, so that the connection is free for the next thread."""
        with self._reading, self._naming_errors():  # a reader makes the index of the log where there is none
            if self._reader is None:
                self._reader = self._connect()
            try:
                return self._reader.execute(statement, values).fetchall()
            except sqlite3.DatabaseError:
                self._reader.close()  # the next one opens what lies there by then
                self._reader = None
                raise

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock from the first read on, and commit; nothing is written when the body raises."""
        with self._turn, self._naming_errors():  # threads wait for each other here; SQLite's own waiting is by sleeping
            if self._writer is None:
                self._writer = self._connect()
            db = self._writer
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                if db.in_transaction:  # SQLite itself has undone it where the disk was full
                    db.execute("ROLLBACK")
                if isinstance(error, sqlite3.DatabaseError):
                    db.close()
                    self._writer = None
                raise

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """Turn what SQLite says of a full or forbidden disk into `Unwritable`, of another trouble `StateUnusable`."""
        with writing(STUDENT_RECORDS, self._path):
            try:
                yield
            except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
                raise
            except sqlite3.DatabaseError as error:
                folder = Path(self._path).absolute().parent
                kind = error.sqlite_errorcode & 0xFF
                if kind == sqlite3.SQLITE_CANTOPEN and not os.access(folder, os.W_OK):
                    raise PermissionError(errno.EACCES, str(error)) from error
                if kind == sqlite3.SQLITE_IOERR and shutil.disk_usage(folder).free < LITTLE_BYTES:
                    raise OSError(errno.ENOSPC, str(error)) from error  # the index of the log had no room
                if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY):
                    raise
                what_to_do = {
                    sqlite3.SQLITE_BUSY: f"another process has locked it for {BUSY_S:.0f} s; see what that one does",
                    sqlite3.SQLITE_CANTOPEN: "see whether its folder is there, and the limit of open files (ulimit -n)",
                    sqlite3.SQLITE_IOERR: "look at its disk",
                }.get(kind, _moved_away(self._path))
                raise StateUnusable(f"state store {self._path!r} cannot be used: {error}; {what_to_do}") from error

    def _delete_what_has_no_name(self) -> None:
        """Delete the records of dropped model sets, a few at a time, and give their pages back to the disk."""
        unnamed = "SELECT id FROM model_sets WHERE name IS NULL"
        last = 0
        while True:
            with self._writing() as db:
                heads = f"SELECT id FROM heads WHERE id > ? AND model_set IN ({unnamed}) ORDER BY id LIMIT ?"
                ids = [head for (head,) in db.execute(heads, (last, DROPPED_AT_ONCE))]
                for table in ("bodies", "heads"):
                    db.execute(f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
            if len(ids) < DROPPED_AT_ONCE:
                break
            last = ids[-1]
            time.sleep(PAUSE_S)
        with self._writing() as db:
            db.execute("DELETE FROM model_sets WHERE name IS NULL AND id NOT IN (SELECT model_set FROM heads)")
            free = int(_one(db, "PRAGMA freelist_count"))
        for first in range(0, free, FREED_AT_ONCE):
            if first:
                time.sleep(PAUSE_S)
            self._outside_transactions(f"PRAGMA incremental_vacuum({FREED_AT_ONCE})")
        self._outside_transactions("PRAGMA wal_checkpoint(TRUNCATE)")

    def _outside_transactions(self, statement: str) -> None:
        """Run a statement that is a transaction of its own."""
        with self._turn, self._naming_errors():
            if self._writer is None:
                self._writer = self._connect()
            self._writer.executescript(statement)  # `execute` would free one page

    def _count(self, statement: str, *values: Any) -> int:
        return int(self._read(statement, *values)[0][0])


def _moved_away(path: str) -> str:
    """Say what to do about a file that is in the way. Its log would be taken for that of the next file."""
    return (
        f"move it away together with {path}-wal and {path}-shm, where there are such files, and run "
        "'mastery recompute', which makes a new one from the lake"
    )


def _log_ahead(db: sqlite3.Connection) -> None:
    """Let readers read while one writes. Here SQLite itself does not wait for others who open a new file, too."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(OPENED_AGAIN_S)


def _layout(db: sqlite3.Connection) -> int:
    return int(_one(db, "PRAGMA user_version"))


def _model_set(db: sqlite3.Connection, model_version: str) -> int:
    """Return the id of a model set, which has records from now on."""
    db.execute("INSERT INTO model_sets (name) VALUES (?) ON CONFLICT DO NOTHING", (model_version,))
    return int(_one(db, "SELECT id FROM model_sets WHERE name = ?", model_version))


class _Head(NamedTuple):
    id: int
    version: int
    seen: Position


def _heads(db: sqlite3.Connection, student_ids: Iterable[str], model_set: int) -> dict[str, _Head]:
    """Return student → head of those that have a record under a model set."""
    rows = db.execute(HEADS, (_json(student_ids), model_set))
    return {student_id: _Head(head, version, Position(*seen)) for student_id, head, version, *seen in rows}


def _known_position(db: sqlite3.Connection) -> Position:
    """Return what can have been seen of the lake; a store that knows none has nothing to say against a record."""
    row = db.execute("SELECT lineage, version FROM lake").fetchone()
    return ANYWHERE if row is None else Position(*row)


def _last_head(db: sqlite3.Connection) -> int:
    return int(_one(db, "SELECT coalesce(max(id), 0) FROM heads"))


def _one(db: sqlite3.Connection, statement: str, *values: Any) -> Any:
    with closing(db.execute(statement, values)) as rows:
        return rows.fetchone()[0]


def _json(student_ids: Iterable[str]) -> str:
    return json.dumps(list(student_ids))
