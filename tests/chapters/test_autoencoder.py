"""Exact autoencoders are projections: every part on random instances, written anew, and what must be caught."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference

SEEDS = st.integers(0, 2**32 - 1)


def network(seed, k, d, *, tilt=1.0, kinked=False, wide=False, scale=1.0):
    """Write f(x) = h(g(x)) as layers, for the graph u = fold |t - c| over R^k in orthogonal coordinates.

    Returns the layers, the coordinates, a point of the graph that is not on a fold and a basis of its tangent space.
    """
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(d, d)))[0]
    fold, X = rng.normal(size=(d - k, k)), tilt * rng.normal(size=(k, d - k))
    c, eye, zero = rng.uniform(-0.5, 0.5, size=k), np.eye(k), np.zeros((k, d - k))
    t = c + rng.choice([-1, 1], size=k) * rng.uniform(0.2, 1, size=k)
    # (t, u) in signed pairs, with |t - c| beside; then v = u - fold |t - c|, and t + X v, or t + X relu(v).
    first = np.block([[eye, zero], [-eye, zero], [eye, zero], [-eye, zero]])
    first = np.r_[first, np.c_[np.zeros((d - k, k)), np.eye(d - k)], np.c_[np.zeros((d - k, k)), -np.eye(d - k)]]
    bias = np.r_[np.zeros(2 * k), -c, c, np.zeros(2 * (d - k))]
    blank = np.zeros((d - k, 2 * k))
    distance = np.c_[blank, -fold, -fold, np.eye(d - k), -np.eye(d - k)]
    carry = np.c_[eye, -eye, np.zeros((k, len(bias) - 2 * k))]
    second = np.r_[carry, -carry, distance, -distance]
    back = X if kinked is False else np.zeros_like(X)
    new = np.c_[eye, -eye, X, -back]
    rest = np.c_[np.zeros((1, 2 * k)), np.eye(1, d - k), -np.eye(1, d - k)]  # one coordinate of the distance
    third = np.r_[new, -new, new, -new, rest, -rest]
    third_bias = np.r_[np.zeros(2 * k), -c, c, 0, 0]
    last = np.block([[eye, -eye, np.zeros((k, 2 * k))], [np.zeros((d - k, 2 * k)), fold, fold]])
    extra = np.zeros((d, 2))
    extra[k] = (0.7, -0.7) if wide else (0, 0)
    layers = [
        (first @ Q.T, bias),
        (second, np.zeros(len(second))),
        (third, third_bias),
        (scale * Q @ np.c_[last, extra], np.zeros(d)),
    ]
    T = Q @ np.r_[eye, fold * np.sign(t - c)]
    return layers, Q, Q @ np.r_[t, fold @ np.abs(t - c)], np.linalg.qr(T)[0]


def evaluate(layers, x):
    for W, b in layers[:-1]:
        x = np.maximum(W @ x + b, 0)
    return layers[-1][0] @ x + layers[-1][1]


def jacobian(layers, x, step=1e-4):
    """Difference quotients, exact up to rounding where the function is affine."""
    moves = step * np.eye(len(x))
    return np.stack([(evaluate(layers, x + e) - evaluate(layers, x - e)) / (2 * step) for e in moves], axis=1)


def check_exact(layers, Q, m, T, *, kinked=False):
    """Assert all parts of the theorem at a flat point."""
    d, k = T.shape
    np.testing.assert_allclose(evaluate(layers, m), m, atol=1e-12)
    side = Q[:, k:] @ np.where(np.arange(d - k) % 2, 1e-2, -1e-2) if kinked else 0.0
    J = jacobian(layers, m + side)
    N = np.linalg.svd(T)[0][:, k:]
    X = T.T @ J @ N
    np.testing.assert_allclose(J, T @ T.T + T @ X @ N.T, atol=1e-9)
    np.testing.assert_allclose(J @ J, J, atol=1e-8)
    volume = np.linalg.slogdet(np.eye(k) + X @ X.T)[1]
    s = np.linalg.svd(J, compute_uv=False)[:k]
    assert 2 * np.log(s).sum() == pytest.approx(volume, abs=1e-8)
    assert volume >= -1e-12
    if not kinked:
        steps = 1e-4 * np.sqrt(d) * np.concatenate([np.eye(d), -np.eye(d)])
        passed = np.mean([np.sum((evaluate(layers, m + e) - m) ** 2) for e in steps])
        assert passed == pytest.approx(1e-8 * (k + np.sum(X**2)), rel=1e-7)
    far = m + np.cos(np.arange(d))
    once = evaluate(layers, far)
    np.testing.assert_allclose(evaluate(layers, once), once, atol=1e-10 * max(1, np.linalg.norm(once)))
    # Finite depth, every network of this function: the norm of this one, too.
    net = bn.from_layers([(W, b) for W, b in layers])
    assert reference.squared_norm(net) >= net.depth * k + volume
    return X, volume


@given(SEEDS, st.integers(1, 3), st.booleans())
@settings(max_examples=60)
def test_exact_autoencoders_are_projections(seed, k, kinked):
    check_exact(*network(seed, k, 5, kinked=kinked), kinked=kinked)


@pytest.mark.parametrize("mistake", [{"wide": True}, {"scale": 0.9}], ids=str)
@pytest.mark.parametrize("k", [1, 2])
def test_more_dimensions_and_shrinking_are_caught(k, mistake):
    good, *point = network(3, k, 5)
    check_exact(good, *point)
    with pytest.raises(AssertionError):
        check_exact(network(3, k, 5, **mistake)[0], *point)


def test_the_wide_one_is_exact_on_the_surface_and_no_projection():
    layers, _Q, m, _T = network(7, 2, 5, wide=True)
    np.testing.assert_allclose(evaluate(layers, m), m, atol=1e-12)
    J = jacobian(layers, m)
    assert np.linalg.matrix_rank(J, tol=1e-6) == 3
    assert np.linalg.norm(J @ J - J) > 0.05


@given(SEEDS, st.integers(1, 3))
@settings(max_examples=30)
def test_price_and_noise_grow_with_the_tilt(seed, k):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(k, 5 - k))
    tilts = [0.0, 0.5, 1.0, 2.0]
    noise = [k + np.sum((a * X) ** 2) for a in tilts]
    volume = [np.linalg.slogdet(np.eye(k) + a**2 * X @ X.T)[1] for a in tilts]
    cost = [bn.linear_cost(np.r_[np.c_[np.eye(k), a * X], np.zeros((5 - k, 5))], 9) - 9 * k for a in tilts]
    assert np.all(np.diff(noise) > 0)
    assert np.all(np.diff(volume) > 0)
    assert volume[0] == 0
    assert abs(cost[0]) < 1e-12
    assert all(c >= v - 1e-12 for c, v in zip(cost, volume, strict=True))
    assert any(c < 2 * v for c, v in zip(cost[1:], volume[1:], strict=True))  # twice the bound would be too much


def test_the_orthogonal_projection_attains_the_bound():
    U = np.full((4, 1), 0.5)
    X = np.random.default_rng(0).uniform(size=(30, 4))
    net = bn.linear_network(U @ U.T, 8, domain=X)
    np.testing.assert_allclose(bn.apply(net, X), X @ U @ U.T, atol=1e-12)
    assert reference.squared_norm(net) == pytest.approx(8, abs=1e-10)
    v = np.array([[1.0], [0.0], [0.0], [0.0]])
    assert bn.linear_cost(2 * U @ v.T, 8) > 8 + 2 * np.log(2) > 8  # the same range, an oblique kernel


def check_rigid(layers, S, k):
    """Assert that what a network of inner dimension k fixes within a region spans k dimensions or fewer."""
    S = S[[np.linalg.norm(evaluate(layers, s) - s) < 1e-9 for s in S]]
    signs = [tuple(np.concatenate(pattern(layers, s))) for s in S]
    for one in set(signs):
        inside = S[[sign == one for sign in signs]]
        assert np.linalg.matrix_rank(inside - inside[0], tol=1e-9) <= k


def pattern(layers, x):
    found = []
    for W, b in layers[:-1]:
        found.append(W @ x + b > 0)
        x = np.maximum(W @ x + b, 0)
    return found


def test_rigidity():
    layers, _Q, _, _ = network(5, 1, 3)
    angle = np.linspace(0, 2, 400)
    arc = np.c_[np.cos(angle), np.sin(angle), 0 * angle]
    image = np.stack([evaluate(layers, x) for x in arc])
    check_rigid(layers, image, 1)
    identity = [(np.r_[np.eye(3), -np.eye(3)], np.zeros(6)), (np.c_[np.eye(3), -np.eye(3)], np.zeros(3))]
    with pytest.raises(AssertionError):  # a network of inner dimension 3 keeps an arc, which no line contains
        check_rigid(identity, arc, 1)


def test_a_bent_line_through_one_neuron():
    """An exact autoencoder of |t| over an interval at growing depth: slope one per layer, and f twice is f once."""
    h = bn.from_layers([([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, 0.0], [-1.0, 2.0]], [-1.0, 1.0])])  # (t, |t|), t + 1
    g = bn.from_layers([([[1.0, 0.0]], [1.0])])
    X = np.random.default_rng(1).uniform(-1, 1, size=(50, 2))
    nets = [bn.padded(h, g, L, domain=X) for L in (6, 12, 24)]
    norms = [reference.squared_norm(net) for net in nets]
    np.testing.assert_allclose(np.diff(norms), [6, 12], atol=1e-9)
    for net in nets:
        once = np.asarray(bn.apply(net, X))
        np.testing.assert_allclose(once, np.c_[X[:, 0], np.abs(X[:, 0])], atol=1e-12)
        np.testing.assert_allclose(bn.apply(net, once), once, atol=1e-12)
        for J in np.asarray(bn.jacobian(net, once)):
            np.testing.assert_allclose(J @ J, J, atol=1e-12)
            assert reference.singular_values(J)[0] == pytest.approx(np.sqrt(2))
