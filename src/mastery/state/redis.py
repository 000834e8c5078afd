"""The learner-state store in Redis: all keys of a store begin with `mastery:NAME:`. Safe for threads and processes.

    layout            version of these keys
    lake              hash: what is known of the lake
    news:LINEAGE      hash: student → the version of their news; those of another lineage are never asked for
    offsets:LINEAGE   hash: partition of a stream → from where it is read on
    sets              hash: model set → its number; next_set counts them
    students:NUMBER   set: the students who have a record under a model set
    record:NUMBER:ID  hash: v(ersion), l(ineage), s(een), o(ffsets and outbox), b(ytes)
    dropped           set: numbers of model sets whose records are still to be deleted

Each method is one script, or one for each chunk of students, and Redis runs a script alone: that is the
compare-and-set. News that were lost would never be missed, so a server that may evict keys, or has no file of its own,
is refused. With `appendfsync everysec` a power cut loses the last second of all keys together, from which `catch_up`
and the streams go on; the end of the process loses nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mastery.errors import MasteryError, Unwritable
from mastery.settings.addresses import shown
from mastery.state.position import KnownLake, Position
from mastery.state.record import Record, RecordBlock
from mastery.state.server import CONNECT_S, SILENT_S, Availability, named
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

LAYOUT = 1
"""Version of the keys above. The records in them carry their own (`encoding.FORMAT`)."""

UPGRADES: dict[int, str] = {}
"""Layout → the script that makes the next one of it, of the prefix KEYS[1]."""

RECORDS_AT_ONCE = 250
"""Records written or read by one script, some 2 MB: nobody else is served meanwhile."""

STUDENTS_AT_ONCE = 4_000
"""Students whose news are noted, or whose records are deleted, by one script."""

NEEDED = {"aof_enabled": 1, "maxmemory_policy": "noeviction"}
"""What the server says of itself (INFO) → what it must be."""

ANY_VERSION = "any"

UPGRADE = """
if redis.call('GET', KEYS[1] .. 'layout') ~= ARGV[1] then return 0 end
{step}
redis.call('SET', KEYS[1] .. 'layout', ARGV[2])
return 1
"""

FIND = """
local set = redis.call('HGET', KEYS[1] .. 'sets', ARGV[1])
local found = {}
if not set then return found end
local lake = redis.call('HMGET', KEYS[1] .. 'lake', 'lineage', 'version')
local lineage, last = lake[1], tonumber(lake[2])
for i = 2, #ARGV do
    local record = KEYS[1] .. 'record:' .. set .. ':' .. ARGV[i]
    local head = redis.call('HMGET', record, 'v', 'l', 's', 'o')
    if head[1] then
        local stream, body, ahead = false, false, 0
        local l, s = tonumber(head[2] or 0), tonumber(head[3] or -1)
        if lineage and (l > tonumber(lineage) or (l == tonumber(lineage) and s > last)) then ahead = 1 end
        if head[2] == lineage then
            stream = head[4]
            local news = redis.call('HGET', KEYS[1] .. 'news:' .. lineage, ARGV[i])
            if not news or s >= math.min(tonumber(news), last) then body = redis.call('HGET', record, 'b') or '' end
        end
        found[#found + 1] = {ARGV[i], head[1], stream, body, head[2] or '0', head[3] or '-1', ahead}
    end
end
return found
"""

STORED = """
local stored = {}
local lineage = redis.call('HGET', KEYS[1] .. 'lake', 'lineage')
for i = 2, #ARGV do
    local there = redis.call('HMGET', KEYS[1] .. 'record:' .. ARGV[1] .. ':' .. ARGV[i], 'l', 'v', 'o', 'b')
    if there[1] and lineage and tonumber(there[1]) >= tonumber(lineage) then
        local news = redis.call('HGET', KEYS[1] .. 'news:' .. there[1], ARGV[i])
        stored[#stored + 1] = {ARGV[i], there[2], there[3], there[4] or '', news}
    end
end
return stored
"""

PUT = """
local set = redis.call('HGET', KEYS[1] .. 'sets', ARGV[1])
if not set then
    set = string.format('%d', redis.call('INCR', KEYS[1] .. 'next_set'))
    redis.call('HSET', KEYS[1] .. 'sets', ARGV[1], set)
end
local lake = redis.call('HMGET', KEYS[1] .. 'lake', 'lineage', 'version')
local known, last = tonumber(lake[1]), tonumber(lake[2])
local overtaken = {}
for i = 2, #ARGV, 6 do
    local student, expected, lineage, seen, stream, body = unpack(ARGV, i, i + 5)
    local record = KEYS[1] .. 'record:' .. set .. ':' .. student
    local there = redis.call('HMGET', record, 'v', 'l', 's')
    local version = there[1] or '0'
    local l, s = tonumber(there[2] or 0), tonumber(there[3] or -1)
    local more = l > tonumber(lineage) or (l == tonumber(lineage) and s > tonumber(seen))
    local ahead = known and (l > known or (l == known and s > last))
    if (more and not ahead) or (expected ~= 'any' and expected ~= version) then
        overtaken[#overtaken + 1] = {student, version}
    else
        if stream == '' and there[2] and there[2] ~= lineage then redis.call('HDEL', record, 'o') end
        if stream ~= '' then redis.call('HSET', record, 'o', stream) end
        redis.call('HSET', record, 'l', lineage, 's', seen, 'b', body)
        redis.call('HINCRBY', record, 'v', 1)
        redis.call('SADD', KEYS[1] .. 'students:' .. set, student)
    end
end
return overtaken
"""

NOTE = """
local key = KEYS[1] .. 'news:' .. ARGV[1]
for i = 3, #ARGV do
    local there = redis.call('HGET', key, ARGV[i])
    if not there or tonumber(there) < tonumber(ARGV[2]) then redis.call('HSET', key, ARGV[i], ARGV[2]) end
end
"""

RAISE = """
local key = KEYS[1] .. 'offsets:' .. ARGV[1]
for i = 2, #ARGV, 2 do
    local there = redis.call('HGET', key, ARGV[i])
    if not there or tonumber(there) < tonumber(ARGV[i + 1]) then redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
end
"""

KNOW = """
local fields = {'lineage', 'table_id', 'version', 'fingerprint'}
local there = redis.call('HMGET', KEYS[1] .. 'lake', unpack(fields))
for i = 1, 4 do
    if (there[i] or '') ~= ARGV[4 + i] then return 0 end
end
for i = 1, 4 do redis.call('HSET', KEYS[1] .. 'lake', fields[i], ARGV[i]) end
if ARGV[1] == ARGV[5] then return 1 end
for _, set in ipairs(redis.call('HVALS', KEYS[1] .. 'sets')) do redis.call('SADD', KEYS[1] .. 'dropped', set) end
redis.call('DEL', KEYS[1] .. 'sets')
for lineage = 0, tonumber(ARGV[1]) - 1 do
    redis.call('UNLINK', KEYS[1] .. 'news:' .. string.format('%d', lineage))
    redis.call('UNLINK', KEYS[1] .. 'offsets:' .. string.format('%d', lineage))
end
return 2
"""

COUNT = """
local count = 0
local sets = redis.call('HVALS', KEYS[1] .. 'sets')
if ARGV[1] then sets = {redis.call('HGET', KEYS[1] .. 'sets', ARGV[1]) or 'none'} end
for _, set in ipairs(sets) do count = count + redis.call('SCARD', KEYS[1] .. 'students:' .. set) end
return count
"""

DROP_SETS = """
local count = 0
for _, name in ipairs(ARGV) do
    local set = redis.call('HGET', KEYS[1] .. 'sets', name)
    if set then
        count = count + redis.call('SCARD', KEYS[1] .. 'students:' .. set)
        redis.call('SADD', KEYS[1] .. 'dropped', set)
        redis.call('HDEL', KEYS[1] .. 'sets', name)
    end
end
return count
"""

DELETE_DROPPED = """
local set = redis.call('SRANDMEMBER', KEYS[1] .. 'dropped')
if not set then return 0 end
local students = redis.call('SPOP', KEYS[1] .. 'students:' .. set, ARGV[1])
for _, student in ipairs(students) do redis.call('UNLINK', KEYS[1] .. 'record:' .. set .. ':' .. student) end
if #students == 0 then redis.call('SREM', KEYS[1] .. 'dropped', set) end
return 1
"""

DROP_STUDENTS = """
local count = 0
local lake = redis.call('HMGET', KEYS[1] .. 'lake', 'lineage', 'version')
local known, last = tonumber(lake[1]), tonumber(lake[2])
for _, set in ipairs(redis.call('HVALS', KEYS[1] .. 'sets')) do
    for i = 3, #ARGV do
        local record = KEYS[1] .. 'record:' .. set .. ':' .. ARGV[i]
        local there = redis.call('HMGET', record, 'l', 's', 'o')
        local l, s = tonumber(there[1] or 0), tonumber(there[2] or 0)
        local less = l < tonumber(ARGV[1]) or (l == tonumber(ARGV[1]) and s < tonumber(ARGV[2]))
        local ahead = known and (l > known or (l == known and s > last))
        if there[1] and (less or ahead) and not there[3] then
            redis.call('UNLINK', record)
            redis.call('SREM', KEYS[1] .. 'students:' .. set, ARGV[i])
            count = count + 1
        end
    end
end
return count
"""


class RedisStore:
    """A pool of connections and the scripts of `StateStore`."""

    def __init__(self, location: str, backend: str = "redis") -> None:
        """Take `//user:password@host:port/database#name`. The server is asked when it is first needed; of the backend
        `rediss` over TLS, with what redis-py takes in a URL, such as `?ssl_ca_certs=ca.pem`.

        Whatever needs it then raises `StateUnusable` where it does not answer, refuses us, may lose records or was
        written to by a later version, and `Unwritable` where its memory or disk is full.

        Raises:
            BadInput: The location names no store.
        """
        url, name = named(location, backend)
        self._where = f"state store {shown(url)!r}"
        self._prefix = f"mastery:{name}:"
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=SILENT_S,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 0),
            client_name="mastery",
        )
        self._scripts: dict[str, Any] = {}
        self._checked = False
        self._checking = threading.Lock()
        self._server = Availability()

    # Reading

    def get(self, student_id: str, model_version: str) -> Record | None:
        return next(map(record_of, self._find([student_id], model_version)), None)

    def get_many(self, student_ids: Iterable[str], model_version: str) -> FoundRecords:
        return found_records(self.get_rows(student_ids, model_version))

    def get_rows(self, student_ids: Iterable[str], model_version: str) -> list[StoredRow]:
        return self._find(sorted(set(student_ids)), model_version)

    def version(self, student_id: str, model_version: str) -> int:
        return next((row.version for row in self._find([student_id], model_version)), 0)

    def stored(self, model_version: str) -> Iterator[list[StoredRecord]]:
        with self._asking() as client:
            number: Any = client.hget(f"{self._prefix}sets", model_version)
            students: Any = client.smembers(f"{self._prefix}students:{(number or b'').decode()}")
        for chunk in _chunks(sorted(students), STORED_AT_ONCE):
            page = [
                StoredRecord(
                    student.decode(),
                    int(version),
                    None if stream is None else stream.decode(),
                    body,
                    None if news is None else int(news),
                )
                for student, version, stream, body, news in self._run(STORED, number, *chunk)
            ]
            if page:
                yield page

    def known_lake(self) -> KnownLake | None:
        with self._asking() as client:
            found: Any = client.hmget(f"{self._prefix}lake", KnownLake._fields)
        if None in found:
            return None
        lineage, table_id, version, fingerprint = (value.decode() for value in found)
        return KnownLake(int(lineage), table_id, int(version), fingerprint)

    def count(self, model_version: str | None = None) -> int:
        return int(self._run(COUNT, *(() if model_version is None else (model_version,))))

    def model_versions(self) -> list[str]:
        with self._asking() as client:
            sets: Any = client.hgetall(f"{self._prefix}sets")
        return [name.decode() for name, _ in sorted(sets.items(), key=lambda one: int(one[1]))]

    # Writing

    def put(self, record: Record, expected_version: int) -> int:
        (words,) = _words(writes_of([replace(record, version=expected_version)]))
        for _, found in self._put(record.model_version, [words]):
            raise Overtaken(record.student_id, expected_version, found)
        return expected_version + 1

    def put_each(self, records: Sequence[Record]) -> list[str]:
        if not records:
            return []
        return [student_id for student_id, _ in self._put(one_model_version(records), _words(writes_of(records)))]

    def put_encoded(self, block: EncodedBlock, versions: Sequence[int]) -> list[str]:
        words = _words(writes_of_block(block, versions))
        return [student_id for student_id, _ in self._put(block.model_version, words)]

    def put_many(self, block: RecordBlock | EncodedBlock) -> int:
        encoded = encode_block(block) if isinstance(block, RecordBlock) else block
        view, places = encoded.buffer.data, encoded.ptr.tolist()
        words = (
            (student_id, ANY_VERSION, *encoded.seen, "", bytes(view[start:end]))
            for student_id, start, end in zip(encoded.student_ids, places, places[1:], strict=False)
        )
        return len(encoded.student_ids) - len(self._put(encoded.model_version, words))

    def note_events(self, student_ids: Iterable[str], at: Position) -> None:
        for chunk in _chunks(sorted(set(student_ids)), STUDENTS_AT_ONCE):
            self._run(NOTE, *at, *chunk)

    def stream_offsets(self) -> Mapping[str, int]:
        known = self.known_lake()
        if known is None:
            return {}
        with self._asking() as client:
            found: Any = client.hgetall(f"{self._prefix}offsets:{known.lineage}")
        return {source.decode(): int(place) for source, place in found.items()}

    def raise_stream_offsets(self, offsets: Mapping[str, int], lineage: int) -> None:
        self._run(RAISE, lineage, *(word for one in offsets.items() for word in one))

    def know_lake(self, now: KnownLake, before: KnownLake | None) -> bool:
        done = int(self._run(KNOW, *now, *(("",) * len(now) if before is None else before)))
        if done > 1:
            self._delete_dropped()
        return done > 0

    def drop_model_versions(self, model_versions: Iterable[str]) -> int:
        dropped = int(self._run(DROP_SETS, *model_versions))
        self._delete_dropped()
        return dropped

    def drop_students(self, student_ids: Iterable[str], before: Position) -> int:
        chunks = _chunks(student_ids, STUDENTS_AT_ONCE)
        return sum(int(self._run(DROP_STUDENTS, *before, *chunk)) for chunk in chunks)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    # Within

    def _find(self, student_ids: Iterable[str], model_version: str) -> list[StoredRow]:
        return [
            StoredRow(
                student.decode(),
                int(version),
                None if stream is None else stream.decode(),
                body,
                Position(int(lineage), int(seen)),
                bool(ahead),
            )
            for chunk in _chunks(student_ids, RECORDS_AT_ONCE)
            for student, version, stream, body, lineage, seen, ahead in self._run(FIND, model_version, *chunk)
        ]

    def _put(self, model_version: str, words: Iterable[tuple[Any, ...]]) -> list[tuple[str, int]]:
        """Write records; return students and versions of those that were overtaken."""
        overtaken = []
        for chunk in _chunks(words, RECORDS_AT_ONCE):
            found = self._run(PUT, model_version, *(word for record in chunk for word in record))
            overtaken += [(student.decode(), int(version)) for student, version in found]
        return overtaken

    def _delete_dropped(self) -> None:
        """Delete the records of dropped model sets, some at a time."""
        while int(self._run(DELETE_DROPPED, STUDENTS_AT_ONCE)):
            pass

    def _run(self, script: str, *arguments: Any) -> Any:
        with self._asking() as client:
            if script not in self._scripts:
                self._scripts[script] = client.register_script(script)
            return self._scripts[script](keys=[self._prefix], args=arguments)

    @contextmanager
    def _asking(self) -> Iterator[redis.Redis]:
        """Give the client, once it is known to keep what it is given, and name what it says in our errors."""
        self._server.require()
        try:
            if not self._checked:
                with self._checking:
                    self._check()
                    self._checked = True
            yield self._client
        except MasteryError:
            raise
        except redis.exceptions.RedisError as error:
            raise self._named(error) from error

    def _named(self, error: redis.exceptions.RedisError) -> MasteryError:
        """Return our error for one of the client's."""
        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, redis.exceptions.OutOfMemoryError) or "OOM" in said or "MISCONF" in said:
            return Unwritable(
                f"{self._where}: no room to write student records ({said}); what had been written before is kept: give "
                "the server more memory or disk (maxmemory, its folder), and run the same command again"
            )
        if isinstance(error, redis.exceptions.ReadOnlyError):
            return Unwritable(f"{self._where} takes no writes ({said}); name the server that does (setting `state`)")
        self._checked = False  # another one may answer there next
        if isinstance(error, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
            return self._server.lost(
                f"{self._where} does not answer: {said}; see whether it runs, and can be reached from here with these "
                "credentials"
            )
        return StateUnusable(f"{self._where} cannot be used: {said}; see the server's log")

    def _check(self) -> None:
        """Raise StateUnusable unless the server keeps what it is given, and holds a store of this version or none."""
        told = {**self._client.info("persistence"), **self._client.info("memory")}
        wrong = [f"{name} is {told.get(name)}" for name, needed in NEEDED.items() if told.get(name) != needed]
        if wrong:
            raise StateUnusable(
                f"{self._where} may lose records ({', '.join(wrong)}): set `appendonly yes` and "
                "`maxmemory-policy noeviction` in its redis.conf, or now with CONFIG SET and CONFIG REWRITE"
            )
        key = f"{self._prefix}layout"
        self._client.setnx(key, LAYOUT)
        layout = int(self._client.get(key) or LAYOUT)
        if layout > LAYOUT:
            raise StateUnusable(
                f"{self._where} has layout {layout}, this version knows {LAYOUT}: a later version made it; use that "
                "one, or name another database (setting `state`)"
            )
        for step in range(layout, LAYOUT):
            upgrade = self._client.register_script(UPGRADE.format(step=UPGRADES[step]))
            if upgrade(keys=[self._prefix], args=[step, step + 1]):
                log.warning(
                    "%s, keys %s…, was made by an earlier version (layout %d, now %d): it was brought up to date, and "
                    "its records stay",
                    *(self._where, self._prefix, step, step + 1),
                )


def _words(writes: Sequence[RecordWrite]) -> list[tuple[Any, ...]]:
    """Return what `PUT` takes of each record."""
    return [(one.student_id, one.version, *one.seen, one.stream or "", bytes(one.body)) for one in writes]


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    several = iter(items)
    while chunk := list(islice(several, size)):
        yield chunk
