"""Intervals, slopes and exponents over seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnlib as bn

NUMBERS = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9)


@given(NUMBERS, st.floats(0.1, 10.0), st.floats(-10.0, 10.0))
def test_an_interval_moves_with_the_sample(sample, scale, shift):
    mean, low, high = bn.interval(sample, draws=200)
    rounding = 1e-12 * (1 + max(map(abs, sample)))
    assert min(sample) - rounding <= low <= high <= max(sample) + rounding
    assert abs(mean - np.mean(sample)) <= rounding
    mirrored = bn.interval(-np.array(sample), draws=200)
    np.testing.assert_allclose(mirrored, [-mean, -high, -low], atol=rounding)
    moved = bn.interval(scale * np.array(sample) + shift, draws=200)
    np.testing.assert_allclose(moved, scale * np.array([mean, low, high]) + shift, atol=20 * rounding + 1e-12)


def test_intervals_hold_the_mean_as_often_as_they_say():
    """Percentile intervals of 20 Gaussian numbers are a little short: nominal 95 %, about 93 % in the literature."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 20))
    held = [low <= 0 <= high for _, low, high in (bn.interval(row, draws=500) for row in rows)]
    # Standard deviation of a share of 400: 0.013.
    assert 0.93 - 4 * 0.013 < np.mean(held) < 0.95 + 4 * 0.013
    narrow = [low <= 0 <= high for _, low, high in (bn.interval(row, level=0.5, draws=500) for row in rows)]
    assert abs(np.mean(narrow) - 0.49) < 4 * 0.025


def test_seeds_without_a_number_are_left_out():
    assert bn.interval([1.0, np.nan, 3.0]) == bn.interval([1.0, 3.0])
    for bad in ([], [np.nan], [1.0, np.inf]):
        with pytest.raises(ValueError, match="leave out the seeds"):
            bn.interval(bad)
    with pytest.raises(ValueError, match="level must lie between"):
        bn.interval([1.0], level=1.0)
    with pytest.raises(ValueError, match="one axis"):
        bn.interval(np.ones((2, 2)))


@given(st.floats(-3, 3), st.floats(0.01, 100.0))
def test_power_laws_have_their_exponent(power, factor):
    x = np.array([2.0, 3.0, 5.0, 9.0])
    y = factor * x**power
    assert bn.exponent(x, y) == pytest.approx(power, abs=1e-11)
    holes = np.array([y, [y[0], 0.0, np.nan, y[3]], [y[0], 0.0, -1.0, np.nan]])
    found = bn.exponent(x, holes)
    np.testing.assert_allclose(found[:2], power, atol=1e-11)
    assert np.isnan(found[2])


def test_slopes_of_rows_leave_out_what_is_missing():
    x = [1.0, 2.0, 4.0]
    found = bn.slope(x, [[3.0, 5.0, 9.0], [3.0, np.nan, 9.0], [np.nan, np.nan, 9.0]])
    np.testing.assert_allclose(found[:2], 2.0, rtol=1e-13)
    assert np.isnan(found[2])
    with pytest.raises(ValueError, match="must have shape"):
        bn.slope(x, [1.0, 2.0])
    with pytest.raises(ValueError, match="sizes must be positive"):
        bn.exponent([0.0, 1.0], [1.0, 2.0])
