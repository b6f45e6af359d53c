"""The Hessian of the regularised loss is the sum of its parts, and the Gram matrix has the spectrum of one of them."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
from bnlib.theory.curvature import gram_matrix, hessian_parts

SEEDS = st.integers(0, 2**16)


def drawn(seed, count=5):
    """Draw a network R³→R² of depth 4 with biases, inputs and targets."""
    rng = np.random.default_rng(seed)
    return bn.random_network(rng, (3, 5, 5, 5, 2)), rng.normal(size=(count, 3)), rng.normal(size=(count, 2))


def check_split(assemble, seed, ridge):
    net, X, Y = drawn(seed)
    H, G, R = map(np.asarray, hessian_parts(net, X, Y, ridge))
    np.testing.assert_allclose(assemble(G, R, ridge), H, rtol=0, atol=1e-10 * np.abs(H).max())
    size = 2 / len(X)
    mine = np.linalg.eigvalsh(size * gram_matrix(net, X))
    np.testing.assert_allclose(mine, np.linalg.eigvalsh(G)[-len(mine) :], atol=1e-10 * mine[-1])


def split(G, R, ridge):
    return G + R + 2 * ridge * np.eye(len(G))


@given(SEEDS, st.floats(0.0, 1.0))
@settings(max_examples=20)
def test_hessian_split(seed, ridge):
    check_split(split, seed, ridge)


@pytest.mark.parametrize(
    "broken",
    [
        lambda G, R, ridge: G + R,
        lambda G, R, ridge: G + R + ridge * np.eye(len(G)),
        lambda G, R, ridge: split(G, 0 * R, ridge),
        lambda G, R, ridge: split(G, -R, ridge),
        lambda G, R, ridge: split(G / 2, R, ridge),
    ],
    ids=["no ridge", "lambda for 2 lambda", "no residual part", "residuals reversed", "1/N for 2/N"],
)
def test_a_wrong_split_is_caught(broken):
    with pytest.raises(AssertionError):
        check_split(broken, 0, 0.3)


def test_an_ensemble_has_the_matrices_of_its_members():
    nets = bn.random_ensemble(np.random.default_rng(2), 3, (3, 6, 6, 2))
    X = np.random.default_rng(1).normal(size=(3, 4, 3))
    together = gram_matrix(nets, X)
    assert together.shape == (3, 8, 8)
    for i in range(3):
        net = jax.tree.map(lambda a, i=i: a[i], nets)
        kernel = np.asarray(bn.ntk(net, X[i]))
        for row in range(4):
            for column in range(4):
                block = together[i, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
                np.testing.assert_allclose(block, kernel[row, column], rtol=1e-12, atol=1e-12)


def test_targets_of_another_number_are_refused():
    net, X, Y = drawn(0)
    with pytest.raises(ValueError, match="same length"):
        hessian_parts(net, X, Y[:-1], 0.1)
