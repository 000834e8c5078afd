"""Events posted one at a time, each a request of its own, end in the bits of one ingest and recompute."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import product

import httpx
import pytest

from mastery.apps.api.app import create_app
from mastery.state import STORES
from runtimes_agree.test_live import STUDENTS, deployment, intake_of
from runtimes_agree.test_streams import agree, state_of, whole_of
from school import KEY, NOW_US
from stream import stream

SHORT, LONG = 12, 60
"""Events of each student, in any run of the tests and in the long one."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fitted", "store", "events"),
    [
        (False, "sqlite", SHORT),
        (True, "redis", SHORT),
        *(pytest.param(*one, LONG, marks=pytest.mark.soak) for one in product([False, True], STORES)),
    ],
)
def test_events_posted_one_at_a_time_end_in_the_bits_of_one_ingest_and_recompute(
    server, tmp_path, fitted, store, events
):
    rows = stream(14, STUDENTS, events)
    whole, report = whole_of(rows, tmp_path, fitted)
    live = deployment(tmp_path / "live", fitted, state_of(store, server))
    intake, outcomes = intake_of(live), Counter[str]()
    app = create_app(lambda _tenant: live.reader, KEY, lambda: NOW_US, intakes=lambda _tenant: intake)

    async def post_all() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for table, row in rows:
                said = await client.post(
                    f"/v1/events?table={table}", content=row, headers={"content-type": "application/x-ndjson"}
                )
                assert said.status_code == 200, said.text
                counts = said.json()
                assert counts["read"] == 1
                outcomes.update({name: counts[name] for name in ("accepted", "revised", "duplicates")})
                outcomes["rejected"] += len(counts["rejected"])

    asyncio.run(post_all())
    intake.close()
    assert outcomes == {
        "accepted": report.accepted,
        "revised": report.revised,
        "duplicates": report.duplicates,
        "rejected": report.rejected,
    }
    agree(live, whole)
    live.state.close()
