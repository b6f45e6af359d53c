"""Still codes, features of few dimensions and kernels of different depths: what the chapter on features states."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from strategies import RELU, fixed_net, networks_and_inputs

HIDDEN_RELU = tuple(a for a in RELU if a[0] > 1)
SEEDS = st.integers(0, 2**32 - 1)


def frames(net, x, k, *, masked=True):
    """Return V_0..V_L at an input, in NumPy; without the activation mask if asked for."""
    V = [np.linalg.svd(reference.jacobian(net, x))[2][:k].T]
    for (W, _), D in zip(reference.layers(net), reference.masks(net, x), strict=True):
        U, _, Qt = np.linalg.svd((D[:, None] if masked else 1.0) * (W @ V[-1]), full_matrices=False)
        V.append(U @ Qt)
    return V


def distances(net, V):
    """Return delta_l^2 for l = 1..L."""
    pairs = zip(reference.layers(net), V, V[1:], strict=False)
    return np.array([np.sum((W - after @ before.T) ** 2) + b @ b for (W, b), before, after in pairs])


def volume(net, x, k):
    """Return E_k(x)."""
    s = reference.singular_values(reference.jacobian(net, x))[:k]
    return reference.squared_norm(net) - net.depth * k - 2 * np.sum(np.log(s))


def ranks(net, x, floor=1e-5):
    s = reference.singular_values(reference.jacobian(net, x))
    return int(np.sum(s > floor * max(s[0], 1e-3)))


def check_still_code(net, x, k, *, V=None, one=1.0, factor=1.0, start=None):
    """Assert the identity, the inequality in every hidden layer and the sum.

    The arguments are open to mistakes: frames, the 1, a factor on the right, and the input whose E_k bounds the sum.
    """
    V = frames(net, x, k) if V is None else V
    delta, total = distances(net, V), 0.0
    pre, post = reference.forward(net, x)
    for i in range(1, net.depth):
        z, before = V[i].T @ post[i], V[i - 1].T @ post[i - 1]
        left = np.sum((z - before) ** 2) + np.sum((pre[i - 1] - post[i]) ** 2) + np.sum((post[i] - V[i] @ z) ** 2)
        e = pre[i - 1] - V[i] @ before
        np.testing.assert_allclose(left, e @ e, rtol=1e-8, atol=1e-8 * (1 + e @ e))
        size = post[i - 1] @ post[i - 1] + one
        assert left <= factor * delta[i - 1] * size * (1 + 1e-9) + 1e-9
        total += left / size if size else 0.0
    assert total <= factor * volume(net, x if start is None else start, k) + 1e-8 * (1 + total)


@given(networks_and_inputs(HIDDEN_RELU))
@settings(max_examples=40)
def test_still_code(pair):
    net, X = pair
    for x in X:
        for k in range(1, ranks(net, x) + 1):
            check_still_code(net, x, k)


def test_the_library_has_the_same_frames():
    net, X = fixed_net(), np.random.default_rng(1).normal(size=(4, 3))
    for x in X:
        for k in range(1, ranks(net, x) + 1):
            c = bn.bottleneck_certificate(net, jnp.asarray(x), k)
            V = frames(net, x, k)
            np.testing.assert_allclose(c.per_layer, distances(net, V), rtol=1e-9)
            assert float(c.rhs) == pytest.approx(volume(net, x, k))
            for ours, theirs in zip(c.frames[1], V[1:-1], strict=True):  # up to a common rotation of the code
                np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-9)


def cutter(c):
    """Return the network whose first layer cuts as much as its certificate allows at x = 1."""
    return bn.from_layers([([[1.0], [-c]], [0.0, -c]), ([[1.0, 0.0]], None)])


def mover(c):
    """Return a network whose first layer moves the code as much as delta allows at x = 1."""
    return bn.from_layers([([[1.0 + c]], [c]), ([[1.0]], None)])


CHAIN = bn.from_layers([([[1.0]], None)] * 4)
BIASED = bn.from_layers([([[1.0], [0.0]], [1.0, -1.0]), ([[1.0, 0.0]], None)])
ONE = np.array([1.0])


@pytest.mark.parametrize("c", [0.05, 0.5, 1.0, 4.0])
def test_the_certificate_is_attained(c):
    check_still_code(cutter(c), ONE, 1)
    with pytest.raises(AssertionError):
        check_still_code(cutter(c), ONE, 1, factor=0.99)
    check_still_code(mover(c), ONE, 1)
    with pytest.raises(AssertionError):
        check_still_code(mover(c), ONE, 1, factor=0.99)


@pytest.mark.parametrize(
    ("net", "x", "mistake"),
    [
        (BIASED, 0 * ONE, {"one": 0.0}),
        (CHAIN, -ONE, {"V": frames(CHAIN, ONE, 1), "start": ONE}),
        (bn.from_layers([([[1.0]], None)] * 4, negative_slope=0.5), -ONE, {}),
        (fixed_net(), np.array([0.3, -1.0, 0.5]), {"V": frames(fixed_net(), [0.3, -1.0, 0.5], 2, masked=False)}),
        (fixed_net(), np.array([0.3, -1.0, 0.5]), {"V": frames(fixed_net(), [-1.0, 2.0, 0.1], 2)}),
    ],
    ids=["no 1", "frames elsewhere", "leaky", "no mask", "another input"],
)
def test_a_broken_certificate_is_caught(net, x, mistake):
    with pytest.raises(AssertionError):
        check_still_code(net, x, 1 if net.d_in == 1 else 2, **mistake)


# Features of few dimensions.


def tail(Z, k):
    s = np.linalg.svd(Z, compute_uv=False)
    return float(np.sum(s[k:] ** 2))


def check_dimension(net, X, x0, k, *, beyond=None, n=1.0, bias=False):
    """Assert both forms of the bound in every layer, and what the ReLU may add.

    Open to mistakes: the rank on the left, the share of N on the right, and a centred matrix that is not centred.
    """
    beyond = k if beyond is None else beyond
    V = frames(net, x0, k)
    delta = distances(net, V)
    runs = [reference.forward(net, x) for x in X]
    for layer, (_, b) in enumerate(reference.layers(net), start=1):
        Z, A = (np.array([run[i][layer - 1] for run in runs]) for i in (0, 1))
        assert tail(Z, beyond) <= delta[layer - 1] * (np.sum(A**2) + n * len(X)) * (1 + 1e-9) + 1e-9
        centred = Z if bias else Z - Z.mean(0)
        right = (delta[layer - 1] - b @ b) * np.sum((A - A.mean(0)) ** 2)
        assert tail(centred, beyond) <= right * (1 + 1e-9) + 1e-9
        if layer < net.depth:
            post = np.maximum(Z, 0.0)
            assert tail(post, k) ** 0.5 <= tail(Z, k) ** 0.5 + np.linalg.norm(Z - post) + 1e-9


@given(networks_and_inputs(HIDDEN_RELU), SEEDS)
@settings(max_examples=40)
def test_low_dimensional_features(pair, seed):
    net, X = pair
    X = np.concatenate([X, np.random.default_rng(seed).normal(size=(5, net.d_in))])
    for x0 in X[:4]:
        for k in range(1, ranks(net, x0) + 1):
            check_dimension(net, X, x0, k)
    full = [x for x in X if ranks(net, x) >= 1]
    if full:
        removed = 0.0
        for x in full:
            pre, post = reference.forward(net, x)
            removed += sum(
                np.sum((z - after) ** 2) / (before @ before + 1)
                for z, before, after in zip(pre, post, post[1:], strict=False)
            )
        assert removed <= sum(volume(net, x, 1) for x in full) * (1 + 1e-9)


SMALL = bn.from_layers([([[1.0], [0.0]], [0.0, -0.25]), ([[1.0, 0.0]], None)])
PLANE = bn.from_layers([(np.eye(2), None)] * 2)


@pytest.mark.parametrize(
    ("net", "X", "k", "mistake"),
    [
        (PLANE, [[2.0, 1.0], [1.0, 2.0]], 2, {"beyond": 1}),
        (SMALL, [[0.5], [-0.5]], 1, {"n": 0.0}),
        (SMALL, [[0.5], [-0.5]], 1, {"bias": True}),
    ],
    ids=["rank k-1", "no N", "not centred"],
)
def test_a_broken_dimension_bound_is_caught(net, X, k, mistake):
    X = np.array(X)
    check_dimension(net, X, X[0], k)
    with pytest.raises(AssertionError):
        check_dimension(net, X, X[0], k, **mistake)


def check_participation(s, k, power=2):
    s2 = np.asarray(s) ** 2
    share = s2[k:].sum() / s2.sum()
    assert s2.sum() ** 2 / np.sum(s2**2) <= k / (1 - share) ** power * (1 + 1e-9)


@given(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=8), st.integers(1, 8))
def test_participation(s, k):
    check_participation(sorted(s, reverse=True), min(k, len(s)))


def test_a_stronger_participation_bound_is_caught():
    s = [1.0, *[0.03] * 400]
    check_participation(s, 1)
    with pytest.raises(AssertionError):
        check_participation(s, 1, power=1)


# Kernels of different depths.


def check_lipschitz(net, X, k, biases=True):
    """Assert |K_l - K_{l-1}| <= 12 c (c^2 + 1)^(1/2) max delta, the constants of the proof, in the layers l >= 2."""
    H = [np.array(layer) for layer in zip(*[reference.forward(net, x)[1] for x in X], strict=True)]
    lost = 0.0 if biases else np.array([b @ b for _, b in reference.layers(net)])
    delta = np.sqrt(np.max([distances(net, frames(net, x, k)) - lost for x in X], axis=0).clip(0))
    for i in range(2, net.depth):
        c = max(np.linalg.norm(A, axis=1).max() for A in H[i - 2 : i + 1])
        change = np.abs(H[i] @ H[i].T - H[i - 1] @ H[i - 1].T).max()
        assert change <= 12 * c * (c**2 + 1) ** 0.5 * max(delta[i - 2], delta[i - 1]) * (1 + 1e-9) + 1e-9


@given(SEEDS, st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=25)
def test_flat_limits_need_their_hypotheses(seed, noise):
    rng = np.random.default_rng(seed)
    layers = [(np.eye(3) + noise * rng.normal(size=(3, 3)), noise * rng.normal(size=3)) for _ in range(6)]
    net, X = bn.from_layers(layers), rng.uniform(0.5, 2.0, size=(4, 3))
    for k in range(1, min(ranks(net, x) for x in X) + 1):
        check_lipschitz(net, X, k)


def test_a_limit_that_ignores_biases_is_caught():
    net, X = bn.from_layers([([[1.0]], [0.1])] * 5), np.array([[1.0], [2.0]])
    check_lipschitz(net, X, 1)
    with pytest.raises(AssertionError):
        check_lipschitz(net, X, 1, biases=False)
