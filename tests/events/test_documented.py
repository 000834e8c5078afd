from __future__ import annotations

import re
from pathlib import Path

from mastery.events import ids
from mastery.events.registry import SOURCES

ROOT = Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")


def test_every_table_column_and_unit_is_documented():
    for source in SOURCES.values():
        section = DOCS.split(f"### `{source.name}`\n")[1].split("\n### ")[0] + DOCS.split("## Tables and columns")[0]
        for column in source.columns:
            assert f"`{column.name}`" in section, f"{source.name}.{column.name}"
            for unit in column.units:
                assert f"`{unit}`" in section


def test_every_code_of_a_refusal_is_documented():
    found = set()
    for path in (ROOT / "src" / "mastery").rglob("*.py"):
        if not {"events", "pipelines"} & set(path.parts):
            continue
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r'"(\w+)",\s+f?"(?:is|holds) ', text))
        found |= set(re.findall(r'"(?:is|has) [^"]*", "(\w+)"', text))
    assert {"bad_id", "future", "impossible", "not_finite", "no_outcome", "fields", "json"} <= found
    assert not [code for code in found if f"`{code}`" not in DOCS]


def test_the_longest_id_is_documented():
    assert f"{ids.ID_LETTERS:,} characters" in DOCS
