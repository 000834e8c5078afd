from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mastery.insight.bands import BANDS, band_codes, band_of


@pytest.mark.parametrize(
    ("score", "band"),
    [
        (0.0, "needs_help"),
        (0.2999, "needs_help"),
        (0.30, "developing"),
        (0.5999, "developing"),
        (0.60, "proficient"),
        (0.8499, "proficient"),
        (0.85, "mastered"),
        (1.0, "mastered"),
    ],
)
def test_a_band_starts_at_its_threshold(score, band):
    assert band_of(score, 3, 3) == band


@pytest.mark.parametrize(("score", "evidence"), [(1.0, 2), (0.0, 0), (math.nan, 100)])
def test_without_enough_evidence_there_is_no_other_band(score, evidence):
    assert band_of(score, evidence, 3) == "not_enough_evidence"


@given(
    hnp.arrays(np.float64, 20, elements=st.floats(0, 1) | st.just(math.nan) | st.sampled_from([0.3, 0.6, 0.85])),
    hnp.arrays(np.int64, 20, elements=st.integers(0, 6)),
    st.integers(1, 5),
)
def test_many_at_once_get_the_same_bands_as_one_by_one(score, evidence, least):
    codes = band_codes(score, evidence, least)
    assert codes.dtype == np.int8
    assert [BANDS[code] for code in codes] == [band_of(s, e, least) for s, e in zip(score, evidence, strict=True)]
