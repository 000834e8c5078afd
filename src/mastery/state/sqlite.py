"""The learner-state store in one SQLite file. Safe for threads and processes; one writes at a time.

Two tables: `heads` (who, which model set, version, stale; small) and `bodies` (the bytes), so that
marking thousands of students stale does not rewrite their bytes. Pages of 32 KiB hold several records
each: with 4 KiB every record spills into overflow pages and seeding takes twice as long. WAL lets
readers read while one writes; a commit survives the end of the process at any moment.

Records of a model set that nobody needs any more go at once for all readers, and their bytes a few thousand at a time:
the set loses its name first, and whatever has no name is deleted whenever records are next dropped.

Two connections a store, one that reads and one that writes, whatever the number of threads: one a thread
cost an API three file descriptors for each of its forty.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mastery.errors import BadInput, Conflict, Unwritable, writing
from mastery.state.encoding import decode, encode
from mastery.state.record import Record, RecordBlock
from mastery.state.store import EncodedBlock, Overtaken, encode_block

LAYOUT = 2
"""Version of the tables below, kept in SQLite's `user_version`."""

APPLICATION = 0x4D415354
"""SQLite's `application_id`: MAST."""

PAGE_BYTES = 32_768
CHECKPOINT_PAGES = 4_096
"""The write-ahead log is copied into the file each 128 MiB: each 4 MiB cost a third of the speed of seeding."""

STUDENT_RECORDS = "student records"

BUSY_S = 30.0
"""How long a writer waits for another; a seeding transaction takes 0.1 s."""

LITTLE_BYTES = 4 << 20
"""With less room than this on the disk, an error of writing means that it is full."""

DROPPED_AT_ONCE = 4_000
"""Records deleted in one transaction: some 30 MB, for deleted bytes are overwritten, and so go through the log."""

TABLES = """
CREATE TABLE model_sets (id INTEGER PRIMARY KEY, name TEXT UNIQUE, floor INTEGER NOT NULL);
CREATE TABLE heads (
    id INTEGER PRIMARY KEY,
    student_id TEXT NOT NULL,
    model_set INTEGER NOT NULL REFERENCES model_sets (id),
    tenant TEXT,
    version INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    UNIQUE (student_id, model_set)
);
CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE metadata (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""

WATERMARK = "watermark"

FLOOR = "floor"
"""No record that was dropped had a version above this one. Model sets that are used from then on count from there, so
that a writer who read a version before the drop, and knows nothing of marks since, is refused."""

METADATA = "SELECT value FROM metadata WHERE name = ?"
VERSION = (
    "SELECT coalesce((SELECT h.version FROM heads h WHERE h.student_id = ?2 AND h.model_set = m.id), m.floor) "
    "FROM model_sets m WHERE m.name = ?1"
)


class SqliteStore:
    """A connection that reads, one that writes, and the statements of `StateStore`. Threads take turns at each."""

    def __init__(self, path: str) -> None:
        """Open the file, made if it is not there.

        Raises:
            BadInput: The path is a folder.
            Conflict: The file is not a state store of this version.
            Unwritable: The disk is full, or may not be written to.
        """
        self._path = path
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._turn = threading.Lock()
        if Path(path).is_dir():
            raise BadInput(f"state store {path!r} is a folder; give the path of a file in it")
        folder = Path(path).absolute().parent
        with writing(STUDENT_RECORDS, folder):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._writing() as db:
                self._make_tables(db)
        except Unwritable:
            self.close()
            raise
        except sqlite3.DatabaseError as error:
            self.close()
            raise Conflict(f"state store {path!r} cannot be used: {error}; move it away and recompute") from error
        except Conflict:
            self.close()
            raise

    # Reading

    def get(self, student_id: str, model_version: str) -> Record | None:
        rows = self._read(
            "SELECT h.version, b.body FROM heads h JOIN model_sets m ON m.id = h.model_set AND m.name = ? "
            "JOIN bodies b ON b.id = h.id WHERE h.student_id = ? AND NOT h.stale",
            model_version,
            student_id,
        )
        return decode(rows[0][1], rows[0][0]) if rows else None

    def version(self, student_id: str, model_version: str) -> int:
        found = self._read(VERSION, model_version, student_id)
        if found:
            return int(found[0][0])
        with self._writing() as db:  # in one transaction, or a drop could come in between
            self._model_set(db, model_version)
            return int(_one(db, VERSION, model_version, student_id))

    def count(self, model_version: str | None = None) -> int:
        return self._count(
            "SELECT count(*) FROM heads h JOIN model_sets m ON m.id = h.model_set "
            "WHERE m.name = coalesce(?, m.name) AND h.tenant IS NOT NULL",
            model_version,
        )

    def model_versions(self) -> list[str]:
        return [name for (name,) in self._read("SELECT name FROM model_sets WHERE name IS NOT NULL ORDER BY id")]

    def watermark(self) -> int | None:
        return _value(self._read(METADATA, WATERMARK))

    # Writing

    def put(self, record: Record, expected_version: int) -> int:
        body = encode(record)
        with self._writing() as db:
            model_set, _ = self._model_set(db, record.model_version)
            found = _one(db, VERSION, record.model_version, record.student_id)
            if found != expected_version:
                raise Overtaken(record.student_id, expected_version, found)
            (head,) = db.execute(
                "INSERT INTO heads (student_id, model_set, tenant, version, stale) VALUES (?, ?, ?, ?, 0) "
                "ON CONFLICT DO UPDATE SET version = version + 1, stale = 0, tenant = excluded.tenant RETURNING id",
                (record.student_id, model_set, record.tenant, expected_version + 1),
            ).fetchone()
            db.execute("INSERT OR REPLACE INTO bodies (id, body) VALUES (?, ?)", (head, body))
        return expected_version + 1

    def put_many(self, block: RecordBlock | EncodedBlock, folded_at: int | None = None) -> int:
        encoded = encode_block(block) if isinstance(block, RecordBlock) else block
        ids = encoded.student_ids
        view, places = encoded.buffer.data, encoded.ptr.tolist()
        with self._writing() as db:
            watermark = _value(db.execute(METADATA, (WATERMARK,)).fetchall())
            if folded_at is not None and watermark is not None and folded_at < watermark:
                self._set_metadata(db, WATERMARK, folded_at)
            model_set, floor = self._model_set(db, encoded.model_version)
            last = _one(db, "SELECT coalesce(max(id), 0) FROM heads")
            known = {}
            if last:
                known = dict(
                    db.execute(
                        "SELECT h.student_id, h.id FROM json_each(?) AS wanted "
                        "JOIN heads h ON h.student_id = wanted.value AND h.model_set = ?",
                        (_json(ids), model_set),
                    )
                )
            heads = [known.get(student_id, last + place) for place, student_id in enumerate(ids, start=1)]
            db.executemany(
                "INSERT INTO heads (id, student_id, model_set, tenant, version, stale) VALUES (?, ?, ?, ?, ?, 0) "
                "ON CONFLICT DO UPDATE SET version = version + 1, stale = 0, tenant = excluded.tenant",
                zip(heads, ids, [model_set] * len(ids), encoded.tenants, [floor + 1] * len(ids), strict=True),
            )
            db.executemany(
                "INSERT OR REPLACE INTO bodies (id, body) VALUES (?, ?)",
                ((head, view[places[s] : places[s + 1]]) for s, head in enumerate(heads)),
            )
        return len(ids)

    def note_events(self, version: int, student_ids: Iterable[str], *, after: int | None) -> bool:
        with self._writing() as db:
            if _value(db.execute(METADATA, (WATERMARK,)).fetchall()) != after:
                return False
            self._mark(db, student_ids)
            self._set_metadata(db, WATERMARK, version)
        return True

    def drop_model_versions(self, model_versions: Iterable[str]) -> int:
        names = list(model_versions)
        with self._writing() as db:
            sets = "SELECT id FROM model_sets WHERE name IN (SELECT value FROM json_each(?))"
            dropped = _one(
                db, f"SELECT count(*) FROM heads WHERE tenant IS NOT NULL AND model_set IN ({sets})", _json(names)
            )
            floors = f"SELECT max(version) FROM heads WHERE model_set IN ({sets})"
            floor = max(_one(db, floors, _json(names)) or 0, _value(db.execute(METADATA, (FLOOR,)).fetchall()) or 0)
            self._set_metadata(db, FLOOR, floor + 1)
            db.execute(f"UPDATE model_sets SET name = NULL WHERE id IN ({sets})", (_json(names),))
        self._delete_what_has_no_name()
        return int(dropped)

    def close(self) -> None:
        """Close both connections."""
        with self._turn, self._reading:
            for db in (self._reader, self._writer):
                if db is not None:
                    db.close()
            self._reader = self._writer = None

    # Within

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # what is dropped can be given back to the disk
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA secure_delete = ON")  # the bytes of deleted records do not stay in free pages
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except BaseException:
            db.close()  # where file descriptors are short it holds one
            raise
        return db

    def _read(self, statement: str, *values: Any) -> list[Any]:
        """Return all rows of a query, so that the connection is free for the next thread."""
        with self._reading, self._naming_full_disks():  # a reader makes the index of the log where there is none
            if self._reader is None:
                self._reader = self._connect()
            return self._reader.execute(statement, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock from the first read on, and commit; nothing is written when the body raises."""
        with self._turn:  # threads wait for each other here; SQLite's own waiting, for processes, is by sleeping
            if self._writer is None:
                with self._naming_full_disks():
                    self._writer = self._connect()
            db = self._writer
            with self._naming_full_disks():
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:  # SQLite itself has undone it where the disk was full
                        db.execute("ROLLBACK")
                    raise

    @contextmanager
    def _naming_full_disks(self) -> Iterator[None]:
        """Turn what SQLite says of a full or forbidden disk into `Unwritable`."""
        with writing(STUDENT_RECORDS, self._path):
            try:
                yield
            except sqlite3.OperationalError as error:
                folder = Path(self._path).absolute().parent
                kind = error.sqlite_errorcode & 0xFF
                if kind == sqlite3.SQLITE_CANTOPEN and not os.access(folder, os.W_OK):
                    raise PermissionError(errno.EACCES, str(error)) from error
                if kind == sqlite3.SQLITE_IOERR and shutil.disk_usage(folder).free < LITTLE_BYTES:
                    raise OSError(errno.ENOSPC, str(error)) from error  # the index of the log had no room
                raise

    def _delete_what_has_no_name(self) -> None:
        """Delete the records of dropped model sets, a few at a time, and give their pages back to the disk."""
        unnamed = "SELECT id FROM model_sets WHERE name IS NULL"
        last: int | None = 0
        while last is not None:
            with self._writing() as db:
                heads = f"SELECT id FROM heads WHERE id > ? AND model_set IN ({unnamed}) ORDER BY id LIMIT ?"
                ids = [head for (head,) in db.execute(heads, (last, DROPPED_AT_ONCE))]
                for table in ("bodies", "heads"):
                    db.execute(f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
                last = ids[-1] if ids else None
        with self._writing() as db:
            db.execute("DELETE FROM model_sets WHERE name IS NULL AND id NOT IN (SELECT model_set FROM heads)")
        with self._turn, self._naming_full_disks():
            assert self._writer is not None
            self._writer.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _make_tables(self, db: sqlite3.Connection) -> None:
        application, layout = (_one(db, f"PRAGMA {name}") for name in ("application_id", "user_version"))
        if _one(db, "SELECT count(*) FROM sqlite_master") == 0:
            for statement in TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {LAYOUT}")
        elif application != APPLICATION:
            raise Conflict(f"{self._path!r} is a database of another program; give the state store another path")
        elif layout != LAYOUT:
            raise Conflict(
                f"state store {self._path!r} has layout {layout}, this version knows {LAYOUT}; "
                "move it away and run `mastery recompute`, which makes a new one from the lake"
            )

    def _count(self, statement: str, *values: Any) -> int:
        return int(self._read(statement, *values)[0][0])

    def _model_set(self, db: sqlite3.Connection, model_version: str) -> tuple[int, int]:
        """Return id and floor of a model set; from now on marks reach it."""
        db.execute(
            "INSERT INTO model_sets (name, floor) VALUES (?, coalesce((SELECT value FROM metadata WHERE name = ?), 0)) "
            "ON CONFLICT DO NOTHING",
            (model_version, FLOOR),
        )
        number, floor = db.execute("SELECT id, floor FROM model_sets WHERE name = ?", (model_version,)).fetchone()
        return number, floor

    def _mark(self, db: sqlite3.Connection, student_ids: Iterable[str]) -> None:
        """Count up each student's version in every model set, also where there is no record yet.

        A fold of a stranger that began before the mark would otherwise put a record without the new
        events. Such a head has no tenant and no body.
        """
        db.execute(
            "INSERT INTO heads (student_id, model_set, version, stale) "
            "SELECT marked.value, m.id, m.floor + 1, 1 FROM json_each(?) AS marked CROSS JOIN model_sets m "
            "WHERE m.name IS NOT NULL "
            "ON CONFLICT DO UPDATE SET version = version + 1, stale = 1",
            (_json(sorted(set(student_ids))),),
        )

    def _set_metadata(self, db: sqlite3.Connection, name: str, value: int | str) -> None:
        db.execute("INSERT OR REPLACE INTO metadata (name, value) VALUES (?, ?)", (name, value))


def _one(db: sqlite3.Connection, statement: str, *values: Any) -> Any:
    with closing(db.execute(statement, values)) as rows:
        return rows.fetchone()[0]


def _value(rows: Sequence[Any]) -> Any:
    return rows[0][0] if rows else None


def _json(student_ids: Iterable[str]) -> str:
    return json.dumps(list(student_ids))
