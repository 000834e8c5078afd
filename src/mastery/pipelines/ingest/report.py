"""What an ingest did with its rows. The counts add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FileReport:
    """Counts of one file: read = accepted + revised + duplicates + rejected.

    Attributes:
        accepted: Events that were not known; of course metadata, rows with something new.
        revised: Known events that say something else than before.
        duplicates: Known events as they are known.
    """

    path: str
    table: str
    read: int
    accepted: int
    revised: int
    duplicates: int
    rejected: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.path,
            "table": self.table,
            "read": self.read,
            "accepted": self.accepted,
            "revised": self.revised,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
        }


@dataclass(frozen=True)
class IngestReport:
    """All files of one ingest in the order they were read, and notes for people."""

    files: tuple[FileReport, ...]
    notes: tuple[str, ...]

    @property
    def read(self) -> int:
        return sum(file.read for file in self.files)

    @property
    def accepted(self) -> int:
        return sum(file.accepted for file in self.files)

    @property
    def revised(self) -> int:
        return sum(file.revised for file in self.files)

    @property
    def duplicates(self) -> int:
        return sum(file.duplicates for file in self.files)

    @property
    def rejected(self) -> int:
        return sum(file.rejected for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "accepted": self.accepted,
            "revised": self.revised,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "files": [file.as_dict() for file in self.files],
            "notes": list(self.notes),
        }
