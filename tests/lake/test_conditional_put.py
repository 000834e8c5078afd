"""An object store that would lose commits is refused before anything of ours is written to it."""

from __future__ import annotations

import pytest

from lake.forgetful_s3 import HONOURS, IGNORES, LOOKS_FIRST, REFUSES, serving
from mastery.lake import Lake, conditional_put
from mastery.lake.object_store import Unreachable, options_of, plain, unreachable
from mastery.tables import TOPICS
from services import KEYS, free_port


def options(url: str) -> dict[str, str]:
    return KEYS | {"AWS_ENDPOINT_URL": url}


def test_a_server_of_whose_writers_one_wins_is_written_to_and_what_was_tried_is_removed():
    with serving(HONOURS) as server:
        lake = Lake.open("s3://bucket/lake", buckets=2, storage_options=options(server.url))
        assert lake.buckets == 2
        assert [key for key in server.objects if conditional_put.FOLDER in key and not key.endswith("/")] == []
        assert any(key.startswith("lake/events/_delta_log/") for key in server.objects)
        tried = [key for key in server.puts if conditional_put.FOLDER in key and key.endswith(".json")]
        assert len(tried) == 2 * conditional_put.RACES


@pytest.mark.parametrize(
    ("manner", "found"),
    [
        (IGNORES, r"let [2-8] of 8 writers"),
        (LOOKS_FIRST, r"let [2-8] of 8 writers"),
        (REFUSES, "does not put an object only"),
    ],
)
def test_a_server_that_would_lose_commits_is_refused_and_nothing_of_ours_is_written(manner, found):
    with serving(manner) as server:
        with pytest.raises(conditional_put.NoConditionalPut, match=found) as refused:
            Lake.open("s3://bucket/lake", storage_options=options(server.url))
        said = str(refused.value)
        assert server.url in said and "bucket" in said and "use a server that honours it" in said
        assert not any(secret in said for name, secret in KEYS.items() if name != "AWS_REGION")
        assert not [key for key in server.puts if key.startswith("lake/events")]


def test_it_is_tried_once_in_a_process_for_a_bucket_and_not_by_readers():
    with serving(HONOURS) as server:
        Lake.open("s3://bucket/lake", storage_options=options(server.url))
        before = len(server.puts)
        Lake.open("s3://bucket/other", storage_options=options(server.url))
        assert not [key for key in server.puts[before:] if conditional_put.FOLDER in key and key.endswith(".json")]
    with serving(IGNORES) as server:  # as if another process, or a careless one, had made a lake there
        server.manner = HONOURS
        Lake.open("s3://bucket/lake", storage_options=options(server.url))
        server.manner, before = IGNORES, len(server.puts)
        Lake.open("s3://bucket/lake", storage_options=options(server.url), create=False).scan(TOPICS)
        assert len(server.puts) == before


def test_a_server_that_does_not_answer_is_named_with_what_to_look_at():
    nobody = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match="AWS_ENDPOINT_URL") as refused:
        Lake.open("s3://bucket/lake", storage_options=options(nobody))
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)


def test_the_environment_names_the_server_for_both_clients_and_what_is_given_wins(monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert "AWS_ENDPOINT_URL" not in options_of(None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://here:1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    found = options_of({})
    assert (found["AWS_ENDPOINT_URL"], found["AWS_REGION"], found["AWS_ALLOW_HTTP"]) == (
        "http://here:1",
        "eu-west-1",
        "true",
    )
    given = options_of({"aws_endpoint": "https://there", "timeout": "5s"})
    assert "AWS_ENDPOINT_URL" not in given and "AWS_ALLOW_HTTP" not in given and given["timeout"] == "5s"


def test_what_a_server_quotes_of_a_request_is_not_repeated():
    said = (
        "Generic S3 error ↳ <Error><Code>SignatureDoesNotMatch</Code><Message>it does not match</Message>"
        "<AWSAccessKeyId>tester</AWSAccessKeyId></Error>"
    )
    assert plain(said) == "SignatureDoesNotMatch: it does not match"
    found = unreachable(OSError(said), "s3://bucket/lake")
    assert found is not None and "tester" not in str(found)


def test_the_region_that_a_server_expects_is_not_cut_off():
    said = (
        "When reading information for key 'lake/events/_delta_log/_last_checkpoint' in bucket 'school-of-the-north': "
        "AWS Error UNKNOWN (HTTP status 400) during HeadObject operation: AuthorizationHeaderMalformed: "
        "The authorization header that you provided is malformed; the region 'eu-central-1' is wrong; "
        "expecting 'us-east-1'"
    )
    found = unreachable(OSError(said), "s3://bucket/lake")
    assert found is not None and "expecting 'us-east-1'" in str(found)
