"""An object store, for pyarrow and for delta-rs: the same address and keys for both, and what they say of trouble."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import pyarrow.fs as pafs

from mastery.errors import Conflict, chain
from mastery.settings.addresses import shown

S3 = "s3://"

CONNECT_S, SILENT_S, ATTEMPTS = 5, 30, 4
"""How long a connection may take, and silence on one; how often a request is made in all."""

PATIENCE = {"connect_timeout": f"{CONNECT_S}s", "timeout": f"{SILENT_S}s", "max_retries": str(ATTEMPTS - 1)}
"""The same as delta-rs takes it, which by itself waits for three minutes."""

FROM_ENVIRONMENT = {
    "endpoint_url": ("AWS_ENDPOINT_URL", ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")),
    "region": ("AWS_REGION", ("AWS_REGION", "AWS_DEFAULT_REGION")),
}
"""Option, its name for delta-rs, and variables that one of the two does not read by itself; keys and tokens both do."""

TROUBLE = ("AWS Error", "Generic S3 error", "Object at location", "error sending request")

COLOURS = re.compile(r"\x1b\[[0-9;]*m|[↳\s]+")


class Unreachable(Conflict):
    """An object store that does not answer, or refuses."""

    title = "The object store cannot be used"


def is_s3(root: str) -> bool:
    """Tell whether a root is the URL of a store with the API of S3."""
    return root.startswith((S3, "s3a://"))


def options_of(given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the options of an S3 store as delta-rs takes them: what was given, what the environment says, patience."""
    options = {**PATIENCE, **(given or {})}
    named = _named(options)
    for option, (name, variables) in FROM_ENVIRONMENT.items():
        found = next((os.environ[one] for one in variables if os.environ.get(one)), None)
        if option not in named and found is not None:
            options[name] = named[option] = found
    if named.get("endpoint_url", "").startswith("http://") and "allow_http" not in named:
        options["AWS_ALLOW_HTTP"] = "true"
    return options


def _named(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options by one name each, whichever of theirs they were given under."""
    named = {name.lower().removeprefix("aws_"): value for name, value in options.items()}
    if "endpoint" in named:
        named.setdefault("endpoint_url", named["endpoint"])
    return named


def file_system(options: Mapping[str, str]) -> pafs.S3FileSystem:
    """Return pyarrow's file system for the options that delta-rs is given; see `options_of`."""
    named = _named(options)
    endpoint = named.get("endpoint_url")
    chosen = {
        "access_key": named.get("access_key_id"),
        "secret_key": named.get("secret_access_key"),
        "session_token": named.get("session_token"),
        "region": named.get("region"),
        "endpoint_override": None if endpoint is None else endpoint.split("://", 1)[-1].rstrip("/"),
        "scheme": "http" if endpoint is not None and endpoint.startswith("http://") else "https",
    }
    return pafs.S3FileSystem(
        connect_timeout=CONNECT_S,
        request_timeout=SILENT_S,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **{name: value for name, value in chosen.items() if value is not None},
    )


def endpoint_of(options: Mapping[str, str]) -> str:
    """Return the server's address as people may read it."""
    endpoint = _named(options).get("endpoint_url")
    return "AWS" if endpoint is None else shown(endpoint)


def unreachable(error: BaseException, where: str) -> Unreachable | None:
    """Return in one sentence what the client of an object store says; None for an error of another kind."""
    said = next((text for one in chain(error) if any(word in (text := str(one)) for word in TROUBLE)), None)
    if said is None:
        return None
    return Unreachable(
        f"{where}: the object store refuses, or does not answer ({plain(said)}); see whether it can be reached "
        "(AWS_ENDPOINT_URL, AWS_REGION), the bucket is there, and the keys may read and write there "
        "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
    )


def plain(said: str, most: int = 400) -> str:
    """Return what a client says as one line, without colours and without the request that a server quotes."""
    found = re.search(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", said, re.DOTALL)
    text = ": ".join(part for part in found.groups() if part) if found else said
    line = COLOURS.sub(" ", text).strip()
    return line if len(line) <= most else f"{line[:most]}…"
