"""Files with rows of several buckets: what a small batch of events is, until its rows are distributed to the buckets.

A file costs 2 ms of processor time, whatever it holds, so a batch of 64 answers that fell into 40 buckets spent more on
files than on all else. Such a batch is one file. Its partition is null, as Hive names it, and its own name says which
buckets it has rows of, so that whoever reads a bucket reads it too. Rows of one bucket lie together.

Another program that merges such files (OPTIMIZE) gives a name that says nothing: that file may have rows of any bucket,
in any order, and is distributed as the others are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

FOLDER = "bucket=__HIVE_DEFAULT_PARTITION__"

MOST_BUCKETS = 256
"""In a lake with more of them a file's name could not say which it has rows of."""

MOST_ROWS = 16_384
"""Of one batch: more rows are written into their buckets at once, a few hundred each."""

_NAMED = re.compile(r"(?:^|/)[a-z]+-in([0-9a-f]+)-[^/]*$")


def word(buckets: Iterable[int]) -> str:
    """Return what the name of a file says of the buckets that it has rows of.

    >>> word([0, 1, 5])
    'in23'
    """
    return f"in{sum(1 << bucket for bucket in set(buckets)):x}"


@lru_cache(maxsize=16_384)
def buckets_in(path: str) -> tuple[int, ...]:
    """Return the buckets that a file has rows of, ascending, by its name; none for a file of one bucket.

    >>> buckets_in("bucket=__HIVE_DEFAULT_PARTITION__/part-in23-0f.parquet")
    (0, 1, 5)
    >>> buckets_in("bucket=05/part-0f.parquet")
    ()
    """
    named = _NAMED.search(path)
    bits = 0 if named is None else int(named[1], 16)
    return tuple(bucket for bucket in range(bits.bit_length()) if bits >> bucket & 1)


def is_unnamed(path: str) -> bool:
    """Tell whether a file of no one bucket has a name that does not say of which it has rows.

    >>> is_unnamed("bucket=__HIVE_DEFAULT_PARTITION__/part-00000-0f.parquet")
    True
    """
    return path.startswith(f"{FOLDER}/") and not buckets_in(path)
