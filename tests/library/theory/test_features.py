"""Still codes and features of few dimensions: both sides against loops in NumPy, and broken variants."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings

import bnlib as bn
import reference
from bnlib.theory.features import centred, code_terms, feature_bounds
from strategies import RELU, fixed_net, networks_and_inputs

HIDDEN_RELU = tuple(a for a in RELU if a[0] > 1)


def certificate(net, X, k):
    return bn.bottleneck_certificate(net, X, k, any_rank=True)


def of_rank(net, X, k):
    """Return the inputs, repeated to the same number, whose Jacobian has rank k far above rounding."""
    s = np.array([reference.singular_values(reference.jacobian(net, x)) for x in X])
    good = np.flatnonzero(s[:, k - 1] > 1e-4 * np.maximum(s[:, 0], 1e-3))
    return X[np.resize(good, len(X))] if len(good) else X[:0]


def check_code(t):
    """Assert the identity, the inequality in every layer and in the sum."""
    np.testing.assert_allclose(t.left, t.error, rtol=1e-8, atol=1e-8 * (1 + t.error.max()))
    assert np.all(t.left <= t.delta * t.size * (1 + 1e-9) + 1e-9)
    assert np.all(t.shares.sum(axis=-2) <= t.bound + 1e-8 * (1 + t.left.max()))


@given(networks_and_inputs(HIDDEN_RELU))
@settings(max_examples=30)
def test_code_terms(pair):
    net, X = pair
    X = of_rank(net, X, 1)
    assume(len(X))
    c = certificate(net, X, 1)
    t = code_terms(net, X, c)
    check_code(t)
    for n, x in enumerate(X):
        pre, post = reference.forward(net, x)
        V = [c.frames[0][n], *c.frames[1][n]]
        for i in range(1, net.depth):
            z, before = V[i].T @ post[i], V[i - 1].T @ post[i - 1]
            expected = (
                np.sum((z - before) ** 2),
                np.sum((pre[i - 1] - post[i]) ** 2),
                np.sum((post[i] - V[i] @ z) ** 2),
                np.sum(post[i - 1] ** 2) + 1,
            )
            found = [a[i - 1, n] for a in (t.moved, t.cut, t.off, t.size)]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_code_terms_fail_elsewhere():
    """With the frames of another input, without the 1, and for a leaky ReLU."""
    x, chain = np.ones((1, 1)), [([[1.0]], None)] * 4
    net, leaky = bn.from_layers(chain), bn.from_layers(chain, negative_slope=0.5)
    biased = bn.from_layers([([[1.0], [0.0]], [1.0, -1.0]), ([[1.0, 0.0]], None)])
    good = code_terms(biased, 0 * x, certificate(biased, 0 * x, 1))
    check_code(good)
    for broken in (
        code_terms(net, -x, certificate(net, x, 1)),
        code_terms(leaky, -x, certificate(leaky, -x, 1)),
        good._replace(size=good.size - 1),
    ):
        with np.errstate(invalid="ignore", divide="ignore"), pytest.raises(AssertionError):
            check_code(broken)


def bounds_by_loops(net, X, k, variant=None):
    """Evaluate both sides of every bound in NumPy, with one mistake if asked for."""
    delta = certificate(net, X, k).per_layer[:, :-1]
    runs = [reference.forward(net, x) for x in X]
    n, beyond = len(X), k - 1 if variant == "rank k-1" else k
    pairs = {"plain": [], "centred": [], "after": [], "participation": []}
    for i, (_, b) in enumerate(reference.layers(net)[:-1]):
        Z, before = (np.array([run[j][i] for run in runs]) for j in (0, 1))
        A = np.maximum(Z, 0)
        mean = 0.0 if variant == "not centred" else Z.mean(0)
        around, plain, after = (reference.singular_values(M) ** 2 for M in (Z - mean, Z, A))
        size = np.sum(before**2) + (0 if variant == "no N" else n)
        tau = min(plain[k:].sum() / max(plain.sum(), 1e-300), 1 - 1e-6)
        pairs["plain"].append((plain[beyond:].sum(), delta[:, i] * size))
        spread = np.sum((before - before.mean(0)) ** 2)
        pairs["centred"].append((around[k:].sum(), (delta[:, i] - b @ b) * spread))
        lost = 0.0 if variant == "nothing cut" else np.linalg.norm(Z - A)
        pairs["after"].append((after[k:].sum() ** 0.5, plain[k:].sum() ** 0.5 + lost))
        ratio = plain.sum() ** 2 / np.sum(plain**2) if np.any(plain > 0) else 0.0
        pairs["participation"].append((ratio, k / (1 - tau) ** (1 if variant == "power one" else 2)))
    shares = np.zeros(n)
    for j, (pre, post) in enumerate(runs):
        for z, before in zip(pre[:-1], post, strict=False):
            shares[j] += np.sum(np.minimum(z, 0) ** 2) / (before @ before + 1)
    sides = {name: tuple(np.array(side) for side in zip(*found, strict=True)) for name, found in pairs.items()}
    for name in ("plain", "centred"):
        sides[name] = sides[name][0][None, :], sides[name][1].T
    return SimpleNamespace(**sides, cut=(shares, certificate(net, X, k).rhs))


NAMES = ("plain", "centred", "cut", "after", "participation")


def check_bounds(bounds, net, X, k):
    found = bounds(net, X, k)
    for name in NAMES:
        left, right = getattr(found, name)
        assert np.all(left <= right * (1 + 1e-8) + 1e-8), name
    return found


@given(networks_and_inputs(HIDDEN_RELU))
@settings(max_examples=30)
def test_feature_bounds(pair):
    net, X = pair
    for k in range(1, min(net.d_in, net.d_out) + 1):
        points = of_rank(net, X, k)
        if len(points):
            found = check_bounds(lambda net, X, k: feature_bounds(net, X, certificate(net, X, k)), net, points, k)
            expected = check_bounds(bounds_by_loops, net, points, k)
            for name in NAMES:
                for a, b in zip(getattr(found, name), getattr(expected, name), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


PLANE = bn.from_layers([(np.eye(2), None)] * 2)
GATE = bn.from_layers([([[1.0], [0.0]], [0.0, -0.25]), ([[1.0, 0.0]], None)])
FOLD = bn.from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
SPREAD = bn.from_layers([(np.diag([1.0, *[0.1] * 40]), None), (np.eye(41), None)])


@pytest.mark.parametrize(
    ("variant", "net", "X", "k", "name"),
    [
        ("rank k-1", PLANE, [[2.0, 1.0], [1.0, 2.0]], 2, "plain"),
        ("no N", GATE, [[0.5], [-0.5]], 1, "plain"),
        ("not centred", GATE, [[0.5], [-0.5]], 1, "centred"),
        ("nothing cut", FOLD, [[1.0], [-1.0]], 1, "after"),
        ("power one", SPREAD, np.eye(41), 1, "participation"),
    ],
)
def test_broken_bounds_are_caught(variant, net, X, k, name):
    X = np.array(X)
    check_bounds(bounds_by_loops, net, X, k)
    with pytest.raises(AssertionError, match=name):
        check_bounds(lambda *a: bounds_by_loops(*a, variant=variant), net, X, k)


def test_an_ensemble_is_its_members():
    nets = bn.random_ensemble(np.random.default_rng(3), 4, (3, 6, 6, 3))
    X = np.random.default_rng(5).normal(size=(4, 5, 3))
    c = certificate(nets, X, 1)
    for measure in (code_terms, feature_bounds):
        together = measure(nets, X, c)
        for i in range(4):
            net, own = (jax.tree.map(lambda a, i=i: a[i], tree) for tree in (nets, c))
            alone = measure(net, X[i], own)
            for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
                np.testing.assert_allclose(a, b[i], rtol=1e-9, atol=1e-10)


def test_centred_rows_have_no_mean():
    A = np.random.default_rng(0).normal(size=(2, 5, 3)) + 7.0
    np.testing.assert_allclose(centred(A).mean(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(centred(A) - centred(A)[:, :1], A - A[:, :1], atol=1e-12)


def test_the_fixed_network_is_no_special_case():
    net = fixed_net()
    X = of_rank(net, np.random.default_rng(4).normal(size=(6, 3)), 3)
    check_code(code_terms(net, X, certificate(net, X, 3)))
