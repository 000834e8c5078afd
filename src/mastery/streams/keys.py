"""The key of a message: the student it is about, so that all of one student lies in one partition."""

from __future__ import annotations

import json


def key_of(tenant: str, student: str) -> bytes:
    """Return the key of a student's messages; no two students share one.

    >>> key_of("north", "S1")
    b'["north","S1"]'
    """
    return json.dumps([tenant, student], ensure_ascii=False, separators=(",", ":")).encode()


def read_key(key: bytes) -> tuple[str, str] | None:
    """Return the tenant and the student that a key names; None where it is no key of this form."""
    try:
        said = json.loads(key)
    except ValueError:
        return None
    if isinstance(said, list) and len(said) == 2 and all(isinstance(one, str) for one in said):
        return said[0], said[1]
    return None
