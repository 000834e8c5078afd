"""The learner-state store in one SQLite file. Safe for threads and processes; one writes at a time.

Two tables: `heads` (who, which model set, version, stale; small) and `bodies` (the bytes), so that
marking thousands of students stale does not rewrite their bytes. Pages of 32 KiB hold several records
each: with 4 KiB every record spills into overflow pages and seeding takes twice as long. WAL lets
readers read while one writes; a commit survives the end of the process at any moment.

Two connections a store, one that reads and one that writes, whatever the number of threads: one a thread
cost an API three file descriptors for each of its forty.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mastery.errors import BadInput, Conflict
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

BUSY_S = 30.0
"""How long a writer waits for another; a seeding transaction takes 0.1 s."""

TABLES = """
CREATE TABLE model_sets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
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

WATERMARK, ACTIVE = "watermark", "active_model_version"

METADATA = "SELECT value FROM metadata WHERE name = ?"
VERSION = "SELECT h.version FROM heads h JOIN model_sets m ON m.id = h.model_set AND m.name = ? WHERE h.student_id = ?"


class SqliteStore:
    """A connection that reads, one that writes, and the statements of `StateStore`. Threads take turns at each."""

    def __init__(self, path: str) -> None:
        """Open the file, made if it is not there.

        Raises:
            BadInput: The path is a folder, or its folder cannot be made.
            Conflict: The file is not a state store of this version.
        """
        self._path = path
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._turn = threading.Lock()
        if Path(path).is_dir():
            raise BadInput(f"state store {path!r} is a folder; give the path of a file in it")
        Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._writing() as db:
                self._make_tables(db)
        except sqlite3.DatabaseError as error:
            self.close()
            raise Conflict(f"state store {path!r} cannot be used: {error}; move it away and recompute") from error
        except Conflict:
            self.close()
            raise

    # Reading

    def get(self, student_id: str, model_version: str) -> Record | None:
        return self.get_many([student_id], model_version).get(student_id)

    def get_many(self, student_ids: Iterable[str], model_version: str) -> dict[str, Record]:
        rows = self._read(
            "SELECT h.student_id, h.version, b.body FROM json_each(?) AS wanted "
            "JOIN heads h ON h.student_id = wanted.value JOIN model_sets m ON m.id = h.model_set AND m.name = ? "
            "JOIN bodies b ON b.id = h.id WHERE NOT h.stale",
            _json(student_ids),
            model_version,
        )
        return {student_id: decode(body, version) for student_id, version, body in rows}

    def version(self, student_id: str, model_version: str) -> int:
        if not self._count("SELECT count(*) FROM model_sets WHERE name = ?", model_version):
            with self._writing() as db:
                self._model_set(db, model_version)
        return _version(self._read(VERSION, model_version, student_id))

    def students(self, tenant: str) -> list[str]:
        rows = self._read("SELECT DISTINCT student_id FROM heads WHERE tenant = ? ORDER BY student_id", tenant)
        return [student_id for (student_id,) in rows]

    def count(self, model_version: str | None = None) -> int:
        if model_version is None:
            return self._count("SELECT count(*) FROM bodies")
        return self._count(
            "SELECT count(*) FROM heads h JOIN model_sets m ON m.id = h.model_set AND m.name = ? "
            "WHERE h.tenant IS NOT NULL",
            model_version,
        )

    def watermark(self) -> int | None:
        return _value(self._read(METADATA, WATERMARK))

    def active_model_version(self) -> str | None:
        return _value(self._read(METADATA, ACTIVE))

    # Writing

    def put(self, record: Record, expected_version: int) -> int:
        body = encode(record)
        with self._writing() as db:
            found = _version(db.execute(VERSION, (record.model_version, record.student_id)).fetchall())
            if found != expected_version:
                raise Overtaken(record.student_id, expected_version, found)
            model_set = self._model_set(db, record.model_version)
            (head,) = db.execute(
                "INSERT INTO heads (student_id, model_set, tenant, version, stale) VALUES (?, ?, ?, 1, 0) "
                "ON CONFLICT DO UPDATE SET version = version + 1, stale = 0, tenant = excluded.tenant RETURNING id",
                (record.student_id, model_set, record.tenant),
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
            model_set = self._model_set(db, encoded.model_version)
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
                "INSERT INTO heads (id, student_id, model_set, tenant, version, stale) VALUES (?, ?, ?, ?, 1, 0) "
                "ON CONFLICT DO UPDATE SET version = version + 1, stale = 0, tenant = excluded.tenant",
                zip(heads, ids, [model_set] * len(ids), encoded.tenants, strict=True),
            )
            db.executemany(
                "INSERT OR REPLACE INTO bodies (id, body) VALUES (?, ?)",
                ((head, view[places[s] : places[s + 1]]) for s, head in enumerate(heads)),
            )
        return len(ids)

    def mark_stale(self, student_ids: Iterable[str]) -> int:
        with self._writing() as db:
            return self._mark(db, student_ids)

    def note_events(self, version: int, student_ids: Iterable[str], *, after: int | None) -> bool:
        with self._writing() as db:
            if _value(db.execute(METADATA, (WATERMARK,)).fetchall()) != after:
                return False
            self._mark(db, student_ids)
            self._set_metadata(db, WATERMARK, version)
        return True

    def activate(self, model_version: str) -> None:
        with self._writing() as db:
            self._model_set(db, model_version)
            self._set_metadata(db, ACTIVE, model_version)

    def drop_model_version(self, model_version: str) -> int:
        with self._writing() as db:
            if _value(db.execute(METADATA, (ACTIVE,)).fetchall()) == model_version:
                raise Conflict(f"model set {model_version!r} is active; activate another one before dropping it")
            heads = "SELECT h.id FROM heads h JOIN model_sets m ON m.id = h.model_set WHERE m.name = ?"
            gone = db.execute(f"DELETE FROM bodies WHERE id IN ({heads})", (model_version,)).rowcount
            db.execute(f"DELETE FROM heads WHERE id IN ({heads})", (model_version,))
            db.execute("DELETE FROM model_sets WHERE name = ?", (model_version,))
        return gone

    def erase(self, student_id: str) -> bool:
        with self._writing() as db:
            db.execute("DELETE FROM bodies WHERE id IN (SELECT id FROM heads WHERE student_id = ?)", (student_id,))
            return db.execute("DELETE FROM heads WHERE student_id = ?", (student_id,)).rowcount > 0

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
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA secure_delete = ON")  # an erased student's bytes do not stay in free pages
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except BaseException:
            db.close()  # where file descriptors are short it holds one
            raise
        return db

    def _read(self, statement: str, *values: Any) -> list[Any]:
        """Return all rows of a query, so that the connection is free for the next thread."""
        with self._reading:
            if self._reader is None:
                self._reader = self._connect()
            return self._reader.execute(statement, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock from the first read on, and commit; nothing is written when the body raises."""
        with self._turn:  # threads wait for each other here; SQLite's own waiting, for processes, is by sleeping
            if self._writer is None:
                self._writer = self._connect()
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # SQLite itself has undone it where the disk was full
                    db.execute("ROLLBACK")
                raise

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

    def _model_set(self, db: sqlite3.Connection, model_version: str) -> int:
        db.execute("INSERT INTO model_sets (name) VALUES (?) ON CONFLICT DO NOTHING", (model_version,))
        return int(_one(db, "SELECT id FROM model_sets WHERE name = ?", model_version))

    def _mark(self, db: sqlite3.Connection, student_ids: Iterable[str]) -> int:
        """Count up each student's version in every model set, also where there is no record yet.

        A fold of a stranger that began before the mark would otherwise put a record without the new
        events. Such a head has no tenant and no body.
        """
        ids = sorted(set(student_ids))
        db.execute(
            "INSERT INTO heads (student_id, model_set, version, stale) "
            "SELECT marked.value, m.id, 1, 1 FROM json_each(?) AS marked CROSS JOIN model_sets m WHERE true "
            "ON CONFLICT DO UPDATE SET version = version + 1, stale = 1",
            (_json(ids),),
        )
        return len(ids)

    def _set_metadata(self, db: sqlite3.Connection, name: str, value: int | str) -> None:
        db.execute("INSERT OR REPLACE INTO metadata (name, value) VALUES (?, ?)", (name, value))


def _one(db: sqlite3.Connection, statement: str, *values: Any) -> Any:
    with closing(db.execute(statement, values)) as rows:
        return rows.fetchone()[0]


def _value(rows: Sequence[Any]) -> Any:
    return rows[0][0] if rows else None


def _version(rows: Sequence[Any]) -> int:
    return int(rows[0][0]) if rows else 0


def _json(student_ids: Iterable[str]) -> str:
    return json.dumps(list(student_ids))
