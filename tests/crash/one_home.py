"""A home on which everything goes on at once: the files that come in, what is done with them, and what may be read.

Each of a number of files brings new answers, other values of earlier ones, and rows that cannot be used. What the
scores are after each of them, under the default set and under a fitted one, is known beforehand (`Expected`): whatever
is read while files come in must be the scores after one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crash.commands import BUCKETS, HEADER, RULES, STUDENTS, eager, everything, publisher, quick_fit
from mastery.errors import Conflict
from mastery.lake import Lake
from mastery.pipelines.models.activations import active_choice
from mastery.pipelines.models.active import active_model_set, current_model_set
from mastery.pipelines.models.fit import fit
from mastery.pipelines.queries.reader import Reader
from mastery.pipelines.scoring.activate import activate, rollback
from mastery.pipelines.scoring.recompute import recompute
from mastery.state import connect
from mastery.tables import TABLES
from school import KEY, NOW, NOW_US, Deployment

FIRST, EACH = 120, 24
"""Answers of the first file, and new ones of each that follows."""

NEVER_REVISED = 60
"""The first answers of all: what is fitted to them is the same, whenever it is."""

STUDENT_IDS = [KEY.student("default", f"S{number}") for number in range(STUDENTS)]


def home_at(folder: Path) -> Deployment:
    """Open a home as the engine lays it out, so that the command line and the API read it too."""
    lake = Lake.open(str(folder / "lake" / "tenants" / "default"), buckets=BUCKETS)
    state = connect(f"sqlite:{folder / 'state' / 'default.db'}")
    return Deployment(lake, state, Reader(lake, state, RULES, min_evidence=3, default_scorer=None))


def make_home(folder: Path, files: int) -> None:
    """Make the key and write the files that are to come in."""
    key = folder / "keys" / "pseudonym.key"
    key.parent.mkdir(parents=True, mode=0o700)
    key.touch(mode=0o600)
    key.write_text(bytes(range(32)).hex() + "\n")
    (folder / "files").mkdir()
    for k in range(files):
        (folder / "files" / f"{k:03d}.csv").write_text(HEADER + rows_of(k))


def at(n: int) -> datetime:
    """When the nth answer was given."""
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=2 * n, seconds=n % 60)


def answer(n: int, revision: int = 0) -> str:
    right = (n * 7 % 3 // 2 + revision) % 2
    return f"S{n % STUDENTS},Q{n % 17},T{n % 5},{right},{at(n):%Y-%m-%dT%H:%M:%SZ},{10 + n % 9 + revision},A{n}\n"


def rows_of(k: int) -> str:
    if k == 0:
        return "".join(map(answer, range(FIRST)))
    begin = FIRST + EACH * (k - 1)
    revised = [answer(n, k) for n in range(NEVER_REVISED, begin) if n % 7 == k % 7]
    again = [answer(n) for n in range(NEVER_REVISED, begin) if n % 11 == k % 11]  # an old body: no revision
    refused = f"S1,Q1,T1,perhaps,2024-05-01T00:00:00Z,1,B{k}\n,,,1,,,\n"
    return "".join([*revised, *again, refused, *map(answer, range(begin, begin + EACH))])


# What is done


def run_ingest(folder: Path, k: int) -> None:
    """Read a file in, and say so: files come in one after the other, however often each is read."""
    home_at(folder).ingest(folder / "files" / f"{k:03d}.csv", now=NOW + timedelta(days=k))
    (folder / "done" / str(k)).touch()


def files_in(folder: Path) -> int:
    """Return how many files have come in."""
    return sum(1 for _ in (folder / "done").iterdir())


def ingest_next(folder: Path) -> None:
    run_ingest(folder, min(files_in(folder), files_of(folder) - 1))


def files_of(folder: Path) -> int:
    return sum(1 for _ in (folder / "files").iterdir())


def run_recompute(folder: Path) -> None:
    deployment = home_at(folder)
    model_set = deployment.reader.metadata().model_set
    recompute(
        deployment.lake,
        model_set,
        as_of_us=NOW_US,
        now_us=NOW_US,
        min_evidence=3,
        workers=1,
        state=deployment.state,
    )


def run_fit(folder: Path) -> None:
    lake = home_at(folder).lake
    until_us = int(at(NEVER_REVISED - 1).timestamp() * 1e6)
    fit(
        lake,
        current_model_set(lake, RULES),
        RULES,
        now_us=NOW_US,
        code_version="1",
        fit_all=quick_fit,
        until_us=until_us,
    )


def is_fitted(deployment: Deployment) -> bool:
    """Tell whether the fitted set is active."""
    return active_choice(deployment.lake).active is not None


def run_activate(folder: Path) -> None:
    deployment = home_at(folder)
    version = eager(current_model_set(deployment.lake, RULES)).version
    activate(deployment.lake, RULES, version, NOW_US, as_of_now(deployment))


def run_rollback(folder: Path) -> None:
    deployment = home_at(folder)
    rollback(deployment.lake, RULES, NOW_US, as_of_now(deployment))


def as_of_now(deployment: Deployment) -> Any:
    return lambda *given, **named: publisher(deployment)(*given, **{"as_of_us": NOW_US} | named)


def run_switch(folder: Path) -> None:
    """Activate the fitted set, or go back to the default one."""
    (run_rollback if is_fitted(home_at(folder)) else run_activate)(folder)


def run_compact(folder: Path) -> None:
    lake = home_at(folder).lake
    for table in TABLES.values():
        lake.compact(table)
        lake.vacuum(table)


WRITERS: Mapping[str, Callable[[Path], None]] = {
    "ingest": ingest_next,
    "recompute": run_recompute,
    "fit": run_fit,
    "activate": run_switch,
    "compact": run_compact,
}

OVERTAKEN = ("meanwhile", "somebody else has", "is active already", "nothing to go back to")
"""What a command says that had to leave it to another one, which did the same or more."""


def done_or_overtaken(run: Callable[[Path], None], folder: Path) -> bool:
    """Run it; tell whether it did what it is for. Another error than that of having been overtaken is raised."""
    try:
        run(folder)
    except Conflict as error:
        if not any(word in str(error) for word in OVERTAKEN):
            raise
        return False
    return True


def run_to_the_end(folder: Path) -> dict[str, Any]:
    """Run everything once more, and return all that is there then."""
    for k in range(files_of(folder)):
        run_ingest(folder, k)
    run_fit(folder)
    if not is_fitted(home_at(folder)):
        run_activate(folder)
    run_recompute(folder)
    run_compact(folder)
    found = everything(home_at(folder))
    del found["choices"]  # how often it was switched to and fro
    return found


# What may be read


def student_essence(document: Mapping[str, Any]) -> str:
    """Return what is compared of a student's document, wherever it was read."""
    scores = [(one["topic_id"], *(one[name] for name in SCORES)) for one in document["topics"]]
    return json.dumps([document["model_version"], sorted(scores)])


def class_essence(document: Mapping[str, Any]) -> str:
    """Return what is compared of a class document, wherever it was read."""
    scores = [(one["student_id"], one["topic_id"], *(one[name] for name in SCORES)) for one in document["scores"]]
    return json.dumps([document["model_version"], document["totals"], sorted(scores)], sort_keys=True)


SCORES = ("mastery_score", "lower", "upper", "band", "evidence_count")


@dataclass
class Expected:
    """By student (a class: ""): what is shown → after how many files it is."""

    shown: dict[str, dict[str, list[int]]]

    @staticmethod
    def of(folder: Path) -> tuple[Expected, dict[str, Any]]:
        """Run everything without a break, in a home of its own; return also all that is there in the end."""
        expected = Expected({one: {} for one in ("", *STUDENT_IDS)})
        for k in range(files_of(folder)):
            run_ingest(folder, k)
            if k == 0:
                run_fit(folder)
            run_recompute(folder)
            expected._note(folder, k + 1)
            run_switch(folder)
            expected._note(folder, k + 1)
        return expected, run_to_the_end(folder)

    def _note(self, folder: Path, files: int) -> None:
        deployment = home_at(folder)
        reader, dump = deployment.reader, {"mode": "json"}
        assert reader.metadata().model_set.version == active_model_set(deployment.lake, RULES).version
        seen = {"": class_essence(reader.class_scores(tenant="default").model_dump(**dump))}
        for one in STUDENT_IDS:
            document = reader.student(one, tenant="default", as_of_us=NOW_US)
            seen[one] = student_essence(document.model_dump(**dump))
        for one, essence in seen.items():
            self.shown[one].setdefault(essence, []).append(files)
