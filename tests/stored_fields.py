"""What lies beside the bytes of a record in a store, changed behind the store's back, as a fault or a hand would."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg

from mastery.state.postgresql import PostgresqlStore
from mastery.state.redis import RedisStore
from mastery.state.sqlite import SqliteStore

LINEAGE, SEEN, NEWS, BODY = "lineage", "seen", "news", "body"
"""What can be changed; the body can be lost only."""


def change(store: Any, student_id: str, field: str, value: int = 0) -> None:
    """Change a field of every record of a student, or their news in the lineage that the store knows."""
    if isinstance(store, SqliteStore):
        _in_sqlite(store, student_id, field, value)
    elif isinstance(store, PostgresqlStore):
        _in_postgresql(store, student_id, field, value)
    elif isinstance(store, RedisStore):
        _in_redis(store, student_id, field, value)
    else:
        store.change(student_id, field, value)


def _in_sqlite(store: SqliteStore, student_id: str, field: str, value: int) -> None:
    with closing(sqlite3.connect(store._path)) as db, db:
        if field == BODY:
            heads = "DELETE FROM bodies WHERE id IN (SELECT id FROM heads WHERE student_id = ?)"
            changed = db.execute(heads, (student_id,)).rowcount
        elif field == NEWS:
            news = "INSERT OR REPLACE INTO news SELECT ?, lineage, ? FROM lake"
            changed = db.execute(news, (student_id, value)).rowcount
        else:
            changed = db.execute(f"UPDATE heads SET {field} = ? WHERE student_id = ?", (value, student_id)).rowcount
        assert changed > 0


def _in_postgresql(store: PostgresqlStore, student_id: str, field: str, value: int) -> None:
    with psycopg.connect(store._url) as db:
        db.execute("SELECT set_config('search_path', quote_ident(%s), false)", (store._schema,))
        if field == BODY:
            changed = db.execute("UPDATE records SET body = '' WHERE student_id = %s", (student_id,)).rowcount
        elif field == NEWS:
            news = (
                "INSERT INTO news SELECT %s, lineage, %s FROM lake "
                "ON CONFLICT (student_id) DO UPDATE SET version = excluded.version"
            )
            changed = db.execute(news, (student_id, value)).rowcount
        else:
            records = "UPDATE records SET lineage = %s" if field == LINEAGE else "UPDATE records SET seen = %s"
            changed = db.execute(records + " WHERE student_id = %s", (value, student_id)).rowcount
        assert changed > 0
    db.close()


def _in_redis(store: RedisStore, student_id: str, field: str, value: int) -> None:
    client: Any = store._client
    if field == NEWS:
        lineage = client.hget(f"{store._prefix}lake", "lineage").decode()
        client.hset(f"{store._prefix}news:{lineage}", student_id, value)
        return
    keys = [*client.scan_iter(f"{store._prefix}record:*:{student_id}")]
    assert keys
    for key in keys:
        if field == BODY:
            client.hdel(key, "b")
        else:
            client.hset(key, {LINEAGE: "l", SEEN: "s"}[field], value)
