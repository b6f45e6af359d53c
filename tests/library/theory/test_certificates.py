"""The two certificates, for any network, against NumPy; and broken proofs of them that must not pass."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.theory.certificates import certificate_slack
from strategies import (
    FIXED_X,
    fixed_net,
    narrow_net,
    networks_and_inputs,
    pad,
    random_layers,
    unbalanced_chain,
    with_spectrum,
)


def enough_rank(net, X, k, ratio=1e-3):
    """Return the inputs, repeated to the same number, whose Jacobian has k singular values far above rounding."""
    s = np.array([reference.singular_values(reference.jacobian(net, x)) for x in X])
    good = X[s[:, k - 1] > ratio * np.maximum(s[:, 0], 1e-9)]
    return good[np.arange(len(X)) % len(good)] if len(good) else good


def log_pseudo_determinant(J, k):
    return float(np.sum(np.log(reference.singular_values(J)[:k])))


def check_weights_theorem(certificate, net, X, k):
    """Assert everything that the theorem says: frames, positive stretches, both sides and the slack between them."""
    result = certificate(net, X, k)
    norm = reference.squared_norm(net)
    weights = reference.layers(net)
    for n, x in enumerate(X):
        J, D = reference.jacobian(net, x), reference.masks(net, x)
        frames = [result.frames[0][n], *result.frames[1][n], result.frames[2][n]]
        assert [V.shape for V in frames] == [(net.d_in, k), *[(net.width, k)] * (net.depth - 1), (net.d_out, k)]
        for V in frames:
            np.testing.assert_allclose(V.T @ V, np.eye(k), atol=1e-10)
        log_det = log_pseudo_determinant(J, k)
        np.testing.assert_allclose(
            reference.singular_values(J @ frames[0]), reference.singular_values(J)[:k], rtol=1e-8, atol=1e-12
        )
        slack, total = 0.0, 0.0
        for layer, ((W, b), d, before, after) in enumerate(zip(weights, D, frames, frames[1:], strict=False)):
            H = after.T @ (d[:, None] * W @ before)
            p = np.linalg.eigvalsh((H + H.T) / 2)
            np.testing.assert_allclose(H, H.T, atol=1e-9 * max(1.0, np.abs(H).max()))
            assert p[0] > 0
            np.testing.assert_allclose(np.sort(result.stretches[n, layer]), p, rtol=1e-6, atol=1e-9)
            slack += 2 * np.sum(p - 1 - np.log(p))
            total += np.sum(np.log(p))
            if net.negative_slope:
                G = after.T @ (after / d[:, None])
                assert np.linalg.eigvalsh(G)[0] >= 1 - 1e-9
                slack += 2 * np.trace((G - np.eye(k)) @ H)
            else:
                # The frame lives on active neurons.
                np.testing.assert_allclose(after[d == 0], 0.0, atol=1e-10)
            distance = np.sum((W - after @ before.T) ** 2) + np.sum(b**2)
            assert result.per_layer[n, layer] == pytest.approx(distance, rel=1e-10, abs=1e-10)
        assert total == pytest.approx(log_det, abs=1e-8)
        assert result.lhs[n] == pytest.approx(np.sum(result.per_layer[n]), rel=1e-12, abs=1e-12)
        assert result.rhs[n] == pytest.approx(norm - net.depth * k - 2 * log_det, abs=1e-10 * max(1.0, norm))
        assert result.lhs[n] <= result.rhs[n] + 1e-10 * max(1.0, norm)
        assert result.rhs[n] - result.lhs[n] == pytest.approx(slack, abs=1e-10 * max(1.0, norm))


@given(networks_and_inputs(), st.data())
@settings(max_examples=40)
def test_weights_theorem(pair, data):
    net, X = pair
    k = data.draw(st.integers(1, min(net.d_in, net.d_out)))
    X = enough_rank(net, X, k)
    assume(len(X))
    check_weights_theorem(bn.bottleneck_certificate, net, X, k)


def check_slack(slack, net, X, k):
    """Assert that the slack, from frames and stretches alone, is the difference of the two sides."""
    c = bn.bottleneck_certificate(net, X, k)
    np.testing.assert_allclose(slack(net, X, c), c.rhs - c.lhs, atol=1e-9 * max(1.0, reference.squared_norm(net)))


@given(networks_and_inputs(), st.data())
@settings(max_examples=30)
def test_certificate_slack(pair, data):
    net, X = pair
    k = data.draw(st.integers(1, min(net.d_in, net.d_out)))
    X = enough_rank(net, X, k)
    assume(len(X))
    check_slack(certificate_slack, net, X, k)
    alone = certificate_slack(net, X[0], bn.bottleneck_certificate(net, X[0], k))
    assert alone == pytest.approx(certificate_slack(net, X, bn.bottleneck_certificate(net, X, k))[0], abs=1e-9)


def test_certificate_slack_of_an_ensemble():
    nets = bn.random_ensemble(np.random.default_rng(3), 4, (3, 6, 6, 3))
    X = np.random.default_rng(5).normal(size=(4, 5, 3))
    together = certificate_slack(nets, X, bn.bottleneck_certificate(nets, X, 1, any_rank=True))
    for i, rows in enumerate(together):
        net = jax.tree.map(lambda a, i=i: a[i], nets)
        alone = certificate_slack(net, X[i], bn.bottleneck_certificate(net, X[i], 1, any_rank=True))
        np.testing.assert_allclose(rows, alone, rtol=1e-8, atol=1e-9)


def relu_slack(net, X, c, factor=2.0):
    return factor * np.sum(c.stretches - 1 - np.log(c.stretches), axis=(-2, -1))


def test_a_wrong_slack_is_caught():
    check_slack(relu_slack, fixed_net(), FIXED_X, 2)
    for broken, slope in ((relu_slack, 0.1), (lambda *a: relu_slack(*a, factor=1.0), 0.0)):
        with pytest.raises(AssertionError):
            check_slack(broken, fixed_net(slope), FIXED_X, 2)


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_weights_theorem_at_every_k(slope, k):
    check_weights_theorem(bn.bottleneck_certificate, fixed_net(slope), FIXED_X, k)


def test_one_input_is_a_batch_of_one():
    net = fixed_net()
    batch, alone = bn.bottleneck_certificate(net, FIXED_X, 2), bn.bottleneck_certificate(net, FIXED_X[2], 2)
    for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(batch), strict=True):
        np.testing.assert_allclose(a, b[2], rtol=1e-12, atol=1e-12)
    many, one = bn.ntk_certificate(net, FIXED_X, 2), bn.ntk_certificate(net, FIXED_X[2], 2)
    np.testing.assert_allclose(one, np.stack(many)[:, 2], rtol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_theorem_is_an_equality_for_isometries(k):
    net = bn.from_layers([(jnp.eye(k), None)] * 5)
    result = bn.bottleneck_certificate(net, np.ones((1, k)), k)
    assert result.lhs[0] == pytest.approx(0.0, abs=1e-12)
    assert result.rhs[0] == pytest.approx(0.0, abs=1e-12)


def construction(net, X, k, variant=None):
    """Prove the theorem in NumPy, with one mistake if asked for."""
    parts = []
    for x in X:
        J, D = reference.jacobian(net, x), reference.masks(net, x)
        _, s, Vt = np.linalg.svd(J)
        if variant == "V_0 not the leading singular vectors":
            Vt = np.eye(net.d_in)
        if variant == "V_0 the last singular vectors":
            Vt = Vt[::-1]
        frames, per_layer, stretches = [Vt[:k].T], [], []
        for layer, (W, b) in enumerate(reference.layers(net)):
            mask = D[layer]
            if variant == "no D_l":
                mask = np.ones_like(mask)
            if variant == "D_{l-1} for D_l" and 0 < layer < net.depth - 1:
                mask = D[layer - 1]
            if variant == "D_l inverted" and layer < net.depth - 1:
                mask = 1.0 - mask
            U, p, Qt = np.linalg.svd(mask[:, None] * (W @ frames[-1]), full_matrices=False)
            if variant == "transposed polar factor":
                Qt = Qt.T
            if variant == "singular vectors for polar factor":
                Qt = np.eye(k)
            before = frames[max(0, layer - 1)] if variant == "V_{l-2} for V_{l-1}" and layer == 2 else frames[-1]
            frames.append(U @ Qt)
            bias = 0.0 if variant == "dropped bias" else np.sum(b**2)
            per_layer.append(np.sum((W - frames[-1] @ before.T) ** 2) + bias)
            stretches.append(p)
        rhs = reference.squared_norm(net) - net.depth * k - 2 * np.sum(np.log(s[:k]))
        if variant == "|J|_k without its factor 2":
            rhs += np.sum(np.log(s[:k]))
        if variant == "depth L-1":
            rhs += k
        parts.append((frames, per_layer, stretches, rhs))
    per_layer = np.array([p[1] for p in parts])
    first, last = (np.array([p[0][i] for p in parts]) for i in (0, -1))
    middle = np.array([p[0][1:-1] for p in parts])
    return SimpleNamespace(
        lhs=per_layer.sum(axis=1),
        rhs=np.array([p[3] for p in parts]),
        frames=(first, middle, last),
        per_layer=per_layer,
        stretches=np.array([p[2] for p in parts]),
    )


BROKEN_CERTIFICATES = (
    "no D_l",
    "D_{l-1} for D_l",
    "D_l inverted",
    "transposed polar factor",
    "singular vectors for polar factor",
    "V_0 not the leading singular vectors",
    "V_0 the last singular vectors",
    "V_{l-2} for V_{l-1}",
    "dropped bias",
    "|J|_k without its factor 2",
    "depth L-1",
)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_the_numpy_proof_is_the_library(slope):
    net = fixed_net(slope)
    mine, library = construction(net, FIXED_X, 2), bn.bottleneck_certificate(net, FIXED_X, 2)
    check_weights_theorem(construction, net, FIXED_X, 2)
    for name in ("lhs", "rhs", "per_layer", "stretches"):
        np.testing.assert_allclose(getattr(mine, name), getattr(library, name), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("variant", BROKEN_CERTIFICATES)
def test_broken_certificate_is_caught(variant):
    with pytest.raises(AssertionError):
        check_weights_theorem(lambda *a: construction(*a, variant=variant), fixed_net(), FIXED_X, 2)


def identity_error(net, X, k, variant=None):
    """Return the largest error of lhs + 2 sum(p - 1 - log p) = rhs, from the certificate's own numbers alone."""
    c = construction(net, X, k, variant)
    p = np.maximum(c.stretches, 1e-300)
    return float(np.max(np.abs(c.rhs - c.lhs - 2 * np.sum(p - 1 - np.log(p), axis=(1, 2)))))


@pytest.mark.parametrize("variant", [None, *BROKEN_CERTIFICATES])
def test_the_slack_identity_alone_sees_each_mistake(variant):
    """The inequality is too slack on this network to see most of them; the identity sees every one."""
    error = identity_error(fixed_net(), FIXED_X, 2, variant)
    assert error < 1e-10 if variant is None else error > 1e-2


def test_one_input_of_too_low_a_rank_is_named():
    """Where both neurons are dead the Jacobian vanishes, and where one is it has rank one."""
    net = bn.from_layers([(np.eye(2), None), (np.eye(2), None)])
    X = np.array([[1.0, 2.0], [1.0, -1.0], [-1.0, -2.0], [2.0, 1.0]])
    for some, worst, rank in ((X, 2, 0), (X[[0, 1, 0, 0]], 1, 1), (X[[2, 3, 1, 0]], 0, 0)):
        with pytest.raises(ValueError, match=f"k is 2, but at input {worst} the Jacobian has numerical rank {rank}"):
            bn.bottleneck_certificate(net, some, 2)
    bound = bn.ntk_certificate(net, X, 2).bound
    assert (bound > 0).tolist() == [True, False, False, True]


def ntk_bound(net, X, k, *, balanced=False, variant=None):
    """Evaluate the tangent-kernel bound in NumPy, with one mistake if asked for."""
    traces, bounds = [], []
    a = np.cumsum([np.sum(W**2) for W, _ in reference.layers(net)])
    for x in X:
        trace = np.trace(reference.kernel(net, x, x))
        weight = np.array([alpha @ alpha + 1.0 for alpha in reference.forward(net, x)[1]])
        if variant == "trace without +1":
            trace -= sum(np.sum(J**2) for J in reference.backward(net, x))
        layer = np.arange(1, net.depth + 1)
        exponent = (a - k * layer) / k
        if balanced:
            exponent = (reference.squared_norm(net) - net.depth * k) * layer / (k * net.depth)
        if variant == "off by one layer":
            exponent = np.append(0.0, exponent[:-1]) - 1.0
        if variant == "no exponential":
            exponent = 0.0 * exponent
        if variant == "exponent of the wrong sign":
            exponent = -exponent
        if variant == "square for power 2/k":
            s = reference.singular_values(reference.jacobian(net, x))[:k] ** k
        else:
            s = reference.singular_values(reference.jacobian(net, x))[:k]
        traces.append(trace)
        bounds.append(k * np.prod(s) ** (2 / k) * np.sum(weight * np.exp(-exponent)))
    return SimpleNamespace(trace=np.array(traces), bound=np.array(bounds))


def check_ntk_bound(certificate, net, X, k, **options):
    result = certificate(net, X, k, **options)
    assert np.all(np.isfinite(result.bound))
    assert np.all(result.bound >= 0)
    assert np.all(result.trace >= result.bound * (1 - 1e-10))


@given(networks_and_inputs(), st.data())
@settings(max_examples=40)
def test_ntk_bound(pair, data):
    net, X = pair
    k = data.draw(st.integers(1, min(net.d_in, net.d_out)))
    check_ntk_bound(bn.ntk_certificate, net, X, k)
    check_ntk_bound(bn.ntk_certificate, bn.balance(net), X, k, balanced=True)
    X = enough_rank(net, X, k)  # elsewhere the bound is a root of rounding
    assume(len(X))
    expected, result = ntk_bound(net, X, k), bn.ntk_certificate(net, X, k)
    np.testing.assert_allclose(result.trace, expected.trace, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.bound, expected.bound, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_ntk_bound_is_an_equality_for_the_identity_chain(k, balanced):
    net = bn.from_layers([(jnp.eye(k), None)] * 6)
    result = bn.ntk_certificate(net, np.full((1, k), 0.7), k, balanced=balanced)
    assert result.bound[0] == pytest.approx(result.trace[0], rel=1e-12)


def chain(k, gain=1.0):
    return bn.from_layers([(gain * np.eye(k), None)] * 6)


@pytest.mark.parametrize(
    ("variant", "net", "k"),
    [
        ("trace without +1", chain(2), 2),
        ("off by one layer", chain(2), 2),
        ("no exponential", chain(2, 1.3), 1),
        ("exponent of the wrong sign", chain(1, 1.3), 1),
        ("square for power 2/k", chain(2, 1.05), 2),
    ],
)
def test_broken_ntk_bound_is_caught(variant, net, k):
    X = np.full((2, net.d_in), 0.7)
    check_ntk_bound(ntk_bound, net, X, k)
    with pytest.raises(AssertionError):
        check_ntk_bound(lambda *a: ntk_bound(*a, variant=variant), net, X, k)


def test_balanced_bound_fails_on_the_unbalanced_chain():
    """All of the gain 30 in the first tenth of 100 layers, at x -> 0: numbers of claim narrow-minima."""
    net, x = unbalanced_chain(), np.array([[1e-9]])
    result = bn.ntk_certificate(net, x, 1)
    assert np.round(result.trace[0]) == 1013
    assert np.round(result.bound[0]) == 550
    check_ntk_bound(bn.ntk_certificate, net, x, 1)
    assert np.round(bn.ntk_certificate(net, x, 1, balanced=True).bound[0]) == 8794
    with pytest.raises(AssertionError):
        check_ntk_bound(bn.ntk_certificate, net, x, 1, balanced=True)
    even = bn.balance(net)
    assert np.round(bn.ntk_certificate(even, x, 1).trace[0]) == 12772
    assert np.round(bn.ntk_certificate(even, x, 1, balanced=True).bound[0]) == 12330
    check_ntk_bound(bn.ntk_certificate, even, x, 1, balanced=True)


@pytest.mark.parametrize("certificate", [bn.bottleneck_certificate, bn.ntk_certificate])
@pytest.mark.parametrize(
    ("x", "k", "message"),
    [
        (np.ones(3), 4, r"k is 4, but a map from R\^3 to R\^3 has at most rank 3"),
        (np.ones(3), 0, "k must be an integer >= 1, but it is 0"),
        (np.ones(3), 1.5, "k must be an integer >= 1, but it is 1.5"),
        (np.ones(2), 1, r"x must have shape \(N, 3\)"),
        (np.full(3, np.nan), 1, "x must be finite"),
    ],
)
def test_bad_input_is_refused(certificate, x, k, message):
    with pytest.raises(ValueError, match=message):
        certificate(fixed_net(), x, k)


def test_k_above_the_numerical_rank_names_the_input():
    A = with_spectrum([2.0, 1.0], (3, 3), seed=5)
    net = bn.linear_network(A, 4)
    bn.bottleneck_certificate(net, FIXED_X, 2)
    with pytest.raises(ValueError, match="k is 3, but at input 0 the Jacobian has numerical rank 2"):
        bn.bottleneck_certificate(net, FIXED_X, 3)
    gate = bn.from_layers([(np.array([[1.0, 0.0], [0.0, 1.0]]), None), (np.eye(2), None)])
    with pytest.raises(ValueError, match="k is 2, but at input 1 the Jacobian has numerical rank 1"):
        bn.bottleneck_certificate(gate, np.array([[1.0, 1.0], [1.0, -1.0]]), 2)
    # The kernel's bound is trivial there instead.
    assert bn.ntk_certificate(gate, np.array([1.0, -1.0]), 2).bound == 0.0


def test_rounding_does_not_raise_the_rank():
    A = with_spectrum([2.0, 1e-17], (3, 3), seed=5)
    with pytest.raises(ValueError, match="numerical rank 1"):
        bn.bottleneck_certificate(bn.from_layers([(A, None)]), np.ones(3), 2)


def test_rounding_of_a_deep_product_does_not_raise_the_rank():
    net = narrow_net()
    for x in np.random.default_rng(1).normal(size=(50, 4)):
        with pytest.raises(ValueError, match="the Jacobian has numerical rank 1"):
            bn.bottleneck_certificate(net, x, 2)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_smallest_depths(depth):
    net = bn.from_layers(pad(random_layers(np.random.default_rng(1), [2, *[4] * (depth - 1), 2])), negative_slope=0.1)
    X = np.random.default_rng(0).normal(size=(3, 2))
    check_weights_theorem(bn.bottleneck_certificate, net, X, 2)
    check_ntk_bound(bn.ntk_certificate, net, X, 2)
