"""Wide layers, histories and descent in function space, against loops, differences and formulas."""

from dataclasses import replace

import numpy as np
import pytest

from bnlib import infinite
from bnlib.wide.infinite import History, Wide, WideLayer
from wide_networks import ERF, RELU, function


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


def test_points_of_kernels_of_any_size_are_drawn_alike():
    """What is added before the factorisation is relative to the kernel."""
    K = infinite.kernels(RELU, [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[0]
    for size in (1e-14, 1e14):
        drawn = (infinite.bottleneck(s * K, 2, np.random.default_rng(0)) for s in (1.0, size))
        np.testing.assert_allclose(next(drawn) * np.sqrt(size), next(drawn), rtol=1e-9)


def test_a_bottleneck_may_be_as_wide_as_there_are_points():
    assert infinite.bottleneck(np.eye(2), 2, np.random.default_rng(0)).shape == (2, 2)


def test_an_infinite_loss_is_divergence():
    with pytest.raises(infinite.Divergence):
        next(infinite.descend_frozen([[1.0]], [1e200], 0.5))


BAD = {
    "d must be an integer >= 1, but it is 0": lambda: infinite.bottleneck(np.eye(2), 0, np.random.default_rng()),
    "d = 3 is no bottleneck for 2 points": lambda: infinite.bottleneck(np.eye(2), 3, np.random.default_rng()),
    "positive semidefinite": lambda: infinite.bottleneck([[1.0, 2.0], [2.0, 1.0]], 1, np.random.default_rng()),
    "one hidden layer": lambda: WideLayer.draw(Wide(depth=2), 1, 8, np.random.default_rng()),
    "Z must have shape": lambda: infinite.descend(problem(RELU)[0], np.ones((2, 2)), np.eye(2), np.ones(3), 0.1),
    "must be positive, but it is 0": lambda: infinite.descend(*problem(RELU), 0.0),
    "learning_rate must be": lambda: infinite.descend(*problem(RELU), -1.0),
    "kernel must have shape": lambda: infinite.descend_frozen(np.eye(2), np.ones(3), 0.1),
    r"F must have shape \(3, 1\)": lambda: infinite.descend_frozen(np.eye(3), np.ones(3), 0.1, F=np.zeros(3)),
    "kernel, Y and F must be finite": lambda: infinite.descend_frozen(np.eye(1), [1.0], 0.1, F=[[np.nan]]),
    "positive, but it is 0": lambda: infinite.descend_frozen(np.eye(1), [1.0], 0.0),
    "as many columns as f has outputs, 1": lambda: infinite.descend(*problem(RELU)[:3], np.ones((6, 2)), 0.1),
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
