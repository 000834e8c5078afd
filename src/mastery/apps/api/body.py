"""The body of a request: bounded in size, packed by gzip or not. What it unpacks to is bounded too."""

from __future__ import annotations

import zlib

from starlette.requests import Request

from mastery.errors import BadInput, MasteryError

MOST_BYTES = 16 << 20
"""Of a body, packed and unpacked: some 80,000 answers as they are usually written."""

JSON_TYPES = frozenset({"application/json", "application/x-ndjson", "application/ndjson", "application/jsonl"})
"""What a web page of another site cannot have a browser send here without asking: plain text and forms it can."""

GZIP = 31
"""Tells zlib to expect the header of gzip."""

GZIP_MARK = b"\x1f\x8b"
"""What gzip begins with, and no JSON does."""


class ContentTooLarge(MasteryError):
    """A request that brings more than is taken at once."""

    status = 413
    title = "Too much for one request"


class UnsupportedMediaType(MasteryError):
    """A body of another kind, or packed in another way."""

    status = 415
    title = "A body of another kind was expected"


async def read_body(request: Request) -> bytes:
    """Return the unpacked body of a request.

    Raises:
        UnsupportedMediaType: It is not JSON, or packed in another way than gzip.
        ContentTooLarge: It is larger than `MOST_BYTES`, packed or not.
        BadInput: It cannot be unpacked.
    """
    packing = _check_kind(request)
    body = bytearray()
    unpacking = zlib.decompressobj(GZIP) if packing == "gzip" else None
    received = 0
    async for piece in request.stream():
        received += len(piece)
        try:
            body += piece if unpacking is None else unpacking.decompress(piece, MOST_BYTES + 1 - len(body))
        except zlib.error as error:
            raise BadInput(f"the body cannot be unpacked ({error}); send it whole, packed by gzip") from None
        if max(len(body), received) > MOST_BYTES:
            raise ContentTooLarge(
                f"the body has more than {MOST_BYTES >> 20} MiB (unpacked); send its rows in several requests"
            )
    if unpacking is not None and (not unpacking.eof or unpacking.unused_data):
        raise BadInput("the gzipped body is cut short, or something follows it; send it again")
    if unpacking is None and body.startswith(GZIP_MARK):
        raise BadInput("the body is packed by gzip, and no header says so; send it with Content-Encoding: gzip")
    return bytes(body)


def _check_kind(request: Request) -> str:
    """Return how the body is packed: `gzip` or `identity`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in JSON_TYPES:
        raise UnsupportedMediaType(
            f"Content-Type {kind!r} is not taken; send a JSON array as application/json, or one object a line as "
            "application/x-ndjson"
        )
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("gzip", "identity"):
        raise UnsupportedMediaType(f"Content-Encoding {packing!r} is not taken; pack the body by gzip, or not at all")
    return packing
