"""The Delta tables: append, scan, compact, read one student. See docs/lake.md."""

from mastery.lake.compaction import Compaction
from mastery.lake.delta import Lake
from mastery.lake.handle import WrongKey
from mastery.lake.known_ids import NOTHING_KNOWN, Known
from mastery.lake.log import News
from mastery.lake.revisions import superseded
from mastery.lake.snapshot import File, Snapshot, TableVersion
from mastery.lake.undo import Brought
from mastery.lake.writer import TakenBack

__all__ = [
    "NOTHING_KNOWN",
    "Brought",
    "Compaction",
    "File",
    "Known",
    "Lake",
    "News",
    "Snapshot",
    "TableVersion",
    "TakenBack",
    "WrongKey",
    "superseded",
]
