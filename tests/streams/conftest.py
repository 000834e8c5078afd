"""One stream after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from any_stream import STREAMS, Stream
from mastery.streams import SOURCES


# A broker takes seconds to start, the others nothing.
@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.slow if kind == "kafka" else ()) for kind in SOURCES])
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stream]:
    found = STREAMS[request.param](request, tmp_path)
    yield found
    for source in found.opened:
        source.close()
