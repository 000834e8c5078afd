"""The register of ingests: table INGESTS, a row when one begins to write and a row when it has ended.

An ingest that was killed has no second row: it is not finished. Reading the same files again in the same way goes on
with it, under its number, so that all it brought can be taken back at once. An undo is registered like an ingest.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput, NotFound, did_you_mean
from mastery.events.read_options import ReadOptions
from mastery.instants import instant, microseconds
from mastery.lake import Lake
from mastery.pipelines.ingest.contents import STANDARD_INPUT_NAME, Content
from mastery.tables import INGESTS

INGEST, UNDO = "ingest", "undo"

STARTED, FINISHED = "started", "finished"

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Of the end of an id, ascending; without letters that are taken for others."""

BLOCK, BLOCKS = 1 << 16, 16
"""Of a file larger than these blocks together only as many, spread over it, are read to know it again."""


@dataclass(frozen=True)
class FileRead:
    """One file of an ingest.

    Attributes:
        name: As it is called in `source` of its events.
        table: Source table.
        size: Bytes.
        place, content: Keyed hashes of the folder and name, and of size and bytes, by which the file is known again;
            None for what is no file on a disk.
        counts: What became of its rows: read, accepted, revised, duplicates, rejected; empty until finished.
    """

    name: str
    table: str
    size: int
    place: int | None = None
    content: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        known_by = {"place": self.place, "content": self.content}
        return {"name": self.name, "table": self.table, "size": self.size, **known_by, **self.counts}

    @staticmethod
    def of(document: Mapping[str, Any]) -> FileRead:
        own = {name: document[name] for name in ("name", "table", "size", "place", "content")}
        return FileRead(**own, counts={name: count for name, count in document.items() if name not in own})

    def is_same_as(self, other: FileRead) -> bool:
        """Tell whether the other was this file: at the same place, or with the same bytes wherever it lay."""
        return (self.place is not None and self.place == other.place) or (
            self.content is not None and self.content == other.content
        )


@dataclass(frozen=True)
class IngestEntry:
    """One ingest or undo, as far as it got.

    Attributes:
        number: As in EVENTS; 0 before it is begun.
        id: The same for people.
        kind: `ingest` or `undo`.
        at: When it was begun.
        finished_at: None where it was killed, or is running.
        door: By which it came.
        files: What was read, metadata first.
        repeats: Number of an earlier ingest → how many of its events were read again.
        undoes, sources: See INGESTS.
        events: Rows of files that were accepted or revised, of which several may be one event (None until finished);
            of an undo the rows of events taken back.
        undone_by: Id of the undo that took all of it back; None where nobody has.
        taken_back: Names of the files whose events were taken back by themselves.
    """

    tenant: str
    kind: str
    at: datetime
    door: str
    engine_version: str
    options: str = "{}"
    files: tuple[FileRead, ...] = ()
    notes: tuple[str, ...] = ()
    number: int = 0
    id: str = ""
    finished_at: datetime | None = None
    repeats: Mapping[int, int] = field(default_factory=dict)
    undoes: int | None = None
    sources: tuple[str, ...] | None = None
    events: int | None = None
    undone_by: str | None = None
    taken_back: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """`finished`, `not finished`, `undone` or `partly undone`."""
        if self.undone_by is not None:
            return "undone"
        if self.taken_back:
            return "partly undone"
        return "not finished" if self.finished_at is None else "finished"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it; hashes of files are left out."""
        files = [{k: v for k, v in file.as_dict().items() if k not in ("place", "content")} for file in self.files]
        found: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "at": self.at.isoformat(),
            "finished_at": None if self.finished_at is None else self.finished_at.isoformat(),
            "door": self.door,
            "engine_version": self.engine_version,
            "events": self.events,
        }
        if self.kind == UNDO:
            files_undone = None if self.sources is None else list(self.sources)
            return found | {"undoes": id_of(self.undoes or 0), "files": files_undone}
        return found | {
            "files": files,
            "options": json.loads(self.options),
            "notes": list(self.notes),
            "read_again": {id_of(number): count for number, count in self.repeats.items()},
            "undone_by": self.undone_by,
            "taken_back": list(self.taken_back),
        }


def id_of(number: int) -> str:
    """Return the id of a number: day and time in UTC, and the rest of the second in four digits of 32."""
    rest, digits = number % 1_000_000, ""
    for _ in range(4):
        rest, digit = divmod(rest, len(DIGITS))
        digits = DIGITS[digit] + digits
    return f"{instant(number):%Y%m%d-%H%M%S}-{digits}"


def options_text(options: ReadOptions) -> str:
    """Return what was said about files, as JSON; what was not said is left out."""
    said = {name: value for name, value in vars(options).items() if value not in (None, {}, (), False)}
    return json.dumps(said, ensure_ascii=False, sort_keys=True, default=str)


def file_read(name: str, table: str, size: int, content: Content | None, pseudonyms: Pseudonyms) -> FileRead:
    """Return what is registered of a file, and by what it is known again; `content` None for a table in memory."""
    if content is None:
        return FileRead(name, table, size)
    named = "" if content.place == STANDARD_INPUT_NAME else str(Path(content.place).resolve())
    place, digest = pseudonyms.fingerprints([named.encode(errors="surrogateescape"), _digest(content)])
    return FileRead(name, table, size, place if named else None, digest)


def _digest(content: Content) -> bytes:
    """Return a digest of the size and bytes of a file; of a large one, of the bytes in some blocks spread over it, or,
    where it has to be unpacked, at its beginning.
    """
    digest = hashlib.blake2b(str(content.size).encode())
    with content.opened() as file:
        plain = content.place == STANDARD_INPUT_NAME or Path(content.place).is_file()
        if content.size <= BLOCK * BLOCKS or not plain:
            digest.update(file.read(BLOCK * BLOCKS))
        else:
            for block in range(BLOCKS):
                file.seek((content.size - BLOCK) * block // (BLOCKS - 1))
                digest.update(file.read(BLOCK))
    return digest.digest()


def begin(lake: Lake, entry: IngestEntry) -> IngestEntry:
    """Register that an ingest or undo begins to write, and return it with its number.

    Where one that was not finished read the same files in the same way (or undoes the same), it is that one.
    """
    return begin_or_go_on(lake, entry)[0]


def begin_or_go_on(lake: Lake, entry: IngestEntry) -> tuple[IngestEntry, bool]:
    """Return what `begin` does, and whether it is one that was begun before."""
    begun = entry
    goes_on = False

    def more(rows: Callable[[Sequence[str] | None], pa.Table]) -> pa.Table | None:
        nonlocal begun, goes_on
        states = rows(["ingest", "state"])  # of all there ever were, so not as objects of Python
        ended = states.filter(pc.equal(states["state"], FINISHED))["ingest"]
        if not pc.all(pc.is_in(states["ingest"], value_set=ended.combine_chunks())).as_py():
            every = _entries(rows(None))
            # what is just being taken back can bring nothing more
            ending = {one.undoes for one in every if one.kind == UNDO and one.sources is None}
            begun = next((one for one in every if one.number not in ending and _goes_on(entry, one)), entry)
            if goes_on := begun is not entry:
                return None
        number = microseconds(entry.at)
        taken = set(states["ingest"].filter(pc.greater_equal(states["ingest"], number)).to_pylist())
        while number in taken:  # begun at the very same moment
            number += 1
        begun = replace(entry, number=number, id=id_of(number))
        return _row(begun, STARTED, entry.at)

    lake.extend(INGESTS, more)
    return begun, goes_on


def _goes_on(entry: IngestEntry, one: IngestEntry) -> bool:
    if one.status != "not finished" or entry.kind != one.kind:
        return False
    if entry.kind == UNDO:
        return (entry.undoes, entry.sources) == (one.undoes, one.sources)
    known = all(file.content is not None for file in entry.files)
    same = [(file.name, file.table, file.content) for file in entry.files]
    return known and entry.options == one.options and same == [(f.name, f.table, f.content) for f in one.files]


def finish(lake: Lake, entry: IngestEntry) -> None:
    """Register that an ingest or undo has ended."""
    finish_beside(lake, entry.number, lambda _: entry)


def finish_beside(lake: Lake, number: int, entry: Callable[[IngestEntry | None], IngestEntry]) -> None:
    """Register that an ingest has ended to which several processes may have brought something.

    Args:
        number: Of the ingest.
        entry: Returns what is registered, from what another process has registered as its end, if any has. Called again
            where somebody else registers something meanwhile.
    """

    def more(rows: Callable[[Sequence[str] | None], pa.Table]) -> pa.Table:
        there = next((one for one in _entries(rows(None)) if one.number == number), None)
        before = None if there is None or there.finished_at is None else there
        return _row(entry(before), FINISHED, datetime.fromtimestamp(time.time(), UTC))

    lake.extend(INGESTS, more)


def entries(lake: Lake) -> list[IngestEntry]:
    """Return all ingests and undos, the newest first."""
    return _entries(lake.scan(INGESTS))


def _entries(rows: pa.Table) -> list[IngestEntry]:
    found: dict[int, IngestEntry] = {}
    for row in sorted(rows.to_pylist(), key=lambda row: (row["ingest"], row["state"] == FINISHED, row["at"])):
        before = found.get(row["ingest"])
        found[row["ingest"]] = IngestEntry(
            tenant=row["tenant"],
            kind=row["kind"],
            at=row["at"] if before is None else before.at,
            door=row["door"],
            engine_version=row["engine_version"],
            options=row["options"],
            files=tuple(FileRead.of(one) for one in json.loads(row["files"])),
            notes=tuple(row["notes"]),
            number=row["ingest"],
            id=row["id"],
            finished_at=row["at"] if row["state"] == FINISHED else None,
            repeats={int(number): count for number, count in json.loads(row["repeats"]).items()},
            undoes=row["undoes"],
            sources=None if row["sources"] is None else tuple(row["sources"]),
            events=row["events"],
        )
    for undo in [one for one in found.values() if one.kind == UNDO and one.finished_at is not None]:
        of = found.get(undo.undoes or 0)
        if of is not None and undo.sources is None:
            found[of.number] = replace(of, undone_by=undo.id)
        elif of is not None and undo.sources is not None:
            names = dict.fromkeys([*of.taken_back, *undo.sources])
            found[of.number] = replace(of, taken_back=tuple(names))
    return sorted(found.values(), key=lambda one: -one.number)


def named(every: Sequence[IngestEntry], text: str) -> IngestEntry:
    """Return the ingest with this id, or whose id alone begins so.

    Raises:
        NotFound: There is none.
        BadInput: There are several; or it is an undo.
    """
    exact = [one for one in every if one.id == text]
    found = exact or [one for one in every if text and one.id.startswith(text) and one.kind == INGEST]
    if not found:
        known = [one.id for one in every if one.kind == INGEST]
        raise NotFound(f"no ingest {text!r}{did_you_mean(text, known)}; 'mastery ingests' lists them")
    if len(found) > 1:
        raise BadInput(f"{text!r} begins the ids of {len(found)} ingests, {found[0].id} and {found[1].id} among them")
    if found[0].kind == UNDO:
        raise BadInput(
            f"{text} is an undo, which is not undone itself: ingest the files again whose events it took back"
        )
    return found[0]


def _row(entry: IngestEntry, state: str, at: datetime) -> pa.Table:
    row = {
        "tenant": entry.tenant,
        "ingest": entry.number,
        "id": entry.id,
        "kind": entry.kind,
        "state": state,
        "at": at,
        "door": entry.door,
        "engine_version": entry.engine_version,
        "options": entry.options,
        "files": json.dumps([file.as_dict() for file in entry.files], ensure_ascii=False),
        "notes": list(entry.notes),
        "repeats": json.dumps({str(number): count for number, count in sorted(entry.repeats.items())}),
        "undoes": entry.undoes,
        "sources": None if entry.sources is None else list(entry.sources),
        "events": entry.events,
    }
    return pa.Table.from_pylist([row], schema=INGESTS.schema)
