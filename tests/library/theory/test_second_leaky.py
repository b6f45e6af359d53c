"""Leaky networks of the library against those written anew."""

import numpy as np
import pytest

from second_leaky import LEAKY


@pytest.mark.parametrize("claim", LEAKY)
@pytest.mark.parametrize("seed", range(3))
def test_library_and_second_implementation_agree(claim, seed):
    pairs = list(LEAKY[claim](np.random.default_rng(seed)))
    assert len(pairs) >= 2
    for found, second in pairs:
        np.testing.assert_allclose(np.asarray(found), np.asarray(second), rtol=1e-7, atol=1e-8)
