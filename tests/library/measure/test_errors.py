"""Errors are relative to the largest entry."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bnlib.measure.errors import relative_error

NUMBERS = arrays.arrays(float, (3, 2), elements=st.floats(-8, 8, width=16))


@given(NUMBERS, NUMBERS, st.sampled_from([-4.0, 0.25, 8.0]))
def test_relative_error(values, truth, factor):
    assume(np.any(truth != 0))
    worst = max(abs(v - t) for v, t in zip(values.flat, truth.flat, strict=True))
    assert relative_error(values, truth) == worst / max(abs(t) for t in truth.flat)
    assert relative_error(factor * values, factor * truth) == relative_error(values, truth)


def test_what_has_no_relative_error():
    with pytest.raises(ValueError, match="one shape"):
        relative_error([1.0], [[1.0]])
    with pytest.raises(ValueError, match="not zero"):
        relative_error([1.0], [0.0])
