"""The snake through the rows of a grid: the identity on them, of rank one, with the slopes of the formula."""

import numpy as np
import pytest

import bnlib as bn
import reference
from bnlib.build import snakes


def check_snake(code, curve, n, k):
    """Assert that the snake is the identity on its rows, has rank one, unit speed and the slope of the formula."""
    rng = np.random.default_rng(n)
    rows = np.concatenate([rng.uniform(size=(30, 1)), rng.integers(n, size=(30, k - 1)) / n], axis=1)
    G = np.concatenate([snakes.grid(n, k), rows])
    net = bn.padded(curve, code, 2 * k, domain=G)
    np.testing.assert_allclose(reference.values(net, G), G, rtol=0, atol=1e-11)
    X = rng.uniform(size=(400, k)) * np.append(1.0, np.full(k - 1, 1 - 1 / n))
    s = np.linalg.svd(np.asarray(bn.jacobian(net, X)), compute_uv=False)
    np.testing.assert_allclose(s[:, 0].max(), snakes.steepest(n, k), rtol=1e-11)
    np.testing.assert_allclose(s[:, 0], np.linalg.norm(np.asarray(bn.jacobian(code, X))[:, 0], axis=1), rtol=1e-11)
    assert s[:, 1].max() <= 1e-9
    P, t = snakes.corners(n, k)
    assert t[-1] == pytest.approx(n ** (k - 1) + n ** (k - 2) - 1 / n)
    np.testing.assert_allclose(reference.values(code, P)[:, 0], t, atol=1e-11)


@pytest.mark.parametrize(("n", "k"), [(2, 2), (3, 2), (8, 2), (3, 3), (2, 4)])
def test_the_snake(n, k):
    check_snake(snakes.code(n, k), snakes.curve(n, k), n, k)


def test_the_snake_of_the_plane_has_the_stated_slope():
    for n in (2, 5, 100):
        assert snakes.steepest(n, 2) == np.sqrt(1 + (2 * n + 1) ** 2)


def test_the_decoder_of_the_snake_is_dear_at_every_depth():
    n = 4
    corners = snakes.corners(n, 2)[1][1:-1]
    for depth in (4, 20):
        net = bn.padded(snakes.curve(n, 2), snakes.code(n, 2), depth, domain=snakes.grid(n, 2))
        assert reference.squared_norm(bn.balance(net)) >= 8**0.5 * corners.sum()
    assert reference.squared_norm(bn.balance(net)) < 4 * 8**0.5 * corners.sum()


def test_wrong_snakes_are_caught():
    n, k = 3, 2
    code, curve = snakes.code(n, k), snakes.curve(n, k)
    (W, b), (V, c) = code.layers
    forwards = bn.from_layers([(np.abs(np.asarray(W)) * np.sign(np.asarray(W)[:, 1:]), b), (V, c)])
    fast = bn.from_layers([(2 * curve.layers[0][0], 2 * curve.layers[0][1]), curve.layers[1]])
    for wrong in ((forwards, curve), (code, fast)):
        with pytest.raises(AssertionError):
            check_snake(*wrong, n, k)
    with pytest.raises(AssertionError):  # a code with one row more is still a code, but not of this grid
        check_snake(snakes.code(n + 1, k), curve, n, k)
