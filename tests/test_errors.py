"""The errors that everybody raises: what led to one is found, whatever shape its chain has."""

from __future__ import annotations

import errno

import pytest

from mastery.errors import Unwritable, chain, unwritable, writing


def test_the_chain_of_an_error_raised_from_itself_ends() -> None:
    error = OSError("odd")
    error.__cause__ = error
    assert list(chain(error)) == [error]
    assert unwritable(error, "table 'events'", "lake") is None


def test_the_chain_of_errors_that_led_to_each_other_ends() -> None:
    first, second = OSError("odd"), OSError(errno.ENOSPC, "no space left on device")
    first.__cause__, second.__cause__ = second, first
    assert list(chain(first)) == [first, second]
    assert "no space left" in str(unwritable(first, "table 'events'", "lake"))


@pytest.mark.parametrize("number", [errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP])
def test_a_place_that_cannot_be_is_told_in_one_sentence(number: int) -> None:
    with pytest.raises(Unwritable, match=r"table 'events' cannot be in lake: .*; give another path"), \
            writing("table 'events'", "lake"):  # fmt: skip
        raise OSError(number, "odd")
