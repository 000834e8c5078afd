"""The Delta tables: append, scan, compact, read one student. See docs/lake.md."""

from mastery.lake.compaction import Compaction
from mastery.lake.delta import Lake
from mastery.lake.handle import WrongKey
from mastery.lake.known_ids import NOTHING_KNOWN, Known
from mastery.lake.revisions import superseded
from mastery.lake.snapshot import File, Snapshot, TableVersion

__all__ = [
    "NOTHING_KNOWN",
    "Compaction",
    "File",
    "Known",
    "Lake",
    "Snapshot",
    "TableVersion",
    "WrongKey",
    "superseded",
]
