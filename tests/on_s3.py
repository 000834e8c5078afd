"""A deployment whose lake lies on an S3 server of the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pyarrow.fs as pafs

from mastery.lake import Lake
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.queries.reader import Reader
from mastery.state import connect
from school import Deployment
from services import KEYS

BUCKETS = 4


@dataclass(frozen=True)
class Home:
    """A lake of its own on a server, and a folder for the states.

    Attributes:
        url: Of the server.
        bucket: Made here, and no other test's.
    """

    url: str
    bucket: str
    folder: Path

    @property
    def lake(self) -> str:
        return f"s3://{self.bucket}/lake"

    @property
    def options(self) -> dict[str, str]:
        return KEYS | {"AWS_ENDPOINT_URL": self.url}

    @property
    def files(self) -> pafs.S3FileSystem:
        return _files(self.url)

    def deployment(self) -> Deployment:
        """Connect to it, as the command line would, for the tenant `default`."""
        lake = Lake.open(f"{self.lake}/tenants/default", buckets=BUCKETS, storage_options=self.options)
        state = connect(f"sqlite:{self.folder / 'state' / 'default.db'}")
        rules = load_rules("classic").params
        return Deployment(lake, state, Reader(lake, state, rules, min_evidence=3, default_scorer="rule_based"))


def home_on(url: str, folder: Path) -> Home:
    """Make a bucket on a server, and return a home in it."""
    bucket = f"b-{uuid4().hex}"
    _files(url).create_dir(bucket)
    return Home(url, bucket, folder)


def _files(url: str) -> pafs.S3FileSystem:
    return pafs.S3FileSystem(
        access_key=KEYS["AWS_ACCESS_KEY_ID"],
        secret_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        region=KEYS["AWS_REGION"],
        endpoint_override=url.removeprefix("http://"),
        scheme="http",
        allow_bucket_creation=True,
    )
