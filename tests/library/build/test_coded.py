"""Functions through a code grow by its dimension a layer, on a whole box."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build.coded import random_coded

BOX = (-np.ones(3), np.ones(3))


def check_coded(f, rank, X):
    """Assert the same function on the box at two depths, with k more norm a layer, and a small output bias."""
    truth = reference.values(f.decoder, reference.values(f.encoder, X))
    nets = [f.at(L) for L in (5, 9)]
    for net in nets:
        np.testing.assert_allclose(reference.values(net, X), truth, atol=1e-11 * (1 + np.abs(truth).max()))
    before, after = map(reference.squared_norm, nets)
    assert (after - before) / 4 == pytest.approx(rank, abs=1e-10)
    assert np.linalg.norm(f.decoder.last[1]) <= 1 + 1e-12


@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
@settings(max_examples=15)
def test_random_coded(seed, rank):
    rng = np.random.default_rng(seed)
    f = random_coded(rng, rank, BOX, 4, np.zeros((1, 3)))
    corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
    check_coded(f, rank, np.concatenate([corners, rng.uniform(-1, 1, size=(40, 3))]))


def test_a_shift_that_serves_one_point_alone_is_caught():
    rng = np.random.default_rng(0)
    f = random_coded(rng, 2, BOX, 4, np.zeros((1, 3)))
    X = rng.uniform(-1, 1, size=(40, 3))
    check_coded(f, 2, X)
    least = np.maximum(0.0, -np.asarray(bn.apply(f.encoder, f.domain))[0])
    with pytest.raises(AssertionError):
        check_coded(f._replace(shift=least), 2, X)
