"""Pseudonyms: what a student or teacher is called everywhere behind our door.

`s_` or `t_` and the first 32 hex digits of HMAC-SHA256 (RFC 2104) over tenant, id and role. Without the
key nobody can go from a pseudonym to a person, nor test a guess.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr

from mastery import disk
from mastery.errors import BadInput, writing
from mastery.events.ids import written_id

KEY_BYTES = 32

CHECKED = b"mastery: is this the key that the students were named with?"
"""A text that is no message of a person's: those begin with a length."""

_STUDENT, _TEACHER = "s", "t"
_PSEUDONYM = re.compile(r"s_[0-9a-f]{32}")
_NO_TEXTS = pa.array([], pa.string())
_TOO_OPEN = stat.S_IRWXG | stat.S_IRWXO


def load_or_create_key(path: Path, configured: SecretStr | None) -> bytes:
    """Return the 32 bytes of the pseudonym key: the configured one, else the file's, else a new one.

    A new key is random and is written as hex into ``path``, readable by its owner alone. No message
    holds any part of a key.
    """
    if configured is not None:
        return _decode(configured.get_secret_value(), "the configured pseudonym key")
    with writing("the pseudonym key", path.parent):
        _create_key(path)
    return _read(path)


def _create_key(path: Path) -> None:
    """Make a new key under `path` unless there is one; nothing is left of a key that could not be written whole."""
    if path.exists():
        _discard_unfinished(path)
        return
    disk.make_folder(path.parent)
    key = secrets.token_bytes(KEY_BYTES)
    # a whole file is linked into place, so that of two first users both read one and the same key
    written = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(key.hex() + "\n")
        disk.settle(written)
        with suppress(FileExistsError, FileNotFoundError):  # another was faster, and has taken this one away
            disk.link(written, path)
        disk.settle_folder(path.parent)
    finally:
        written.unlink(missing_ok=True)
    _discard_unfinished(path)


def _discard_unfinished(path: Path) -> None:
    """Delete what a kill left while the key was made: a second copy of it, or a key that nobody has used.

    Called when there is a key, so that whoever is making one at this moment needs theirs no longer.
    """
    unfinished = re.compile(re.escape(path.name) + r"\.[0-9]+\.[0-9a-f]{8}")
    with suppress(OSError):  # a home that is only read
        for file in path.parent.iterdir():
            if unfinished.fullmatch(file.name):
                file.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _TOO_OPEN:
        raise BadInput(
            f"{path}: the pseudonym key can be read by others (mode {mode:04o}); expected 0600: "
            f"run `chmod 600 {path}`, and think about who has read it"
        )
    return _decode(path.read_text(encoding="ascii", errors="replace"), str(path))


def _decode(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadInput(
            f"{where}: does not hold a key; expected {2 * KEY_BYTES} hex digits: restore it from your backup "
            "(with a new key, every student would get a second, unconnected record)"
        )
    return key


def is_pseudonym(text: str) -> bool:
    """Tell whether a text has the form of a student's pseudonym."""
    return _PSEUDONYM.fullmatch(text) is not None


class Pseudonyms:
    """Pseudonyms under one key. Equal ids of two tenants, and of a student and a teacher, never meet."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise BadInput(f"a pseudonym key of {len(key)} bytes; expected {KEY_BYTES}: see load_or_create_key")
        self._key = key
        self._known: dict[tuple[str, str], tuple[pa.Array, pa.Array]] = {}
        self._lock = threading.Lock()

    @property
    def check(self) -> int:
        """A number below 2^63 that tells this key from others, and nothing of it: a lake keeps it."""
        return int.from_bytes(hmac.digest(self._key, CHECKED, "sha256")[:8], "big") >> 1

    def __repr__(self) -> str:
        return "Pseudonyms(key=…)"

    def students(self, tenant: str, ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Return the students' pseudonyms, dictionary-encoded; null stays null. Each distinct id is hashed once."""
        return self._many(_STUDENT, tenant, ids)

    def teachers(self, tenant: str, ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Return the teachers' pseudonyms, dictionary-encoded; null stays null."""
        return self._many(_TEACHER, tenant, ids)

    def student(self, tenant: str, student_id: str) -> str:
        """Return one student's pseudonym. What already is a pseudonym is passed through, so people may type either."""
        if is_pseudonym(student_id):
            return student_id
        return self._one(_STUDENT, tenant, written_id(student_id))

    def students_named(self, tenant: str) -> pa.Array:
        """Return the pseudonyms of all students of a tenant who were named here in a column."""
        with self._lock:
            return self._known.get((_STUDENT, tenant), (_NO_TEXTS, _NO_TEXTS))[1]

    def fingerprints(self, texts: Sequence[bytes]) -> list[int]:
        """Return a signed 64-bit number for each text, the same for the same text, that tells nothing of it."""
        digests = (hmac.digest(self._key, b"text" + text, "sha256") for text in texts)
        return [int.from_bytes(digest[:8], "big", signed=True) for digest in digests]

    def seal(self, content: bytes) -> bytes:
        """Return 16 bytes that only this key can make of a content: whoever brings both back has them from here."""
        return hmac.digest(self._key, b"seal" + content, "sha256")[:16]

    def _one(self, role: str, tenant: str, person: str) -> str:
        scope, own = tenant.encode(), person.encode()
        # each part after its length: ("a", "bc") and ("ab", "c") are two people
        message = b"".join([len(scope).to_bytes(4, "big"), scope, len(own).to_bytes(4, "big"), own, role.encode()])
        digest = hmac.digest(self._key, message, "sha256")
        return f"{role}_{digest.hex()[:32]}"

    def _many(self, role: str, tenant: str, ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        if isinstance(ids, pa.ChunkedArray):
            return pa.chunked_array(
                [self._many(role, tenant, chunk) for chunk in ids.chunks], pa.dictionary(pa.int32(), pa.string())
            )
        if pa.types.is_dictionary(ids.type):
            names = self._names(role, tenant, ids.dictionary.cast(pa.string()))
            return pa.DictionaryArray.from_arrays(ids.indices.cast(pa.int32()), names.cast(pa.string()))
        return self._names(role, tenant, ids.cast(pa.string()))

    def _names(self, role: str, tenant: str, people: pa.Array) -> pa.DictionaryArray:
        """Return each one's pseudonym. Those met before are looked up (200,000 in 10 ms), the others hashed."""
        with self._lock:
            known, names = self._known.get((role, tenant), (_NO_TEXTS, _NO_TEXTS))
        place = pc.index_in(people, known)
        if place.null_count > people.null_count:
            strangers = people.filter(pc.and_(place.is_null(), people.is_valid())).unique()
            given = pa.array([self._one(role, tenant, person) for person in strangers.to_pylist()], pa.string())
            new = pc.add(pc.index_in(people, strangers), pa.scalar(len(known), pa.int32()))
            place = pc.coalesce(place, new)
            known, names = pa.concat_arrays([known, strangers]), pa.concat_arrays([names, given])
            with self._lock:
                # two threads that learn of new people at once: one of them will be asked again, and no harm is done
                self._known[role, tenant] = known, names
        used = place.dictionary_encode()  # a dictionary of those in this column only
        return pa.DictionaryArray.from_arrays(used.indices, names.take(used.dictionary))
