"""The snake through the centres of cells: a fit of rank one with all kinks away from the data, and its staircase."""

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

import bnlib as bn
import reference
from bnlib.build import cell_snakes
from bnlib.build.interpolants import curve_layers

SIZES = [(4, 1), (2, 2), (3, 2), (6, 2), (2, 3), (3, 3), (2, 4)]


def evaluate(layers, X):
    """Evaluate layers with a ReLU behind each."""
    for W, b in layers:
        X = np.maximum(X @ W.T + b, 0)
    return X


def check_snake(encoder, decoder, n, k):
    """Assert that the code runs along the snake at the stated values, and the curve through the centres at these."""
    Y, t = cell_snakes.points(n, k), cell_snakes.codes(n, k)
    np.testing.assert_allclose(evaluate(encoder, Y)[:, 0], t, rtol=1e-12)
    assert np.all(np.diff(t) > 0)
    np.testing.assert_allclose(evaluate(decoder, t[:, None]), Y, atol=1e-11)
    inputs = np.random.default_rng(n).uniform(size=(300, k))
    code = evaluate(encoder, inputs)
    assert code.min() >= 0
    assert code.max() <= (n + 1) ** (k - 1)
    for share in (0.3, 0.5):  # the curve is straight between two points of a row
        within = np.arange(1, len(Y)) % n != 0
        between, middles = t[:-1] + share * np.diff(t), Y[:-1] + share * np.diff(Y, axis=0)
        np.testing.assert_allclose(evaluate(decoder, between[within, None]), middles[within], atol=1e-11)


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_the_snake(n, k):
    check_snake(cell_snakes.encoder(n, k), cell_snakes.decoder(n, k), n, k)


def test_wrong_snakes_are_caught():
    n, k = 3, 2
    (W, b), *rest = cell_snakes.encoder(n, k)
    kinks = b.copy()
    kinks[2] -= 0.4 / n  # the wave begins too late
    h = cell_snakes.decoder(n, k)
    for encoder, decoder in (([(W, kinks), *rest], h), (cell_snakes.encoder(n, k), [h[0], (-h[1][0], h[1][1])])):
        with pytest.raises(AssertionError):
            check_snake(encoder, decoder, n, k)


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_the_path_is_the_shortest(n, k):
    Y = cell_snakes.points(n, k)
    length = np.linalg.norm(np.diff(Y, axis=0), axis=1).sum()
    assert length == pytest.approx(cell_snakes.path_length(n, k))
    assert length == pytest.approx(minimum_spanning_tree(cdist(Y, Y)).sum())  # no open path is shorter
    assert len(np.unique(Y, axis=0)) == n**k


@pytest.mark.parametrize("stairs", [False, True])
def test_networks_fit_with_one_dimension(stairs):
    n, k, depth = 4, 2, 16
    behind = cell_snakes.staircase(n, k) if stairs else ()
    net = cell_snakes.network(n, k, depth, tail=3, behind=behind, width=24)
    assert (net.depth, net.width) == (depth, 24)
    Y = cell_snakes.points(n, k)
    np.testing.assert_allclose(reference.values(net, Y), Y, atol=1e-11)
    inputs = np.random.default_rng(0).uniform(size=(100, k))
    s = np.linalg.svd(np.asarray(bn.jacobian(net, inputs)), compute_uv=False)
    assert s[:, 1].max() <= 1e-10 * s.max()
    between = cell_snakes.carried(n, k, depth, tail=3, behind=behind)
    layers = reference.layers(net)[len(cell_snakes.encoder(n, k)) :]
    for W, b in layers[:between]:
        assert (W[0, 0], W.sum(), b.any()) == (1.0, 1.0, False)
    assert layers[between][0].sum() > 1
    np.testing.assert_allclose(
        reference.values(cell_snakes.network(n, k, depth, tail=3, behind=behind), Y), Y, atol=1e-11
    )


def check_smooth(net, Y, reach):
    """Assert that no kink lies within a distance of the data: the Jacobian is the same all around each point."""
    steps = np.concatenate([np.eye(2), -np.eye(2), np.ones((1, 2)), -np.ones((1, 2))]) * reach
    at = np.asarray(bn.jacobian(net, Y))
    for step in steps:
        np.testing.assert_allclose(np.asarray(bn.jacobian(net, Y + step)), at, atol=1e-9)


def test_the_kinks_keep_their_distance():
    n = 4
    Y = cell_snakes.points(n, 2)[1:-1]
    # A step across the rows moves the code by n times its length, so that it may move n times less far.
    check_smooth(cell_snakes.network(n, 2, 12), Y, 0.9 * cell_snakes.MARGIN / n / (n + 1))
    with pytest.raises(AssertionError):
        check_smooth(cell_snakes.network(n, 2, 12), Y, 4 * cell_snakes.MARGIN / n)


def test_the_staircase_rounds():
    n = 5
    layers, rng = cell_snakes.staircase(n, 2), np.random.default_rng(1)
    Y = cell_snakes.points(n, 2)
    near = Y + rng.uniform(-1, 1, size=Y.shape) * cell_snakes.FLAT / n
    np.testing.assert_allclose(evaluate(layers, near), Y, atol=1e-12)
    line = np.linspace(0, 1, 401)
    values = evaluate(layers, np.stack([line, line], axis=1))
    assert np.all(np.diff(values, axis=0) >= -1e-12)
    np.testing.assert_allclose(np.diff(values, axis=0).max() * 400, 2.0, rtol=1e-9)  # a ramp of half a spacing
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(evaluate(layers, Y + 0.4 / n), Y, atol=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="depth must be at least 7"):
        cell_snakes.network(3, 2, 6, tail=2)
    assert cell_snakes.network(3, 2, 7, tail=2).depth == 7
    with pytest.raises(ValueError, match="width must be an integer >= 6"):
        cell_snakes.network(3, 2, 7, width=5)
    with pytest.raises(ValueError, match="n must be an integer >= 2"):
        cell_snakes.network(1, 2, 7)


def check_ends(layers, t, P):
    """Assert that the curve stands still at its ends, before and behind."""
    outside = np.array([[t[0] - 1.0], [t[0]], [t[-1]], [t[-1] + 1.0]])
    values = np.maximum(outside @ layers[0][0].T + layers[0][1], 0) @ layers[1][0].T + layers[1][1]
    np.testing.assert_allclose(values, P[[0, 0, -1, -1]], atol=1e-12)


def test_a_curve_stops_where_it_should():
    t, P = np.array([0.5, 1.0, 3.0]), np.array([[0.0, 1.0], [2.0, 1.0], [2.0, 0.0]])
    check_ends(curve_layers(t, P, stops=True), t, P)
    with pytest.raises(AssertionError):
        check_ends(curve_layers(t, P), t, P)
