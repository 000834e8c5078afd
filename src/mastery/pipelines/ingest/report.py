"""What an ingest did, in numbers that add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FileReport:
    """One file. Every row read is in exactly one of the three other counts."""

    path: str
    table: str
    read: int
    accepted: int
    duplicates: int
    rejected: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.path,
            "table": self.table,
            "read": self.read,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
        }


@dataclass(frozen=True)
class IngestReport:
    """All files of one ingest, in the order they were read, and what a person should know."""

    files: tuple[FileReport, ...]
    notes: tuple[str, ...]

    @property
    def read(self) -> int:
        return sum(file.read for file in self.files)

    @property
    def accepted(self) -> int:
        return sum(file.accepted for file in self.files)

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
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "files": [file.as_dict() for file in self.files],
            "notes": list(self.notes),
        }
