"""Where a machine lacks a server, tests of it are skipped with what to install, and fail where servers are required."""

import pytest

import services


def lacking() -> str:
    raise services.Missing("Redis is not installed: apt-get install redis-server")


@pytest.mark.parametrize(
    ("required", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception), (None, pytest.skip.Exception)]
)
def test_a_server_that_is_missing_skips_or_fails(
    monkeypatch: pytest.MonkeyPatch, required: str | None, outcome: type[BaseException]
) -> None:
    if required is None:
        monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    else:
        monkeypatch.setenv("REQUIRE_SERVICES", required)
    with pytest.raises(outcome, match="apt-get install redis-server"):
        services.found_or_skipped(lacking)
