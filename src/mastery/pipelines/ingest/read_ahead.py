"""Blocks of a file worked on in threads, results in the file's order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

from mastery.pipelines.ingest.files import Block

READERS = 2
"""Blocks worked on at a time."""

AHEAD = 3
"""Blocks that are read or waiting while the oldest is awaited."""

Result = TypeVar("Result")


def _given_away(blocks: list[Block]) -> Iterator[Block]:
    while blocks:
        yield blocks.pop(0)


def in_order(blocks: Iterable[Block], work: Callable[[Block], Result]) -> Iterator[tuple[Result, int]]:
    """Yield (what `work` returns, bytes of the file done) of each block, in order.

    The only block of a file is worked on here: to start and end threads took a fifth of the time of small files.
    """
    blocks = iter(blocks)
    begun = list(islice(blocks, 2))
    if len(begun) < 2:
        yield from ((work(block), block.done) for block in begun)
        return
    waiting: deque[tuple[Future[Result], int]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        try:
            for block in chain(_given_away(begun), blocks):
                waiting.append((pool.submit(work, block), block.done))
                del block  # a block is held no longer than it is worked on
                if len(waiting) > AHEAD:
                    first, done = waiting.popleft()
                    yield first.result(), done
            while waiting:
                first, done = waiting.popleft()
                yield first.result(), done
        finally:
            for job, _ in waiting:
                job.cancel()
