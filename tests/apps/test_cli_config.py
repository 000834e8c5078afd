"""`mastery config`, the global options, and what an error looks like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mastery.apps.cli.config import reference_table

ROOT = Path(__file__).parents[2]
MAIN = "from mastery.apps.cli import main; main()"


@pytest.fixture
def mastery(tmp_path):
    """The command line as people start it: a process of its own, in an empty folder."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("MASTERY_")}
        environment = ours | variables | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-c", MAIN, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


def test_config_masks_the_password_of_a_state_store(mastery):
    done = mastery("config", "--json", MASTERY_STATE="postgresql://me:secret@db:5432/school")
    rows = {row["setting"]: row["value"] for row in json.loads(done.stdout)}
    assert rows["state"] == "postgresql://me:***@db:5432/school"


def test_config_says_where_each_value_came_from(mastery, tmp_path):
    (tmp_path / ".env").write_text("MASTERY_SCORER=elo\n")
    (tmp_path / "mastery.yaml").write_text("api:\n  port: 9000\n")
    done = mastery("--home", "school", "config", "--json", MASTERY_TENANT="hill")
    rows = {row["setting"]: row for row in json.loads(done.stdout)}
    assert {name: (rows[name]["value"], rows[name]["from"]) for name in ("home", "tenant", "scorer", "api.port")} == {
        "home": ("school", "command line"),
        "tenant": ("hill", "environment MASTERY_TENANT"),
        "scorer": ("elo", ".env MASTERY_SCORER"),
        "api.port": (9000, "mastery.yaml: mastery.yaml"),
    }
    assert rows["buckets"]["from"] == "default"


def test_config_shows_no_secret(mastery):
    secrets = {"MASTERY_PSEUDONYM_KEY": "hunter2", "MASTERY_LAKE_OPTIONS__AWS_SECRET": "hunter2"}
    for arguments in [("config",), ("config", "--json")]:
        done = mastery(*arguments, **secrets)
        assert done.returncode == 0
        assert "hunter2" not in done.stdout + done.stderr
        assert "********" in done.stdout
        assert "aws_secret" in done.stdout


def test_config_prints_a_line_for_each_setting(mastery):
    done = mastery("config")
    assert "api.port" in done.stdout
    assert "sqlite:.mastery/state" in done.stdout


def test_a_wrong_setting_ends_with_2_and_one_clear_line(mastery):
    done = mastery("config", MASTERY_SCORER="btk")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: environment MASTERY_SCORER: scorer: 'btk' is not a scorer "
        "(known: rule_based, bkt, elo, irt, linear_rnn, ml, blend) (did you mean 'bkt'?)\n"
    )


def test_an_unknown_command_suggests_the_right_one(mastery):
    done = mastery("confg")
    assert done.returncode == 2
    assert "Did you mean 'config'?" in done.stderr


def test_a_reader_that_goes_away_is_no_traceback(mastery, tmp_path):
    command = f"{sys.executable} -c '{MAIN}' config --reference | true"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr == ""


def test_version_names_what_the_scores_were_computed_with(mastery):
    assert set(json.loads(mastery("version", "--json").stdout)) >= {"mastery", "python", "numpy", "numba", "pyarrow"}
    assert mastery("--version").stdout.startswith("mastery ")


def test_the_command_line_starts_without_what_only_some_commands_need():
    heavy = "{'numpy', 'numba', 'pyarrow', 'duckdb', 'deltalake', 'pydantic', 'fastapi', 'streamlit'}"
    program = f"import sys, mastery.apps.cli as cli; cli.build(); print(sorted({heavy} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_about_settings_lists_the_settings_as_they_are():
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    table = page.split("<!-- mastery config --reference -->\n")[1].split("\n<!-- end -->")[0]
    assert table == reference_table(), "paste what `mastery config --reference` prints into docs/settings.md"


def test_a_setting_that_is_left_out_shows_the_word_for_its_default(mastery):
    shown = [line.split()[:2] for line in mastery("config").stdout.splitlines()]
    assert ["scorer", "auto"] in shown and ["pseudonym_key", "none"] in shown
    rows = {row["setting"]: row["value"] for row in json.loads(mastery("config", "--json").stdout)}
    assert (rows["scorer"], rows["pseudonym_key"]) == ("auto", None)


def test_an_empty_home_is_none_as_an_empty_variable_is(mastery, tmp_path):
    rows = {row["setting"]: row for row in json.loads(mastery("--home", "", "config", "--json").stdout)}
    assert (rows["home"]["value"], rows["home"]["from"]) == (".mastery", "default")
    done = mastery("--home", "", "config", "--json", MASTERY_HOME="school")
    assert {row["setting"]: row["value"] for row in json.loads(done.stdout)}["home"] == "school"


@pytest.mark.slow
@pytest.mark.parametrize("home", ["file", "file/deeper", "a" * 300], ids=["file", "below a file", "long"])
def test_a_home_that_cannot_be_is_told_in_one_sentence(mastery, tmp_path, home):
    (tmp_path / "file").touch()
    done = mastery("--home", home, "ingest", str(ROOT / "data" / "sample" / "topics.csv"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: command line: home: ")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("before", [(), ("show",), ("models",)], ids=" ".join)
def test_an_unknown_option_of_any_length_is_told_shortly(mastery, before):
    done = mastery(*before, "--" + "x" * 5_000)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("x") < 2_000
    assert "characters left out" in done.stderr.replace("│\n│", "")
