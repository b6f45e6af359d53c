"""Kernels of wide networks and descent in function space, against quadrature, differences and finite networks."""

import json
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from bnlib import infinite
from bnlib.wide import kernels as wide_kernels
from bnlib.wide.infinite import History, Wide, WideLayer

SEEDS = st.integers(0, 2**32 - 1)
WIDES = st.builds(
    Wide,
    depth=st.integers(1, 3),
    activation=st.sampled_from(infinite.ACTIVATIONS),
    sigma_w=st.floats(0.5, 1.5),
    sigma_b=st.sampled_from([0.0, 0.6]),
)
RELU, ERF = Wide(), Wide(activation="erf")


def function(activation):
    if activation == "erf":
        return erf, lambda u: 2 / np.sqrt(np.pi) * np.exp(-(u**2))
    return lambda u: np.sqrt(2) * np.maximum(u, 0), lambda u: np.sqrt(2) * (u > 0)


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


def apart(rng, net, d=3):
    """Draw points and turn away pairs that are nearly parallel, where ReLU kernels have cone points."""
    while True:
        Z, Y = rng.normal(size=(3, d)), rng.normal(size=(4, d))
        cosine = (Z @ Y.T) / np.linalg.norm(Z, axis=1)[:, None] / np.linalg.norm(Y, axis=1)
        if np.max(np.abs(cosine)) < 0.95:
            return Z, Y


@given(WIDES, SEEDS)
def test_gradients_of_kernels_of_any_depth(net, seed):
    check_gradient(net, *apart(np.random.default_rng(seed), net))


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
    Z, Y = apart(np.random.default_rng(0), net)
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
        return infinite._recursion(f, a[:, None], a[None], f.sigma_w**2 * K, below).ntk

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


# Descent.


def problem(net, d=2, n=6, width=512, outputs=1, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n + 2, 3)), rng.normal(size=(n, outputs))
    g = Wide(1, net.activation)
    K, theta = infinite.kernels(g, X)
    return WideLayer.draw(net, d, width, rng, outputs), infinite.bottleneck(K, d, rng), theta, Y


def plain_descent(start, net, Z, theta_g, Y, rate, steps):
    """Follow the recursion with loops: sums over the past, written as on paper."""
    N, past, Z = len(Y), [], Z.copy()
    first, seen = start(Z), []
    for _ in range(steps):
        F = start(Z) - first
        slope = np.zeros((N, Y.shape[1], Z.shape[1]))
        for c in range(Y.shape[1]):
            pick = np.zeros((N, Y.shape[1]))
            pick[:, c] = 1
            slope[:, c] = start.backward(start.forward(Z[:N])[1], pick, 0.0)[0]
        for points, chi in past:
            F = F - rate * infinite.kernels(net, Z, points)[1] @ chi
            slope -= rate * np.einsum("jc,ijd->icd", chi, infinite.ntk_gradient(net, Z[:N], points))
        seen.append(F[:N])
        chi = (F[:N] - Y) / N
        past.append((Z[:N].copy(), chi))
        Z = Z - rate * theta_g[:, :N] @ np.einsum("ic,icd->id", chi, slope)
    return np.array(seen), Z


def differences(fn, x, step=1e-6):
    """Return the gradient of a number by an array, by central differences."""
    steps = step * np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([fn(x + h) - fn(x - h) for h in steps]).reshape(x.shape) / (2 * step)


@pytest.mark.parametrize("activation", infinite.ACTIVATIONS)
def test_a_wide_layer_is_its_formula(activation):
    """Values, the errors that it passes on, and a step of its own weights, with all scales other than one."""
    net, d, m = Wide(1, activation, 1.3, 0.6), 2, 7
    rng, (phi, _) = np.random.default_rng(0), function(activation)
    layer, Z, chi, rate = WideLayer.draw(net, d, m, rng, 2), rng.normal(size=(5, d)), rng.normal(size=(5, 2)), 0.1

    def value(U, v, b, Z):
        return phi(1.3 * Z @ U.T / np.sqrt(d) + 0.6 * b) @ v / np.sqrt(m)

    U, v, b = layer.U, layer.v, layer.b
    np.testing.assert_allclose(layer(Z), value(U, v, b, Z), atol=1e-12)
    delta, after = layer.backward(layer.forward(Z)[1], chi, rate)
    np.testing.assert_allclose(delta, differences(lambda z: np.sum(chi * value(U, v, b, z)), Z), atol=1e-7)
    slopes = (
        differences(lambda a: np.sum(chi * value(a, v, b, Z)), U),
        differences(lambda a: np.sum(chi * value(U, a, b, Z)), v),
        differences(lambda a: np.sum(chi * value(U, v, a, Z)), b),
    )
    for new, old, slope in zip((after.U, after.v, after.b), (U, v, b), slopes, strict=True):
        np.testing.assert_allclose(new, old - rate * slope, atol=1e-8)


@pytest.mark.parametrize("square", [True, False])
def test_a_frozen_kernel_carries_points_that_are_not_trained_on(square):
    rng = np.random.default_rng(1)
    A = rng.normal(size=(7, 7))
    K, y, F, rate = A @ A.T, rng.normal(size=(4, 1)), rng.normal(size=(7, 1)), 0.05
    states = infinite.descend_frozen(K if square else K[:, :4], y, rate, F=F)
    for step in range(5):
        found = next(states)
        assert found[0] == step
        np.testing.assert_allclose(found[2], F, atol=1e-12)
        F = F - rate * K[:, :4] @ (F[:4] - y) / 4


@pytest.mark.parametrize("net", [Wide(1, "relu", 1.1, 0.3), ERF, Wide(2, "relu")], ids=["relu", "erf", "deep"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_history_is_the_recursion(net, outputs):
    start, Z, theta, Y = problem(Wide(1, net.activation, net.sigma_w, net.sigma_b), outputs=outputs)
    states = infinite.descend(History(start, net), Z, theta, Y, 0.4)
    found = [next(states) for _ in range(9)]
    F, Z_end = plain_descent(start, net, Z, theta, Y, 0.4, 8)
    np.testing.assert_allclose([s.F for s in found[:8]], F, atol=1e-10)
    np.testing.assert_allclose(found[8].Z, Z_end, atol=1e-10)
    np.testing.assert_allclose(found[3].outputs()[: len(Y)], F[3], atol=1e-10)


def last(states, steps):
    return next(state for state in states if state.step == steps)


@pytest.mark.parametrize("net", [RELU, Wide(1, "erf", 1.1, 0.3)], ids=["relu", "erf"])
def test_float32_changes_a_run_by_its_rounding(net):
    """The same weights, rounded: 60 steps of 6e-8 times sums of 512 terms, and the points do not diverge here."""
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    K, theta = infinite.kernels(Wide(1, net.activation), X)
    runs = []
    for dtype in (np.float64, np.float32):
        rng = np.random.default_rng(4)
        f = WideLayer.draw(net, 2, 512, rng, 2, dtype)
        runs.append(last(infinite.descend(f, infinite.bottleneck(K, 2, rng), theta, Y, 0.3), 60))
        assert runs[-1].f.U.dtype == runs[-1].f.v.dtype == dtype
    assert 0 < np.abs(runs[0].F - runs[1].F).max() < 1e-3
    assert np.abs(runs[0].F).max() > 0.1


def test_wide_layers_approach_the_history():
    """Halving the error needs four times the width."""
    errors = []
    for width in (256, 4096):
        gaps = []
        for seed in range(5):
            start, Z, theta, Y = problem(ERF, width=width, seed=seed)
            a, b = (last(infinite.descend(f, Z, theta, 2 * Y, 0.5), 25).F for f in (start, History(start, ERF)))
            gaps.append(np.sqrt(np.mean((a - b) ** 2)))
        errors.append(np.median(gaps))
    assert errors[1] < errors[0] / 2 < 0.2


def test_merging_converges_and_saves_centres():
    start, Z, theta, Y = problem(ERF)
    runs = [last(infinite.descend(History(start, ERF, m), Z, theta, 2 * Y, 0.5), 60) for m in (0.0, 0.02, 0.2)]
    errors = [np.max(np.abs(run.F - runs[0].F)) for run in runs]
    assert 0 < errors[1] < errors[2] / 3
    assert errors[1] < 1e-2
    assert len(runs[2].f.centres) < len(runs[1].f.centres) < len(runs[0].f.centres) == 360
    assert runs[0].f.shift == 0 < runs[1].f.shift < runs[2].f.shift


def replay(states, steps, net, merge):
    """Book the same points and errors with and without merging."""
    first = next(states)
    exact, merged = History(first.f.start, net), History(first.f.start, net, merge)
    for state in states:
        if state.step > steps:
            break
        _, tape = merged.forward(state.Z[: len(state.F)])
        chi = np.random.default_rng(state.step).normal(size=state.F.shape)
        merged = merged.backward(tape, chi, 0.1)[1]
        exact = exact.backward(exact.forward(state.Z[: len(state.F)])[1], chi, 0.1)[1]
    return exact, merged


def check_shift(constant):
    start, Z, theta, Y = problem(RELU)
    exact, merged = replay(infinite.descend(History(start, RELU), Z, theta, 4 * Y, 0.5), 40, RELU, 0.3)
    assert merged.shift > 0
    points = np.random.default_rng(0).normal(size=(200, 2))
    gap = np.abs(exact(points) - merged(points))[:, 0]
    assert np.all(gap <= constant * np.linalg.norm(points, axis=1) / 2 * merged.shift + 1e-12)


def test_samples_merge_up_to_the_distance_and_no_further():
    """In the norm divided by the root of d, so that 0.25 in each of four coordinates is the distance 0.25."""
    zero = WideLayer(RELU, np.zeros((3, 4)), np.zeros((3, 1)), np.zeros(3))
    Z, chi = np.eye(4)[:1] + 1.0, np.array([[3.0]])
    for step, centres, shift in ((0.25, 1, 0.1 * 3 * 0.5), (0.25 * (1 + 1e-9), 2, 0.0)):
        f = History(zero, RELU, 0.25)
        for at in (Z, Z + step):
            f = f.backward(f.forward(at)[1], chi, 0.1)[1]
        assert len(f.centres) == centres
        assert f.shift == pytest.approx(shift, rel=1e-12)


def test_shift_bounds_what_merging_changes():
    check_shift(2 + 2 / np.pi)
    with pytest.raises(AssertionError):
        check_shift(1e-3)


@given(SEEDS)
def test_lipschitz_constant_of_the_relu_kernel(seed):
    Z, Y = apart(np.random.default_rng(seed), RELU)
    slope = np.linalg.norm(infinite.ntk_gradient(RELU, Y, Z), axis=2)
    assert np.all(slope <= (2 + 2 / np.pi) * np.linalg.norm(Z, axis=1) / 3 + 1e-12)


def test_cross_entropy_has_its_derivative():
    rng = np.random.default_rng(0)
    F, Y = rng.normal(size=(4, 3)), np.eye(3)[[0, 2, 1, 1]]
    h, chi = 1e-6, infinite.cross_entropy(F, Y)[1]
    for i, c in np.ndindex(F.shape):
        step = np.zeros_like(F)
        step[i, c] = h
        slope = (infinite.cross_entropy(F + step, Y)[0] - infinite.cross_entropy(F - step, Y)[0]) / (2 * h)
        assert chi[i, c] == pytest.approx(slope, abs=1e-8)
    assert np.isfinite(infinite.cross_entropy(1e4 * F, Y)[0])


def test_frozen_descent_is_linear_algebra():
    rng = np.random.default_rng(0)
    A, y = rng.normal(size=(5, 5)), rng.normal(size=5)
    kernel = A @ A.T
    rate = 0.9 * infinite.edge(kernel)
    *_, (_, _, F) = (state for state, _ in zip(infinite.descend_frozen(kernel, y, rate), range(31), strict=False))
    expected = y - np.linalg.matrix_power(np.eye(5) - rate * kernel / 5, 30) @ y
    np.testing.assert_allclose(F[:, 0], expected, atol=1e-10)
    assert infinite.target_norm(kernel, y) == pytest.approx(y @ np.linalg.solve(kernel, y))


def test_the_moving_kernel_moves_the_outputs():
    """To first order in the rate a step changes F by -rate Theta_t chi."""
    start, Z, theta, Y = problem(RELU, width=200_000, seed=2)
    Z, theta = Z[: len(Y)], theta[: len(Y), : len(Y)]
    rate = 1e-5
    states = infinite.descend(start, Z, theta, Y, rate)
    first, second = next(states), next(states)
    step = -rate * infinite.moving_ntk(start, Z, theta) @ (first.F - Y) / len(Y)
    # The kernel of the layer itself deviates by its width^(-1/2).
    np.testing.assert_allclose(second.F - first.F, step, atol=0.02 * np.max(np.abs(step)))


# Bad input.


@pytest.mark.parametrize("f", [WideLayer, History], ids=["layer", "history"])
def test_divergence_names_its_step(f):
    start, Z, theta, Y = problem(RELU)
    f = start if f is WideLayer else History(start, RELU)
    with pytest.raises(infinite.Divergence, match=r"learning rate 1e\+06 diverged at step \d+\.$") as error:
        last(infinite.descend(f, Z, theta, Y, 1e6), 1000)
    assert 0 < error.value.step < 50


def test_a_rate_just_above_the_edge_diverges_and_just_below_does_not():
    kernel = np.diag([1.0, 3.0])
    for factor, ends in ((1.05, True), (0.95, False)):
        states = infinite.descend_frozen(kernel, [1.0, 1.0], factor * infinite.edge(kernel))
        try:
            assert next(value for step, value, _ in states if step == 2000) < 1
            diverged = False
        except infinite.Divergence:
            diverged = True
        assert diverged == ends


def losses_until_divergence(states):
    losses = []
    with pytest.raises(infinite.Divergence) as error:
        losses.extend(state[1] for state, _ in zip(states, range(100), strict=False))
    assert error.value.step == len(losses)
    return np.array(losses)


@pytest.mark.parametrize("kind", ["frozen", "moving"])
def test_divergence_is_relative_to_the_first_loss(kind):
    """Where no point moves everything is linear in the targets, so that their size changes no step."""
    start, Z, _, Y = problem(ERF)
    start, Z, runs = replace(start, v=0 * start.v), Z[:6], []
    kernel = infinite.kernels(ERF, Z)[1]
    rate = 1.5 * infinite.edge(kernel)
    for size in (1e-140, 1e-8, 1.0, 1e8):
        if kind == "frozen":
            states = infinite.descend_frozen(kernel, size * Y, rate)
        else:
            states = infinite.descend(History(start, ERF), Z, 0 * kernel, size * Y, rate)
        runs.append(losses_until_divergence(states) / size**2)
        np.testing.assert_allclose(runs[-1], runs[0], rtol=1e-6)
    assert 1e7 < np.max(runs[0]) / runs[0][0] <= 1e8


def test_kernels_of_any_size_are_taken_alike():
    """What counts as rounding, parallel or singular is relative: all of these are homogeneous."""
    X = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    K, c = infinite.kernels(RELU, X)[0], np.array([0.3, -0.9, 0.0])
    for size in (1e-14, 1e14):
        drawn = (infinite.bottleneck(s * K, 2, np.random.default_rng(0)) for s in (1.0, size))
        np.testing.assert_allclose(next(drawn) * np.sqrt(size), next(drawn), rtol=1e-9)
        one, other = infinite.dual("relu", 1.0, 1.0, c), infinite.dual("relu", size, size, size * c)
        np.testing.assert_allclose(np.stack(other), [size * one.K, one.Kd, one.Kdd / size, one.Ka, one.Kda / size])
        norm = infinite.target_norm(size * np.diag([2.0, 1.0]), [2.0, 1.0])
        assert norm == pytest.approx(3.0 / size)


def test_a_bias_lets_a_relu_kernel_see_the_origin():
    K, theta = infinite.kernels(Wide(sigma_b=0.5), np.zeros((1, 2)))
    assert (K[0, 0], theta[0, 0]) == pytest.approx((0.25, 0.5))


def test_a_bottleneck_may_be_as_wide_as_there_are_points():
    assert infinite.bottleneck(np.eye(2), 2, np.random.default_rng(0)).shape == (2, 2)


def test_an_infinite_loss_is_divergence():
    with pytest.raises(infinite.Divergence):
        next(infinite.descend_frozen([[1.0]], [1e200], 0.5))


BAD = {
    "activation must be one of": lambda: Wide(activation="tanh"),
    "depth must be an integer >= 1": lambda: Wide(depth=0),
    "sigma_w must be a finite number": lambda: Wide(sigma_w=-1.0),
    "Row 1 of X is zero": lambda: infinite.kernels(RELU, [[1.0], [0.0]]),
    "X must have shape": lambda: infinite.kernels(RELU, [1.0]),
    "Y must have shape": lambda: infinite.kernels(RELU, [[1.0]], [[1.0, 2.0]]),
    "X must be finite": lambda: infinite.kernels(ERF, [[np.nan]]),
    "d must be an integer >= 1, but it is 0": lambda: infinite.bottleneck(np.eye(2), 0, np.random.default_rng()),
    "d = 3 is no bottleneck for 2 points": lambda: infinite.bottleneck(np.eye(2), 3, np.random.default_rng()),
    "positive semidefinite": lambda: infinite.bottleneck([[1.0, 2.0], [2.0, 1.0]], 1, np.random.default_rng()),
    "positive definite": lambda: infinite.target_norm(infinite.limit_kernel(RELU, RELU, [[1.0], [1.0]]), [0.0, 1.0]),
    "eigenvalues start at 0": lambda: infinite.target_norm(np.zeros((2, 2)), [0.0, 1.0]),
    "square matrix": lambda: infinite.edge([1.0]),
    "one hidden layer": lambda: WideLayer.draw(Wide(depth=2), 1, 8, np.random.default_rng()),
    "Z must have shape": lambda: infinite.descend(problem(RELU)[0], np.ones((2, 2)), np.eye(2), np.ones(3), 0.1),
    "must be positive, but it is 0": lambda: infinite.descend(*problem(RELU), 0.0),
    "learning_rate must be": lambda: infinite.descend(*problem(RELU), -1.0),
    "kernel must have shape": lambda: infinite.descend_frozen(np.eye(2), np.ones(3), 0.1),
    r"F must have shape \(3, 1\)": lambda: infinite.descend_frozen(np.eye(3), np.ones(3), 0.1, F=np.zeros(3)),
    "kernel, Y and F must be finite": lambda: infinite.descend_frozen(np.eye(1), [1.0], 0.1, F=[[np.nan]]),
    "positive, but it is 0": lambda: infinite.descend_frozen(np.eye(1), [1.0], 0.0),
    "as many columns as f has outputs, 1": lambda: infinite.descend(*problem(RELU)[:3], np.ones((6, 2)), 0.1),
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


def test_coincident_inputs_have_a_bottleneck():
    K, theta = infinite.kernels(RELU, [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    Z = infinite.bottleneck(K, 2, np.random.default_rng(0))
    state = last(
        infinite.descend(WideLayer.draw(RELU, 2, 64, np.random.default_rng(0)), Z, theta, [1.0, 1, 0], 0.1), 50
    )
    assert np.allclose(state.F[0], state.F[1], atol=1e-2)


@settings(max_examples=20)
@given(SEEDS, st.booleans())
def test_the_recursion_stays_finite_at_cone_points(seed, parallel):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(3, 2))
    Z[1] = (-2 if parallel else 1) * Z[0]
    found = infinite.ntk_gradient(Wide(2, "relu"), Z, Z)
    assert np.all(np.isfinite(found))
