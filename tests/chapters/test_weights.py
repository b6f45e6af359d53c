"""What the chapter on weights adds to the certificates: singular values, refined frames and the balanced profile."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build.balancing import rescale
from strategies import FIXED_X, fixed_net, networks_and_inputs, unbalanced_chain

QS = (0.1, 0.3, 0.5, 0.7, 0.9)


def chain(k, gain, depth=8):
    return bn.from_layers([(gain * np.eye(k), None)] * depth)


def log_product(J, k):
    s = reference.singular_values(J)[:k]
    return float(np.sum(np.log(s))) if len(s) == k and s[-1] > 1e-9 * max(1.0, s[0]) else -np.inf


# Singular values.


def excess(net, x, k):
    """Return E_k(x), infinite where the Jacobian has no rank k."""
    return reference.squared_norm(net) - net.depth * k - 2 * log_product(reference.jacobian(net, x), k)


def check_corollary(net, x, k, variant=None):
    """Assert the inequality of Mirsky summed over the layers, and the count of close layers for several q."""
    E = excess(net, x, k)
    if not np.isfinite(E):
        return
    L, ones = net.depth, {"one more": k + 1, "one less": k - 1}.get(variant, k)
    off = []
    for W, _ in reference.layers(net):
        s = reference.singular_values(W)
        s = np.pad(s, (0, max(0, ones - len(s))))
        off.append(np.abs((s[::-1] if variant == "increasing order" else s) - (np.arange(len(s)) < ones)))
    size = 1e-10 * max(1.0, reference.squared_norm(net))
    if variant != "count alone":
        assert sum(np.sum(d**2) for d in off) <= E + size
    for q in QS:
        eps = np.sqrt(max(E, 0.0) * (q if variant == "count alone" else 1 / q) / L) + size
        assert sum(d.max() <= eps for d in off) >= (1 - q) * L


@given(networks_and_inputs(), st.data())
@settings(max_examples=40)
def test_corollary(pair, data):
    net, X = pair
    check_corollary(net, X[0], data.draw(st.integers(1, min(net.d_in, net.d_out))))


@pytest.mark.parametrize(
    ("variant", "k"), [("one more", 1), ("one less", 2), ("increasing order", 1), ("count alone", 1)]
)
def test_broken_corollary_is_caught(variant, k):
    net = bn.from_layers([(np.diag([1.05, 0.0]), None)] * 8) if k == 1 else chain(2, 1.05)
    check_corollary(net, np.ones(2), k)
    with pytest.raises(AssertionError):
        check_corollary(net, np.ones(2), k, variant)


# Refined frames.


def left_side(net, V):
    pairs = zip(reference.layers(net), V[1:], V[:-1], strict=True)
    return sum(np.sum((W - after @ before.T) ** 2) + b @ b for (W, b), after, before in pairs)


def refined(net, V, variant=None):
    """Yield the left side after every change of one frame, for two sweeps."""
    V, W = list(V), [W for W, _ in reference.layers(net)]
    for _ in range(2):
        for i in range(net.depth + 1):
            M = np.zeros_like(V[i])
            if i > 0:
                M += W[i - 1] @ V[i - 1]
            if i < net.depth and not (variant == "without the layer above" and i > 0):
                M += (-1.0 if variant == "wrong sign" else 1.0) * W[i].T @ V[i + 1]
            U, _, Qt = np.linalg.svd(M, full_matrices=False)
            V[i] = U if variant == "singular vectors for polar factor" else U @ Qt
            yield left_side(net, V)


def check_refinement(net, x, k, variant=None):
    c = bn.bottleneck_certificate(net, x, k)
    V = [np.asarray(v) for v in (c.frames[0], *c.frames[1], c.frames[2])]
    values = [float(c.lhs), *refined(net, V, variant)]
    size = 1e-10 * max(1.0, values[0])
    assert max(np.diff(values)) <= size
    floor = 0.0
    for W, b in reference.layers(net):
        s = reference.singular_values(W)
        floor += np.sum((s - (np.arange(len(s)) < k)) ** 2) + b @ b
    assert values[-1] >= floor - size


@given(networks_and_inputs(), st.data())
@settings(max_examples=30)
def test_refinement(pair, data):
    net, X = pair
    k = data.draw(st.integers(1, min(net.d_in, net.d_out)))
    s = reference.singular_values(reference.jacobian(net, X[0]))
    assume(s[k - 1] > 1e-3 * max(s[0], 1e-9))
    check_refinement(net, X[0], k)


@pytest.mark.parametrize("variant", ["without the layer above", "wrong sign", "singular vectors for polar factor"])
def test_broken_refinement_is_caught(variant):
    check_refinement(fixed_net(), FIXED_X[0], 2)
    with pytest.raises(AssertionError):
        check_refinement(fixed_net(), FIXED_X[0], 2, variant)


# One spectrum for all layers.


def spectra_and_radius(net, x, window):
    """Return the spectra of the layers of a window, padded, their root spectrum and the radius, all in NumPy."""
    p, q = window
    D, weights = reference.masks(net, x), [W for W, _ in reference.layers(net)]
    J = weights[p]
    for i in range(p + 1, q):
        J = weights[i] @ (D[i - 1][:, None] * J)
    m = max(min(W.shape) for W in [J, *weights[p:q]])
    s = np.array([np.pad(v, (0, m - len(v))) for v in map(reference.singular_values, weights[p:q])])
    size = 1e-13 * np.prod(s[:, 0])
    roots = np.maximum(np.pad(reference.singular_values(J), (0, m - min(J.shape))) - size, 0.0) ** (1 / (q - p))
    return s, roots, np.sqrt(max(np.sum(s**2) - (q - p) * np.sum(roots**2), 0.0) + 1e-12)


def check_count(net, x, window, share=1.0):
    """Assert the count of the corollary where no root is within a share of the radius of a level."""
    s, roots, radius = spectra_and_radius(net, x, window)
    assert np.all(np.abs(s - roots) <= share * radius)
    for level in (0.25, 0.5, 1.0):
        if np.all(np.abs(roots - level) > share * radius):
            assert set(np.sum(s > level, axis=1)) == {int(np.sum(roots > level))}


@given(networks_and_inputs(), st.data())
@settings(max_examples=30)
def test_a_count_without_a_rank(pair, data):
    net, X = pair
    p = data.draw(st.integers(0, net.depth - 1))
    check_count(net, X[0], (p, data.draw(st.integers(p + 1, net.depth))))
    gain = data.draw(st.floats(0.5, 1.5))
    check_count(bn.linear_network(np.diag([gain, gain**2, 0.0]), 6), np.ones(3), (1, 5))


def test_a_count_inside_the_radius_may_be_wrong():
    """Two layers with the values t and 1/t have roots of one and the radius t - 1/t, more than half of it needed."""
    net = bn.from_layers([([[1.4]], None), ([[1 / 1.4]], None)])
    check_count(net, np.ones(1), (0, 2))
    with pytest.raises(AssertionError):
        check_count(net, np.ones(1), (0, 2), share=0.5)


# The profile of balanced networks.


def prefix_logs(net, x, k):
    """Return A_0..A_L: log products of the k leading singular values of the Jacobians of the pre-activations."""
    J, found = np.eye(net.d_in), [0.0]
    for (W, _), d in zip(reference.layers(net), reference.masks(net, x), strict=True):
        found.append(log_product(W @ J, k))
        J = d[:, None] * (W @ J)
    return np.array(found)


def check_profile(net, x, k, variant=None):
    """Assert that the squared norms never decrease and stay between the bounds of the theorem."""
    L, A, layer = net.depth, prefix_logs(net, x, k), np.arange(1, net.depth + 1)
    a = np.array([np.sum(W**2) for W, _ in reference.layers(net)])
    c1 = reference.squared_norm(net) - L * k
    low = k + 2 * A[1:] / (np.maximum(layer - 1, 1) if variant == "l-1 for l" else layer)
    if variant == "4 for 2":
        low = k + 4 * A[1:] / layer
    left = L - layer + (2 if variant == "one layer too many" else 1)
    high = k + (c1 - 2 * (A[1:] if variant == "A_l above" else A[:-1])) / left
    size = 1e-9 * max(1.0, a.max())
    assert np.all(np.diff(a) >= -size)
    assert np.all(a >= low - size)
    assert np.all(a <= high + size)


@given(networks_and_inputs(), st.data())
@settings(max_examples=40)
def test_balanced_profile(pair, data):
    net, X = pair
    net = bn.balance(net)
    for x in X:
        check_profile(net, x, data.draw(st.integers(1, min(net.d_in, net.d_out))))


@pytest.mark.parametrize("variant", ["l-1 for l", "4 for 2", "one layer too many", "A_l above"])
def test_broken_profile_is_caught(variant):
    check_profile(chain(2, 1.05), np.ones(2), 2)
    with pytest.raises(AssertionError):
        check_profile(chain(2, 1.05), np.ones(2), 2, variant)


def test_unbalanced_copies_violate_the_profile():
    even, net = chain(1, 30 ** (1 / 100), 100), bn.balance(fixed_net())
    copies = [(even, unbalanced_chain(), 1), (net, rescale(net, jnp.ones((2, 6)).at[0].set(3.0)), 2)]
    for balanced, unbalanced, k in copies:
        x = np.ones(balanced.d_in)
        check_profile(balanced, x, k)
        with pytest.raises(AssertionError):
            check_profile(unbalanced, x, k)


def check_bulk(net, x, k, delta=0.25, variant=None):
    """Assert |a_l - k| <= C/(delta L) in the bulk, C from the trace of the tangent kernel, and small biases there."""
    L, c1 = net.depth, reference.squared_norm(net) - net.depth * k
    c = np.trace(reference.kernel(net, x, x)) / L
    Q = k / 2 * np.log(2 * c / (delta * k))
    Q -= 0.0 if variant == "no Jacobian" else log_product(reference.jacobian(net, x), k)
    if not np.isfinite(Q):
        return
    C = 2 * max(c1, 0.0) + (0.0 if variant == "no kernel" else 4 * max(Q, 0.0))
    layers = [m for m in range(1, L + 1) if max(2, delta * L) <= m <= (1 - delta) * L]
    a = np.array([np.sum(W**2) for W, _ in reference.layers(net)])
    biases = sum(np.sum(reference.layers(net)[m - 1][1] ** 2) for m in layers[:-1])
    size = 1e-9 * max(1.0, a.max())
    assert all(abs(a[m - 1] - k) <= C / (delta * L) + size for m in layers)
    assert biases <= 2 * C / (delta * L) + size


@given(networks_and_inputs(), st.sampled_from([0.1, 0.25, 0.5]))
@settings(max_examples=30)
def test_bulk(pair, delta):
    net, X = pair
    check_bulk(bn.balance(net), X[0], 1, delta)


@pytest.mark.parametrize("variant", ["no Jacobian", "no kernel"])
def test_broken_bulk_is_caught(variant):
    net = chain(1, 0.9, 40)
    check_bulk(net, np.ones(1), 1)
    with pytest.raises(AssertionError):
        check_bulk(net, np.ones(1), 1, variant=variant)


def test_the_bulk_needs_balance():
    net = bn.from_layers([(np.full((1, 1), 30.0 if i == 50 else 1.0), None) for i in range(100)])
    check_bulk(chain(1, 30 ** (1 / 100), 100), np.ones(1), 1)
    with pytest.raises(AssertionError):
        check_bulk(net, np.ones(1), 1)


@given(networks_and_inputs())
@settings(max_examples=20)
def test_mean_of_the_leading_singular_values(pair):
    """The identity of part 3: sum of s_i - 1 over i <= k is half of a_l - k - d_l^2."""
    for W, _ in reference.layers(pair[0]):
        s = reference.singular_values(W)
        for k in range(1, len(s) + 1):
            off = s - (np.arange(len(s)) < k)
            assert np.sum(s[:k] - 1) == pytest.approx((np.sum(W**2) - k - np.sum(off**2)) / 2, abs=1e-9)
