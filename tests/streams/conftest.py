"""One stream after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from any_stream import STREAMS, Stream
from mastery.streams import SOURCES


@pytest.fixture(params=SOURCES)
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stream]:
    found = STREAMS[request.param](request, tmp_path)
    yield found
    for source in found.opened:
        source.close()
