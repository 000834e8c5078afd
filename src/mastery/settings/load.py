"""Read the settings from where people put them, and remember where each came from.

Read here rather than by pydantic-settings: that package does not say where a value came from, passes
over a misspelt variable, and takes 0.15 s to import, a tenth of what `mastery show` may take.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mastery.disk import obstacle
from mastery.errors import BadInput, did_you_mean
from mastery.settings.addresses import shown
from mastery.settings.model import Settings

PREFIX = "MASTERY_"
CONFIG = "MASTERY_CONFIG"
"""The one variable that is no setting: it names the YAML file."""
FILE_NAME = "mastery.yaml"
LISTED = "`mastery config --reference` lists all settings"
SECRET = frozenset({"pseudonym_key", "lake_options", "kafka_options"})
"""Settings whose value is never shown, in a table or in an error."""
OPEN = frozenset({"lake_options", "kafka_options"})
"""Settings that hold names of somebody else's choosing."""
WHOLE = frozenset({"bounds", "school_timezones"})
"""Settings that hold mappings within mappings, and are taken as they are."""


@dataclass(frozen=True)
class Given:
    """One value as somebody wrote it, and where."""

    value: Any
    origin: str


@dataclass(frozen=True)
class Loaded:
    """The active settings.

    Attributes:
        settings: All values, valid.
        origin: Where each dotted name (``api.port``) came from: ``default``, ``command line``,
            ``environment MASTERY_X``, ``.env MASTERY_X`` or ``mastery.yaml: PATH``.
    """

    settings: Settings
    origin: dict[str, str]


def fields(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield dotted name and field of every setting, in the order of the model."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def variable(name: str) -> str:
    """Return the environment variable of a dotted setting name."""
    return PREFIX + name.replace(".", "__").upper()


def load_settings(home: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Return the active settings: command line over environment over .env over YAML file over defaults.

    ``home`` is what the command line says; ``environ`` stands in for the process's own environment.
    ``.env`` is looked for in the working directory; the YAML file is what MASTERY_CONFIG names, else
    ``<home>/mastery.yaml``, else ``mastery.yaml`` in the working directory. An empty variable counts
    as not set. Raises BadInput, which names the variable or file, for all that is wrong at once.
    """
    environment = os.environ if environ is None else environ
    above = _from_dotenv(Path(".env"))
    config = above.pop(CONFIG, None)
    above |= _from_variables(environment, "environment")
    config = above.pop(CONFIG, config)
    if home is not None:
        above["home"] = Given(str(home), "command line")
    given = _from_yaml(config, above) | above
    return Loaded(_validated(given), {name: _origin(name, given) for name, _ in fields()})


def _from_variables(variables: Mapping[str, str | None], source: str) -> dict[str, Given]:
    """Return dotted name -> value of all variables that begin with our prefix."""
    names = {variable(name): name for name, _ in fields()} | {CONFIG: CONFIG}
    given: dict[str, Given] = {}
    wrong: list[str] = []
    for key in sorted(variables):
        text = variables[key]
        if not key.upper().startswith(PREFIX) or not text:
            continue
        known, origin = names.get(key.upper()), f"{source} {key}"
        head, _, rest = key.upper().removeprefix(PREFIX).partition("__")
        if known in OPEN:
            given |= {f"{known}.{option}": Given(value, origin) for option, value in _options(text, origin).items()}
        elif known in WHOLE:
            given[known] = Given(_options(text, origin), origin)
        elif known is not None:
            given[known] = Given(text, origin)
        elif head.lower() in OPEN and rest:
            given[f"{head.lower()}.{rest.lower()}"] = Given(text, origin)
        else:
            wrong.append(f"{origin}: no setting reads this variable{did_you_mean(key.upper(), list(names))}")
    if wrong:
        raise BadInput("\n".join(wrong) + f"\n{LISTED}")
    return given


def _options(text: str, origin: str) -> dict[str, Any]:
    try:
        options = json.loads(text)
    except json.JSONDecodeError:
        options = None
    if not isinstance(options, dict):
        raise BadInput(f"{origin}: expected a JSON object of names and values (its value is not shown)")
    return {str(name): value for name, value in options.items()}


def _from_dotenv(path: Path) -> dict[str, Given]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return _from_variables(dotenv_values(path), ".env")


def _from_yaml(config: Given | None, above: Mapping[str, Given]) -> dict[str, Given]:
    home = Path(above["home"].value if "home" in above else Settings.model_fields["home"].default).expanduser()
    if config is not None:
        path = Path(config.value).expanduser()
        if not path.is_file():
            raise BadInput(f"{config.origin}: there is no file {path}; give the path of a YAML file, or unset it")
        return _read_yaml(path)
    if obstacle(home) is None and (home / FILE_NAME).is_file():  # what is in the way is told with the other faults
        given = _read_yaml(home / FILE_NAME)
        if "home" in given:
            raise BadInput(f"{home / FILE_NAME}: a file in the home folder cannot say where home is; remove `home`")
        return given
    return _read_yaml(Path(FILE_NAME)) if Path(FILE_NAME).is_file() else {}


def _read_yaml(path: Path) -> dict[str, Given]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BadInput(f"{path}: expected `setting: value` lines, found a {type(content).__name__}")
    flat = dict(_flat(content))
    known = [name for name, _ in fields()]
    sections = {name.split(".")[0] for name in known if "." in name}
    wrong = []
    for name in flat:
        if name in sections:
            wrong.append(f"{path}: {name!r} is a section; write its settings under it, one a line")
        elif name not in known and name.split(".")[0] not in OPEN:
            wrong.append(f"{path}: unknown setting {name!r}{did_you_mean(name, known)}")
    if wrong:
        raise BadInput("\n".join(wrong) + f"\n{LISTED}")
    return {name: Given(value, f"{FILE_NAME}: {path}") for name, value in flat.items()}


def _flat(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and name not in WHOLE:
            yield from _flat(value, name + ".")
        elif value is not None and value != {}:  # `tenant:` with nothing after it is not set
            yield name, value


def _validated(given: Mapping[str, Given]) -> Settings:
    nested: dict[str, Any] = {}
    for name, one in given.items():
        *sections, last = name.split(".")
        into = nested
        if sections and sections[0] in OPEN:  # an option's own name may hold a dot
            sections, last = sections[:1], name.split(".", 1)[1]
        for section in sections:
            into = into.setdefault(section, {})
        into[last] = one.value
    try:
        return Settings.model_validate(nested)
    except ValidationError as errors:
        lines = [_line(error, given) for error in errors.errors() if error["type"] != "default_factory_not_called"]
    raise BadInput("\n".join(lines))


def _line(error: Any, given: Mapping[str, Given]) -> str:
    """Return one line: where, what, what was expected."""
    message = error["msg"].removeprefix("Value error, ")
    place = error["loc"]
    if place[-1:] == ("[key]",):  # of a name in a mapping: setting, the name, this
        place = place[:-2]
    name = ".".join(str(part) for part in place)
    if not name:
        return f"settings: {message}"
    value = shown(error["input"]) if name == "state" and isinstance(error["input"], str) else error["input"]
    told_value = "its value (not shown)" if name.split(".")[0] in SECRET else repr(value)
    told = f"{_origin(name, given)}: {name}: {told_value}"
    if error["type"] == "value_error":
        return f"{told} {message}"
    return f"{told} cannot be used: {message[:1].lower()}{message[1:]}"


def _origin(name: str, given: Mapping[str, Given]) -> str:
    if name in given:
        return given[name].origin
    whole = name.partition(".")[0]
    if whole in WHOLE and whole in given:
        return given[whole].origin
    inside = sorted({one.origin for other, one in given.items() if other.startswith(name + ".")})
    return ", ".join(inside) or "default"
