"""The Delta tables: append, scan, compact, read one student. See docs/lake.md."""

from mastery.lake.compaction import Compaction
from mastery.lake.delta import Lake
from mastery.lake.handle import WrongKey
from mastery.lake.snapshot import File, Snapshot, TableVersion

__all__ = ["Compaction", "File", "Lake", "Snapshot", "TableVersion", "WrongKey"]
