"""The learner-state store in PostgreSQL: one schema a store, `mastery_NAME`. Safe for threads and processes.

Records are rows of `records`, and news of students a table of their own, so that noting events of thousands rewrites no
record. A write is one transaction, committed as the server is set to: by default it is on its disk when it returns.
Few records go in as arrays, many by COPY into a table of the session. Rows are written in the order of their keys, so
that two writers of the same students wait for each other and never in a circle.

Two connections a store, one that reads and one that writes, as with SQLite.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any, LiteralString, NamedTuple, TypeVar

import psycopg
from psycopg import sql
from psycopg.abc import PQGen

from mastery.errors import MasteryError, Unwritable
from mastery.settings.addresses import shown
from mastery.state.position import KnownLake, Position
from mastery.state.record import Record, RecordBlock
from mastery.state.server import CONNECT_S, SILENT_S, Availability, identifier, named
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

LAYOUT = 2
"""Version of the tables below, kept in the table `store`. The records in them carry their own (`encoding.FORMAT`)."""

UPGRADES: dict[int, str] = {
    1: "CREATE TABLE offsets (source text PRIMARY KEY, lineage bigint NOT NULL, place bigint NOT NULL)",
}
"""Layout → the statements that make the next one of it. Each is run in one transaction with the others that are due."""

BY_COPY = 100
"""From this number of records on they are copied in; the session's table costs more than fewer of them."""

DROPPED_AT_ONCE = 4_000
"""Records deleted in one transaction."""

LONGEST_NAME = 63
"""Bytes of a name in PostgreSQL; what is longer it would cut off without a word."""

TABLES = """
CREATE TABLE store (here boolean PRIMARY KEY DEFAULT true CHECK (here), layout integer NOT NULL);
CREATE TABLE lake (
    here boolean PRIMARY KEY DEFAULT true CHECK (here),
    lineage bigint NOT NULL,
    table_id text NOT NULL,
    version bigint NOT NULL,
    fingerprint text NOT NULL
);
CREATE TABLE model_sets (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE);
CREATE TABLE records (
    model_set bigint NOT NULL,
    student_id text NOT NULL,
    tenant text NOT NULL,
    version bigint NOT NULL,
    lineage bigint NOT NULL,
    seen bigint NOT NULL,
    stream text,
    body bytea NOT NULL,
    PRIMARY KEY (model_set, student_id)
);
ALTER TABLE records ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE news (student_id text PRIMARY KEY, lineage bigint NOT NULL, version bigint NOT NULL);
CREATE TABLE offsets (source text PRIMARY KEY, lineage bigint NOT NULL, place bigint NOT NULL);
"""
"""EXTERNAL: records are not compressed again, which took longer than writing them."""

SESSION = """
CREATE TEMPORARY TABLE incoming (
    student_id text, tenant text, version bigint, lineage bigint, seen bigint, stream text, body bytea
) ON COMMIT DELETE ROWS
"""

FOUND = """
SELECT r.student_id, r.version, CASE WHEN l.lineage = r.lineage THEN r.stream END,
    CASE WHEN l.lineage = r.lineage AND r.seen >= least(coalesce(n.version, r.seen), l.version) THEN r.body END,
    r.lineage, r.seen, coalesce((r.lineage, r.seen) > (l.lineage, l.version), false)
FROM records r
LEFT JOIN lake l ON true
LEFT JOIN news n ON n.student_id = r.student_id AND n.lineage = r.lineage
WHERE r.model_set = (SELECT id FROM model_sets WHERE name = %s) AND r.student_id = ANY(%s)
"""

STORED = """
SELECT r.student_id, r.version, r.stream, r.body, n.version FROM records r
JOIN lake l ON l.lineage <= r.lineage
LEFT JOIN news n ON n.student_id = r.student_id AND n.lineage = r.lineage
WHERE r.model_set = (SELECT id FROM model_sets WHERE name = %s) AND r.student_id > %s
ORDER BY r.student_id LIMIT %s
"""

VERSION = """
SELECT r.version FROM records r JOIN model_sets m ON m.id = r.model_set AND m.name = %s WHERE r.student_id = %s
"""

ARRAYS = (
    "unnest(%b::text[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::text[], %b::bytea[]) "
    "AS incoming (student_id, tenant, version, lineage, seen, stream, body)"
)

PUT = """
INSERT INTO records AS r (model_set, student_id, tenant, version, lineage, seen, stream, body)
SELECT %b, student_id, tenant, version, lineage, seen, stream, body FROM {incoming}
{strangers}
ORDER BY student_id
ON CONFLICT (model_set, student_id) DO UPDATE SET
    tenant = excluded.tenant, version = r.version + 1, lineage = excluded.lineage, seen = excluded.seen,
    stream = coalesce(excluded.stream, CASE WHEN r.lineage = excluded.lineage THEN r.stream END), body = excluded.body
WHERE (
    (excluded.lineage, excluded.seen) >= (r.lineage, r.seen)
    OR (r.lineage, r.seen) > (SELECT lineage, version FROM lake)
) {same_version}
RETURNING student_id
"""
"""The stream of who folded the student from the lake stays: see `StateStore.put`. A version of the lake that becomes
known while this waits for a row may look like too much here: then a record gives way that is current, and its student
has news that the one written has not seen, so it is folded once more.
"""

ONLY_NEW = """
WHERE version = 1 OR EXISTS (
    SELECT FROM records there WHERE there.model_set = %b AND there.student_id = incoming.student_id
)
"""
"""One who has read a version that is gone is overtaken too."""

NOTE = """
INSERT INTO news AS n (student_id, lineage, version) SELECT wanted, %s, %s FROM unnest(%s::text[]) AS wanted ORDER BY 1
ON CONFLICT (student_id) DO UPDATE SET lineage = excluded.lineage, version = excluded.version
WHERE (excluded.lineage, excluded.version) > (n.lineage, n.version)
"""

OFFSETS = "SELECT source, place FROM offsets WHERE lineage = (SELECT lineage FROM lake)"

RAISE = """
INSERT INTO offsets AS o (source, lineage, place)
SELECT source, %s, place FROM unnest(%s::text[], %s::bigint[]) AS wanted (source, place) ORDER BY 1
ON CONFLICT (source) DO UPDATE SET lineage = excluded.lineage, place = excluded.place
WHERE (excluded.lineage, excluded.place) > (o.lineage, o.place)
"""

DROP_UNNAMED = """
DELETE FROM records WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM records WHERE model_set IN (SELECT id FROM model_sets WHERE name IS NULL) LIMIT %s
))
"""

DROP_STUDENTS = """
DELETE FROM records WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM records
    WHERE model_set IN (SELECT id FROM model_sets) AND student_id = ANY(%s) AND stream IS NULL
        AND ((lineage, seen) < (%s, %s) OR (lineage, seen) > (SELECT lineage, version FROM lake))
    ORDER BY student_id FOR UPDATE
))
"""

KNOWN_LAKE = "SELECT lineage, table_id, version, fingerprint FROM lake"


COLUMN_TYPES = ("text", "text", "bigint", "bigint", "bigint", "text", "bytea")

FULL = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory)
FORBIDDEN = (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)
AWAY = ("", "08", "28", "3D", "53", "57")
"""Classes of errors after which nothing else will go: connection, credentials, no such database, resources, shut down.
Empty: the connection itself failed."""

RV = TypeVar("RV")


class _Row(NamedTuple):
    """A record on its way in: `version` is the one that it gets."""

    student_id: str
    tenant: str
    version: int
    lineage: int
    seen: int
    stream: str | None
    body: bytes


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives up on a server which says nothing: behind a hanging network it would wait for ever."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, SILENT_S if timeout is None else timeout)


class PostgresqlStore:
    """A connection that reads, one that writes, and the statements of `StateStore`. Threads take turns at each."""

    def __init__(self, location: str) -> None:
        """Take `//user:password@host:port/database#name`. The server is asked when it is first needed.

        Whatever needs it then raises `StateUnusable` where it does not answer, refuses us or was written by a later
        version, and `Unwritable` where its disk is full, or it may not be written to.

        Raises:
            BadInput: The location names no store.
        """
        self._url, name = named(location, "postgresql")
        self._schema = identifier(f"mastery_{name}", LONGEST_NAME)
        self._where = f"state store {shown(self._url)!r}"
        self._reader: _Connection | None = None
        self._writer: _Connection | None = None
        self._reading = threading.Lock()
        self._turn = threading.Lock()
        self._server = Availability()

    # Reading

    def get(self, student_id: str, model_version: str) -> Record | None:
        return next(map(record_of, self.get_rows([student_id], model_version)), None)

    def get_many(self, student_ids: Iterable[str], model_version: str) -> FoundRecords:
        return found_records(self.get_rows(student_ids, model_version))

    def get_rows(self, student_ids: Iterable[str], model_version: str) -> list[StoredRow]:
        return [
            StoredRow(student_id, version, stream, body, Position(lineage, seen), ahead)
            for student_id, version, stream, body, lineage, seen, ahead in self._read(
                FOUND, model_version, sorted(set(student_ids))
            )
        ]

    def version(self, student_id: str, model_version: str) -> int:
        rows = self._read(VERSION, model_version, student_id)
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
        ((found,),) = self._read(
            "SELECT count(*) FROM records r JOIN model_sets m ON m.id = r.model_set "
            "WHERE m.name = coalesce(%s::text, m.name)",
            model_version,
        )
        return int(found)

    def model_versions(self) -> list[str]:
        return [name for (name,) in self._read("SELECT name FROM model_sets WHERE name IS NOT NULL ORDER BY id")]

    # Writing

    def put(self, record: Record, expected_version: int) -> int:
        if self.put_each([replace(record, version=expected_version)]):
            found = self.version(record.student_id, record.model_version)
            raise Overtaken(record.student_id, expected_version, found)
        return expected_version + 1

    def put_each(self, records: Sequence[Record]) -> list[str]:
        if not records:
            return []
        return self._put(one_model_version(records), writes_of(records))

    def put_encoded(self, block: EncodedBlock, versions: Sequence[int]) -> list[str]:
        return self._put(block.model_version, writes_of_block(block, versions))

    def put_many(self, block: RecordBlock | EncodedBlock) -> int:
        encoded = encode_block(block) if isinstance(block, RecordBlock) else block
        view, places = encoded.buffer.data, encoded.ptr.tolist()
        rows = [
            _Row(student_id, tenant, 1, *encoded.seen, None, bytes(view[start:end]))
            for student_id, tenant, (start, end) in zip(
                encoded.student_ids, encoded.tenants, pairwise(places), strict=True
            )
        ]
        return len(self._write(encoded.model_version, rows, same_version=False))

    def note_events(self, student_ids: Iterable[str], at: Position) -> None:
        with self._writing() as db:
            db.execute(NOTE, (*at, sorted(set(student_ids))))

    def stream_offsets(self) -> Mapping[str, int]:
        return dict(self._read(OFFSETS))

    def raise_stream_offsets(self, offsets: Mapping[str, int], lineage: int) -> None:
        with self._writing() as db:
            db.execute(RAISE, (lineage, list(offsets), list(offsets.values())))

    def know_lake(self, now: KnownLake, before: KnownLake | None) -> bool:
        with self._writing() as db:
            db.execute("LOCK TABLE lake IN SHARE ROW EXCLUSIVE MODE")
            row = db.execute(KNOWN_LAKE).fetchone()
            if before != (KnownLake(*row) if row else None):
                return False
            db.execute("DELETE FROM lake")
            db.execute("INSERT INTO lake (lineage, table_id, version, fingerprint) VALUES (%s, %s, %s, %s)", now)
            other = before is None or before.lineage != now.lineage
            if other:  # at once for all readers: none of what is left is of this lineage
                db.execute("UPDATE model_sets SET name = NULL WHERE name IS NOT NULL")
                db.execute("DELETE FROM news WHERE lineage < %s", (now.lineage,))
        if other:
            self._delete_what_has_no_name()
        return True

    def drop_model_versions(self, model_versions: Iterable[str]) -> int:
        names = list(model_versions)
        with self._writing() as db:
            sets = "SELECT id FROM model_sets WHERE name = ANY(%s)"
            dropped = _one(db, f"SELECT count(*) FROM records WHERE model_set IN ({sets})", names)
            db.execute(f"UPDATE model_sets SET name = NULL WHERE id IN ({sets})", (names,))
        self._delete_what_has_no_name()
        return int(dropped)

    def drop_students(self, student_ids: Iterable[str], before: Position) -> int:
        with self._writing() as db:
            return db.execute(DROP_STUDENTS, (list(student_ids), *before)).rowcount

    def close(self) -> None:
        """Close both connections."""
        with self._turn, self._reading:
            for db in (self._reader, self._writer):
                if db is not None:
                    db.close()
            self._reader = self._writer = None

    # Within

    def _put(self, model_version: str, writes: Sequence[RecordWrite]) -> list[str]:
        """Write each record whose version is still the one it has; return the students of the others."""
        if not writes:
            return []
        rows = [
            _Row(one.student_id, one.tenant, one.version + 1, *one.seen, one.stream, bytes(one.body)) for one in writes
        ]
        written = self._write(model_version, rows, same_version=True)
        return [one.student_id for one in writes if one.student_id not in written]

    def _write(self, model_version: str, rows: Sequence[_Row], *, same_version: bool) -> set[str]:
        """Write the rows that may be written, and return their students."""
        by_copy = len(rows) >= BY_COPY
        statement = PUT.format(
            incoming="incoming" if by_copy else ARRAYS,
            strangers=ONLY_NEW if same_version else "",
            same_version="AND r.version + 1 = excluded.version" if same_version else "",
        )
        with self._writing() as db:
            model_set = _model_set(db, model_version)
            if by_copy:
                with db.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(COLUMN_TYPES)
                    for row in rows:
                        copy.write_row(row)
            arrays = () if by_copy else tuple(map(list, zip(*rows, strict=True)))
            values = (model_set, *arrays, *((model_set,) if same_version else ()))
            return {student_id for (student_id,) in db.execute(statement, values)}

    def _connect(self) -> _Connection:
        self._server.require()
        db = _Connection.connect(
            self._url, autocommit=True, connect_timeout=round(CONNECT_S), application_name="mastery"
        )
        try:
            for name, seconds in _patience().items():
                db.execute("SELECT set_config(%s, %s, false)", (name, f"{1_000 * seconds:.0f}ms"))
            db.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self._schema)))
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: _Connection) -> None:
        """Make the tables where there are none, and bring earlier ones up to date; one process at a time."""
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (self._schema,))
            schema = _one(db, "SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", self._schema)
            if not schema:
                try:
                    db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
                except psycopg.errors.InsufficientPrivilege as error:
                    raise StateUnusable(
                        f"{self._where}: this user may not make the schema {self._schema!r}; have an administrator run "
                        f'CREATE SCHEMA "{self._schema}" AUTHORIZATION {db.info.user}, or GRANT CREATE ON DATABASE'
                    ) from error
            if not _one(db, "SELECT to_regclass('store') IS NOT NULL"):
                db.execute(TABLES)
                db.execute("INSERT INTO store (layout) VALUES (%s)", (LAYOUT,))
            layout = _one(db, "SELECT layout FROM store FOR UPDATE")
            if layout > LAYOUT:
                raise StateUnusable(
                    f"{self._where}, schema {self._schema!r}, has layout {layout}, this version knows {LAYOUT}: a "
                    "later version made it; use that one, or name another database (setting `state`)"
                )
            for step in range(layout, LAYOUT):
                db.execute(UPGRADES[step])
            if layout < LAYOUT:
                db.execute("UPDATE store SET layout = %s", (LAYOUT,))
                log.warning(
                    "%s, schema %r, was made by an earlier version (layout %d, now %d): its tables were brought up to "
                    "date, and its records stay",
                    *(self._where, self._schema, layout, LAYOUT),
                )

    def _read(self, statement: LiteralString, *values: Any) -> list[Any]:
        """Return all rows of a query, so that the connection is free for the next thread."""
        with self._reading, self._naming_errors():
            used_before = self._reader is not None
            try:
                return self._rows(statement, values)
            except psycopg.OperationalError as error:
                if not (used_before and _is_away(error)):
                    raise
            return self._rows(statement, values)  # the server may have been started again in between

    def _rows(self, statement: LiteralString, values: tuple[Any, ...]) -> list[Any]:
        if self._reader is None:
            self._reader = self._connect()
        try:
            return self._reader.execute(statement, values, binary=True).fetchall()
        except psycopg.Error:
            self._reader.close()
            self._reader = None
            raise

    @contextmanager
    def _writing(self) -> Iterator[_Connection]:
        """Give a transaction, and commit it; nothing is written when the body raises."""
        with self._turn, self._naming_errors():
            if self._writer is None:
                self._writer = self._connect()
                self._writer.execute(SESSION)
            db = self._writer
            try:
                with db.transaction():
                    yield db
            except psycopg.Error:
                db.close()
                self._writer = None
                raise

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """Turn what the server says of a full or forbidden disk into `Unwritable`, of other trouble `StateUnusable`."""
        try:
            yield
        except MasteryError:
            raise
        except psycopg.Error as error:
            said = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, FULL):
                raise Unwritable(
                    f"{self._where}: no space left to write student records ({said}); what had been committed before "
                    "is kept: free some space on the server, and run the same command again"
                ) from error
            if isinstance(error, FORBIDDEN):
                raise Unwritable(
                    f"{self._where}: not allowed to write student records ({said}); name the server that takes writes, "
                    "or grant this user all rights on the schema and its tables"
                ) from error
            if _is_away(error):
                raise self._server.lost(
                    f"{self._where} does not answer: {said}; see whether it runs, and can be reached from here with "
                    "these credentials"
                ) from error
            if isinstance(error, (psycopg.OperationalError, psycopg.InternalError, psycopg.errors.UndefinedTable)):
                raise StateUnusable(f"{self._where} cannot be used: {said}; see the server's log") from error
            raise

    def _delete_what_has_no_name(self) -> None:
        """Delete the records of dropped model sets, a few at a time."""
        deleted = DROPPED_AT_ONCE
        while deleted == DROPPED_AT_ONCE:
            with self._writing() as db:
                deleted = db.execute(DROP_UNNAMED, (DROPPED_AT_ONCE,)).rowcount
        with self._writing() as db:
            db.execute(
                "DELETE FROM model_sets m WHERE name IS NULL "
                "AND NOT EXISTS (SELECT FROM records r WHERE r.model_set = m.id)"
            )


def _patience() -> Mapping[str, float]:
    """Return how many seconds the server has for a statement, and for a client of whom it hears nothing: one that hangs
    in the middle of a write would keep the locks of its rows for ever, and one whose machine is gone for two hours.
    """
    return {
        "statement_timeout": SILENT_S - 1.0,
        "idle_in_transaction_session_timeout": SILENT_S,
        "tcp_user_timeout": SILENT_S,
        "tcp_keepalives_idle": SILENT_S,
        "tcp_keepalives_interval": SILENT_S,
    }


def _is_away(error: psycopg.Error) -> bool:
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "")[:2] in AWAY


def _model_set(db: _Connection, model_version: str) -> int:
    """Return the id of a model set, which has records from now on; its name stays until the transaction has ended."""
    while True:
        row = db.execute("SELECT id FROM model_sets WHERE name = %s FOR KEY SHARE", (model_version,)).fetchone()
        if row is not None:
            return int(row[0])
        db.execute("INSERT INTO model_sets (name) VALUES (%s) ON CONFLICT DO NOTHING", (model_version,))


def _one(db: _Connection, statement: LiteralString, *values: Any) -> Any:
    row = db.execute(statement, values).fetchone()
    assert row is not None
    return row[0]
