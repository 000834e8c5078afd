"""A model set as one file, of an estimator or a deployment: a ZIP of arrays and of JSON, so that nothing in it can run.

    model.json      format, what it is of, version of the model set; by scorer its keys and the names of its arrays
    arrays/*.npy    the numbers, read without pickle

Of an estimator it says class and settings too, of a deployment's set its card.

The comment at its end is the SHA-256 of all that comes before: members alone do not do, for a ZIP says most of what it
says of them twice and reads one of the two, so that one flipped bit in six was no error (and no harm either).

What is read is checked four times over: the file against its hash, the observation rules and the meaning of each
scorer's numbers against this version's, the numbers against what the scorer's code reads (`scorers/check.py`: the
hash may have been made to fit), and the version of the model set, a hash of all parameters, against what was read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.errors import BadInput, NotFound
from mastery.features.observations import OBSERVATION_VERSION
from mastery.scorers.check import check_parameters
from mastery.scorers.model_set import ModelSet, meaning, version_of
from mastery.scorers.parameters import KeyedRows, Parameters, Scoped

FORMAT = 2
"""Raised when the layout of the file changes."""

MODEL = "model.json"

WRITERS = "model.save, or 'mastery models export',"

HOLDS = {
    "estimator": "an estimator, not a model set of a deployment; mastery.load reads it in Python",
    "model_set": "a model set of a deployment, not an estimator; 'mastery models import' reads it",
}

HASHES = "sha256.json"
"""What the first format had in place of the hash at the end."""

SEAL_BYTES = len(b"sha256:") + 2 * hashlib.sha256().digest_size

MODEL_KINDS = {"observation_version": int, "model_version": str, "scorers": dict}
ESTIMATOR_KINDS = {
    "estimator": str,
    "settings": dict,
    "notes": list,
    "measures": dict,
    "frames": str,
    "durations_are_gaps": bool,
}
"""What a file of an estimator says besides."""
SET_KINDS = {"model_set": bool, "card": dict}
"""What a file of a deployment's set says besides; a set that was not fitted has an empty card."""
SCORER_KINDS = {"meaning": int, "topics": list, "items": list, "shared": list}

KINDS = {str: "a text", dict: "an object", list: "a list", bool: "true or false", int: "a whole number"}

AGAIN = "Copy the file again, or fit the model again"
SHOWN = 60


def model_path(path: object) -> Path:
    """Return the path of a model file.

    Raises:
        BadInput: It is none.
    """
    if not isinstance(path, str | os.PathLike) or not Path(path).name or "\0" in str(path):
        raise BadInput(f"{path!r} is not the path of a model file; give one such as 'bkt.mastery'")
    return Path(path)


def write(path: Path, about: Mapping[str, object], model_set: ModelSet) -> Path:
    """Write a model set and what is to be known of it, and return the path.

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
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(packed(members))
        unfinished.replace(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror}); give another path, or make room") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read(path: Path, kinds: Mapping[str, type]) -> tuple[Mapping[str, Any], Mapping[str, Parameters]]:
    """Return what `write` wrote: all of the model's JSON, and the parameters by scorer.

    Args:
        kinds: What is said besides: `ESTIMATOR_KINDS` or `SET_KINDS`.

    Raises:
        NotFound: There is no such file.
        BadInput: It is no model, is damaged or changed, or was written by a version that means something else.
    """
    if not path.exists():
        raise NotFound(f"{path}: no such file; give the path of a file that {WRITERS} wrote")
    members = _members(path)
    model = _json(path, members[MODEL])
    if model.get("format") != FORMAT:
        raise BadInput(_another_format(path, model.get("format")))
    for ours, other in ((ESTIMATOR_KINDS, SET_KINDS), (SET_KINDS, ESTIMATOR_KINDS)):
        if kinds is ours and next(iter(other)) in model:
            raise BadInput(f"{path}: holds {HOLDS[next(iter(other))]}")
    _check_kinds(path, model, {**kinds, **MODEL_KINDS})
    if model["observation_version"] != OBSERVATION_VERSION:
        raise BadInput(
            f"{path}: fitted under observation rules {model['observation_version']}, and this version has "
            f"{OBSERVATION_VERSION}, under which answers count otherwise; fit the model again"
        )
    scorers = {}
    for name, one in model["scorers"].items():
        if not isinstance(one, dict):
            raise BadInput(f"{path}: {MODEL}: scorers: {name} is {shown(one)}; expected an object. {AGAIN}")
        _check_kinds(path, one, SCORER_KINDS, f"scorers: {name}: ")
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
            KeyedRows(_keys(path, name, "topics", one["topics"]), arrays["topics"]),
            KeyedRows(_keys(path, name, "items", one["items"]), arrays["items"]),
            {shared: arrays[f"shared/{shared}"] for shared in one["shared"]},
        )
        try:
            check_parameters(name, scorers[name])
        except BadInput as error:
            raise BadInput(f"{path}: {error}. {AGAIN}") from None
    return model, scorers


def check_version(path: Path, word: str, said: str, scorers: Mapping[str, Parameters]) -> str:
    """Return the version of what was read, of which `word` is the beginning, and which must be the one that is said.

    Raises:
        BadInput: It is another one: numbers were changed, and the hash with them.
    """
    version = version_of(word, scorers)
    if version != said:
        raise BadInput(
            f"{path}: holds {version} and says {said}: it was changed; copy it again, or fit the model again"
        )
    return version


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return a file of these members. Equal members are equal bytes: the date in it is always the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        file.comment = bytes(SEAL_BYTES)  # its length is among what is hashed
    content = out.getvalue()[:-SEAL_BYTES]
    return content + _seal(content)


def shown(value: object) -> str:
    """Return a value of a file for a message: its first characters."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _check_kinds(path: Path, found: Mapping[str, Any], kinds: Mapping[str, type], where: str = "") -> None:
    for name, kind in kinds.items():
        value = found.get(name)
        if type(value) is not kind:
            raise BadInput(
                f"{path}: {MODEL}: {where}{name} is {shown(value) if name in found else 'missing'}; expected "
                f"{KINDS[kind]}. {AGAIN}"
            )
    for name in ("notes", "shared"):
        if name in kinds and not all(isinstance(one, str) for one in found[name]):
            raise BadInput(f"{path}: {MODEL}: {where}{name} is {shown(found[name])}; expected texts. {AGAIN}")


def _keys(path: Path, name: str, what: str, keys: list[Any]) -> list[Scoped]:
    found = []
    for key in keys:
        if not (isinstance(key, list) and len(key) == 2 and all(isinstance(part, str) for part in key)):
            raise BadInput(
                f"{path}: {MODEL}: scorers: {name}: {what} holds {shown(key)}; expected an institution and an id. "
                f"{AGAIN}"
            )
        found.append((key[0], key[1]))
    return found


def _members(path: Path) -> Mapping[str, bytes]:
    try:
        content = path.read_bytes()
        whole = content[-SEAL_BYTES:] == _seal(content[:-SEAL_BYTES])
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            names = file.namelist()
            members = {name: file.read(name) for name in names} if whole else {}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise BadInput(f"{path}: no whole model file ({error}); copy it again, or fit the model again") from None
    if HASHES in names and not whole:
        raise BadInput(_another_format(path, 1))
    if MODEL not in names:
        raise BadInput(f"{path}: a ZIP file without {MODEL}; expected a file that {WRITERS} wrote")
    if not whole:
        raise BadInput(
            f"{path}: no whole model file (it was changed, damaged or cut short); copy it again, or fit the model again"
        )
    return members


def _seal(content: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode()


def _another_format(path: Path, found: object) -> str:
    return (
        f"{path}: format {found!r} of a model file; this version reads {FORMAT}. Fit the model again, or use the "
        "version that wrote it"
    )


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
        found: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(members[name]), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:  # MemoryError: of a shape that nothing holds
        raise BadInput(f"{path}: {name} cannot be read ({error}); copy the file again") from None
    return np.ascontiguousarray(found) if found.ndim else found


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
