"""What is drawn at random has the shapes, sizes and spectra that it should."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnlib as bn

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_matrices_have_the_spectrum(seed, rank, more_rows, more_columns):
    rng = np.random.default_rng(seed)
    s = np.sort(rng.uniform(0.1, 10.0, rank))[::-1]
    A = bn.random_matrix(rng, s, rank + more_rows, rank + more_columns)
    found = np.linalg.svd(A, compute_uv=False)
    # Two frames of orthonormal columns: the product keeps singular values to a few roundings of the largest.
    np.testing.assert_allclose(found, [*s, *np.zeros(len(found) - rank)], atol=100 * np.finfo(float).eps * s[0])


def test_a_matrix_has_no_more_singular_values_than_rows():
    with pytest.raises(ValueError, match="2 rows and 5 columns has no 3 singular values"):
        bn.random_matrix(np.random.default_rng(0), [3.0, 2.0, 1.0], 2, 5)


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_signals_of_random_networks_stay_of_order_one(slope):
    rng = np.random.default_rng(0)
    net = bn.random_network(rng, (400, *[400] * 8, 400), bias=0.0, negative_slope=slope)
    Y = np.asarray(bn.apply(net, rng.normal(size=(50, 400))))
    # The mean square is multiplied by 1 in each layer but the last, which has no activation and doubles it for a ReLU.
    # Relative spread of a mean over 400 neurons and 50 inputs after nine layers: at most sqrt(9 * 5 / 400) = 0.34.
    assert abs(np.log(np.mean(Y**2) * (1 + slope**2) / 2)) < 3 * 0.34


def test_biases_have_their_size():
    net = bn.random_network(np.random.default_rng(0), (3, 4000, 2), bias=0.7)
    assert abs(np.std(net.first[1]) / 0.7 - 1) < 5 / 8000**0.5
    assert bn.random_network(np.random.default_rng(0), (3, 2), bias=0.0).depth == 1


def test_an_ensemble_is_of_single_networks():
    nets = bn.random_ensemble(np.random.default_rng(0), 300, (3, 6, 6, 2))
    one = jax.tree.map(lambda a: a[7], nets)
    assert (one.depth, one.d_in, one.width, one.d_out) == (3, 3, 6, 2)
    sizes = np.sqrt(np.mean(np.asarray(nets.hidden[0])[:, 0] ** 2, axis=(1, 2)) * 6 / 2)
    # Gains are uniform in the logarithm between e^-0.7 and e^0.7; each is seen through 36 weights.
    assert 0.5 / 1.5 < sizes.min() < 0.7
    assert 1.4 < sizes.max() < 2.1 * 1.5
    with pytest.raises(ValueError, match="of one width"):
        bn.random_ensemble(np.random.default_rng(0), 3, (3, 6, 5, 2))
    with pytest.raises(ValueError, match="two hidden layers"):
        bn.random_ensemble(np.random.default_rng(0), 3, (3, 6, 2))


def test_a_control_has_the_norms_of_the_network_and_nothing_else():
    net = bn.random_network(np.random.default_rng(0), (3, 6, 6, 6, 2), negative_slope=0.25)
    other = bn.random_like(net, jax.random.key(0))
    assert other.negative_slope == 0.25
    for (W, b), (V, c) in zip(net.layers, other.layers, strict=True):
        np.testing.assert_allclose(np.linalg.norm(V), np.linalg.norm(W), rtol=1e-13)
        np.testing.assert_allclose(np.linalg.norm(c), np.linalg.norm(b), rtol=1e-13)
        assert not np.allclose(V, W)
    assert not np.allclose(bn.random_like(net, jax.random.key(1)).first[0], other.first[0])


def test_too_few_widths_are_one_sentence():
    with pytest.raises(ValueError, match="widths must name inputs and outputs"):
        bn.random_network(np.random.default_rng(0), (3,))
