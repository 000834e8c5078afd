"""The settings: which source wins, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.errors import BadInput
from mastery.settings import Settings, fields, load_settings, variable

NO_ENVIRONMENT: dict[str, str] = {}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(environ=NO_ENVIRONMENT, home=None) -> str:
    with pytest.raises(BadInput) as caught:
        load_settings(home, environ)
    assert caught.value.exit_code == 2
    assert "pydantic" not in str(caught.value)
    return str(caught.value)


def test_everything_has_a_default():
    loaded = load_settings(None, NO_ENVIRONMENT)
    assert set(loaded.origin.values()) == {"default"}
    assert loaded.settings.home == Path(".mastery")
    assert loaded.settings.lake == ".mastery/lake"
    assert loaded.settings.state == "sqlite:.mastery/state"
    assert loaded.settings.pseudonym_key_file == Path(".mastery/keys/pseudonym.key")
    assert loaded.settings.api_url == "http://127.0.0.1:8321"
    assert loaded.settings.workers >= 1


def test_the_higher_source_wins(folder):
    Path("mastery.yaml").write_text("tenant: yaml\nscorer: elo\nbuckets: 7\nhome: from-yaml\nmin_evidence: 5\n")
    Path(".env").write_text("MASTERY_TENANT=dotenv\nMASTERY_SCORER=bkt\nMASTERY_BUCKETS=8\nOTHER=1\n")
    environ = {"MASTERY_TENANT": "environment", "MASTERY_SCORER": "rule_based", "PATH": "/bin"}
    loaded = load_settings(Path("line"), environ)
    got = {name: (getattr(loaded.settings, name), loaded.origin[name]) for name in ("tenant", "scorer", "buckets")}
    assert got == {
        "tenant": ("environment", "environment MASTERY_TENANT"),
        "scorer": ("rule_based", "environment MASTERY_SCORER"),
        "buckets": (8, ".env MASTERY_BUCKETS"),
    }
    assert (loaded.settings.home, loaded.origin["home"]) == (Path("line"), "command line")
    assert (loaded.settings.min_evidence, loaded.origin["min_evidence"]) == (5, "mastery.yaml: mastery.yaml")


def test_the_file_in_home_comes_before_the_one_in_the_working_directory(folder):
    Path("mastery.yaml").write_text("tenant: here\n")
    Path("school").mkdir()
    Path("school/mastery.yaml").write_text("tenant: at home\napi:\n  port: 9000\n")
    loaded = load_settings(Path("school"), NO_ENVIRONMENT)
    assert loaded.settings.tenant == "at home"
    assert loaded.origin["api.port"] == "mastery.yaml: school/mastery.yaml"
    assert load_settings(Path("elsewhere"), NO_ENVIRONMENT).settings.tenant == "here"


def test_the_named_file_comes_before_all_others(folder):
    Path("mastery.yaml").write_text("tenant: here\n")
    Path("other.yaml").write_text("tenant: named\n")
    assert load_settings(None, {"MASTERY_CONFIG": "other.yaml"}).settings.tenant == "named"
    Path(".env").write_text("MASTERY_CONFIG=other.yaml\n")
    assert load_settings(None, NO_ENVIRONMENT).settings.tenant == "named"


def test_a_named_file_that_is_not_there_is_refused():
    assert "environment MASTERY_CONFIG: there is no file nowhere.yaml" in refusal({"MASTERY_CONFIG": "nowhere.yaml"})


def test_home_moves_all_that_is_in_it():
    settings = load_settings(None, {"MASTERY_HOME": "/srv/school"}).settings
    assert settings.lake == "/srv/school/lake"
    assert settings.state == "sqlite:/srv/school/state"
    assert settings.pseudonym_key_file == Path("/srv/school/keys/pseudonym.key")


def test_an_empty_variable_counts_as_not_set():
    assert load_settings(None, {"MASTERY_PSEUDONYM_KEY": "", "MASTERY_TENANT": ""}).settings == Settings()


def test_nested_settings_have_two_underscores():
    loaded = load_settings(None, {"MASTERY_API__PORT": "9001"})
    assert (loaded.settings.api.port, loaded.settings.api.host) == (9001, "127.0.0.1")
    assert loaded.origin["api.port"] == "environment MASTERY_API__PORT"
    assert loaded.origin["api.host"] == "default"


@pytest.mark.parametrize(
    "environ",
    [
        {"MASTERY_LAKE_OPTIONS": '{"aws_region": "eu"}'},
        {"MASTERY_LAKE_OPTIONS__AWS_REGION": "eu"},
    ],
)
def test_options_of_the_object_store_come_as_json_or_one_by_one(environ):
    assert load_settings(None, environ).settings.storage_options == {"aws_region": "eu"}


def test_options_of_the_object_store_come_from_yaml_with_their_own_names(folder):
    Path("mastery.yaml").write_text("lake_options:\n  fs.s3a.key: abc\n")
    assert load_settings(None, NO_ENVIRONMENT).settings.storage_options == {"fs.s3a.key": "abc"}


def test_a_misspelt_variable_is_refused_with_the_right_one():
    message = refusal({"MASTERY_TENNANT": "x", "MASTERY_API__PRT": "1"})
    assert "environment MASTERY_TENNANT: no setting reads this variable (did you mean 'MASTERY_TENANT'?)" in message
    assert "environment MASTERY_API__PRT: no setting reads this variable (did you mean 'MASTERY_API__PORT'?)" in message


def test_a_misspelt_line_of_dotenv_is_refused(folder):
    Path(".env").write_text("MASTERY_SCORRER=bkt\n")
    assert ".env MASTERY_SCORRER: no setting reads this variable (did you mean 'MASTERY_SCORER'?)" in refusal()


def test_a_misspelt_key_of_yaml_is_refused(folder):
    Path("mastery.yaml").write_text("api:\n  prt: 80\nscoorer: bkt\n")
    message = refusal()
    assert "mastery.yaml: unknown setting 'api.prt' (did you mean 'api.port'?)" in message
    assert "mastery.yaml: unknown setting 'scoorer' (did you mean 'scorer'?)" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("tenant: [", "cannot be read as YAML"),
        ("- tenant", "expected `setting: value` lines, found a list"),
        ("api: 80", "'api' is a section; write its settings under it"),
        ("tenant: [a]", "mastery.yaml: mastery.yaml: tenant: ['a'] cannot be used: input should be a valid string"),
    ],
)
def test_a_yaml_file_of_another_shape_is_refused(folder, content, expected):
    Path("mastery.yaml").write_text(content)
    assert expected in refusal()


def test_an_empty_yaml_file_changes_nothing(folder):
    Path("mastery.yaml").write_text("# nothing yet\napi:\ntenant:\n")
    assert load_settings(None, NO_ENVIRONMENT).settings == Settings()


def test_a_file_in_home_cannot_move_home(folder):
    Path(".mastery").mkdir()
    Path(".mastery/mastery.yaml").write_text("home: elsewhere\n")
    assert "a file in the home folder cannot say where home is" in refusal()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MASTERY_BUCKETS": "0"}, "buckets: '0' cannot be used: input should be greater than or equal to 1"),
        ({"MASTERY_WORKERS": "two"}, "workers: 'two' cannot be used: input should be a valid integer"),
        ({"MASTERY_API__HOST": "0.0.0.0"}, "api.host: '0.0.0.0' is not an address of this machine alone"),
        ({"MASTERY_API__HOST": "school.example"}, "is not an address of this machine alone"),
        ({"MASTERY_TIMEZONE": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not a time zone of this machine"),
        ({"MASTERY_TIMEZONE": "localtime"}, "timezone: 'localtime' is not the same zone on every machine"),
        ({"MASTERY_SCHOOL_TIMEZONES": '{"": "UTC"}'}, "school_timezones: '' must be a name of printable characters"),
        ({"MASTERY_STATE": "mysql:x"}, "state: 'mysql:x' must read backend:location"),
        ({"MASTERY_STATE": "redis:x"}, "state: 'redis:x' must be the URL of a server, like redis://"),
        ({"MASTERY_STATE": "postgres://me:secret@db/x"}, "state: 'postgres://me:***@db/x' must read backend:location"),
        ({"MASTERY_TENANT": " x"}, "tenant: ' x' must be a name of printable characters"),
        ({"MASTERY_LOG_LEVEL": "loud"}, "input should be 'debug', 'info', 'warning' or 'error'"),
        ({"MASTERY_API__PORT": "8322"}, "api.port and dashboard.port are both 8322"),
        ({"MASTERY_LAKE_OPTIONS": "key=secret"}, "expected a JSON object of names and values"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable_and_what_was_expected(variables, expected):
    message = refusal(variables)
    assert expected in message
    if "both" not in expected:
        assert message.startswith(f"environment {next(iter(variables))}: ")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.9", "::1"])
def test_loopback_hosts_are_taken(host):
    assert load_settings(None, {"MASTERY_API__HOST": host}).settings.api.host == host


def test_an_address_with_colons_stands_in_brackets():
    assert load_settings(None, {"MASTERY_API__HOST": "::1"}).settings.api.url == "http://[::1]:8321"


@pytest.mark.parametrize(
    "environ",
    [
        {"MASTERY_PSEUDONYM_KEY": "hunter2", "MASTERY_BUCKETS": "x"},
        {"MASTERY_LAKE_OPTIONS": "hunter2"},
        {"MASTERY_LAKE_OPTIONS": '{"key": ["hunter2"]}'},
    ],
)
def test_a_secret_stands_in_no_error(environ):
    assert "hunter2" not in refusal(environ)


def test_a_secret_stands_in_no_representation():
    loaded = load_settings(None, {"MASTERY_PSEUDONYM_KEY": "hunter2", "MASTERY_LAKE_OPTIONS__KEY": "hunter2"})
    assert "hunter2" not in repr(loaded)


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        Settings().tenant = "x"  # type: ignore[misc]


def test_every_setting_is_described_and_ends_in_a_full_stop():
    for name, field in fields():
        assert field.description, name
        assert field.description.endswith("."), name


def test_bounds_are_taken_as_they_are_from_yaml_and_from_the_environment():
    said = {"guess": [0.05, 0.3], "slip": 0.1, "topics": {"a.b": {"guess": 0.2}}}
    Path("mastery.yaml").write_text("bounds:\n  guess: [0.05, 0.3]\n  slip: 0.1\n  topics:\n    a.b: {guess: 0.2}\n")
    loaded = load_settings(None, NO_ENVIRONMENT)
    assert (loaded.settings.bounds, loaded.origin["bounds"]) == (said, "mastery.yaml: mastery.yaml")
    loaded = load_settings(None, {"MASTERY_BOUNDS": '{"slip": 0.2}'})
    assert loaded.settings.bounds == {"slip": 0.2}
    assert "MASTERY_BOUNDS: expected a JSON object" in refusal({"MASTERY_BOUNDS": "slip=0.2"})


@given(
    st.sampled_from(
        [name for name, _ in fields() if name not in ("lake_options", "kafka_options", "bounds", "school_timezones")]
    )
)
def test_every_setting_is_read_from_the_variable_of_its_name(name):
    value = {
        "scorer": "elo",
        "timezone": "UTC",
        "school_timezone": "UTC",
        "state": "sqlite:x",
        "log_level": "error",
        "target": "0.77",
        "work.publish_share": "0.77",
    }
    value = value.get(name, "False" if name == "derived_history" else None)
    if name in ("gate.auc", "gate.ece", "gate.pooled", "gate.degenerate", "gate.unknown", "gate.drift"):
        value = "0.77"
    if value is None:
        value = "127.0.0.2" if name.endswith("host") else "77"
    loaded = load_settings(None, {variable(name): value})
    found = loaded.settings
    for part in name.split("."):
        found = getattr(found, part)
    shown = found.get_secret_value() if name == "pseudonym_key" else str(found)
    assert (shown, loaded.origin[name]) == (value, f"environment {variable(name)}")


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_home_in_whose_place_a_file_stands_is_refused(folder, below):
    (folder / "README.md").write_text("no folder")
    home = folder / "README.md" / below
    assert refusal(home=home) == (
        f"command line: home: '{home}' cannot be used: {folder / 'README.md'} is a file, not a folder; "
        "give a folder, or a path where one can be made"
    )


def test_a_home_with_too_long_a_name_is_refused(folder):
    assert "file name too long; give a folder" in refusal({"MASTERY_HOME": "a" * 300})
    assert "file name too long; give a folder" in refusal(home=folder / ("a" * 300) / "deeper")


def test_options_of_kafka_are_read_by_their_names_and_never_shown():
    given = {"MASTERY_KAFKA_OPTIONS": '{"sasl.password": "hush", "security.protocol": "sasl_ssl"}'}
    loaded = load_settings(None, given)
    assert loaded.settings.stream_options == {"sasl.password": "hush", "security.protocol": "sasl_ssl"}
    assert "hush" not in repr(loaded)
    assert "hush" not in refusal({"MASTERY_KAFKA_OPTIONS": '{"sasl.password": ["hush"]}'})
