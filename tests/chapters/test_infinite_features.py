"""What the bottleneck of an infinitely wide network learns, for erf and by the exact history, unlike the chapter."""

import numpy as np
import pytest

from bnlib import infinite
from bnlib.wide.infinite import History, Wide, WideLayer

ERF = Wide(activation="erf")
N = 8


def inputs():
    X = np.random.default_rng(0).normal(size=(N, 5))
    y = np.sin(X[:, 0]) * X[:, 1]
    return X, (y - y.mean()) / y.std()


def run(s, d, seed, share, steps):
    X, y = inputs()
    rng = np.random.default_rng([d, seed])
    K, theta = infinite.kernels(ERF, X)
    rate = share * infinite.edge(infinite.limit_kernel(ERF, ERF, X))
    start = History(WideLayer.draw(ERF, d, 2048, rng), ERF)
    states = infinite.descend(start, infinite.bottleneck(K, d, rng, beyond=True), theta, s * y, rate)
    first = next(states)
    last = next(state for state in states if state.step == steps or state.loss < 0.01 * first.loss)
    return first, last, theta, y


def movements(seeds=4):
    """Return the relative movements of points and of their kernel, means over seeds, for four dimensions."""
    table = []
    for d in (8, 32, 128, 512):
        found = []
        for seed in range(seeds):
            first, last, *_ = run(1, d, seed, 0.2, 12)
            G, H = (state.Z @ state.Z.T for state in (first, last))
            moved = np.linalg.norm(last.Z - first.Z) / np.linalg.norm(first.Z)
            found.append((moved, np.linalg.norm(H - G) / np.linalg.norm(G)))
        table.append(np.mean(found, axis=0))
    return np.array(table).T


def check_slope(values, wanted=-0.5):
    slope = np.polyfit(np.log([8, 32, 128, 512]), np.log(values), 1)[0]
    assert slope == pytest.approx(wanted, abs=0.12)


def test_movement_falls_with_the_root_of_the_dimension():
    points, kernel = movements()
    check_slope(points)
    with pytest.raises(AssertionError):
        check_slope(kernel)


def slopes(f, Z):
    """Return the gradients of f by central differences."""
    h = 1e-5
    return np.stack([(f(Z + h * e) - f(Z - h * e))[:, 0] / (2 * h) for e in np.eye(Z.shape[1])], axis=1)


def growth(s, seed, share):
    """Return by how much the quotient of the moving kernel on the target has grown."""
    first, last, theta, y = run(s, 5, seed, share, 200)
    found = []
    for state in (first, last):
        gradients = slopes(state.f, state.Z)
        kernel = infinite.kernels(ERF, state.Z)[1] + theta * (gradients @ gradients.T)
        found.append(y @ kernel @ y)
    return found[1] / found[0]


def test_the_kernel_grows_along_large_targets():
    large = np.median([growth(10, seed, 0.03) for seed in range(3)])
    unit = np.median([growth(1, seed, 0.1) for seed in range(3)])
    # In the linear model the quotient grows in proportion to the target's scale, once it grows much.
    assert large > 3 * unit
