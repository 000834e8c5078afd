"""Receipts: where the events of a request lie in a stream, in a text that whoever sent them keeps.

Nothing of it is stored. A receipt says itself what it stands for, sealed with the key of the pseudonyms, so it is valid
after any restart, in every process of the deployment, and nobody else can make one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import NotFound

SEAL_BYTES = 16

Offsets = Mapping[str, Sequence[int]]
"""Partition → offsets there, ascending."""


def receipt_of(pseudonyms: Pseudonyms, tenant: str, offsets: Offsets) -> str:
    """Return the receipt for events of a tenant that lie at these places."""
    said = [tenant, {partition: _runs(found) for partition, found in offsets.items()}]
    content = zlib.compress(json.dumps(said, separators=(",", ":")).encode())
    return base64.urlsafe_b64encode(pseudonyms.seal(content) + content).rstrip(b"=").decode()


def read_receipt(pseudonyms: Pseudonyms, tenant: str, receipt: str) -> Offsets:
    """Return where the events lie.

    Raises:
        NotFound: It is no receipt of this deployment and tenant.
    """
    unknown = NotFound(
        f"there is no such receipt of tenant {tenant!r}; send it whole, as it came with the answer 202, and name its "
        "tenant"
    )
    try:
        sealed = base64.b64decode(receipt + "=" * (-len(receipt) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise unknown from None
    seal, content = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
    if not hmac.compare_digest(seal, pseudonyms.seal(content)):
        raise unknown
    of, runs = json.loads(zlib.decompress(content))
    if of != tenant:
        raise unknown
    return {partition: list(_offsets(some)) for partition, some in runs.items()}


def _runs(offsets: Sequence[int]) -> list[int]:
    """Return ascending offsets as (how far from the end of the run before, how many in a row) by turns.

    >>> _runs([5, 6, 7, 9])
    [5, 3, 1, 1]
    """
    runs: list[int] = []
    end = 0
    for offset in offsets:
        if runs and offset == end:
            runs[-1] += 1
        else:
            runs += [offset - end, 1]
        end = offset + 1
    return runs


def _offsets(runs: Sequence[int]) -> Iterable[int]:
    ends = list(accumulate(runs))
    for place in range(0, len(runs), 2):
        yield from range(ends[place], ends[place + 1])
