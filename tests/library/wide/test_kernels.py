"""Kernels of wide networks, against quadrature, differences, finite networks and another library."""

import json
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib import infinite
from bnlib.wide import kernels as wide_kernels
from bnlib.wide.infinite import Wide
from wide_networks import ERF, RELU, apart, function

SEEDS = st.integers(0, 2**32 - 1)
WIDES = st.builds(
    Wide,
    depth=st.integers(1, 3),
    activation=st.sampled_from(infinite.ACTIVATIONS),
    sigma_w=st.floats(0.5, 1.5),
    sigma_b=st.sampled_from([0.0, 0.6]),
)


def expectation(phi, a, b, c):
    """Integrate E phi(u) phi(u') in polar coordinates of a standard Gaussian, whose radius is good to quadrature."""
    angles, weights = np.polynomial.legendre.leggauss(400)
    kinks = np.arctan2(-np.sqrt(a * b - c**2) / np.sqrt(a), -c / np.sqrt(a)) - np.pi / 2
    corners = np.unique(np.mod([0.0, np.pi / 2, -np.pi / 2, np.pi, kinks, kinks + np.pi], 2 * np.pi))
    corners = np.append(corners, corners[0] + 2 * np.pi)
    r, w = np.polynomial.laguerre.laggauss(60)  # r^2/2 is exponentially distributed
    total = 0.0
    for low, high in pairwise(corners):
        t = (low + high) / 2 + (high - low) / 2 * angles
        x, y = (np.sqrt(2 * r)[:, None] * g(t) for g in (np.cos, np.sin))
        values = phi(np.sqrt(a) * x) * phi((c * x + np.sqrt(a * b - c**2) * y) / np.sqrt(a))
        total += (high - low) / 2 * np.sum(w[:, None] * weights * values)
    return total / (2 * np.pi)


@pytest.mark.parametrize("activation", infinite.ACTIVATIONS)
@pytest.mark.parametrize(("a", "b", "c"), [(0.7, 0.4, 0.3), (0.5, 0.9, -0.2), (1.0, 1.0, 0.0)])
def test_expectations_agree_with_quadrature(activation, a, b, c):
    found = infinite.dual(activation, a, b, c)
    values = [expectation(phi, a, b, c) for phi in function(activation)]
    np.testing.assert_allclose([found.K, found.Kd], values, atol=2e-5)


@given(st.sampled_from(infinite.ACTIVATIONS), st.floats(0.2, 2), st.floats(0.2, 2), st.floats(-0.9, 0.9))
def test_derivatives_of_expectations(activation, a, b, cosine):
    c, h = cosine * np.sqrt(a * b), 1e-6
    found = infinite.dual(activation, a, b, c)
    above, below = (infinite.dual(activation, a, b, c + s) for s in (h, -h))
    np.testing.assert_allclose(found.Kd, (above.K - below.K) / (2 * h), atol=1e-7)
    np.testing.assert_allclose(found.Kdd, (above.Kd - below.Kd) / (2 * h), atol=1e-7)
    above, below = (infinite.dual(activation, a + s, b, c) for s in (h, -h))
    np.testing.assert_allclose(found.Ka, (above.K - below.K) / (2 * h), atol=1e-7)
    np.testing.assert_allclose(found.Kda, (above.Kd - below.Kd) / (2 * h), atol=1e-7)


def check_gradient(net, Z, Y, gradient=infinite.ntk_gradient, h=1e-6):
    """Assert that a gradient is the central difference; a third derivative of size 1e3 would leave 1e-9."""
    for i in range(Z.shape[1]):
        step = h * np.eye(Z.shape[1])[i]
        difference = (infinite.kernels(net, Z + step, Y)[1] - infinite.kernels(net, Z - step, Y)[1]) / (2 * h)
        np.testing.assert_allclose(gradient(net, Z, Y)[..., i], difference, atol=1e-7)


@given(WIDES, SEEDS)
def test_gradients_of_kernels_of_any_depth(net, seed):
    check_gradient(net, *apart(np.random.default_rng(seed)))


def without(*fields):
    """Return ``dual`` with some of its derivatives lost."""
    whole = infinite.dual

    def broken(*arguments):
        found = whole(*arguments)
        return found._replace(**{field: 0 * getattr(found, field) for field in fields})

    return broken


@pytest.mark.parametrize("fields", [("Kdd", "Kda"), ("Ka",), ("Kdd",)], ids="+".join)
@pytest.mark.parametrize("net", [RELU, ERF], ids=["relu", "erf"])
def test_a_lost_derivative_is_caught(monkeypatch, net, fields):
    Z, Y = apart(np.random.default_rng(0))
    check_gradient(net, Z, Y)
    monkeypatch.setattr(wide_kernels, "dual", without(*fields))
    with pytest.raises(AssertionError):
        check_gradient(net, Z, Y)


# Numbers of neural-tangents, which shares no code with ours; scripts/runs/neural_tangents_kernels.py makes them.
ELSEWHERE = json.loads((Path(__file__).parents[2] / "neural_tangents.json").read_text(encoding="utf-8"))


def check_neural_tangents():
    X, Y = np.array(ELSEWHERE["X"]), np.array(ELSEWHERE["Y"])
    for entry in ELSEWHERE["single"]:
        net = Wide(*entry["net"])
        found = (*infinite.kernels(net, X, Y), infinite.ntk_gradient(net, X, Y))
        # Values up to ten, from a few dozen operations in float64: 1e-12 is a few hundred roundings of ten.
        for values, name in zip(found, ("nngp", "ntk", "ntk_gradient"), strict=True):
            np.testing.assert_allclose(values, entry[name], rtol=0, atol=1e-12, err_msg=f"{name} of {net}")
    for entry in ELSEWHERE["joined"]:
        found = infinite.limit_kernel(Wide(*entry["f"]), Wide(*entry["g"]), X, Y)
        np.testing.assert_allclose(found, entry["ntk"], rtol=0, atol=1e-12)


def test_kernels_agree_with_neural_tangents():
    kinds = {(depth, activation, bias > 0) for depth, activation, _, bias in (e["net"] for e in ELSEWHERE["single"])}
    assert kinds == set(product((1, 2, 3), infinite.ACTIVATIONS, (False, True)))
    check_neural_tangents()


@pytest.mark.parametrize("field", ["Kd", "Kdd", "Ka"])
def test_neural_tangents_catches_a_changed_expectation(monkeypatch, field):
    whole = infinite.dual

    def broken(*arguments):
        found = whole(*arguments)
        return found._replace(**{field: getattr(found, field) * (1 + 1e-9)})

    monkeypatch.setattr(wide_kernels, "dual", broken)
    with pytest.raises(AssertionError):
        check_neural_tangents()


def finite_ntk(f, g, X, width, d, rng):
    """Sum the tangent kernel of f after g over all weights of one finite network, term by term."""
    (phi_f, slope_f), (phi_g, slope_g) = function(f.activation), function(g.activation)
    V, a = rng.normal(size=(width, X.shape[1])), rng.normal(size=width)
    pre = g.sigma_w * X @ V.T / np.sqrt(X.shape[1]) + g.sigma_b * a
    W = rng.normal(size=(d, width))
    z = phi_g(pre) @ W.T / np.sqrt(width)
    U, v, b = rng.normal(size=(width, d)), rng.normal(size=width), rng.normal(size=width)
    mid = f.sigma_w * z @ U.T / np.sqrt(d) + f.sigma_b * b
    back = v * slope_f(mid) / np.sqrt(width)
    by_z = f.sigma_w * back @ U / np.sqrt(d)
    by_pre = by_z @ W * slope_g(pre) / np.sqrt(width)
    theta = phi_f(mid) @ phi_f(mid).T / width
    theta += back @ back.T * (f.sigma_w**2 * z @ z.T / d + f.sigma_b**2)
    theta += by_z @ by_z.T * (phi_g(pre) @ phi_g(pre).T / width)
    return theta + by_pre @ by_pre.T * (g.sigma_w**2 * X @ X.T / X.shape[1] + g.sigma_b**2)


def check_limit(f, g, kernel=infinite.limit_kernel, draws=60):
    X = np.random.default_rng(5).normal(size=(4, 3))
    rng = np.random.default_rng(6)
    found = np.array([finite_ntk(f, g, X, 300, 300, rng) for _ in range(draws)])
    error = found.mean(0) - kernel(f, g, X)
    # Five standard errors, and a bias of order 1/width.
    assert np.all(np.abs(error) <= 5 * found.std(0) / np.sqrt(draws) + 10 / 300)


@pytest.mark.parametrize("activation", infinite.ACTIVATIONS)
def test_wide_finite_networks_have_the_limit_kernel(activation):
    check_limit(Wide(1, activation, 1.2, 0.5), Wide(1, activation, 1.1, 0.4))


@pytest.mark.parametrize("lost", ["theta_g", "scale"])
def test_a_lost_term_of_the_limit_is_caught(lost):
    f, g = Wide(sigma_w=1.3), Wide()

    def broken(f, g, X):
        K, below = infinite.kernels(g, X)
        a = f.sigma_w**2 * np.diag(K)
        below = 0 * below if lost == "theta_g" else below / f.sigma_w**2
        return wide_kernels._recursion(f, a[:, None], a[None], f.sigma_w**2 * K, below).ntk

    check_limit(f, g)
    with pytest.raises(AssertionError):
        check_limit(f, g, broken)


def test_kernels_of_deep_networks_are_those_of_finite_ones():
    net, width, rng = Wide(2, "relu", 1.2, 0.4), 500, np.random.default_rng(3)
    X = rng.normal(size=(3, 4))
    K, theta = infinite.kernels(net, X)
    found = []
    for _ in range(60):
        W, U = rng.normal(size=(width, 4)), rng.normal(size=(width, width))
        a, b, v = rng.normal(size=(3, width))
        one = net.sigma_w * X @ W.T / 2 + net.sigma_b * a
        h = np.sqrt(2) * np.maximum(one, 0)
        two = net.sigma_w * h @ U.T / np.sqrt(width) + net.sigma_b * b
        top = np.sqrt(2) * np.maximum(two, 0)
        by_two = np.sqrt(2) * (two > 0) * v / np.sqrt(width)
        by_one = net.sigma_w * by_two @ U / np.sqrt(width) * np.sqrt(2) * (one > 0)
        kernel = top @ top.T / width
        kernel += by_two @ by_two.T * (net.sigma_w**2 * h @ h.T / width + net.sigma_b**2)
        kernel += by_one @ by_one.T * (net.sigma_w**2 * X @ X.T / 4 + net.sigma_b**2)
        found.append((top @ top.T / width, kernel))
    found = np.array(found)
    error = np.abs(found.mean(0) - np.array([K, theta]))
    assert np.all(error <= 5 * found.std(0) / np.sqrt(60) + 10 / width)


@given(SEEDS)
def test_lipschitz_constant_of_the_relu_kernel(seed):
    Z, Y = apart(np.random.default_rng(seed))
    slope = np.linalg.norm(infinite.ntk_gradient(RELU, Y, Z), axis=2)
    assert np.all(slope <= (2 + 2 / np.pi) * np.linalg.norm(Z, axis=1) / 3 + 1e-12)


@settings(max_examples=20)
@given(SEEDS, st.booleans())
def test_the_recursion_stays_finite_at_cone_points(seed, parallel):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(3, 2))
    Z[1] = (-2 if parallel else 1) * Z[0]
    found = infinite.ntk_gradient(Wide(2, "relu"), Z, Z)
    assert np.all(np.isfinite(found))


def test_a_bias_lets_a_relu_kernel_see_the_origin():
    K, theta = infinite.kernels(Wide(sigma_b=0.5), np.zeros((1, 2)))
    assert (K[0, 0], theta[0, 0]) == pytest.approx((0.25, 0.5))


def test_kernels_of_any_size_are_taken_alike():
    """What counts as parallel or singular is relative: all of these are homogeneous."""
    c = np.array([0.3, -0.9, 0.0])
    for size in (1e-14, 1e14):
        one, other = infinite.dual("relu", 1.0, 1.0, c), infinite.dual("relu", size, size, size * c)
        np.testing.assert_allclose(np.stack(other), [size * one.K, one.Kd, one.Kdd / size, one.Ka, one.Kda / size])
        norm = infinite.target_norm(size * np.diag([2.0, 1.0]), [2.0, 1.0])
        assert norm == pytest.approx(3.0 / size)


BAD = {
    "activation must be one of": lambda: Wide(activation="tanh"),
    "depth must be an integer >= 1": lambda: Wide(depth=0),
    "sigma_w must be a finite number": lambda: Wide(sigma_w=-1.0),
    "Row 1 of X is zero": lambda: infinite.kernels(RELU, [[1.0], [0.0]]),
    "X must have shape": lambda: infinite.kernels(RELU, [1.0]),
    "Y must have shape": lambda: infinite.kernels(RELU, [[1.0]], [[1.0, 2.0]]),
    "X must be finite": lambda: infinite.kernels(ERF, [[np.nan]]),
    "positive definite": lambda: infinite.target_norm(infinite.limit_kernel(RELU, RELU, [[1.0], [1.0]]), [0.0, 1.0]),
    "eigenvalues start at 0": lambda: infinite.target_norm(np.zeros((2, 2)), [0.0, 1.0]),
    "square matrix": lambda: infinite.edge([1.0]),
    "activation must be one of erf, relu": lambda: infinite.dual("tanh", 1.0, 1.0, 0.0),
    "y must have 2 rows": lambda: infinite.target_norm(np.eye(2), np.ones(3)),
    "y must be finite": lambda: infinite.target_norm(np.eye(2), [np.nan, 1.0]),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_input_is_one_sentence(sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        BAD[sentence]()
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")
