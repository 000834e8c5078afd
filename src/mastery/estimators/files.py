"""A fitted estimator as one file: a ZIP of arrays and of JSON, so that nothing in it can run.

    model.json      format, class, settings, version of the model set; by scorer its keys and the names of its arrays
    sha256.json     hash of every other member
    arrays/*.npy    the numbers, read without pickle

What is read is checked three times over: every member against its hash, the observation rules and the meaning of each
scorer's numbers against this version's, and the version of the model set, which is a hash of all parameters, against
what was read.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.errors import BadInput, NotFound
from mastery.features.observations import OBSERVATION_VERSION
from mastery.scorers.model_set import ModelSet, meaning
from mastery.scorers.parameters import KeyedRows, Parameters

FORMAT = 1
"""Raised when the layout of the file changes."""

MODEL, HASHES = "model.json", "sha256.json"


def write(path: Path, about: Mapping[str, object], model_set: ModelSet) -> Path:
    """Write a model set and what is to be known of its estimator, and return the path.

    A file that is there is replaced once the new one is whole.

    Raises:
        BadInput: A setting cannot be written as JSON, or the file cannot be written.
    """
    members: dict[str, bytes] = {}
    scorers = {}
    for name, mine in model_set.scorers.items():
        arrays = {"default": mine.default, "topics": mine.topics.values, "items": mine.items.values}
        arrays |= {f"shared/{shared}": array for shared, array in mine.shared.items()}
        for array_name, array in arrays.items():
            members[f"arrays/{name}/{array_name}.npy"] = _bytes_of(array)
        scorers[name] = {
            "meaning": meaning(name),
            "topics": [list(key) for key in mine.topics.keys],
            "items": [list(key) for key in mine.items.keys],
            "shared": list(mine.shared),
        }
    model = {
        "format": FORMAT,
        **about,
        "observation_version": OBSERVATION_VERSION,
        "model_version": model_set.version,
        "scorers": scorers,
    }
    members[MODEL] = json.dumps(model, ensure_ascii=False, indent=1, default=_plain).encode()
    members[HASHES] = json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in members.items()}).encode()
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in members.items():
                # A fixed date, so that equal models are equal files.
                file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        unfinished.replace(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror}); give another path, or make room") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Parameters]]:
    """Return what `write` wrote: all of the model's JSON, and the parameters by scorer.

    Raises:
        NotFound: There is no such file.
        BadInput: It is no model, is damaged or changed, or was written by a version that means something else.
    """
    if not path.exists():
        raise NotFound(f"{path}: no such file; give the path of a file that model.save wrote")
    members = _members(path)
    model = _json(path, members[MODEL])
    if model.get("format") != FORMAT:
        raise BadInput(
            f"{path}: format {model.get('format')!r} of a model file; this version reads {FORMAT}. Fit the model "
            "again, or use the version that wrote it"
        )
    if model["observation_version"] != OBSERVATION_VERSION:
        raise BadInput(
            f"{path}: fitted under observation rules {model['observation_version']}, and this version has "
            f"{OBSERVATION_VERSION}, under which answers count otherwise; fit the model again"
        )
    scorers = {}
    for name, one in model["scorers"].items():
        if one["meaning"] != meaning(name):
            raise BadInput(
                f"{path}: {name} in version {one['meaning']}, and here it is {meaning(name) or 'unknown'}; the same "
                "numbers mean something else: fit the model again"
            )
        arrays = {
            array: _array(path, members, f"arrays/{name}/{array}.npy")
            for array in ("default", "topics", "items", *(f"shared/{shared}" for shared in one["shared"]))
        }
        scorers[name] = Parameters(
            arrays["default"],
            KeyedRows([(tenant, topic) for tenant, topic in one["topics"]], arrays["topics"]),
            KeyedRows([(tenant, item) for tenant, item in one["items"]], arrays["items"]),
            {shared: arrays[f"shared/{shared}"] for shared in one["shared"]},
        )
    return model, scorers


def _members(path: Path) -> Mapping[str, bytes]:
    try:
        with zipfile.ZipFile(path) as file:
            members = {name: file.read(name) for name in file.namelist()}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise BadInput(f"{path}: no whole model file ({error}); copy it again, or fit the model again") from None
    if HASHES not in members or MODEL not in members:
        raise BadInput(f"{path}: a ZIP file without {MODEL} and {HASHES}; expected a file that model.save wrote")
    hashes = _json(path, members[HASHES])
    for name in sorted({*hashes, *members} - {HASHES}):
        if name not in members or hashes.get(name) != hashlib.sha256(members[name]).hexdigest():
            raise BadInput(f"{path}: {name} is not what was saved; the file was changed or damaged: copy it again")
    return members


def _json(path: Path, data: bytes) -> Any:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise BadInput(f"{path}: holds JSON that cannot be read ({error}); copy it again") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path}: holds a {type(found).__name__} where a JSON object was expected; copy it again")
    return found


def _array(path: Path, members: Mapping[str, bytes], name: str) -> npt.NDArray[Any]:
    if name not in members:
        raise BadInput(f"{path}: {name} is missing; copy the file again")
    try:
        found: npt.NDArray[Any] = np.load(io.BytesIO(members[name]), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadInput(f"{path}: {name} cannot be read ({error}); copy the file again") from None
    return found


def _bytes_of(array: npt.NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(array), allow_pickle=False)
    return out.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise BadInput(f"a setting or measure is {value!r}; expected numbers, texts and mappings of them")
