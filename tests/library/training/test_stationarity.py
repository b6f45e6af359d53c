"""Distance from a stationary point: known values at a kink, brute force over slopes, and Newton's method."""

import itertools
import sys

import numpy as np
import pytest
from scipy import optimize

import bnlib as bn
import engine
import reference

module = sys.modules["bnlib.training.stationarity"]  # the function has taken its name
RIDGE = 0.1


def kinked(slope, ridge=RIDGE):
    """Return f(x) = max(wx, 0)w + c with w=1, and data x=0 on its kink and x=1, stationary at one slope there only.

    With the residuals r_0 = 2 ridge/slope and r_1 = -2 ridge, and c = -(r_0 + r_1)/(2 ridge), the derivatives of the
    objective are zero, but for that by the bias inside, which is r_0 s + r_1 = 2 ridge (s/slope - 1) at slope s.
    """
    r = np.array([2 * ridge / slope, -2 * ridge])
    c = -np.sum(r) / (2 * ridge)
    net = bn.from_layers([([[1.0]], [0.0]), ([[1.0]], [c])])
    return net, np.array([[0.0], [1.0]]), np.array([[c - r[0]], [1.0 + c - r[1]]])


def check_kink(slope):
    """Assert the two residuals that follow: autodiff takes s = 0, the shortest gradient takes the best s in [0, 1]."""
    net, X, Y = kinked(slope)
    found = bn.stationarity(net, X, Y, RIDGE)
    size = np.sqrt(reference.squared_norm(net))
    assert found.kinks == 1
    assert found.gradient == pytest.approx(1 / size, rel=1e-12)
    assert found.clarke == pytest.approx(abs(np.clip(slope, 0, 1) / slope - 1) / size, abs=1e-6)
    assert found.imbalance == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("slope", [0.4, 2.0])
def test_a_kink_where_autodiff_sees_no_stationary_point(slope):
    check_kink(slope)


def without_ridge(net, X, Y, ridge, masks, loss):
    return OBJECTIVE(net, X, Y, 0.0, masks, loss)


OBJECTIVE = module._objective
BROKEN = {
    "no ridge": ("_objective", without_ridge),
    "fixed slopes": ("minimize", lambda evaluate, start, **_: optimize.OptimizeResult(fun=evaluate(start)[0] + 1)),
    "any slope": ("minimize", lambda *args, bounds, **rest: optimize.minimize(*args, **rest)),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_another_measure_is_caught(monkeypatch, broken):
    monkeypatch.setattr(module, *BROKEN[broken])
    with pytest.raises(AssertionError):
        check_kink(2.0 if broken == "any slope" else 0.4)


def slopes_gradient(net, X, Y, ridge, masks):
    """Return the gradient relative to the ridge's, with prescribed slopes (layers, inputs, neurons)."""
    both = reference.layers(net)
    total = [[2 * ridge * W, 2 * ridge * b] for W, b in both]
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        pre, post = reference.forward(net, x)
        g = 2 * (pre[-1] - y) / len(X)
        for layer in range(net.depth - 1, -1, -1):
            total[layer][0] = total[layer][0] + np.outer(g, post[layer])
            total[layer][1] = total[layer][1] + g
            if layer:
                g = masks[layer - 1, i] * (both[layer][0].T @ g)
    flat = np.concatenate([np.ravel(part) for pair in total for part in pair])
    return flat / (2 * ridge * np.sqrt(reference.squared_norm(net)))


def with_kinks(seed, places):
    """Return a random network whose biases put given (layer, input, neuron) on kinks, from the first layer on."""
    rng = np.random.default_rng(seed)
    sizes = [2, 3, 3, 2]
    layers = [[rng.normal(size=(o, i)), rng.normal(size=o)] for i, o in itertools.pairwise(sizes)]
    X, Y = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    for layer, i, neuron in places:
        pre, _ = reference.forward(bn.from_layers(layers), X[i])
        layers[layer][1][neuron] -= pre[layer][neuron]
    return bn.from_layers(layers), X, Y


@pytest.mark.parametrize("places", [[(0, 0, 0), (0, 1, 1), (0, 1, 2)], [(0, 0, 0), (1, 1, 1), (1, 0, 2)]], ids=str)
def test_the_shortest_gradient_is_that_of_brute_force(places):
    """Kinks of one layer, where the problem is convex, and of two, where it need not be."""
    for seed in range(2):
        net, X, Y = with_kinks(seed, places)
        found = bn.stationarity(net, X, Y, RIDGE, kink=1e-9)
        assert found.kinks == 3
        pre = np.stack([np.stack([reference.forward(net, x)[0][layer] for x in X]) for layer in range(2)])

        def gradient(slopes, net=net, X=X, Y=Y, pre=pre):
            masks = (pre > 0).astype(float)
            masks[tuple(np.transpose(places))] = slopes
            return slopes_gradient(net, X, Y, RIDGE, masks)

        # Rounding decides on which side of its kink autodiff sees a neuron.
        corners = [np.linalg.norm(gradient(np.array(s))) for s in itertools.product((0, 1), repeat=3)]
        assert np.min(np.abs(np.divide(corners, found.gradient) - 1)) < 1e-9
        grid = min(itertools.product(np.linspace(0, 1, 5), repeat=3), key=lambda s: np.linalg.norm(gradient(s)))
        least = np.sqrt(2 * optimize.least_squares(gradient, np.clip(grid, 0.01, 0.99), bounds=(0, 1)).cost)
        # An upper bound of the least length, and no worse than what a grid or autodiff finds.
        assert found.clarke >= least * (1 - 1e-6)
        assert found.clarke <= min(found.gradient, np.linalg.norm(gradient(grid))) + 1e-9


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_a_kink_is_near_in_units_of_its_neuron(size):
    """Two neurons, a thousand times apart, at 0 and at 0.999 and 1.001 thousandths of their root mean square."""
    near = 1e-3 * np.sqrt(2 / 5)
    X = np.array([[1.0], [-1.0], [0.0], [0.999 * near], [1.001 * near]])
    net = bn.from_layers([([[size], [1000 * size]], None), ([[1.0, 1.0]], None)])
    assert bn.stationarity(net, X, np.zeros((5, 1)), RIDGE, iterations=1).kinks == 4
    assert bn.stationarity(net, X, np.zeros((5, 1)), RIDGE, kink=0, iterations=1).kinks == 2


def test_kinks_that_cancel_hide_a_gradient():
    """What the docstring admits: an input that appears twice has one slope, but may be given two.

    Here the residuals at x=0 cancel, so that the objective has a derivative -2 ridge by the bias on both sides.
    """
    r = 3 * RIDGE * np.array([2.0, -2.0, -1.0])
    c = -np.sum(r) / (3 * RIDGE)
    X, Y = np.array([[0.0], [0.0], [1.0]]), (np.array([0.0, 0.0, 1.0]) + c - r)[:, None]

    def objective(bias):
        net = bn.from_layers([([[1.0]], [bias]), ([[1.0]], [c])])
        return np.mean(np.sum((np.asarray(bn.apply(net, X)) - Y) ** 2, axis=1)) + RIDGE * reference.squared_norm(net)

    for h in (1e-6, -1e-6):
        assert (objective(h) - objective(0.0)) / h == pytest.approx(-2 * RIDGE, rel=1e-4)
    found = bn.stationarity(bn.from_layers([([[1.0]], [0.0]), ([[1.0]], [c])]), X, Y, RIDGE)
    assert found.gradient == pytest.approx(1 / np.sqrt(2 + c**2))
    assert found.clarke < 1e-6


def test_imbalance_is_relative_to_the_largest_neuron():
    net = bn.from_layers([([[2.0], [1.0]], [0.0, 1.0]), ([[1.0, 1.0]], [3.0])])
    found = bn.stationarity(net, [[1.0]], [[0.0]], RIDGE)
    assert found.imbalance == pytest.approx(3 / 4)  # |4 - 1| against 4
    assert found.gap == pytest.approx(bn.optimality_gap(net, [[1.0]]))


def test_depth_one_is_smooth():
    """At the least squares solution with a ridge, which is known, the gradient vanishes."""
    found = bn.stationarity(bn.from_layers([([[1.6]], [0.0])]), [[-1.0], [1.0]], [[-2.0], [2.0]], 0.25)
    assert found[:4] == pytest.approx((0.0, 0.0, 0.0, 0), abs=1e-12)


def test_a_network_of_zeros_is_measured_absolutely():
    net = bn.from_layers([(np.zeros((2, 1)), None), (np.zeros((1, 2)), None)])
    found = bn.stationarity(net, [[1.0], [2.0]], [[1.0], [3.0]], RIDGE)
    assert found[:4] == pytest.approx((4.0, 4.0, 0.0, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": 0.0}, "ridge must be positive"),
        ({"ridge": float("nan")}, "ridge must be a finite number >= 0, but it is nan"),
        ({"ridge": float("inf")}, "ridge must be a finite number >= 0, but it is inf"),
        ({"Y": np.zeros((1, 1))}, "X and Y must have the same length, but they have 2 and 1 rows"),
        ({"X": np.zeros((2, 3))}, r"X must have shape \(N, 1\)"),
        ({"Y": np.full((2, 1), np.nan)}, "Y must be finite"),
    ],
)
def test_bad_input_is_refused(change, message):
    net, X, Y = kinked(0.5)
    given = {"net": net, "X": X, "Y": Y, "ridge": RIDGE} | change
    with pytest.raises(ValueError, match=message):
        bn.stationarity(**given)
    with pytest.raises(ValueError, match=message.replace("ridge must be p", "ridge and width must be p")):
        bn.stationary_point(**given, width=0.1)


def test_bad_settings_are_refused():
    net, X, Y = kinked(0.5)
    leaky = bn.from_layers(net.layers, negative_slope=0.1)
    with pytest.raises(ValueError, match=r"Only ReLU networks are supported, but negative_slope is 0\.1"):
        bn.stationarity(leaky, X, Y, RIDGE)
    with pytest.raises(ValueError, match="kink must be a finite number >= 0"):
        bn.stationarity(net, X, Y, RIDGE, kink=-1.0)
    with pytest.raises(ValueError, match="iterations must be an integer >= 1"):
        bn.stationarity(net, X, Y, RIDGE, iterations=0)
    with pytest.raises(ValueError, match=r"ridge and width must be positive, but they are 0\.1 and 0"):
        bn.stationary_point(net, X, Y, RIDGE, width=0)


def smoothed_gradient(net, X, Y, ridge, width):
    """Return the relative gradient of the smoothed objective by central differences, which share nothing."""

    def objective(v):
        total, at = 0.0, 0
        layers = []
        for W, b in reference.layers(net):
            layers.append((v[at : at + W.size].reshape(W.shape), v[at + W.size : at + W.size + b.size]))
            at += W.size + b.size
        h = X
        for W, b in layers[:-1]:
            z = h @ W.T + b
            h = np.where(z > width, z, np.where(z > -width, (z + width) ** 2 / (4 * width), 0.0))
        W, b = layers[-1]
        total = np.mean(np.sum((h @ W.T + b - Y) ** 2, axis=1))
        return total + ridge * np.sum(v**2)

    flat = np.concatenate([np.ravel(part) for pair in reference.layers(net) for part in pair])
    steps = 1e-5 * np.eye(len(flat))
    gradient = np.array([(objective(flat + e) - objective(flat - e)) / 2e-5 for e in steps])
    return np.linalg.norm(gradient) / (2 * ridge * np.linalg.norm(flat))


def test_a_stationary_point_is_found():
    X, Y = engine.data()
    net, ridge, width = engine.start(depth=5, width=6), 0.01, 0.1
    found, residual = bn.stationary_point(net, X, Y, ridge, width=width)
    assert residual <= 1e-6
    # Differences of an objective of order 1, by steps of 1e-5, are good to about 1e-16/1e-5, against a ridge of 0.02.
    assert smoothed_gradient(found, X, Y, ridge, width) <= 1e-6
    assert smoothed_gradient(net, X, Y, ridge, width) > 0.1


def test_a_stationary_point_is_found_of_the_cross_entropy():
    """All inputs are on the linear side of the one neuron, so that smoothing changes nothing there."""
    X, Y = np.array([[1.0], [2.0], [3.0]]), np.eye(2)[[0, 1, 0]]
    start = bn.from_layers([([[1.2]], [0.5]), ([[1.0], [-1.0]], None)])
    net, gradient = bn.stationary_point(start, X, Y, 0.01, width=0.01, loss="cross-entropy")
    assert gradient < 1e-9
    assert bn.stationarity(net, X, Y, 0.01, loss="cross-entropy").gradient < 1e-9
    assert bn.stationarity(net, X, Y, 0.01).gradient > 1e-2
    with pytest.raises(ValueError, match="sum to one"):
        bn.stationarity(net, X, 2 * Y, 0.01, loss="cross-entropy")
    with pytest.raises(ValueError, match="loss must be one of"):
        bn.stationary_point(net, X, Y, 0.01, width=0.1, loss="hinge")
