"""The gap bounds the distance of all spectra to one: any network, input and window; broken forms that must not pass."""

import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.theory.root_spectra import root_spectrum, spectrum_certificate
from bnlib.training.attack import lowest
from strategies import FIXED_X, fixed_net, networks_and_inputs, random_layers, with_spectrum


def windows(depth):
    """Return all windows of layers."""
    return list(itertools.combinations(range(depth + 1), 2))


def product(net, x, p, q):
    """Return W_q D_{q-1} ... D_{p+1} W_{p+1}, and a bound of its rounding."""
    weights, D = reference.layers(net), reference.masks(net, x)
    J, size = weights[p][0], np.linalg.norm(weights[p][0], 2)
    for i in range(p + 1, q):
        J = weights[i][0] @ (D[i - 1][:, None] * J)
        size *= np.linalg.norm(weights[i][0], 2)
    return J, 1e-13 * size


def certificate(net, x, window=None, variant=None):
    """Compute both sides in NumPy, with one mistake if asked for."""
    p, q = window or (0, net.depth)
    N, layers = q - p, reference.layers(net)[p:q]
    J, rounding = product(net, x, p, q)
    if variant == "Jacobian of the first layers":
        J, _ = product(net, x, 0, q)
    s = np.maximum(reference.singular_values(J) - rounding, 0.0)
    exponent = {"2/N for 1/N": 2 / N, "one layer less": 1 / max(N - 1, 1), "all layers": 1 / net.depth}
    tau = s ** exponent.get(variant, 1 / N)
    m = max(len(tau), *(min(W.shape) for W, _ in layers))
    tau = np.pad(tau, (0, m - len(tau)))
    if variant == "increasing order":
        tau = tau[::-1]
    if variant == "one value for all":
        tau = np.where(tau > 0, tau[0], 0.0)
    spectra = [np.pad(v, (0, m - len(v))) for v in (reference.singular_values(W) for W, _ in layers)]
    biases = np.array([b @ b for _, b in layers])
    per_layer = np.array([np.sum((v - tau) ** 2) for v in spectra]) + biases
    norm = sum(np.sum(W**2) for W, _ in layers) + np.sum(biases) * (variant != "biases on one side")
    return SimpleNamespace(
        lhs=np.sum(per_layer), rhs=norm - N * np.sum(tau**2), per_layer=per_layer, biases=biases, roots=tau
    )


def check_spectra(net, x, window, found):
    """Assert everything that the theorem says of both sides."""
    p, q = window
    J, rounding = product(net, x, p, q)
    s = reference.singular_values(J)
    size = 1e-9 * max(1.0, reference.squared_norm(net))
    # The roots are those of singular values that are right up to rounding, and never above.
    powers = found.roots[: len(s)] ** (q - p)
    np.testing.assert_allclose(powers, s, rtol=1e-9, atol=2 * rounding + 1e-300)
    assert np.all(powers <= s + 0.1 * rounding + 1e-15 * s[0])
    assert np.all(found.roots[len(s) :] == 0)
    expected = certificate(net, x, window)
    np.testing.assert_allclose(found.biases, expected.biases, atol=size)
    both = reference.layers(net)[p:q]
    distances = [np.pad(reference.singular_values(W), (0, len(found.roots) - min(W.shape))) for W, _ in both]
    distances = [np.sum((v - found.roots) ** 2) for v in distances]
    np.testing.assert_allclose(found.per_layer, np.add(distances, [b @ b for _, b in both]), atol=size)
    assert found.lhs == pytest.approx(np.sum(found.per_layer), abs=size)
    norm = sum(np.sum(W**2) + b @ b for W, b in both)
    assert found.rhs == pytest.approx(norm - (q - p) * np.sum(found.roots**2), abs=size)
    assert found.lhs <= found.rhs + size


@given(networks_and_inputs())
@settings(max_examples=20)
def test_the_gap_bounds_the_spectra_of_every_window(pair):
    net, X = pair
    for window in windows(net.depth):
        found = spectrum_certificate(net, X, window)
        for i, x in enumerate(X[:1]):
            one = jax.tree.map(lambda a, i=i: a[i], found)
            check_spectra(net, x, window, one)
            check_spectra(net, x, window, certificate(net, x, window))
        size = 1e-9 * max(1.0, reference.squared_norm(net))
        np.testing.assert_allclose(found.rhs - found.lhs, found.slack, atol=size)
        assert np.all(found.distances.max(axis=1) <= found.radius + np.sqrt(size))


@given(st.integers(1, 14), st.lists(st.integers(1, 30), min_size=15, max_size=15), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_deep_narrow_and_wide_networks(depth, widths, seed):
    """Widths that change, in NumPy alone: no program is compiled for the shapes."""
    rng = np.random.default_rng(seed)
    layers = random_layers(rng, widths[: depth + 1], scale=rng.choice([0.5, 1.0, 2.0]))
    net, x = (
        SimpleNamespace(layers=layers, depth=depth, negative_slope=0.0, d_out=widths[depth]),
        rng.normal(size=widths[0]),
    )
    size = 1e-9 * max(1.0, reference.squared_norm(net))
    for window in windows(depth):
        c = certificate(net, x, window)
        assert c.lhs <= c.rhs + size


BROKEN = (
    ("2/N for 1/N", (3.0, 0.5), (0, 5)),
    ("one layer less", (3.0, 0.5), (0, 5)),
    ("all layers", (0.5, 0.2), (1, 4)),
    ("increasing order", (3.0, 0.5), (0, 5)),
    ("one value for all", (3.0, 0.5), (0, 5)),
    ("biases on one side", (3.0, 0.5), (0, 5)),
    ("Jacobian of the first layers", (3.0, 0.5), (1, 5)),
)


@pytest.mark.parametrize(("variant", "gains", "window"), BROKEN)
def test_broken_forms_are_caught(variant, gains, window):
    """On a chain of two dimensions with gains in equal steps, where both sides are the biases alone."""
    net, x = bn.from_layers([(np.diag(np.power(gains, 0.2)), np.full(2, 0.1))] * 5), np.ones(2)
    right, wrong = certificate(net, x, window), certificate(net, x, window, variant)
    assert right.lhs == pytest.approx(right.rhs, abs=1e-10)
    assert wrong.lhs > wrong.rhs + 1e-3


def test_an_activation_that_stretches_is_no_example():
    """With a slope of 1.1 the masks are no contractions, and a chain of ones breaks the bound."""
    chain = SimpleNamespace(layers=[(np.eye(1), np.zeros(1))] * 5, depth=5, negative_slope=1.1, d_out=1)
    assert certificate(chain, np.ones(1)).rhs == pytest.approx(0.0, abs=1e-12)
    stretched = certificate(chain, -np.ones(1))
    assert stretched.rhs < stretched.lhs - 0.5


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("rank", [1, 3])
def test_both_sides_vanish_for_the_cheapest_linear_network(depth, rank):
    A = with_spectrum([3.0, 1.0, 0.01][:rank], (4, 5))
    net = bn.linear_network(A, depth)
    for window in windows(depth):
        c = spectrum_certificate(net, FIXED_X[:1, [0, 1, 2, 0, 1]], window)
        assert [float(c.lhs[0]), float(c.rhs[0])] == pytest.approx([0.0, 0.0], abs=1e-9)
        assert c.roots[0, :rank] == pytest.approx(np.array([3.0, 1.0, 0.01])[:rank] ** (1 / depth), rel=1e-9)


@given(networks_and_inputs())
@settings(max_examples=30)
def test_all_lower_roots_and_every_k_are_weaker_or_as_good(pair):
    """Any number of the roots may be left out, and for every k the unexplained excess is at least the gap."""
    net, X = pair
    c = certificate(net, X[0])
    norm, spectra = reference.squared_norm(net), [reference.singular_values(W) for W, _ in reference.layers(net)]
    size = 1e-9 * max(1.0, norm)
    for kept in range(len(c.roots) + 1):
        tau = np.where(np.arange(len(c.roots)) < kept, c.roots, 0.0)
        left = sum(np.sum((np.pad(v, (0, len(tau) - len(v))) - tau) ** 2) for v in spectra) + np.sum(c.biases)
        assert left <= norm - net.depth * np.sum(tau**2) + size
    for k in range(1, 1 + int(np.sum(c.roots > 0))):
        assert c.rhs <= norm - net.depth * k - 2 * net.depth * np.sum(np.log(c.roots[:k])) + size


@given(networks_and_inputs(), st.data())
@settings(max_examples=40)
def test_the_gaps_of_parts_add_up_to_no_more_than_that_of_the_whole(pair, data):
    net, X = pair
    cuts = sorted({0, net.depth, *data.draw(st.lists(st.integers(0, net.depth), max_size=3))})
    for x in X:
        whole = certificate(net, x)
        parts = [certificate(net, x, window) for window in itertools.pairwise(cuts)]
        # Lowered by rounding, the roots of a part can miss what those of the whole do not need.
        lost = sum(
            (q - p) * np.sum(2 * product(net, x, p, q)[1] ** (2 / (q - p)) * np.ones(len(c.roots)))
            for (p, q), c in zip(itertools.pairwise(cuts), parts, strict=True)
        )
        assert sum(c.rhs for c in parts) <= whole.rhs + lost + 1e-9 * max(1.0, reference.squared_norm(net))


def test_for_all_layers_the_right_side_is_the_optimality_gap():
    net = fixed_net()
    found = spectrum_certificate(net, FIXED_X)
    assert found.rhs.min() == pytest.approx(bn.optimality_gap(net, FIXED_X), abs=1e-9)
    assert spectrum_certificate(net, FIXED_X, (0, 3)).rhs == pytest.approx(found.rhs)


def test_one_input_an_ensemble_and_float32():
    nets = bn.random_ensemble(np.random.default_rng(1), 3, (3, 6, 6, 6, 2))
    X = np.random.default_rng(2).normal(size=(3, 4, 3))
    for window in windows(4):
        together = spectrum_certificate(nets, X, window)
        for i in range(3):
            net = jax.tree.map(lambda a, i=i: a[i], nets)
            alone = spectrum_certificate(net, X[i, 1], window)
            for a, b in zip(together, alone, strict=True):
                np.testing.assert_allclose(a[i, 1], b, rtol=1e-9, atol=1e-9)
            assert together.radius[i, 1] == pytest.approx(float(alone.radius), abs=1e-6)
    small = jax.tree.map(lambda a: a[0].astype(jnp.float32), nets)
    assert spectrum_certificate(small, X[0].astype(np.float32)).rhs.dtype == np.float64


def test_singular_values_that_are_rounding_have_no_root():
    """Large factors that cancel leave rounding of their own size, whose fortieth root is nearly one."""
    A = np.diag([1.0, 1e-17])
    assert root_spectrum(A, 40).tolist() == [1.0 ** (1 / 40) * (1 - 80 * np.finfo(float).eps) ** (1 / 40), 0.0]
    assert root_spectrum(A, 1, size=1e16)[0] == 0.0
    assert root_spectrum(np.stack([A, 2 * A]), 2, size=np.ones(2)).shape == (2, 2)


def test_an_infinite_size_is_no_error():
    dead = bn.from_layers([(1e150 * np.eye(1), None)] * 4)
    found = spectrum_certificate(dead, -np.ones(1))
    assert (float(found.roots[0]), float(found.lhs)) == (0.0, pytest.approx(4e300))


@pytest.mark.parametrize("window", [(0, 4), (2, 2), (2, 1), (-1, 2), (0.5, 2)])
def test_a_window_holds_some_of_the_layers(window):
    with pytest.raises(ValueError, match="window"):
        spectrum_certificate(fixed_net(), FIXED_X, window)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="depth"):
        root_spectrum(np.eye(2), 0)
    with pytest.raises(ValueError, match="matrix or a stack"):
        root_spectrum(np.ones(2), 2)
    with pytest.raises(ValueError, match="finite"):
        root_spectrum(np.full((2, 2), np.nan), 2)
    net = fixed_net()
    with pytest.raises(ValueError, match="compiled"):
        jax.jit(lambda x: spectrum_certificate(net, x).lhs)(FIXED_X[0])


# The attack: from random networks to the smallest slack, as a share of what it is a difference of.


def share(net, x, exponent):
    """Return the sum of roots times singular values of all layers, as a share of L times the squared roots, less 1."""
    layers, h, J = net.layers, x, None
    for i, (W, b) in enumerate(layers):
        J = W if J is None else W @ J
        if i < len(layers) - 1:
            z = W @ h + b
            J, h = jnp.where(z > 0, 1.0, 0.0)[:, None] * J, jnp.where(z > 0, z, 0.0)
    m = min(min(W.shape) for W, _ in layers)
    s = jnp.linalg.svd(J, compute_uv=False)[:m]
    kept = s > 1e-12
    roots = jnp.where(kept, jnp.where(kept, s, 1.0) ** exponent, 0.0)
    values = sum(jnp.linalg.svd(W, compute_uv=False)[:m] for W, _ in layers)
    return jnp.sum(roots * values) / (len(layers) * jnp.sum(roots**2)) - 1.0


@pytest.mark.parametrize("widths", [(2, 4, 4, 4, 2), (3, 3, 3, 3), (1, 5, 5, 2)])
def test_an_attack_reaches_equality_and_does_not_pass_it(widths):
    nets = bn.random_ensemble(np.random.default_rng(5), 12, widths)
    L, x = len(widths) - 1, jnp.ones(widths[0])
    least = lowest(lambda net: share(net, x, 1 / L), nets, 600)
    assert least.min() >= -1e-9
    assert least.min() < 0.02
    assert lowest(lambda net: share(net, x, 1 / (L - 1)), nets, 600).min() < -0.02
