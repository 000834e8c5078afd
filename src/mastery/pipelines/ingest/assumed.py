"""What is taken for granted where neither a file nor the person who reads it says so."""

from __future__ import annotations

from mastery.events.read_options import ReadOptions
from mastery.pipelines.ingest.inputs import Planned


def assumed(one: Planned, said: ReadOptions, *, zoneless: bool) -> list[str]:
    """Return in words what is assumed about a file.

    Args:
        said: What the person said, without what settings add.
        zoneless: Whether it has time stamps that name no zone.
    """
    found = []
    if zoneless and said.timezone is None:
        found.append(f"clocks that name no zone are in {one.options.timezone or 'UTC'} (--timezone)")
    for column in one.source.columns:
        theirs = one.arrangement.columns.get(column.name)
        elsewhere = theirs in one.input.columns and theirs != column.name and said.profile is None
        if len(column.units) > 1 and elsewhere and column.name not in one.options.units:
            unit, *others = column.units
            found.append(f"{theirs!r} ({column.name}) is in {unit}, not {' or '.join(others)} (--unit)")
    return found
